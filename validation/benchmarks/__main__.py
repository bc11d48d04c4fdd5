"""``python -m validation.benchmarks [NAME ...]``: run rows, print their tables, write record and page."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from validation.benchmarks.rows import ROWS, tasks
from validation.benchmarks.running import threads

if TYPE_CHECKING:
    from validation.benchmarks.running.harness import Settings
    from validation.benchmarks.running.record import BenchmarkRecord

OK, FAILED, INTERRUPTED = 0, 1, 130
GO_ON = "interrupted: finished cases are kept; run again to go on"


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``python -m validation.benchmarks``."""
    p = argparse.ArgumentParser(
        prog="python -m validation.benchmarks",
        description="Time refkan against its peers, once their results agree. Cases that the record in the output "
        "folder holds already, of the same sources, versions and settings, are kept.",
        epilog="Exit code: 0 if all results agreed; 1 if a case disagrees or refkan failed; 2: wrong usage; "
        "130: interrupted, finished cases are kept.",
    )
    p.add_argument("names", nargs="*", metavar="NAME", help=f"rows to run, of {', '.join(ROWS)} (default: all)")
    p.add_argument("--quick", action="store_true", help="smaller and fewer cases")
    p.add_argument("--repeats", type=int, metavar="N", help="rounds (default: 11, quick 5)")
    p.add_argument("--threads", type=int, default=2, metavar="N", help="of every library (default: %(default)s)")
    p.add_argument("--without", action="append", default=[], metavar="PEER", help="leave a contestant out")
    p.add_argument("--fresh", action="store_true", help="measure again what the record holds")
    p.add_argument("--list", action="store_true", help="list the rows, run nothing")
    p.add_argument("--output", type=Path, default=Path("validation-report"), metavar="DIR", help="default: %(default)s")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    p = parser()
    arguments = p.parse_args(argv)
    if arguments.list:
        print("\n".join(ROWS))
        return OK
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
    try:
        return _measure(p, arguments, rounds)
    except KeyboardInterrupt:
        print(GO_ON, file=sys.stderr)
        return INTERRUPTED


def _measure(p: argparse.ArgumentParser, arguments: argparse.Namespace, rounds: int) -> int:
    # Only now: these import numpy.
    from refkan.base.atomic_files import require_writable
    from validation.benchmarks.reporting.markdown import targets_table
    from validation.benchmarks.reporting.page import write_page
    from validation.benchmarks.reporting.targets import judge
    from validation.benchmarks.running.harness import Settings
    from validation.benchmarks.running.record import BenchmarkRecord, cases

    try:
        require_writable(arguments.output)
    except OSError as error:
        p.error(str(error))

    settings = Settings(arguments.quick, rounds, arguments.threads, frozenset(arguments.without), progress=_say)
    record = BenchmarkRecord(arguments.output, settings)
    status = _run_rows(arguments.names or list(ROWS), record, settings, arguments.fresh)

    document = record.document()
    if not any(cases(document)):
        return status
    print(targets_table([outcome for outcome in judge(document) if outcome.measured is not None]))
    print("written:", ", ".join(map(str, (record.path, write_page(arguments.output, document)))))
    return status


def _say(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)


def _run_rows(names: Sequence[str], record: "BenchmarkRecord", settings: "Settings", fresh: bool) -> int:
    """Run or keep every case of the rows, printing tables as they come, and return the exit code."""
    from refkan.base.long_runs.interrupts import kept_interrupts
    from validation.benchmarks.reporting.markdown import notes, series_table
    from validation.benchmarks.running.record import failed
    from validation.benchmarks.running.timing import DISTURBED

    done = []
    try:
        for name in names:
            for task in tasks(name, settings):
                case = None if fresh else record.kept(name, task.title)
                _say(f"{name}: {task.title}{'' if case is None else ': kept'}")
                if case is None:
                    with kept_interrupts():  # a contestant that fails because of one must not be recorded
                        result = task.run(settings)
                    case = record.put(name, result)
                    if (case["elsewhere"] or 0.0) > DISTURBED:
                        _say(f"disturbed: {case['elsewhere']:.2f} processors were busy with something else")
                print(f"{case['title']}\n\n{series_table(case)}", flush=True)
                done.append(case)
    except KeyboardInterrupt:
        print(GO_ON, file=sys.stderr)
        return INTERRUPTED
    for peer, note in notes(done):
        print(f"note: {peer}: {note}")
    return FAILED if any(map(failed, done)) else OK


if __name__ == "__main__":
    sys.exit(main())
