"""Running the claim files: selection, options, report, exit code."""

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from refkan.base.atomic_files import require_writable
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.base.long_runs.command_parser import carry_out
from refkan.base.long_runs.exit_codes import FAILED, OK
from refkan.base.long_runs.worker_processes import check_address, dask_executor
from refkan.base.plain_text import printable
from refkan.claims.cells import run_one_cell
from refkan.claims.reporting.report import write_report
from refkan.claims.rows import Row
from refkan.claims.running.capsule import capsule, processors
from refkan.claims.running.console import listing, table
from refkan.claims.running.discovery import ClaimFile, Ledger, discover
from refkan.claims.running.file_runs import FileRun, KeptResults
from refkan.claims.running.kept_parts import Parts
from refkan.claims.running.outcomes import gather
from refkan.claims.running.processes import AT_ONCE, Places, run_all
from refkan.claims.running.run_options import parser
from refkan.kernels.engine_choice import current_engine
from refkan.kernels.engine_option import engine_of

QUICK_LIMIT = 600
"""Seconds that a file of a quick run may take where the user does not say so."""


def select(files: Sequence[ClaimFile], ledger: Sequence[Row], names: Sequence[str]) -> list[ClaimFile]:
    """Return the files that `names` stand for: row ids, files with or without subject and .py, subjects; all for none.

    Raises
    ------
    ValueError
        If a name is neither a row nor a file nor a subject, or a row that no file answers yet.
    """
    if not names:
        return list(files)
    chosen: set[str] = set()
    for name in names:
        wanted = name.removesuffix(".py").rstrip("/")
        matching = [
            file
            for file in files
            if name in file.ids or wanted in (file.name, file.place) or file.place.startswith(f"{wanted}/")
        ]
        if not matching:
            if any(row.id == name for row in ledger):
                raise ValueError(f"row {name} is pending: no file answers it yet")
            known = ", ".join(file.place for file in files) or "none yet"
            known = f"files: {known}; ids: see --list"
            raise ValueError(f"NAME must be a row id, a file or a subject; got {name!r} ({known})")
        chosen.update(file.place for file in matching)
    return [file for file in files if file.place in chosen]


def main(argv: Sequence[str] | None, folder: Path, package: str, rows: Sequence[Row], **more: Any) -> int:
    """Run ``python -m PACKAGE`` with the claim files of `folder`, which answer `rows`; return the exit code.

    `more` is what `Ledger` has beside rows and files.
    """
    program = f"python -m {package}"
    ledger = Ledger(tuple(rows), tuple(discover(folder, rows)), **more)
    p = parser(program)
    p.set_defaults(program=program, run=partial(run_claims, ledger=ledger))
    chosen = p.parse_args(argv)
    return carry_out(chosen, engine_of(chosen))


def run_claims(chosen: argparse.Namespace, ledger: Ledger) -> int:
    """Do what the options ask for with the files of a ledger that are named; return the exit code.

    Raises
    ------
    KeyboardInterrupt
        If it is interrupted; then what is finished has been reported.
    """
    names = getattr(chosen, "names", ())
    files = select(ledger.files, ledger.rows, names)
    if chosen.list:
        print(printable(listing(ledger.files, ledger.rows)))
        return OK
    if chosen.cell is not None:
        run_one_cell(files, chosen.cell, 1234 if chosen.seed is None else chosen.seed)
        return OK
    recorded = {} if chosen.full else dict(ledger.recorded) | statuses_of(chosen.recorded)
    if chosen.seed is not None:
        raise ValueError("--seed applies to a cell: give --cell too")
    if chosen.dask is not None:
        check_address(chosen.dask)
    try:
        require_writable(chosen.output)
    except OSError as error:
        raise ValueError(error) from error
    run, workers, limit = _plan(chosen, ledger, len(files))
    kept = KeptResults(Checkpoints(chosen.output / "checkpoints"), run, ledger.files)
    start = time.perf_counter()
    with dask_executor(chosen.dask) if chosen.dask else nullcontext() as cluster:
        places = Places(workers, limit, cluster)
        results, interrupted = run_all(run, kept, files, chosen.fresh, places, recorded)
    # Files that were not selected are shown with their latest results, if these are of the present sources.
    done = {result.file.place for result in results}
    earlier = [kept.get(file) for file in ledger.files if file.place not in done]
    results += [result for result in earlier if result is not None]
    outcomes = gather(ledger.rows, ledger.files, results, recorded, files)
    configuration = {
        "size": "full" if chosen.full else "quick",
        "files": [file.name for file in files],
        "fresh": chosen.fresh,
        "interrupted": interrupted,
        "seconds": round(time.perf_counter() - start, 3),
    }
    seeds = {o.row.id: o.verdict.seeds for o in outcomes if o.verdict is not None and o.verdict.seeds}
    paths = write_report(chosen.output, outcomes, capsule(configuration, seeds), ledger.papers)
    print(printable(table(outcomes, first=names)))
    for result in results:
        if result.error and not result.file.ids:  # no row stands for them in the table
            print(printable(f"{result.file.place}: error: {result.error.splitlines()[-1]}"))
    print(f"report: {', '.join(map(str, paths))}")
    if interrupted:
        raise KeyboardInterrupt
    failed = any(result.error for result in results) or any(outcome.surviving_mutations for outcome in outcomes)
    return FAILED if failed else OK


def _plan(chosen: argparse.Namespace, ledger: Ledger, files: int) -> tuple[FileRun, int, float | None]:
    """Return how each file is run, in how many processes, and after how many seconds it is ended."""
    workers = chosen.workers
    if workers is None:
        workers = min(processors(), AT_ONCE)
    if not chosen.full:  # without parts, which are not worth keeping
        run = FileRun(True, current_engine(), ledger.grounds)
        return run, min(workers, files), chosen.limit or QUICK_LIMIT
    store = Checkpoints(chosen.output / "parts")
    since = store.folder.stat().st_mtime if chosen.fresh else 0.0  # it was written to right now
    parts = Parts(store, since, spread=workers > 1 or chosen.dask is not None)
    run = FileRun(False, current_engine(), ledger.grounds, parts, chosen.seeds)
    return run, workers, chosen.limit


def statuses_of(path: Path | None) -> dict[str, str]:
    """Return the statuses in the record.json of a run at full size; none without one.

    Raises
    ------
    ValueError
        If it is not the record of such a run.
    """
    if path is None:
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["capsule"]["configuration"]["size"] == "full":
            return {row["id"]: row["status"] for row in record["rows"]}
    except (OSError, ValueError, TypeError, KeyError):
        pass
    raise ValueError(f"--recorded must be the record.json of a run with --full; got {path.name}")
