"""Pages and docstrings: what they name exists, and their examples stand by themselves."""

import builtins
import doctest
import importlib
import inspect
import json
import re
import symtable
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest

import refkan as rk
from refkan.kernels import plain_sums
from tests.package.test_site import DOCS, LISTED, docstrings_of, found_at
from tests.shared.public_names import public_callables
from tests.shared.tables import each_row

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "gradient.md"


def files_passed(call):
    """Files of refkan on the way to each loop that `call` enters, the loop's own file last."""
    passed = {}

    def spy(name):
        loop = getattr(plain_sums, name)

        def run(*arguments):
            package = Path(rk.__file__).parent
            frames = [Path(frame.filename) for frame in traceback.extract_stack()]
            inside = [path.relative_to(package).as_posix() for path in frames if package in path.parents]
            passed[name] = list(dict.fromkeys([*inside, "kernels/plain_sums.py"]))
            return loop(*arguments)

        return loop, run

    loops = {name: spy(name) for name in ("contract", "pull_back")}
    for name, (_, run) in loops.items():
        setattr(plain_sums, name, run)
    try:
        call()
    finally:
        for name, (loop, _) in loops.items():
            setattr(plain_sums, name, loop)
    return passed


def test_a_gradient_passes_the_files_of_the_page():
    x = np.random.default_rng(0).uniform(size=(50, 2))
    net, theta = rk.kan([2, 5], order=3, intervals=4).initialize(np.random.default_rng(1), x)
    problem = rk.LeastSquares(net, x, net(theta, x) + 1.0)
    with rk.use_engine("plain"):
        passed = files_passed(lambda: problem.gradient(theta))
    table = re.findall(r"^\| \d \| `([^`]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert len(table) == 8
    assert passed["contract"] == table
    assert passed["pull_back"] == [name for name in table if name != "splines/sums/spline_functions.py"]


def test_the_loop_of_the_page_is_that_of_the_kernel():
    (loop,) = re.findall(r"```python\n( {8}for .*?)```", PAGE.read_text(), re.DOTALL)
    assert loop in Path(plain_sums.__file__).read_text()


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


@each_row(
    "text, names",
    (">>> bspline(2)", {"bspline"}),
    (">>> from refkan.truth import bspline\n>>> bspline(2)", set()),
    (">>> [np.sin(x) for x in range(3)]", {"np"}),
    (">>> value = lambda x: scale * x", {"scale"}),
    (">>> class Line:\n...     def value(self, x):\n...         return np.sum(x)", {"np"}),
    (">>> y = x\n>>> x = 1", {"x"}),
    (">>> def f(n):\n...     return f(n - 1) if n else len('')", set()),
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
        for match in re.finditer(r"^( *)(?:\S.*)?::\n((?:\1 +\S.*\n|\n)+)", text + "\n", re.MULTILINE)
        for line in match[2].splitlines()
        if re.search(r"[|*]|\w_\W", line)
    ]
    assert len(blocks) > 10
    shown = {line for text in texts for line in escape(text.splitlines())}
    assert [line for line in blocks if line not in shown] == []


PROMISED = Path(__file__).parent / "defaults.json"

DEFAULTS = {
    name: given
    for name, function in sorted(public_callables().items())
    if (given := {p.name: repr(p.default) for p in inspect.signature(function).parameters.values()
                  if p.default not in (p.empty, None) and " at 0x" not in repr(p.default)})
}  # fmt: skip
"""Callable -> parameter -> default, as text, where it is another one than None."""


def test_defaults_are_those_that_are_promised():
    assert json.loads(PROMISED.read_text(encoding="utf-8")) == DEFAULTS


if __name__ == "__main__":
    lines = [f"{json.dumps(name)}: {json.dumps(given)}" for name, given in DEFAULTS.items()]
    PROMISED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
