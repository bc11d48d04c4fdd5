"""Samples and weights in CSV files: numbers, one row a line, under a header or without one."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from refkan.array_types import FloatArray
from refkan.commands.options import in_words


def read_samples(option: str, file: Path, n_inputs: int, n_outputs: int) -> tuple[FloatArray, FloatArray]:
    """Return x (N, P) and y (N, Q) of a file with the columns x_1, ..., x_P, y_1, ..., y_Q.

    Raises
    ------
    ValueError
        If the file cannot be read, has no rows, other than P + Q columns, or a cell that is no finite number: the
        message names the option, the line and what stands there.
    """
    rows = read_numbers(option, file)
    if rows.shape[1] != n_inputs + n_outputs:
        raise ValueError(
            f"{option}: {file} must have {n_inputs + n_outputs} columns, the {n_inputs} inputs of the network and then "
            f"its {n_outputs} outputs; got {rows.shape[1]}"
        )
    return rows[:, :n_inputs].copy(), rows[:, n_inputs:].copy()


def read_weights(option: str, file: Path, count: int) -> FloatArray:
    """Return the weights (N,) of a file with one column and a line for each of `count` samples.

    Raises
    ------
    ValueError
        As `read_samples`; and if a weight is negative.
    """
    rows = read_numbers(option, file)
    if rows.shape != (count, 1):
        raise ValueError(
            f"{option}: {file} must have one column and {count} rows, one weight a sample; got {rows.shape[1]} columns "
            f"and {rows.shape[0]} rows"
        )
    if (rows < 0).any():
        raise ValueError(f"{option}: {file} must hold no negative weight; got {rows.min():g}")
    return rows[:, 0].copy()


def read_numbers(option: str, file: Path) -> FloatArray:
    """Return the numbers (rows, columns) of a CSV file; empty lines, lines that begin with #, and a header are skipped.

    A header is a first line none of whose cells is a number.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            lines = [(reader.line_num, cells) for cells in reader]
    except UnicodeDecodeError as error:
        raise ValueError(f"{option}: {file} must be a text file of comma-separated numbers; got other bytes") from error
    except csv.Error as error:
        raise ValueError(f"{option}: {file} must be a file of comma-separated numbers; {error}") from error
    except OSError as error:
        raise ValueError(in_words(option, error)) from error
    lines = [(k, cells) for k, cells in lines if any(map(str.strip, cells)) and not cells[0].lstrip().startswith("#")]
    if lines and not any(map(_is_number, lines[0][1])):
        del lines[0]
    if not lines:
        raise ValueError(f"{option}: {file} must hold at least one line of numbers; got none")
    return np.array([_numbers(option, file, k, cells, len(lines[0][1])) for k, cells in lines])


def _numbers(option: str, file: Path, line: int, cells: list[str], count: int) -> list[float]:
    if len(cells) != count:
        raise ValueError(
            f"{option}: {file} must have equally many columns in all lines, {count} as in the first; got {len(cells)} "
            f"in line {line}"
        )
    for column, cell in enumerate(cells, start=1):
        if not (_is_number(cell) and math.isfinite(float(cell))):
            raise ValueError(
                f"{option}: {file} must hold finite numbers, separated by commas; got {cell!r} in line {line}, column "
                f"{column}: leave out lines without a number"
            )
    return [float(cell) for cell in cells]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
