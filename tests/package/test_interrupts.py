"""Ctrl-C that falls into a callback from C, where Python drops it, ends a block all the same."""

import contextlib
import ctypes
import signal
import threading
import time

import pytest

from refkan.base.long_runs.interrupts import kept_interrupts
from tests.shared.interruptions import busy, drop, dropping

pytestmark = pytest.mark.usefixtures("soon")


def interrupted(function):
    """Run a function, which must end by Ctrl-C."""

    def run():
        with kept_interrupts():
            function()

    with pytest.raises(KeyboardInterrupt):
        run()


def test_a_dropped_interruption_comes_again():
    began = time.monotonic()
    interrupted(dropping(lambda: busy(20)))
    assert time.monotonic() - began < 10
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_falls_into_a_callback_from_c_comes_again():
    callback = ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGINT))
    passed = []

    def computes():
        callback()
        passed.append("callback")
        busy(20)
        passed.append("all")

    interrupted(computes)
    assert passed == ["callback"]


def test_it_comes_as_often_as_it_is_dropped():
    dropped = []

    def deaf():
        drop()
        while len(dropped) < 3:
            try:
                busy(20)
            except KeyboardInterrupt:
                dropped.append("again")
        busy(20)

    interrupted(deaf)


def test_it_stands_for_an_error_that_it_caused_and_for_the_end_of_the_block():
    def fails():
        raise RuntimeError("no compiled object yet")

    interrupted(dropping(fails))
    interrupted(drop)


def test_errors_without_an_interruption_are_passed_on():
    with pytest.raises(RuntimeError, match="no compiled object yet"), kept_interrupts():
        raise RuntimeError("no compiled object yet")


def test_who_cleans_up_is_not_interrupted_again():
    cleaned = []

    def clean():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            busy(0.5)
            cleaned.append("all")

    interrupted(clean)
    assert cleaned == ["all"]


def test_nor_is_who_cleans_up_by_handling_errors_and_closing_generators():
    cleaned = []

    def rows():
        try:
            yield 1
            signal.raise_signal(signal.SIGINT)
        finally:
            busy(0.2)
            cleaned.append("generator")

    def open_rows():
        try:
            yield 1
        finally:
            busy(0.2)
            cleaned.append("closed generator")

    def clean():
        with contextlib.closing(open_rows()) as opened:
            next(opened)
            try:
                list(rows())
            finally:
                try:
                    raise OSError
                except OSError:
                    busy(0.2)
                    cleaned.append("error")

    interrupted(clean)
    assert cleaned == ["generator", "error", "closed generator"]


def test_who_is_impatient_is_heard_during_the_cleaning_as_well():
    heard = []

    def clean():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                heard.append("twice")

    interrupted(clean)
    assert heard == ["twice"]


def test_nothing_comes_after_the_block():
    for _ in range(20):
        interrupted(dropping(lambda: busy(0.049)))  # about when it would come again
    busy(0.3)
    assert not [thread for thread in threading.enumerate() if thread.name == "interruptions"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_who_ignores_interruptions_goes_on():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with kept_interrupts():
            drop()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_and_blocks_within_blocks_change_nothing():
    seen = []

    def inside():
        with kept_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    with kept_interrupts():
        outer = signal.getsignal(signal.SIGINT)
        inside()
        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        assert seen == [outer, outer]
