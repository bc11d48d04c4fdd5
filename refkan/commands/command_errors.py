"""What becomes of the errors of a command: a line on the standard error stream, and an exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from refkan.base.long_runs.exit_codes import FAILED, INTERRUPTED, refuse
from refkan.base.long_runs.interrupts import kept_interrupts
from refkan.commands.option_values import kept_in, out_of_memory


def guarded(command: str, run: Callable[[], int], sizes: str, folder: Path | None = None, parts: str = "") -> int:
    """Run a command; `sizes` are the options that ask for less memory, `parts` what is kept in its folder."""
    try:
        with kept_interrupts():
            return run()
    except KeyboardInterrupt:
        return refuse(command, f"interrupted{kept_in(folder, parts)}", INTERRUPTED)
    except (ValueError, TypeError, ImportError) as error:
        return refuse(command, error)
    except MemoryError as error:
        return refuse(command, out_of_memory(error, sizes), FAILED)
    except BrokenPipeError:  # whoever read the output has seen enough
        raise
    except (RuntimeError, OSError) as error:
        return refuse(command, error, FAILED)
