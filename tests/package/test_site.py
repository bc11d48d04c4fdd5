"""The site: every public name is in the reference, every page in the index, and formulas are MathML."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest

import refkan as rk

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference.rst").read_text()


def test_every_public_name_has_a_page():
    listed = set(re.findall(r"^   (\w+)$", REFERENCE.partition(".. currentmodule:: refkan.")[0], re.MULTILINE))
    names = {name for name in rk.__all__ if not isinstance(getattr(rk, name), types.ModuleType)}
    assert listed == names


@pytest.mark.parametrize("module", ["plots", "checks", "hessians", "exact", "truth", "conditioning", "problems"])
def test_every_function_of_a_public_module_has_a_page(module):
    part = REFERENCE.partition(f".. currentmodule:: refkan.{module}\n")[2].partition(".. currentmodule::")[0]
    listed = set(re.findall(r"^   (\w+)$", part, re.MULTILINE))
    of = getattr(rk, module)
    assert listed == {name for name in of.__all__ if callable(getattr(of, name))}


def test_every_page_is_in_the_index():
    pages = {page.stem for page in DOCS.glob("*.md")} - {"index"}
    tables = re.findall(r"```\{toctree\}\n(?::[^\n]*\n)*\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)
    assert pages | {"reference", "gallery/index"} == set("\n".join(tables).split())


def test_formulas_become_mathml(monkeypatch):
    pytest.importorskip("latex2mathml")
    monkeypatch.syspath_prepend(str(DOCS / "_extensions"))
    try:
        import mathml

        text = mathml.mathml(r"b = A \psi" + "\n\n" + r"+ \frac{1}{2}", "block")
    finally:
        sys.modules.pop("mathml", None)
    assert text.startswith("<math")
    assert all(part in text for part in ("<mfrac>", "&#x003C8;"))


@pytest.mark.parametrize("example", sorted((DOCS / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_begin_with_a_title(example):
    title = example.read_text().split("\n")[1:3]
    assert set(title[1]) == {"="}
    assert len(title[1]) >= len(title[0])
