"""The site: every public name is in the reference, every page in the index, and formulas are MathML."""

import importlib
import json
import re
import runpy
import subprocess
import sys
from operator import attrgetter
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import refkan
from refkan.base.lazy import lazy
from tests.shared.public_names import names_of, public_modules

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference.rst").read_text()
PUBLIC = public_modules()
NAMES = [
    (module, name)
    for module in sorted(PUBLIC)
    for name in names_of(PUBLIC[module])
    if not isinstance(getattr(PUBLIC[module], name), ModuleType)
]


def listed():
    """What the reference lists, by kind of entry: (module, name) in the order of the page."""
    module, entries = "", {"page": [], "data": []}
    for line in REFERENCE.splitlines():
        if match := re.fullmatch(r"\.\. currentmodule:: (\S+)", line):
            module = match[1]
        elif match := re.fullmatch(r"   (\w+)", line):
            entries["page"].append((module, match[1]))
        elif match := re.fullmatch(r"\.\. py:data:: (\w+)", line):
            entries["data"].append((module, match[1]))
    return entries


def is_object(value):
    """Whether autosummary finds a docstring of refkan at a value: a class or a function, and not a constant."""
    return isinstance(value, type | FunctionType)


LISTED = listed()


def found_at(entry):
    module, name = entry
    return getattr(importlib.import_module(module), name)


def test_public_names_are_few_enough_to_know():
    assert 100 < len(LISTED["page"] + LISTED["data"]) <= 150
    assert len(NAMES) > 150
    assert {
        "refkan",
        "refkan.claims",
        "refkan.interop",
        "refkan.networks.jets",
        "refkan.training.problems.poisson",
    } <= set(PUBLIC)


def test_every_public_name_is_in_the_reference():
    values = {kind: [found_at(entry) for entry in entries] for kind, entries in LISTED.items()}

    def is_there(module, name):
        value = getattr(PUBLIC[module], name)
        return any(value is other for other in values["page" if is_object(value) else "data"])

    missing = [f"{module}.{name}" for module, name in NAMES if not is_there(module, name)]
    assert not missing, "docs/reference.rst misses these"


def test_stable_names_are_public_and_marked_in_the_reference():
    """The reference marks sections with stable names, and names them where a section also has provisional ones."""
    page = (DOCS / "stable.md").read_text().partition("## The policy")[0]
    importlib.import_module("refkan.estimators")  # not loaded with refkan: it needs an extra
    stable = re.findall(r"`(?:rk|refkan)\.([\w.]+)`", page)
    assert len(stable) == len(set(stable)) > 60
    pages = {(module, name): found_at((module, name)) for module, name in LISTED["page"]}
    marked = dict(re.findall(r"^\.\. currentmodule:: (\S+)\n\nStable: (.*?)\.", REFERENCE, re.M | re.S))
    names = {module: set(re.findall(r"\w+", text)) for module, text in marked.items()}
    for dotted in stable:
        value = attrgetter(dotted)(refkan)
        entries = [entry for entry, other in pages.items() if other is value]
        assert entries, f"{dotted} is not in the reference"
        assert any(m == "refkan" or n in names.get(m, ()) for m, n in entries), f"{dotted} is not marked as stable"
        assert not any(part.startswith("_") for part in dotted.split("."))
    values = [attrgetter(dotted)(refkan) for dotted in stable]
    for module, named in names.items():
        assert all(any(getattr(importlib.import_module(module), n) is value for value in values) for n in named), module


def test_the_reference_lists_public_names_alone_and_once():
    entries = LISTED["page"] + LISTED["data"]
    assert len(entries) == len(set(entries))
    for module, name in entries:
        assert name in names_of(PUBLIC[module]), f"{module}.{name} is not public"


def docstrings_of(value):
    """The docstrings that a page shows of a class or function: its own, and those of its public members."""
    members = vars(value).items() if isinstance(value, type) else ()
    shown = (getattr(member, "__func__", member) for name, member in members if not name.startswith("_"))
    calls = vars(value).get("__call__") if isinstance(value, type) else None
    of_members = (member.__doc__ for member in [*shown, calls] if isinstance(member, FunctionType | property | lazy))
    return [text for text in (value.__doc__, *of_members) if text]


