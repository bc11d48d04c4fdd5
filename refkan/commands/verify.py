"""`refkan verify`: measures and judges your own statements."""

import argparse
from pathlib import Path

from refkan.claims.running.run_options import EPILOG, add_options


def add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `verify`."""
    p = commands.add_parser(
        "verify",
        help="measure and judge statements of your own, each written in a claim file",
        description="Run claim files: Python files that state ROWS and offer run(quick, progress), which returns a"
        " verdict for each row, computed from measurements, with a mutated twin that must fail. Writes report.html and"
        " record.json. How to write one is shown by help('refkan.claims') in Python, and by the page"
        ' "Verify your own statement" of the documentation.',
        epilog=EPILOG,
    )
    p.add_argument("files", nargs="+", type=Path, metavar="FILE", help="claim files")
    add_options(p, Path("claims-report"))
    p.set_defaults(run=verify, program=p.prog)


def verify(chosen: argparse.Namespace) -> int:
    """Run the claim files and return the exit code."""
    # Running imports plots and the rest, which no other command needs.
    from refkan.claims.running.discovery import ledger_of
    from refkan.claims.running.runner import run_claims

    missing = [str(path) for path in chosen.files if not path.is_file()]
    if missing:
        raise ValueError(f"FILE must be a claim file; there is no {', '.join(missing)}")
    return run_claims(chosen, ledger_of(chosen.files))
