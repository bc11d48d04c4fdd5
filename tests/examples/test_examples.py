"""The programs of examples/: they run, are short, and print what docs/programs.md shows."""

import random
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "programs.md").read_text()
programs = runpy.run_path(str(ROOT / "docs" / "programs.py"))
NEEDED = {"torch": "torch", "sklearn": "sklearn", "refkan.estimators": "sklearn", "rk.exact": "flint"}
NUMBER = re.compile(r"(?<![a-z\d])[-+]?\d+(?:\.\d+)?(?:e[-+]\d+)?")


@pytest.fixture(autouse=True)
def random_numbers():
    """Libraries that programs import draw from Python's generator when they are loaded."""
    state = random.getstate()
    yield
    random.setstate(state)


def test_there_are_twelve_and_each_is_on_the_page():
    names = [program.name for program in programs["PROGRAMS"]]
    assert len(names) == 12
    assert re.findall(r"^## (\S+)$", PAGE, re.MULTILINE) == names


@pytest.mark.parametrize("program", programs["PROGRAMS"], ids=lambda program: program.stem)
def test_programs_print_what_the_page_shows(program, monkeypatch):
    code = program.read_text()
    assert len(code.splitlines()) <= 40
    for text, package in NEEDED.items():
        if text in code:
            pytest.importorskip(package)
    code, shown = re.search(
        rf"## {program.name}\n.*?```python\n(.*?)```\n\n```text\n(.*?)\n```", PAGE, re.DOTALL
    ).groups()
    assert program.read_text().endswith(code)
    output = "\n".join(line.rstrip() for line in programs["printed"](program).splitlines())
    # Widths of columns depend on the numbers, whose last digits depend on the processor.
    assert NUMBER.sub("#", output).split() == NUMBER.sub("#", shown).split()
    numbers, expected = (np.array(NUMBER.findall(text), dtype=float) for text in (output, shown))
    assert np.allclose(numbers, expected, rtol=0.06, atol=2e-6)
