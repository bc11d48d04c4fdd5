"""Exit codes of commands, and how one says that it refuses or fails."""

from __future__ import annotations

import sys

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def refuse(command: str, error: object, code: int = USAGE) -> int:
    """Say on the standard error stream what is wrong, and return the exit code."""
    say(f"{command}: {error}")
    return code


def say(line: str) -> None:
    """Write a line to the standard error stream at once."""
    print(line, file=sys.stderr, flush=True)
