"""Cases in a user's own suite: passes, failures with hints, known ones with reasons, and the plugin's options."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import refkan.conformance
from refkan.cli import main
from refkan.conformance import parametrize_with_cases, pytest_suite
from refkan.conformance.adapters.backends import Refkan
from refkan.conformance.cases import CONVENTIONS
from refkan.conformance.cases.cases import VERSION

KEY = "float64/layer/degree-3/uniform/3x2/"

ONE = f"{KEY}one-sample/"

MINE = f"""
import pytest
from refkan.conformance import parametrize_with_cases, pytest_suite
from refkan.conformance.adapters.backends import Refkan
from refkan.conformance.cases.cases import VERSION

class Mine(Refkan):
    def forward(self, model, x):
        return -super().forward(model, x)

class Absent(Refkan):
    def __init__(self):
        raise ImportError("needs nothing that exists")

test_mine = pytest_suite(Mine(), ["float64"], ["{ONE}"], ["*input-gradients"])
test_absent = pytest_suite(Absent)

@parametrize_with_cases(Mine, ["float64"], ["{ONE}values"], {{"*/one-sample/values": "the sign is another convention"}})
def test_known(refkan_case):
    refkan_case()

def test_by_options(refkan_case, refkan_adapter):
    assert refkan_case().status == "passed"
    assert refkan_adapter.title == "refkan"
"""


PLUGINS = ("no:cacheprovider", "no:faulthandler", "no:refkan", "refkan.conformance.pytest_plugin")
OPTIONS = ["-q", "-rA", "--capture=sys", "--import-mode=importlib"]
OPTIONS += [word for name in PLUGINS for word in ("-p", name)]


def test_a_users_suite(tmp_path, monkeypatch, capsys):
    def run(*options):
        code = pytest.main([*OPTIONS, *options, str(tmp_path)])
        return code, "".join(capsys.readouterr())

    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_mine.py").write_text(MINE)
    (tmp_path / "known.txt").write_text("*/nothing/*  # such a case\n")
    code, out = run()
    assert code == 1
    assert f"FAILED test_mine.py::test_mine[{ONE}values]" in out
    assert f"{ONE}values [" in out
    assert "[XPASS(strict)] *input-gradients" in out
    assert "needs nothing that exists" in out
    assert f"XFAIL test_mine.py::test_known[{ONE}values] - the sign is another convention" in out
    assert "--refkan-adapter MODULE:ADAPTER says what is to be judged" in out
    adapter = ["--refkan-adapter", "refkan.conformance.adapters.backends:Refkan"]
    code, out = run("-k", "by_options", *adapter, "--refkan-select", ONE, "--refkan-select", "values")
    assert code == 0
    assert f"PASSED test_mine.py::test_by_options[{ONE}values" in out
    code, out = run(*adapter, "-k", "by_options and expected", "--refkan-expected-failures", "known.txt")
    assert code == 1
    assert "expected-failures/*/nothing/*: this pattern matches no case" in out
    code, out = run("--refkan-adapter", "nowhere:Adapter")
    assert code == 2
    assert "--refkan-adapter: no module 'nowhere'" in out


def test_the_plugin_is_declared_and_costs_nothing_where_it_is_not_used():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["pytest11"] == {"refkan": "refkan.conformance.pytest_plugin"}
    code = "import sys, refkan.conformance.pytest_plugin; print(sorted(name for name in sys.modules if name in LIGHT))"
    light = ["numpy", "numba", "pytest", "refkan.base", "refkan.conformance.judging"]
    run = [sys.executable, "-c", code.replace("LIGHT", repr(light))]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_public_names_of_conformance_are_imported_on_first_use():
    names = refkan.conformance.__all__
    assert set(names) <= set(dir(refkan.conformance))
    assert all(getattr(refkan.conformance, name) is not None for name in names)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        refkan.conformance.nothing  # noqa: B018


def test_a_suite_runs_here_too():
    suite = pytest_suite(Refkan(), ["float64"], [f"{KEY}values"])
    (mark,) = suite.pytestmark
    for case in mark.args[1]:
        suite(*case.values)
    assert CONVENTIONS["right end"].startswith("the last interval of the domain is closed")


@parametrize_with_cases(Refkan, ["float64"], [f"{KEY}eval-mode"])
def test_a_decorated_test(refkan_case):
    assert refkan_case().status == "passed"


@pytest.mark.parametrize("known", [{"*clamped*": "a reason"}, ["*clamped*"]])
def test_known_failures_are_strict(known):
    mark = parametrize_with_cases(Refkan, ["float64"], ["basis/degree-1/clamped/ends/values"], known)
    ((parameter,),) = (mark.args[1],)
    (xfail,) = parameter.marks
    assert (xfail.name, xfail.kwargs["strict"]) == ("xfail", True)
    assert xfail.kwargs["reason"] == ("a reason" if isinstance(known, dict) else "*clamped*")


def test_the_workflow_asks_for_options_that_the_command_has(capsys):
    """Every option in the file is one of `refkan conform`, and inputs are passed by the environment, not pasted."""
    workflow = (Path(__file__).parents[2] / ".github" / "workflows" / "conform.yml").read_text()
    with pytest.raises(SystemExit):
        main(["conform", "--help"])
    told = capsys.readouterr().out
    script = workflow.partition("        run: |\n")[2].partition("      - if:")[0]
    assert set(re.findall(r"--[\w-]+", script)) <= set(re.findall(r"--[\w-]+", told))
    assert "inputs." not in script
    assert f'default: "{VERSION}"' in workflow
