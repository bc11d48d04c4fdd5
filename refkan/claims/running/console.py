"""The output of a run: a line for each file while it runs, and a table of the rows at the end."""

import shutil
from collections.abc import Collection, Sequence
from typing import TextIO

import refkan
from refkan.base.long_runs.status_lines import StatusLine
from refkan.base.plain_text import printable
from refkan.claims.reporting.report import counts_in_words
from refkan.claims.rows import Row
from refkan.claims.running.discovery import ClaimFile
from refkan.claims.running.outcomes import Outcome
from refkan.kernels.compilation import COMPILING

# Width of the table where there is no terminal to ask: wide enough for the numbers.
UNKNOWN_WIDTH = 180


def shorten(text: str, width: int) -> str:
    """Return `text` on one line of at most `width` characters, with an ellipsis where it was cut.

    Examples
    --------
    >>> shorten("one two three", 8)
    'one two…'
    """
    line = " ".join(text.split())
    if len(line) <= width:
        return line
    return line[: max(width - 1, 0)].rstrip() + "…"


def table(outcomes: Sequence[Outcome], width: int | None = None, first: Collection[str] = ()) -> str:
    """Return the table of the rows of this run, those named in `first` at the top, and a summary.

    A quick run has a column for the recorded verdicts. The summary counts the results of this run, the recorded
    verdicts of the same rows, and the rows whose files were not selected; errors that were cut off in the table follow.
    """
    width = width or shutil.get_terminal_size((UNKNOWN_WIDTH, 24)).columns
    now = sorted((o for o in outcomes if o.now), key=lambda outcome: outcome.row.id not in first)
    names = ["id", "source", "claim", "this run", "recorded", "measured"]
    sizes = [4, 14, max(20, min(44, width // 4)), 18, 18]
    if any(outcome.here.startswith("not run: ") for outcome in now):
        sizes[3] = 34
    cells = [_cells(outcome) for outcome in now]
    if not any(outcome.recorded for outcome in now):
        names[3] = "verdict"
        del sizes[4]
        for each in (names, *cells):
            del each[4]
    last = max(width - sum(sizes) - 2 * len(sizes), 16)

    def line(texts: Sequence[str]) -> str:
        columns = [shorten(text, size).ljust(size) for text, size in zip(texts, sizes, strict=False)]
        return "  ".join([*columns, shorten(texts[-1], last)]).rstrip()

    lines = [line(names), *map(line, cells)] if now else []
    return "\n".join([*lines, "", *counts_in_words(outcomes), *_errors(now, last), *_void(now)])


def _cells(outcome: Outcome) -> list[str]:
    row = outcome.row
    return [row.id, row.source, row.claim, outcome.here, outcome.recorded, outcome.measured]


def _errors(outcomes: Sequence[Outcome], room: int) -> list[str]:
    """Return in full the errors that are longer than their column, each with its rows."""
    errors: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.status == "error" and shorten(outcome.measured, room) != outcome.measured:
            errors.setdefault(outcome.measured, []).append(outcome.row.id)
    return [f"{', '.join(ids)}: {error}" for error, ids in errors.items()]


def _void(outcomes: Sequence[Outcome]) -> list[str]:
    """Say why rows are void."""
    lines = [
        f"{outcome.row.id}: the mutated claim was not refuted: {name}"
        for outcome in outcomes
        for name in outcome.surviving_mutations
    ]
    return lines + [f"{o.row.id}: {o.verdict.uncontrolled}" for o in outcomes if o.verdict and o.verdict.uncontrolled]


class Progress:
    """A line for each file as it starts and ends; on a terminal also what the files that run are doing.

    With rich on a terminal it is a context, in which the line of running files is kept up to date.

    Parameters
    ----------
    total
        Number of files to run.
    stream
        Where to write, the standard error by default, so that the table can be piped.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._total = total
        self._status = StatusLine(stream)
        self._told_of_compiling = False
        self._running: dict[int, tuple[str, str]] = {}

    def __enter__(self) -> "Progress":
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Take the line of running files away."""
        self._status.__exit__(*error)

    def line(self, number: int, name: str, text: str) -> None:
        """Write one line about file `number`, counted from 1."""
        self._write(f"[{number:2d}/{self._total}] {name:<28} {text}")

    def starts(self, number: int, name: str) -> None:
        """Show that a file runs."""
        if not self._status.width:
            self.line(number, name, "running")
        self._running[number] = name, ""
        self._show()

    def message(self, number: int, text: str) -> None:
        """Show what a running file is doing, where there is a terminal."""
        name, _ = self._running[number]
        self._running[number] = name, f": {text}"
        self._show()

    def compiles(self) -> None:
        """Say that kernels are compiled, the first time."""
        if not self._told_of_compiling:
            self._told_of_compiling = True
            self._write(COMPILING)

    def ends(self, number: int, name: str, text: str) -> None:
        """Write the line of a file that has ended, or did not have to run."""
        self._running.pop(number, None)
        self.line(number, name, text)

    def _write(self, text: str) -> None:
        self._status.line(printable(text))
        self._show()

    def _show(self) -> None:
        if not (self._status.width and self._running):
            return
        room = (self._status.width - 2) // len(self._running) - 2  # on one line, after the spinner
        shown = [shorten(f"[{k}/{self._total}] {''.join(said)}", room) for k, said in self._running.items()]
        self._status.update("  ".join(shown))


def listing(files: Sequence[ClaimFile], ledger: Sequence[Row]) -> str:
    """Return one line a row: id, source, the file that answers it and its subject, claim."""
    file_of = {id: file.place for file in files for id in file.ids}
    lines = [f"{row.id:<4}  {row.source:<20}  {file_of.get(row.id, 'pending'):<38}  {row.claim}" for row in ledger]
    problems = [f"{file.place}: {file.problem}" for file in files if file.problem]
    return "\n".join([f"refkan {refkan.__version__}, {len(ledger)} rows, {len(files)} files", *lines, *problems])
