"""Networks in files with the names of their columns, and the rows of CSV files that go with them."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, IntArray, located
from refkan.base.long_runs.exit_codes import say
from refkan.commands.data_files.number_files import Numbers, read_numbers
from refkan.commands.option_values import named
from refkan.interop import read_model
from refkan.interop.model_files import is_network
from refkan.networks import Network, load


def read_network(option: str, file: Path) -> tuple[Network, FloatArray, dict[str, Any]]:
    """Return a network in a file, its parameters, and notes of its training.

    Of a network that was trained on a file these hold "columns", the names of its inputs and then its outputs, and
    "medians", those of its inputs.
    """
    with named(option), located(option):
        if not is_network(file):
            return *read_model(file), {}
        return load(file, return_notes=True)


def add_gaps_options(parser: argparse.ArgumentParser, file: str) -> None:
    """Add the options that say what becomes of lines of a file which are not whole."""
    parser.add_argument(
        "--drop-bad-rows", action="store_true", help=f"leave out incomplete lines of {file}, and say how many"
    )
    parser.add_argument(
        "--impute",
        action="store_true",
        help=f"fill gaps in the inputs of {file}, empty cells and NaN, with the median of the column in training",
    )


def read_rows(
    option: str,
    file: Path,
    chosen: argparse.Namespace,
    columns: Callable[[Sequence[str] | None], Sequence[str] | None],
    select: str = "",
) -> Numbers:
    """Return the numbers of a file; by what `add_gaps_options` adds gaps are refused, or NaN."""
    gaps = "" if chosen.drop_bad_rows else "--drop-bad-rows"
    return read_numbers(option, file, gaps, columns, select, chosen.impute)


def fill_gaps(rows: FloatArray, inputs: int, medians: Any, file: str, chosen: argparse.Namespace) -> None:
    """Put medians (inputs,) in place of NaN in the first columns, in place, and say in how many cells.

    A row without any input stays as it is.

    Raises
    ------
    ValueError
        If a row is not whole then, and rows that are not are to be left out by an option that was not given.
    """
    x = rows[:, :inputs]
    gaps = np.isnan(x) & ~np.isnan(x).all(axis=1, keepdims=True)
    x[gaps] = np.broadcast_to(medians, x.shape)[gaps]
    if gaps.any():
        say(f"{chosen.program}: {gaps.sum()} gaps of {file} filled with medians")
    left = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if left.size and not chosen.drop_bad_rows:
        raise ValueError(
            f"--impute fills gaps of inputs, in rows that have one; {left.size} of {len(rows)} rows of {file} have no "
            f"output or no input, the first is row {left[0] + 1}: leave them out, or give --drop-bad-rows too"
        )


class NetworkRows(Frozen, eq=True):
    """Rows of a file for a network in a file.

    Attributes
    ----------
    x, y : array (N, P), array (N, Q)
        Inputs and outputs; of outputs that were not read, no columns.
    numbers : array of int (N,)
        Which rows of the file they are, from 1.
    """

    x: FloatArray
    y: FloatArray
    numbers: IntArray


def read_rows_for(
    net: Network,
    notes: Mapping[str, Any],
    option: str,
    file: Path,
    outputs: str,
    chosen: argparse.Namespace,
) -> NetworkRows:
    """Return inputs, and outputs where they are wanted, for a network that was trained on columns of these names.

    Columns are found by name where the file has a header and the network has names, whatever else the file holds. A
    file without a header, or for a network without names, must hold the columns in order and no other.

    Parameters
    ----------
    net : Network
    notes : mapping
        As by `read_network`.
    option : str
        What messages begin with.
    file : Path
    outputs : {"none", "any", "needed"}
        Whether outputs are read: not at all, where the file has all of them, or in any case.
    chosen : argparse.Namespace
        With what `add_gaps_options` adds; rows that are left out are counted on the standard error stream.

    Raises
    ------
    ValueError
        If the file cannot be read, has no rows, other columns, or cells that are no finite numbers: the message names
        the option, the first of those lines and what stands there.
    """
    P, Q, names = net.widths[0], net.widths[-1], notes.get("columns")
    if names is not None and len(set(names)) < len(names):
        names = None  # nothing is found by a name that two columns have

    def columns(header: Sequence[str] | None) -> Sequence[str] | None:
        if header is None or names is None:
            return None
        return names if outputs == "needed" or (outputs == "any" and set(names[P:]) <= set(header)) else names[:P]

    if chosen.impute and "medians" not in notes:
        raise ValueError(
            "--impute needs the medians of the training, which `refkan train` stores; this network has none"
        )
    rows = read_rows(option, file, chosen, columns).rows
    allowed = {"none": (P,), "any": (P, P + Q), "needed": (P + Q,)}[outputs]
    if rows.shape[1] not in allowed:
        wanted = {P: "the inputs", P + Q: "the inputs and then the outputs"}
        counts = ", or ".join(f"{count} columns, {wanted[count]}" for count in allowed)
        by_name = "; or give it a header with the names of the training" if names else ""
        raise ValueError(f"{option}: {file} must have {counts}; got {rows.shape[1]}: leave out the others{by_name}")
    if chosen.impute:
        fill_gaps(rows, P, notes["medians"], file.name, chosen)
    whole = np.isfinite(rows).all(axis=1)
    if not whole.any():
        raise ValueError(f"{option}: {file} must hold at least one line that is whole; got none of {whole.size}")
    if not whole.all():
        say(f"{chosen.program}: {np.sum(~whole)} of {whole.size} rows of {file.name} left out")
    return NetworkRows(rows[whole, :P].copy(), rows[whole, P:].copy(), np.flatnonzero(whole) + 1)
