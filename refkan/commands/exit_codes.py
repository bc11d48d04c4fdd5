"""Exit codes of the commands."""

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
