"""Ctrl-C that falls into a callback from C, where Python drops it, ends a command all the same."""

from __future__ import annotations

import signal
from contextlib import suppress

import pytest

from refkan.cli import main
from refkan.commands import progress
from refkan.commands.interrupts import kept_interrupts


@pytest.fixture(autouse=True)
def default_handler():
    """Python's own handler, also where the tests run in the background of a shell, which has them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def dropped():
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_dropped_interruption_is_raised_again():
    with kept_interrupts() as again:
        again()
        dropped()
        with pytest.raises(KeyboardInterrupt):
            again()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_ignores_interruptions_goes_on():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with kept_interrupts() as again:
            dropped()
            again()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_training_ends_at_its_next_step(monkeypatch, capsys):
    steps = []

    def step(self, level, state):
        steps.append(state.step)
        dropped()

    monkeypatch.setattr(progress.Progress, "step", step)
    small = "--points 6 --widths 2 2 1 --intervals 2 --schedule 9 --quiet"
    assert main(["train", "burgers", *small.split()]) == 130
    assert "refkan train: interrupted" in capsys.readouterr().err
    assert steps == [1]
