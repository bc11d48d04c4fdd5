"""The command `refkan`: importing the library takes a second, in which Ctrl-C is no error of it either."""

import sys


def main() -> int:
    """Import the command and run it."""
    try:
        from refkan.cli import main as run
    except KeyboardInterrupt:
        print("refkan: interrupted", file=sys.stderr)
        return 130
    return run()
