"""Ctrl-C that falls into a callback from C, where Python drops it, ends a command all the same."""

import pytest

from refkan.base.long_runs import interrupts
from refkan.cli import main
from refkan.commands import conform
from refkan.commands.spectra import spectrum
from refkan.commands.training import train
from refkan.conformance.judging import guarded
from tests.shared.interruptions import busy, drop, dropping

pytestmark = pytest.mark.usefixtures("default_handler")


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(interrupts, "PAUSE", 0.05)


SMALL = ("--points", "6", "--widths", "2", "2", "1", "--intervals", "2", "--schedule", "9", "--quiet")
BACKEND = "refkan.conformance.adapters.backends:PlainNumpy"
NUMPY = ("--backend", BACKEND, "--call-timeout", "0", "--select", "degree-3/uniform/3x2/values")


@pytest.mark.parametrize(
    ("module", "name", "arguments", "who"),
    [
        (train, "train_starts", ("train", "burgers", *SMALL), "train"),
        (train, "configuration", ("train", "burgers", *SMALL), "train"),
        (spectrum, "study", ("spectrum", "--orders", "2"), "spectrum"),
        (guarded, "identified", ("conform", *NUMPY), "conform"),
        (conform, "export", ("cases", "export", "cases", "--select", "degree-3/uniform/3x2"), "cases export"),
        (conform, "check", ("cases", "check", "cases", "results.npz"), "cases check"),
    ],
)
@pytest.mark.parametrize("fails", [False, True])
def test_commands_end_as_interrupted(module, name, arguments, who, fails, monkeypatch, tmp_path, capsys):
    """Whether what comes after the loss goes on, or fails because of it."""

    def afterwards(*arguments, **options):
        if fails:
            raise RuntimeError("no compiled object yet")
        busy(20)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, name, dropping(afterwards))
    assert main(arguments) == 130
    out, err = capsys.readouterr()
    assert f"refkan {who}: interrupted" in err
    assert "no compiled object" not in out + err


def test_an_adapter_that_fails_because_of_an_interruption_is_not_judged(monkeypatch, capsys):
    def fails(self, *arguments):
        drop()
        raise RuntimeError("no compiled object yet")

    monkeypatch.setattr("refkan.conformance.adapters.backends.PlainNumpy.forward", fails)
    assert main(("conform", *NUMPY)) == 130
    assert capsys.readouterr().out == ""


def test_an_interruption_where_no_command_says_what_is_kept(monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("refkan.commands.info.thread_count", interrupted)
    assert main(["info"]) == 130
    assert capsys.readouterr().err == "refkan: interrupted\n"
