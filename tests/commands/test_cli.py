"""The command `refkan`: files that it reads, and Ctrl-C."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import refkan
import refkan as rk
from refkan import __main__
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.commands import conform, selftest
from refkan.commands.input_files import read_samples
from refkan.commands.spectra import spectrum
from refkan.conformance.judging import guarded
from refkan.conformance.judging.findings import Expectations
from tests.shared.commands import command
from tests.shared.interruptions import busy, drop, dropping
from tests.shared.tables import each_row


def test_without_a_command_the_help_is_shown():
    assert "commands" in command().out


def test_info_names_versions_and_threads():
    out = command("info").out
    assert refkan.__version__ in out
    assert "numba " in out
    assert "kernel threads: " in out


def test_info_names_the_extra_of_what_is_missing(monkeypatch):
    def missing(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(selftest, "version", missing)
    lines = command("info").out.splitlines()
    assert "  python-flint not installed (pip install 'refkan[exact]')" in lines
    assert "  mpmath not installed" in lines


def test_an_unknown_command_is_an_error():
    assert "nonsense" in command("nonsense", code=2).err


INTERRUPTED = """
import sys
class Interrupts:
    def find_spec(name, *rest):
        if name == "numpy":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts)
from refkan import __main__
sys.exit(__main__.main())
"""


def test_an_interruption_while_the_library_is_imported():
    ran = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "refkan: interrupted\n")


def test_the_installed_command_is_the_command(monkeypatch, capsys):
    scripts = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"refkan": "refkan.__main__:main"}
    monkeypatch.setattr(sys, "argv", ["refkan", "info"])
    assert __main__.main() == 0
    assert refkan.__version__ in capsys.readouterr().out


@pytest.mark.skipif(os.name != "posix", reason="a shell closes the streams")
def test_closed_streams():
    def run(line):
        return subprocess.run(["sh", "-c", f"{sys.executable} -m refkan {line}"], capture_output=True, text=True)

    told = run("info >&-")
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == "refkan info: the standard output is closed: redirect it to a file, or to /dev/null\n"
    told = run("info 2>&-")
    assert (told.returncode, told.stderr) == (0, "")
    assert refkan.__version__ in told.stdout
    told = run("certify nothing.npz 2>&-")
    assert (told.returncode, told.stdout) == (2, "")


def test_the_module_is_the_command():
    run = subprocess.run([sys.executable, "-m", "refkan", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"refkan {refkan.__version__}"


READERS = {
    "samples": lambda path: read_samples("--data", path, {2: "the inputs"}),
    "expectations": Expectations.of,
    "network": rk.load,
    "checkpoint": lambda path: Checkpoints(path.parent).get({"a": 1}),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("make", [os.mkdir, *([os.mkfifo] if hasattr(os, "mkfifo") else [])])
def test_folders_and_pipes_are_refused_at_once(make, read, tmp_path):
    path = Checkpoints(tmp_path).path({"a": 1})
    make(path)
    with pytest.raises((OSError, ValueError), match=f"must be a file, not a folder, a pipe or a device.*{path.name}"):
        read(path)


pytestmark = pytest.mark.usefixtures("soon")


BACKEND = "tests.broken_layers.plain_numpy:PlainNumpy"
NUMPY = ("--backend", BACKEND, "--call-timeout", "0", "--select", "degree-3/uniform/3x2/values")


@each_row(
    "module, name, arguments, who",
    (spectrum, "study", ("spectrum", "--orders", "2"), "spectrum"),
    (guarded, "identified", ("conform", *NUMPY), "conform"),
    (conform, "export", ("cases", "export", "cases", "--select", "degree-3/uniform/3x2"), "cases export"),
)
@pytest.mark.parametrize("fails", [False, True])
def test_commands_end_as_interrupted(module, name, arguments, who, fails, monkeypatch, tmp_path):
    """Whether what comes after the loss goes on, or fails because of it."""

    def afterwards(*arguments, **options):
        if fails:
            raise RuntimeError("no compiled object yet")
        busy(20)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, name, dropping(afterwards))
    out, err = command(*arguments, code=130)
    assert f"refkan {who}: interrupted" in err
    assert "no compiled object" not in out + err


def test_an_adapter_that_fails_because_of_an_interruption_is_not_judged(monkeypatch):
    def fails(self, *arguments):
        drop()
        raise RuntimeError("no compiled object yet")

    monkeypatch.setattr("tests.broken_layers.plain_numpy.PlainNumpy.forward", fails)
    assert command("conform", *NUMPY, code=130).out == ""


def test_an_interruption_where_no_command_says_what_is_kept(monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("refkan.commands.selftest.thread_count", interrupted)
    assert command("info", code=130).err == "refkan info: interrupted\n"
