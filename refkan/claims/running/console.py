"""What a run prints: a line a file while it runs, and a table of every row at the end."""

import shutil
from collections.abc import Sequence
from typing import TextIO

import refkan
from refkan.base.long_runs.status_lines import StatusLine
from refkan.base.plain_text import printable
from refkan.claims.readings import counted
from refkan.claims.reporting.report import summary
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
    return line if len(line) <= width else line[: max(width - 1, 0)].rstrip() + "…"


def table(outcomes: Sequence[Outcome], width: int | None = None) -> str:
    """Return the table of all rows: id, source, claim, verdict and, in the rest of the line, measured.

    Below it stand how many rows there are of each status, and, whole, the errors that did not fit into their line.
    """
    width = width or shutil.get_terminal_size((UNKNOWN_WIDTH, 24)).columns
    columns = (4, 14, max(20, min(44, width // 4)), 18)
    last = max(width - sum(columns) - 2 * len(columns), 16)

    def line(*cells: str) -> str:
        fixed = [shorten(cell, size).ljust(size) for cell, size in zip(cells, columns, strict=False)]
        return "  ".join([*fixed, shorten(cells[-1], last)]).rstrip()

    lines = [line("id", "source", "claim", "verdict", "measured")]
    for outcome in outcomes:
        row = outcome.row
        lines.append(line(row.id, row.source, row.claim, outcome.said, outcome.measured))
    counts = ", ".join(f"{number} {status}" for status, number in summary(outcomes).items())
    lines += ["", f"{counted(len(outcomes), 'row')}{': ' if counts else ''}{counts}"]
    errors: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.status == "error" and shorten(outcome.measured, last) != outcome.measured:
            errors.setdefault(outcome.measured, []).append(outcome.row.id)
    lines += [f"{', '.join(ids)}: {error}" for error, ids in errors.items()]
    lines += [
        f"{outcome.row.id}: the mutated claim was not refuted: {name}"
        for outcome in outcomes
        for name in outcome.surviving_mutations
    ]
    lines += [f"{o.row.id}: {o.verdict.uncontrolled}" for o in outcomes if o.verdict and o.verdict.uncontrolled]
    return "\n".join(lines)


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
