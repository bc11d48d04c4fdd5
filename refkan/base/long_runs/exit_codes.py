"""Exit codes of commands, and the line in which a command says that it refuses, fails or was interrupted."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress

from refkan.base.long_runs.interrupts import Terminated

OK, FAILED, USAGE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


CLOSED = "the standard output is closed: redirect it to a file, or to /dev/null"


def guarded(command: str, run: Callable[[], int], sizes: str = "", kept: Callable[[], str] = str) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    command
        Its name, for messages.
    run
        Returns the exit code if nothing is raised.
    sizes
        Options that need less memory.
    kept
        Says what is kept of a run that was interrupted or failed.
    """
    if sys.stderr is None:  # a program can be started with closed streams; print would write errors to the output
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        return refuse(command, CLOSED, FAILED)
    try:
        code = run()
        sys.stdout.flush()
    except Terminated:
        return refuse(command, f"terminated{kept()}", TERMINATED)
    except KeyboardInterrupt:
        return refuse(command, f"interrupted{kept()}", INTERRUPTED)
    except BrokenPipeError:  # whoever read the output has seen enough
        _leave_output()
        return OK
    except MemoryError as error:
        return refuse(command, out_of_memory(error, sizes), FAILED)
    except (ValueError, TypeError, ImportError, OverflowError) as error:
        return refuse(command, error)
    except (RuntimeError, OSError) as error:
        _leave_output()
        return refuse(command, f"{error}{kept()}", FAILED)
    return code


def _leave_output() -> None:
    """Drop output that cannot be written, on a full disk or after the reader ended: it would fail again at the exit."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):  # where the output has no file of the system
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def out_of_memory(error: MemoryError, options: str) -> str:
    """Say that memory does not suffice, and which options need less of it."""
    text = "not enough memory"
    if str(error):
        text += f" ({error})"
    if options:
        text += f": ask for less by {options}"
    return text


def refuse(command: str, error: object, code: int = USAGE) -> int:
    """Say on the standard error stream what is wrong, and return the exit code."""
    say(f"{command}: {error}")
    return code


def say(line: str) -> None:
    """Write a line to the standard error stream at once."""
    print(line, file=sys.stderr, flush=True)
