"""Hard inputs, one file each, with what each once broke.

A file of this folder is a JSON object. One that states an input has "broke", a sentence; "needs", the packages that it
imports; "given", Python expressions by name, each of which may use those before; and "call". The result must make
"holds" true, or the call must raise what matches "raises"; with both, either will do. One that names a law has its
seed, number and case, as `python -m tests.soak` writes it: `tests/shared/draws.py` adds it to the draws of that law.
"""

import json
import os
import re
import traceback
import warnings
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import refkan as rk
from tests.shared.draws import ROOT

FOLDER = Path(__file__).parent
ENTRIES = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.json"))}
INPUTS = [name for name, entry in ENTRIES.items() if "call" in entry]
OF_INPUTS = {"broke", "needs", "given", "call", "holds", "raises"}
OF_LAWS = {"broke", "law", "case", "seed", "number"}


def names_for(entry):
    """What expressions may use: NumPy, refkan, the packages that are needed, and what is given."""
    names = {"np": np, "rk": rk, "Fraction": Fraction}
    for package in entry.get("needs", ()):
        pytest.importorskip(package)
        names[package.replace(".", "_")] = import_module(package)
    for name, expression in entry.get("given", {}).items():
        names[name] = eval(expression, names)
    return names


def raised_inside(error):
    """Whether an error was raised by the library itself, and not by what it passed its arguments on to."""
    return f"{os.sep}refkan{os.sep}" in traceback.extract_tb(error.__traceback__)[-1].filename


def objection(entry):
    """Return what is wrong with the answer to a hard input; empty if nothing is."""
    names = names_for(entry)
    try:
        names["result"] = eval(entry["call"], names)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if "raises" not in entry or not re.search(entry["raises"], said):
            return f"raised {said}"
        return "" if raised_inside(error) else f"raised by another library: {said}"
    if "holds" not in entry:
        return f"returned {names['result']!r}"
    return "" if eval(entry["holds"], names) else f"returned {names['result']!r}, of which {entry['holds']} is false"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", INPUTS)
def test_a_hard_input_breaks_nothing_again(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not objection(ENTRIES[name]), ENTRIES[name]["broke"]


@pytest.mark.parametrize("name", ENTRIES)
def test_entries_are_complete(name):
    entry = ENTRIES[name]
    assert entry["broke"]
    if "law" in entry:
        file, _, function = entry["law"].partition("::")
        assert entry.keys() == OF_LAWS
        assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8")
    else:
        assert entry.keys() <= OF_INPUTS
        assert entry.keys() & {"holds", "raises"}


def test_wrong_answers_are_objected_to():
    assert objection({"call": "1 + 1", "holds": "result == 3"})
    assert objection({"call": "1 + 1", "raises": "ValueError"})
    assert objection({"call": "1 / 0", "holds": "True"})
    assert objection({"call": "np.zeros(-1)", "raises": "ValueError"})
    assert objection({"call": "rk.mlp(3)", "raises": "no such words"})
    assert not objection({"call": "rk.mlp(3)", "raises": "widths"})
    assert not objection({"given": {"x": "2", "y": "x + 1"}, "call": "y", "holds": "result == 3"})
