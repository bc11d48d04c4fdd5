"""Docstrings of public names: examples stand by themselves, and the site shows formulas as they are written."""

import builtins
import doctest
import importlib
import inspect
import re
import symtable
import sys

import pytest

from tests.package.test_site import DOCS, LISTED, docstrings_of, found_at

SHOWN = {
    **{f"{module}.{name}": docstrings_of(found_at((module, name))) for module, name in LISTED["page"]},
    **{module: [importlib.import_module(module).__doc__] for module, _ in LISTED["page"] + LISTED["data"]},
}


def scopes(table):
    yield table
    for child in table.get_children():
        yield from scopes(child)


def unbound(text):
    """Return the names that the examples of a docstring use before they import or assign them."""
    known, missing = set(dir(builtins)), set()
    for example in doctest.DocTestParser().get_examples(text):
        top = symtable.symtable(example.source, "example", "exec")
        bound = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
        used = {
            s.get_name()
            for table in scopes(top)
            for s in table.get_symbols()
            if s.is_referenced() and (table is top or s.is_global())
        }
        known |= bound
        missing |= used - known
    return missing


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (">>> bspline(2)", {"bspline"}),
        (">>> from refkan.truth import bspline\n>>> bspline(2)", set()),
        (">>> [np.sin(x) for x in range(3)]", {"np"}),
        (">>> value = lambda x: scale * x", {"scale"}),
        (">>> class Line:\n...     def value(self, x):\n...         return np.sum(x)", {"np"}),
        (">>> y = x\n>>> x = 1", {"x"}),
        (">>> def f(n):\n...     return f(n - 1) if n else len('')", set()),
    ],
)
def test_names_that_an_example_lacks_are_found(text, names):
    assert unbound(text) == names


def test_examples_run_when_they_are_pasted_into_a_fresh_session():
    lacking = {name: found for name, texts in SHOWN.items() if (found := set().union(*map(unbound, texts)))}
    assert not lacking, "these examples use names that they neither import nor assign"


@pytest.fixture
def escape(monkeypatch):
    """What the site does to the lines of a docstring before Sphinx reads them."""
    monkeypatch.syspath_prepend(str(DOCS / "_extensions"))
    yield importlib.import_module("plain_docstrings").escape
    sys.modules.pop("plain_docstrings", None)


def test_marks_are_escaped_in_sentences_alone(escape):
    text = """The norm |r| of c_ is a * b, not ``|r|``::

        |r| = c_{i+1} * 2

    and |s| thereafter.

    >>> f(a * b)
    c_
    """
    assert "\n".join(escape(inspect.cleandoc(text).splitlines())) == inspect.cleandoc(
        text.replace("norm |r|", r"norm \|r\|")
        .replace("of c_", r"of c\_")
        .replace("a * b, not", r"a \* b, not")
        .replace("and |s|", r"and \|s\|")
    )


def test_the_site_shows_the_formulas_of_docstrings_as_they_are_written(escape):
    texts = [inspect.cleandoc(text) for texts in SHOWN.values() for text in texts]
    blocks = [
        line
        for text in texts
        for found in re.finditer(r"^( *)(?:\S.*)?::\n((?:\1 +\S.*\n|\n)+)", text + "\n", re.MULTILINE)
        for line in found[2].splitlines()
        if re.search(r"[|*]|\w_\W", line)
    ]
    assert len(blocks) > 20
    shown = {line for text in texts for line in escape(text.splitlines())}
    assert [line for line in blocks if line not in shown] == []
