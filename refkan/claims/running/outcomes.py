"""The result of each row of the ledger, and the plain data that records hold."""

import dataclasses
import re
import traceback
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from refkan.base import json_data
from refkan.claims.estimates import Estimate, from_plain
from refkan.claims.rows import Row
from refkan.claims.running.discovery import ClaimFile
from refkan.claims.running.sources import name_below
from refkan.claims.verdicts import Figure, Table, Verdict

AS_PRINTED = ("holds", "holds under some readings")
"""Statuses of a claim that holds as printed; "as corrected" says that it does not."""

DIRECTIONS = SAME, OTHER, TOWARDS, AGAINST, NEITHER = (
    "same direction",
    "other direction",
    "points to the claim",
    "points against it",
    "not as printed either",
)
"""Where a small run points, beside the recorded verdict."""

VOID = "void"
"""Status of a row whose verdict is worth nothing."""


@dataclass(frozen=True)
class FileResult:
    """The result of one claim file: its verdicts, the error that stopped it, or parts that must run elsewhere first.

    `seconds` is processor time, including that of its parts, whenever and wherever they ran.
    """

    file: ClaimFile
    verdicts: tuple[Verdict, ...] = ()
    error: str = ""
    seconds: float = 0.0
    finished: str = ""
    resumed: bool = False
    missing: Sequence[bytes] = ()


@dataclass(frozen=True)
class Outcome:
    """The result of one row: `status` is that of its verdict, "pending", "not run", "error" or "void".

    A verdict is void if one of its mutated claims was not refuted, or if it fails and no positive control holds: what
    cannot tell right from wrong decides nothing. `recorded` is the status of the row at full size, for a quick run.
    `now` is False for a row whose file was not selected for this run: its result, if any, is that of an earlier run.
    """

    row: Row
    status: str
    verdict: Verdict | None = None
    result: FileResult | None = None
    file: ClaimFile | None = None
    recorded: str = ""
    now: bool = True

    @property
    def said(self) -> str:
        """The verdict with the recorded one, see `said_of`."""
        if self.recorded and self.verdict is not None:
            return f"recorded: {self.recorded}; small run: {self.here}"
        return self.here

    @property
    def here(self) -> str:
        """The result of this run alone: a status, or the direction of a small run."""
        if self.verdict is None:
            return self.status
        if self.recorded:
            return direction(self.recorded, self.verdict)
        return not_run(self.verdict) or self.status

    @property
    def measured(self) -> str:
        """The line of numbers of the table; of an error its last line, which names it."""
        if self.verdict is not None:
            return self.verdict.measured
        if self.status != "error" or self.result is None:
            return ""
        return self.result.error.splitlines()[-1]

    @property
    def surviving_mutations(self) -> tuple[str, ...]:
        """Names of mutations that came out as holding, which makes the verdict worthless."""
        return () if self.verdict is None else self.verdict.surviving_mutations


def reached(verdict: Verdict) -> str:
    """Say how many of the numbers that a goal asks for were reached."""
    asked = [estimate.points for estimate in verdict.estimates if estimate.decides]
    return f"{sum(asked)} of {len(asked)} reached"


def said_of(verdict: Verdict, recorded: str = "") -> str:
    """Tell a verdict: of an experiment run small, the recorded one and the direction in which this run points."""
    status = status_of(verdict)
    if not recorded or not verdict.experiment or status == VOID:
        return not_run(verdict) or status
    return f"recorded: {recorded}; small run: {direction(recorded, verdict)}"


def not_run(verdict: Verdict) -> str:
    """Say what a row needs that could not be measured here; "" for every other row."""
    if status_of(verdict) != "pending" or not verdict.needs:
        return ""
    return f"not run: needs {verdict.needs}"


def direction(recorded: str, verdict: Verdict) -> str:
    """Say whether a small run points where the recorded verdict does; the estimates speak without their intervals.

    Of a claim that fails as printed a small run that fails too says no more: it may miss by the other side. Of one that
    holds under some readings a small run points there if it does under one.
    """
    under: list[Iterable[Estimate]] = [verdict.estimates]
    if recorded == "holds under some readings":
        under += [map(from_plain, reading.get("estimates", ())) for reading in verdict.readings]
    asked = [points for points in ([e.points for e in estimates if e.decides] for estimates in under) if points]
    if not asked and verdict.status == "undecided":
        return "undecided"
    points = any(map(all, asked)) if asked else verdict.status in AS_PRINTED
    if recorded == "undecided":
        return TOWARDS if points else AGAINST
    if recorded == "holds under some readings" and verdict.status == "holds as corrected":
        return "undecided"  # the record depends on the reading, and holds as corrected under the others
    if points != (recorded in AS_PRINTED):
        return OTHER
    return SAME if points else NEITHER


