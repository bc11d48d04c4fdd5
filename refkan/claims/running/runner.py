"""Running the claim files: selection, isolation of crashes, resuming, exit code."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import refkan
from refkan.base.atomic_files import require_writable
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.base.long_runs.exit_codes import FAILED, INTERRUPTED, OK, refuse, say
from refkan.base.long_runs.interrupts import kept_interrupts
from refkan.base.plain_text import printable
from refkan.claims.cells import run_one_cell
from refkan.claims.reporting.report import write_report
from refkan.claims.rows import Row
from refkan.claims.running.capsule import capsule, now, processors, versions
from refkan.claims.running.console import listing, table
from refkan.claims.running.discovery import ClaimFile, discover
from refkan.claims.running.executors import check_address, dask_executor, without_copies
from refkan.claims.running.kept_parts import Parts
from refkan.claims.running.ledgers import Ledger
from refkan.claims.running.outcomes import FileResult, Outcome, check_answers, describe_error, gather, pack, unpack
from refkan.claims.running.processes import AT_ONCE, Places, run_all
from refkan.claims.running.run_options import parser
from refkan.claims.running.sources import library_digest, sources_digest
from refkan.claims.verdicts import Verdict
from refkan.kernels.engine_choice import current_engine, use_engine
from refkan.kernels.engine_option import EngineError, chosen_engine

LIBRARY = Path(refkan.__file__).parent

QUICK_LIMIT = 600
"""Seconds that a file of a quick run may take where the user does not say so."""

GO_ON = "interrupted: finished files are kept; run again to go on"


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


def run_file(
    file: ClaimFile,
    ledger: Ledger,
    quick: bool,
    message: Callable[[str], None],
    parts: Parts | None = None,
    seeds: int | None = None,
) -> tuple[Verdict, ...]:
    """Import a claim file, run it and return its verdicts, one for each of its rows.

    A file whose ``run`` has a parameter `checkpoints` gets `parts` for it, if there are any; one with `seeds` their
    largest number.
    """
    if file.problem:
        raise ValueError(file.problem)
    module = ledger.load(file)
    given = {"checkpoints": parts, "seeds": seeds}
    more = _taken(file, getattr(module, "run", None), {k: value for k, value in given.items() if value is not None})
    if parts is not None and parts.only and "checkpoints" not in more:
        raise ValueError("keeps no parts: run it without --kept")
    if ledger.grounds:
        resolve_name(ledger.grounds)(file.ids)
    verdicts = check_answers(file, module.run(quick, lambda text: message(printable(text)), **more))
    without = [verdict.id for verdict in verdicts if not verdict.mutations]
    if ledger.twins and without:
        raise ValueError(
            f"{', '.join(without)} must have a mutated twin that fails, Verdict(..., mutations={{'what is altered': "
            "judge(...)}): a claim that nothing can refute is no claim"
        )
    return verdicts


def _taken(file: ClaimFile, run: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the `given` arguments that ``run`` takes; ValueError unless it is one of (quick, progress)."""
    came = "none"
    if callable(run):
        signature = inspect.signature(run)
        more = {name: value for name, value in given.items() if name in signature.parameters}
        try:
            signature.bind(True, print, **more)
        except TypeError:
            came = f"run{signature}"
        else:
            return more
    raise ValueError(
        f"{file.path.name} must define run(quick, progress), which returns a list of one Verdict a row; got {came}. "
        "It may take checkpoints=None and seeds=None besides"
    )


class Run:
    """One run of the selected files, each resumed from its checkpoint where there is one.

    Parameters
    ----------
    checkpoints
        Where finished files are kept.
    ledger
        The rows, the files that may be asked for, and how these are loaded. Their sources are read here, once: what is
        edited during the run does not change the key of a result that was computed before the edit.
    quick
        Whether to run quickly or at the papers' size.
    parts
        Where a file at the papers' size keeps what it has finished.
    seeds
        The largest number of seeds of a file that offers to run fewer than all.
    recorded
        Statuses of rows at full size, beside which a quick run of an experiment is told.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        ledger: Ledger,
        quick: bool,
        parts: Parts | None = None,
        seeds: int | None = None,
        recorded: Mapping[str, str] | None = None,
    ) -> None:
        self._seeds = seeds
        self.recorded = recorded or {}
        self._checkpoints = checkpoints
        self._ledger = ledger
        self._quick = quick
        self._engine = current_engine()
        self._parts = parts
        self._of_library = library_digest(LIBRARY)
        self._configurations = {file.name: self._configuration(file) for file in ledger.files if not file.problem}

    def _configuration(self, file: ClaimFile) -> dict[str, Any]:
        """Return what the result of a file depends on: the file, the size, the versions and the sources."""
        return {
            "task": "claim file",
            "file": file.name,
            "size": "quick" if self._quick else "full",
            **({} if self._seeds is None else {"seeds": self._seeds}),
            "versions": versions(),
            "engine": self._engine,
            "sources": sources_digest(file.path, LIBRARY, of_library=self._of_library),
        }

    def stored(self, file: ClaimFile) -> FileResult | None:
        """Return the finished result of a file, if there is one for the present sources."""
        if file.problem:
            return None
        packed = self._checkpoints.get(self._configurations[file.name])
        return None if packed is None else unpack(file, packed)

    def run(self, file: ClaimFile, message: Callable[[str], None]) -> FileResult:
        """Run a file; a crash becomes a result with an error."""
        start = time.perf_counter()
        try:
            with kept_interrupts(), without_copies(), use_engine(self._engine):  # on a cluster, too
                verdicts = run_file(file, self._ledger, self._quick, message, self._parts, self._seeds)
            seconds = time.perf_counter() - start
            return FileResult(file, verdicts, seconds=seconds, finished=now())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a claim may raise anything
            seconds = time.perf_counter() - start
            text = describe_error(error, file.folder.parent)
            return FileResult(file, error=text, seconds=seconds, finished=now())

    def keep(self, result: FileResult) -> None:
        """Keep a result, unless it is an error or the judgement of an interrupted run.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if not result.error and not (self._parts is not None and self._parts.only):
            self._checkpoints.put(self._configurations[result.file.name], pack(result))


