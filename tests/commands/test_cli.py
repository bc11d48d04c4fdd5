"""The command `refkan`."""

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import refkan
import refkan_command
from refkan.cli import main
from refkan.commands import info


def test_without_a_command_the_help_is_shown(capsys):
    assert main([]) == 0
    assert "commands" in capsys.readouterr().out


def test_info_names_versions_and_threads(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert refkan.__version__ in out
    assert "numba " in out
    assert "kernel threads: " in out


def test_info_names_the_extra_of_what_is_missing(capsys, monkeypatch):
    def missing(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(info, "version", missing)
    assert main(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  python-flint not installed (pip install 'refkan[exact]')" in lines
    assert "  mpmath not installed" in lines


def test_an_unknown_command_is_an_error(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["nonsense"])
    assert caught.value.code == 2
    assert "nonsense" in capsys.readouterr().err


INTERRUPTED = """
import sys
class Interrupts:
    def find_spec(name, *rest):
        if name == "numpy":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts)
import refkan_command
sys.exit(refkan_command.main())
"""


def test_an_interruption_while_the_library_is_imported():
    ran = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "refkan: interrupted\n")


def test_the_installed_command_is_the_command(monkeypatch, capsys):
    scripts = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"refkan": "refkan_command:main"}
    monkeypatch.setattr(sys, "argv", ["refkan", "info"])
    assert refkan_command.main() == 0
    assert refkan.__version__ in capsys.readouterr().out


def test_the_module_is_the_command():
    run = subprocess.run([sys.executable, "-m", "refkan", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"refkan {refkan.__version__}"