def gather(
    ledger: Iterable[Row],
    files: Sequence[ClaimFile],
    results: Sequence[FileResult],
    recorded: Mapping[str, str] | None = None,
    selected: Collection[ClaimFile] | None = None,
) -> list[Outcome]:
    """Return one outcome a row: pending without a file, not run without a result, error after a crash.

    `recorded` holds the statuses of rows at full size, for a quick run: experiments are told with them. `selected` are
    the files of this run, by default all.
    """
    file_of = {id: file for file in files for id in file.ids}
    result_of = {result.file.place: result for result in results}

    def outcome(row: Row) -> Outcome:
        file = file_of.get(row.id)
        if file is None:
            return Outcome(row, "pending")
        made = Outcome(row, "not run", file=file, now=selected is None or file in selected)
        result = result_of.get(file.place)
        if result is None:
            return made
        verdict = {verdict.id: verdict for verdict in result.verdicts}.get(row.id)
        if verdict is None:
            return replace(made, status="error", result=result)
        made = replace(made, status=status_of(verdict), verdict=verdict, result=result)
        if made.status == VOID:
            return made
        if row.goal:
            return replace(made, status=reached(verdict))
        if verdict.experiment and recorded:
            return replace(made, recorded=recorded.get(row.id, ""))
        return made

    return [outcome(row) for row in ledger]


def status_of(verdict: Verdict) -> str:
    """Return the status of a row with this verdict: void if it cannot tell right from wrong."""
    if verdict.surviving_mutations or verdict.uncontrolled:
        return VOID
    return verdict.status


def check_answers(file: ClaimFile, verdicts: Any) -> tuple[Verdict, ...]:
    """Return the verdicts of a file if they are one for each of its rows.

    Raises
    ------
    TypeError
        If `verdicts` is not a sequence of Verdict.
    ValueError
        If a row is missing, answered twice or not among the CLAIMS.
    """
    if not isinstance(verdicts, list | tuple) or not all(isinstance(item, Verdict) for item in verdicts):
        raise TypeError(f"run must return a list of Verdict; got {type(verdicts).__name__}")
    answered = [verdict.id for verdict in verdicts]
    if sorted(answered) != sorted(file.ids):
        raise ValueError(f"run must return one verdict for each row, {', '.join(file.ids)}; got {', '.join(answered)}")
    return tuple(
        Verdict(**(vars(verdict) | {"data": plain(verdict.data), "readings": tuple(map(plain, verdict.readings))}))
        for verdict in verdicts
    )


plain = partial(json_data.plain, not_finite=repr)
"""A value as JSON data; NaN and infinities become strings, so that one tells them apart."""


def pack(result: FileResult) -> dict[str, Any]:
    """Return what a checkpoint keeps of a finished file."""
    return {
        "verdicts": [dataclasses.asdict(verdict) for verdict in result.verdicts],
        "seconds": result.seconds,
        "finished": result.finished,
    }


def unpack(file: ClaimFile, packed: Mapping[str, Any]) -> FileResult:
    """Return the result that :func:`pack` made plain."""
    kinds: dict[str, Any] = {"figures": Figure, "tables": Table, "estimates": Estimate}
    verdicts = []
    for fields in packed["verdicts"]:
        parts = {name: tuple(kind(**part) for part in fields[name]) for name, kind in kinds.items()}
        verdicts.append(Verdict(**(fields | parts)))
    return FileResult(file, tuple(verdicts), seconds=packed["seconds"], finished=packed["finished"], resumed=True)


def describe_error(error: BaseException, root: Path) -> str:
    """Return the traceback of an error with files relative to `root`, so that reports name no folder of ours.

    The last line is the error itself.
    """
    lines = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        name = name_below(path, root)
        lines.append(f"{name}, line {frame.lineno}, in {frame.name}: {frame.line or ''}".rstrip(": "))
    message = " ".join("".join(traceback.format_exception_only(error)).split())
    return "\n".join([*lines, without_folders(message)])


def without_folders(text: str) -> str:
    """Replace absolute paths in a message by the last part of their names."""
    return re.sub(r"(?<![\w./])(?:/[\w.+@-]+)+/([\w.+@-]+)", r"\1", text)
