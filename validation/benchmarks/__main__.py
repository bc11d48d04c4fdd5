"""``python -m validation.benchmarks [NAME ...]``: run rows, print their tables and write a JSON record."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from validation.benchmarks import threads
from validation.benchmarks.rows import ROWS

PEERS = ("torch", "jax", "jaxkan", "pykan", "flashkan", "inkan", "efficient-kan")

# Load of one minute from which on a comparison is worth a warning: half a processor busy with something else.
BUSY = 0.5


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``python -m validation.benchmarks``."""
    p = argparse.ArgumentParser(
        prog="python -m validation.benchmarks",
        description="Time refkan against its peers, once their results agree.",
        epilog="Exit code: 0 if all results agreed; 1 if a case disagrees or refkan failed; 2: wrong usage.",
    )
    p.add_argument("names", nargs="*", metavar="NAME", help=f"rows to run, of {', '.join(ROWS)} (default: all)")
    p.add_argument("--quick", action="store_true", help="smaller and fewer cases")
    p.add_argument("--repeats", type=int, metavar="N", help="rounds (default: 11, quick 5)")
    p.add_argument("--threads", type=int, default=2, metavar="N", help="of every library (default: %(default)s)")
    p.add_argument("--without", action="append", default=[], metavar="PEER", help="leave a contestant out")
    p.add_argument("--list", action="store_true", help="list the rows, run nothing")
    p.add_argument("--output", type=Path, default=Path("validation-report"), metavar="DIR", help="default: %(default)s")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit code."""
    p = parser()
    arguments = p.parse_args(argv)
    if arguments.list:
        print("\n".join(ROWS))
        return 0
    unknown = [name for name in arguments.names if name not in ROWS]
    if unknown:
        p.error(f"NAME must be one of {', '.join(ROWS)}; got {', '.join(unknown)}")
    rounds = arguments.repeats if arguments.repeats is not None else (5 if arguments.quick else 11)
    if rounds < 1 or arguments.threads < 1:
        p.error("--repeats and --threads must be at least 1")
    try:
        threads.pin(arguments.threads)
    except ValueError as error:
        p.error(str(error))

    # Only now: these import numpy.
    from refkan.checkpoints import require_writable, write_atomically
    from validation.benchmarks.harness import Settings
    from validation.benchmarks.table import case_record, case_table, notes
    from validation.capsule import capsule

    try:
        require_writable(arguments.output)
    except OSError as error:
        p.error(str(error))

    def progress(text: str) -> None:
        print(f"... {text}", file=sys.stderr, flush=True)

    settings = Settings(arguments.quick, rounds, arguments.threads, frozenset(arguments.without), progress=progress)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    if load is not None and load > BUSY:
        progress(f"the machine is busy (load {load:.1f}): medians will scatter, see the fastest as well")
    configuration = {
        "load_before": load,
        "rounds": rounds,
        "quick": arguments.quick,
        "threads": arguments.threads,
        "without": sorted(arguments.without),
    }
    records, failed = {}, False
    for name in arguments.names or ROWS:
        results = importlib.import_module(ROWS[name]).run(settings)
        print("\n\n".join(filter(None, [*map(case_table, results), notes(results)])), end="\n\n", flush=True)
        records[name] = list(map(case_record, results))
        # Ours is the first entry of a case.
        failed |= any(result.disagreements or result.entries[0].status == "failed" for result in results)
    document = {
        "capsule": capsule(configuration, distributions=("numpy", "scipy", "numba", *PEERS)),
        "rows": records,
    }
    path = arguments.output / "benchmarks.json"
    write_atomically(path, json.dumps(document, indent=1, allow_nan=False).encode())
    print(f"record: {path}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
