"""The command `refkan`, also as `python -m refkan`."""

import sys


def main() -> int:
    """Import the command, which takes a second in which Ctrl-C is no error either, and run it."""
    try:
        from refkan.cli import main as run
    except KeyboardInterrupt:
        print("refkan: interrupted", file=sys.stderr)
        return 130
    return run()


if __name__ == "__main__":
    raise SystemExit(main())
