"""Commands of `refkan` in the process of the tests."""

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

from refkan.cli import main
from refkan.kernels.compilation import COMPILING


class Written(NamedTuple):
    """What a command writes to the standard output and the standard error stream."""

    out: str
    err: str


def command(*arguments, code=0):
    """Run a command, which must end with an exit code, and return what it writes, but for word of compilation."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            ended = main([str(argument) for argument in arguments])
        except SystemExit as refusal:  # of the parser of arguments
            ended = refusal.code
    lines = err.getvalue().splitlines(keepends=True)
    assert ended == code, lines
    return Written(out.getvalue(), "".join(line for line in lines if COMPILING not in line))