def is_shown(module, name):
    """Whether an example shows a public name: of a class or function its own, of a constant one of its module."""
    value = getattr(PUBLIC[module], name)
    if is_object(value):
        return any(">>>" in text for text in docstrings_of(value))
    # A constant has no docstring of its own.
    beside = [PUBLIC[module], *(getattr(PUBLIC[module], other) for other in names_of(PUBLIC[module]))]
    shown = "\n".join(value.__doc__ or "" for value in beside if is_object(value) or isinstance(value, ModuleType))
    lines = [line for line in shown.splitlines() if ">>>" in line or "..." in line]
    return any(re.search(rf"\b{name}\b", line) for line in lines)


def test_every_public_name_has_an_example():
    missing = [f"{module}.{name}" for module, name in NAMES if not is_shown(module, name)]
    assert not missing, "no example shows these"


def test_every_page_is_in_the_index():
    pages = {page.stem for page in DOCS.glob("*.md")} - {"index"}
    tables = re.findall(r"```\{toctree\}\n(?::[^\n]*\n)*\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)
    entries = re.findall(r"^(?:.* <)?([^<>\s]+)>?$", "\n".join(tables), re.MULTILINE)
    assert sorted(pages | {"reference", "gallery/index"}) == sorted(entries)


@pytest.fixture
def mathml(monkeypatch):
    """What the site writes for a formula."""
    pytest.importorskip("latex2mathml")
    monkeypatch.syspath_prepend(str(DOCS / "_extensions"))
    yield importlib.import_module("mathml").mathml
    sys.modules.pop("mathml", None)


def test_formulas_become_mathml(mathml):
    text = mathml(r"b = A \psi" + "\n\n" + r"+ \frac{1}{2}", "block")
    assert text.startswith("<math")
    assert all(part in text for part in ("<mfrac>", "&#x003C8;"))


def test_the_renderer_knows_what_the_pages_use(mathml):
    """What it does not know stands in the page as it was written, with its backslash."""
    assert "\\" in mathml(r"\nosuchcommand x", "block")
    pages = {page.name: page.read_text() for page in (*DOCS.glob("*.md"), *DOCS.glob("theorems/*.md"))}
    formulas = [
        (name, match[0].strip("$"))
        for name, text in pages.items()
        for match in re.finditer(r"\$\$.+?\$\$|\$[^$`]+\$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.DOTALL)
    ]
    assert len(formulas) > 100
    assert [(name, formula) for name, formula in formulas if "\\" in mathml(formula, "block")] == []


EXAMPLES = sorted((DOCS / "examples").rglob("*.py"))


def test_there_are_examples():
    assert len(EXAMPLES) >= 20
    assert all(10 < len(example.read_text().splitlines()) <= 65 for example in EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_begin_with_a_title(example):
    title = example.read_text().split("\n")[1:3]
    assert set(title[1]) == {"="}
    assert len(title[1]) >= len(title[0])


def test_the_picture_of_the_readme_is_that_of_its_session(capsys):
    drawn = runpy.run_path(str(DOCS / "session.py"))
    figure = drawn["picture"](drawn["session"]())
    assert len(figure.axes) == 3
    assert "docs/session.png" in (DOCS.parent / "README.md").read_text()
    assert (DOCS / "session.png").stat().st_size <= 100_000


@pytest.mark.exhaustive
@pytest.mark.parametrize("shape", [(2, 5, 4), (20, 20, 4)])
def test_the_script_of_the_page_on_kernels_measures_each_step(shape):
    code = f"import json, steps_of_layers; print(json.dumps(steps_of_layers.measure({shape}, 2)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=DOCS, capture_output=True, text=True, check=True)
    measured = json.loads(run.stdout)
    steps = [measured[name] for name in ("search", "y", "dC", "dx", "rest")]
    assert min(steps[0], steps[2], measured["GF/s"]) > 0.0
    assert sum(steps) == pytest.approx(measured["sum"])


@pytest.mark.exhaustive
def test_the_script_of_the_page_on_kernels_compares_checkouts():
    code = f"import dense_functions; print(dense_functions.main({str(DOCS.parent)!r}, 1, 1))"
    run = subprocess.run([sys.executable, "-c", code], cwd=DOCS, capture_output=True, text=True, check=True)
    page, rows = (DOCS / "kernels.md").read_text(), run.stdout.splitlines()[2:]
    assert [row for row in rows if f"\n|{row.split('|')[1]}|" not in page] == []
    assert all(float(cell) > 0.0 for row in rows for cell in row.split("|")[2:5])