def main(
    argv: Sequence[str] | None,
    folder: Path,
    package: str,
    rows: Sequence[Row],
    papers: Mapping[str, str] | None = None,
    recorded: Mapping[str, str] | None = None,
    grounds: str = "",
) -> int:
    """Run ``python -m PACKAGE`` with the claim files of `folder`, which answer `rows`; return the exit code.

    `papers` are the full names of what sources abbreviate, for the report, `recorded` the statuses at full size;
    `grounds` is that of `Ledger`.
    """
    ledger = Ledger(
        f"python -m {package}",
        tuple(rows),
        tuple(discover(folder, rows)),
        partial(_load, package),
        partial(_command, package),
        papers or {},
        recorded=recorded or {},
        grounds=grounds,
    )
    arguments = parser(ledger.program).parse_args(argv)
    try:
        chosen = select(ledger.files, rows, arguments.names)
    except ValueError as error:
        return refuse(ledger.program, error)
    return answer(arguments, ledger, chosen)


def _load(package: str, file: ClaimFile) -> Any:
    return importlib.import_module(f"{package}.{file.module}")


def _command(package: str, file: ClaimFile, id: str) -> str:
    return f"python -m {package} {id}"


def answer(arguments: argparse.Namespace, ledger: Ledger, chosen: Sequence[ClaimFile]) -> int:
    """Do what the options ask for with the chosen files; return the exit code."""
    try:
        with chosen_engine(arguments.engine, ledger.program, arguments.engine_otherwise(arguments)):
            return _answer(arguments, ledger, chosen)
    except (EngineError, ImportError) as error:  # the latter of the extra that a cluster needs
        return refuse(ledger.program, error)
    except OSError as error:  # of a full disk, or no cluster: nothing can be kept, or the report not be written
        return refuse(ledger.program, f"{error}; files that were kept before are not run again", FAILED)
    except KeyboardInterrupt:  # before the first file or after the last one
        say(GO_ON)
        return INTERRUPTED


def _answer(arguments: argparse.Namespace, ledger: Ledger, chosen: Sequence[ClaimFile]) -> int:
    if arguments.list:
        print(listing(ledger.files, ledger.rows))
        return OK
    try:
        if arguments.cell is not None:
            run_one_cell(chosen, ledger, arguments.cell, 1234 if arguments.seed is None else arguments.seed)
            return OK
        if arguments.kept and (arguments.fresh or not arguments.full):
            raise ValueError("--kept goes with --full and without --fresh")
        recorded = {} if arguments.full else dict(ledger.recorded) | statuses_of(arguments.recorded)
        if arguments.seed is not None:
            raise ValueError("--seed is that of a cell: give --cell too")
        if arguments.dask is not None:
            check_address(arguments.dask)
        require_writable(arguments.output)
        checkpoints = Checkpoints(arguments.output / "checkpoints")
    except (ValueError, OSError) as error:
        return refuse(ledger.program, error)

    start = time.perf_counter()
    # A quick run is not worth keeping in parts.
    kept = None
    if arguments.full:
        kept = Parts(Checkpoints(arguments.output / "parts"), arguments.fresh, arguments.kept)
    run = Run(checkpoints, ledger, not arguments.full, kept, arguments.seeds if arguments.full else None, recorded)
    workers = arguments.workers
    if workers is None:
        workers = 1 if arguments.full else min(processors(), AT_ONCE)
    limit = arguments.limit or (None if arguments.full else QUICK_LIMIT)
    with dask_executor(arguments.dask) if arguments.dask else nullcontext() as cluster:
        results, interrupted = run_all(run, chosen, arguments.fresh, Places(workers, limit, cluster))
    done = {result.file.place for result in results}
    # Rows that were not asked for this time are shown as they last came out with the present sources.
    results += [old for file in ledger.files if file.place not in done and (old := run.stored(file)) is not None]
    outcomes = gather(ledger.rows, ledger.files, results, recorded)
    configuration = {
        "size": "full" if arguments.full else "quick",
        "files": [file.name for file in chosen],
        "fresh": arguments.fresh,
        "interrupted": interrupted,
        "seconds": round(time.perf_counter() - start, 3),
    }
    circumstances = capsule(configuration, seeds_of_rows(outcomes))
    paths = write_report(arguments.output, outcomes, circumstances, ledger.command, ledger.papers)
    print(table(outcomes))
    broken = [result for result in results if result.error and not result.file.ids]
    for result in broken:  # no row stands for them in the table
        print(f"{result.file.place}: error: {result.error.splitlines()[-1]}")
    print(f"report: {', '.join(map(str, paths))}")
    if interrupted:
        say(GO_ON)
        return INTERRUPTED
    failed = any(result.error for result in results) or any(outcome.surviving_mutations for outcome in outcomes)
    return FAILED if failed else OK


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


def seeds_of_rows(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the seeds that the data of verdicts name, by row."""
    return {
        outcome.row.id: outcome.verdict.data[key]
        for outcome in outcomes
        for key in ("seeds", "seed")
        if outcome.verdict is not None and key in outcome.verdict.data
    }
