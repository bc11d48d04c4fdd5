"""Samples and weights in CSV files: numbers, one row a line, under a header or without one."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from refkan.base import Array, FloatArray, Frozen, nearest
from refkan.base.atomic_files import read_file
from refkan.base.plain_text import printable
from refkan.commands.option_values import in_words

SHOWN = 3
"""Places of bad lines that a message names."""

SEPARATORS = {";": "semicolons", "\t": "tabs", None: "blanks"}
"""What separates columns in files that are not comma-separated; None as for `str.split`."""

MISSING = ("", "na", "n/a", "nan", "null", "none")
"""Cells, in small letters, that say that there is no number; any other text is a mistake, or a category."""

Lines = list[tuple[int, list[str]]]
"""Numbers of lines, from 1, with their cells."""


class Numbers(Frozen, eq=True):
    """What a CSV file holds.

    Attributes
    ----------
    rows : array (rows, columns)
    names : tuple of str or None
        Of the columns; None without a header, or where it has another number of cells.
    """

    rows: FloatArray
    names: tuple[str, ...] | None


def read_weights(option: str, file: Path, count: int) -> FloatArray:
    """Return the weights (N,) of a file with one column and a line for each of `count` samples.

    Raises
    ------
    ValueError
        As `read_numbers`, for another shape, and if a weight is negative.
    """
    rows = read_numbers(option, file).rows
    if rows.shape != (count, 1):
        raise ValueError(
            f"{option}: {file} must have one column and a row for each sample, {count} x 1 numbers; got "
            f"{rows.shape[0]} x {rows.shape[1]}"
        )
    if (rows < 0).any():
        raise ValueError(f"{option}: {file} must hold no negative weight; got {rows.min():g}")
    return rows[:, 0].copy()


def read_numbers(
    option: str,
    file: Path,
    gaps: str | None = None,
    columns: Callable[[Sequence[str] | None], Sequence[str] | None] = lambda header: None,
    select: str = "",
    missing: bool = False,
) -> Numbers:
    """Return the numbers of a CSV file; empty lines, lines that begin with #, and a header are skipped.

    A header is a first line none of whose cells is a number. A first line of whole numbers that are unlike those below
    is refused, as it may be a header of numbers (see `_require_no_header_of_numbers`).

    Parameters
    ----------
    option : str
        What messages begin with.
    file : Path
    gaps : str, optional
        The option of the command that leaves out lines which are not whole, for messages. Empty: it was given, and what
        is no finite number becomes NaN, as does all of a line with another number of cells.
    columns : callable
        Takes the names in the header (None without one) and returns those of the columns that are read, in that order;
        None for all. What stands in other columns does not matter.
    select : str
        The option of the command that says which columns are read, for messages.
    missing : bool
        Whether cells may be `MISSING`, and become NaN. A line with any other cell that is no finite number becomes NaN
        as a whole then.
    """
    where = f"{option}: {file}"
    try:
        reader = csv.reader(io.StringIO(read_file(file).decode("utf-8-sig"), newline=""))
        lines = [(reader.line_num, cells) for cells in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        came = error if isinstance(error, csv.Error) else "got other bytes"
        raise ValueError(f"{where} must be a text file of comma-separated numbers; {came}") from error
    except OSError as error:
        raise ValueError(in_words(option, error)) from error
    lines = [(k, cells) for k, cells in lines if any(map(str.strip, cells)) and not cells[0].lstrip().startswith("#")]
    header = lines[0][1] if lines and not any(map(_is_number, lines[0][1])) else []
    chosen = columns([cell.strip() for cell in header] or None)
    places = None if chosen is None else _columns_named(where, chosen, lines)
    _require_commas(where, lines)
    lines = lines[1:] if header else lines
    if not lines:
        raise ValueError(f"{where} must hold at least one line of numbers; got none")
    if all(len(cells) > 1 and not cells[-1].strip() for _, cells in lines):
        raise ValueError(
            f"{where} must have a number behind the last comma; got none in any line: remove that comma, or the empty "
            "column"
        )
    count = Counter(len(cells) for _, cells in lines).most_common(1)[0][0]
    names = tuple(printable(cell.strip()) for cell in header) if len(header) == count else None
    _require_no_header_of_numbers(where, lines)
    _require_closed_quotes(where, lines)
    rows = np.array([[*map(_number, cells)] if len(cells) == count else [math.nan] * count for _, cells in lines])
    good = np.isfinite(rows)
    _require_columns(where, lines, good, names, select)
    if missing:
        good |= [[*map(_is_missing, cells)] if len(cells) == count else [False] * count for _, cells in lines]
    if gaps != "" and not good.all():
        wanted = f"finite numbers for {_listed(chosen)}" if chosen else f"{count} finite numbers, separated by commas,"
        raise ValueError(f"{where} must hold {wanted} in every line; {_faults(lines, good, names, gaps, missing)}")
    if missing:
        rows[~good.all(axis=1)] = math.nan
    if places is None or chosen is None:
        return Numbers(rows, names)
    return Numbers(rows[:, places], tuple(map(printable, chosen)))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names))


def _columns_named(file: str, chosen: Sequence[str], lines: Lines) -> list[int]:
    """Return where the columns of these names are; what stands in the others becomes 0, so that it does not matter."""
    header = [cell.strip() for cell in lines[0][1]] if lines else []
    for name in chosen:
        if header.count(name) != 1:
            near = f"; did you mean {other!r}?" if (other := nearest(name, header)) and name not in header else ""
            raise ValueError(
                f"{file} must have one column {name!r} in its header; got {header.count(name)} among "
                f"{_listed(header)}{near}"
            )
    places = [header.index(name) for name in chosen]
    for _, cells in lines[1:]:
        cells[:] = [cell if k in places else "0" for k, cell in enumerate(cells)]
    return places


def _require_commas(file: str, lines: Lines) -> None:
    """Raise ValueError if no line splits into numbers at commas, but half of them or more at something else."""
    if any(all(map(_is_number, cells)) for _, cells in lines):
        return
    for separator, name in SEPARATORS.items():
        split = [",".join(cells).split(separator) for _, cells in lines]
        for mark in (".", ","):
            whole = [len(cells) > 1 and all(_is_number(cell.replace(mark, ".")) for cell in cells) for cells in split]
            if 2 * sum(whole) >= len(lines) > 0:
                first = "decimal commas by points, then " if mark == "," else ""
                raise ValueError(
                    f"{file} must be separated by commas; got {name} in line {lines[whole.index(True)][0]}: replace "
                    f"{first}{name} by commas"
                )


def _require_no_header_of_numbers(file: str, lines: Lines) -> None:
    """Raise ValueError if the first line may be names that are numbers, such as years: then it is no sample.

    That is so if its cells are whole numbers, written without a point, that differ from each other, and each is farther
    from the numbers below it than these are from each other. It is so, too, if two or more cells count on, as years and
    the columns of a data frame do, and no column below is all whole.
    """
    (first, cells), *rest = lines
    below = list(zip(*(list(map(_number, others)) for _, others in rest if len(others) == len(cells)), strict=True))
    names = [cell.strip() for cell in cells]
    if len(set(names)) < len(names) or not all(map(str.isdecimal, names)) or not below:
        return
    columns = [[number for number in column if math.isfinite(number)] for column in below]
    if min(map(len, columns)) < 2:
        return
    consecutive = len(names) > 1 and len({int(name) - k for k, name in enumerate(names)}) == 1
    whole_below = any(all(map(float.is_integer, column)) for column in columns)
    far_out = all(  # farther from the nearer end of the column than the column is long
        abs(2 * float(name) - max(column) - min(column)) > 3 * (max(column) - min(column))
        for name, column in zip(names, columns, strict=True)
    )
    if not far_out and (whole_below or not consecutive):
        return
    raise ValueError(
        f"{file} must say whether line {first} is a header; got {','.join(names)}, whole numbers unlike those below: "
        f"if they are names, begin the line with #; if they are data, write {names[0]}.0"
    )


def _require_closed_quotes(file: str, lines: Lines) -> None:
    """Raise ValueError if a cell spans lines: a quote that is not closed takes all that follows into one cell."""
    for line, cells in lines:
        breaks = sum(cell.count("\n") for cell in cells)
        if breaks:
            raise ValueError(
                f"{file} must have closed quotes; got one that is open from line {line - breaks} to line {line}: close "
                "it, or leave it out"
            )


def _require_columns(file: str, lines: Lines, finite: Array, names: tuple[str, ...] | None, select: str) -> None:
    """Raise ValueError if a column has a number in no line: then no line is left without those that are not whole."""
    whole = [(k, cells) for k, cells in lines if len(cells) == finite.shape[1]]
    empty = np.flatnonzero(~finite.any(axis=0)).tolist()
    if len(whole) < 2 or not empty:
        return
    digits = [k for k in empty if all(math.isfinite(_number(re.sub("[,_]", "", cells[k]))) for _, cells in whole)]
    bad = [k for k in empty if k not in digits] or digits
    first, cells = whole[0]
    have, that, them, their = (
        ("has", "that column", "it", "its") if len(bad) == 1 else ("have", "those", "them", "their")
    )
    plainly = f"write {their} numbers with a decimal point and without commas or underscores"
    leave = f"leave {that} out" + (f", by naming the inputs without {them} after {select}" if select else "")
    raise ValueError(
        f"{file} must hold finite numbers in every column; {' and '.join(column_name(k, names) for k in bad)} {have} "
        f"none in {len(whole)} lines, got {' and '.join(repr(cells[k]) for k in bad)} in line {first}: "
        f"{plainly if bad == digits else leave}"
    )


def _faults(lines: Lines, good: Array, names: tuple[str, ...] | None, gaps: str | None, missing: bool) -> str:
    """How many lines are not whole, the first of them, and what to do."""
    bad = np.flatnonzero(~good.all(axis=1)).tolist()
    told = [_fault(*lines[k], good[k], names) for k in bad[:SHOWN]] + ["..."] * (len(bad) > SHOWN)
    do, them = ("does", "it") if len(bad) == 1 else ("do", "them")
    otherwise = f", or give {gaps}" if gaps else ""
    if not missing and gaps and any(_is_missing(cell) for k in bad for cell in lines[k][1]):
        otherwise += "; --impute fills gaps of inputs"
    return f"{len(bad)} of {len(lines)} lines {do} not: {'; '.join(told)}: leave {them} out{otherwise}"


def _fault(line: int, cells: list[str], good: Array, names: tuple[str, ...] | None) -> str:
    if len(cells) != good.size:
        return f"got {len(cells)} cells, not {good.size}, in line {line}"
    column = int(np.argmin(good))
    return f"got {cells[column]!r} in line {line}, {column_name(column, names)}"


def column_name(column: int, names: tuple[str, ...] | None) -> str:
    """Return what messages call a column of a file: its number, counted from 1, and its name in the header.

    Examples
    --------
    >>> column_name(0, ("force", "path")), column_name(1, None)
    ('column 1 (force)', 'column 2')
    """
    return f"column {column + 1}" + (f" ({names[column]})" if names is not None and names[column] else "")


def _is_number(cell: str) -> bool:
    if "_" in cell:  # which Python allows between digits
        return False
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in MISSING


def _number(cell: str) -> float:
    """The number in a cell, NaN if there is none."""
    return float(cell) if _is_number(cell) else math.nan
