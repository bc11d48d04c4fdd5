"""Networks in files with the names of their columns, and the rows of CSV files that go with them."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refkan.base import FloatArray, IntArray, ShortRepr, located
from refkan.base.long_runs.exit_codes import say
from refkan.commands.data_files.number_files import read_numbers
from refkan.commands.option_values import named
from refkan.interop import read_model
from refkan.interop.model_files import is_network
from refkan.networks import Network, load


def read_network(option: str, file: Path) -> tuple[Network, FloatArray, list[str] | None]:
    """Return a network in a file, its parameters, and the names of its inputs and then its outputs, if it has any."""
    with named(option), located(option):
        if not is_network(file):
            return *read_model(file), None
        net, theta, notes = load(file, return_notes=True)
        return net, theta, notes.get("columns")


def add_gaps_option(parser: argparse.ArgumentParser, file: str) -> None:
    """Add the option that leaves out lines of a file which are not whole."""
    parser.add_argument(
        "--drop-bad-rows", action="store_true", help=f"leave out lines of {file} that are not whole, and say how many"
    )


@dataclass(frozen=True)
class NetworkRows(ShortRepr):
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
    names: Sequence[str] | None,
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
    names : sequence of str or None
        Of its inputs and then its outputs.
    option : str
        What messages begin with.
    file : Path
    outputs : {"none", "any", "needed"}
        Whether outputs are read: not at all, where the file has all of them, or in any case.
    chosen : argparse.Namespace
        With what `add_gaps_option` adds; rows that are left out are counted on the standard error stream.

    Raises
    ------
    ValueError
        If the file cannot be read, has no rows, other columns, or cells that are no finite numbers: the message names
        the option, the first of those lines and what stands there.
    """
    P, Q = net.widths[0], net.widths[-1]
    if names is not None and len(set(names)) < len(names):
        names = None  # nothing is found by a name that two columns have

    def columns(header: Sequence[str] | None) -> Sequence[str] | None:
        if header is None or names is None:
            return None
        return names if outputs == "needed" or (outputs == "any" and set(names[P:]) <= set(header)) else names[:P]

    rows = read_numbers(option, file, "" if chosen.drop_bad_rows else "--drop-bad-rows", columns).rows
    allowed = {"none": (P,), "any": (P, P + Q), "needed": (P + Q,)}[outputs]
    if rows.shape[1] not in allowed:
        wanted = {P: "the inputs", P + Q: "the inputs and then the outputs"}
        counts = ", or ".join(f"{count} columns, {wanted[count]}" for count in allowed)
        by_name = "; or give it a header with the names of the training" if names else ""
        raise ValueError(f"{option}: {file} must have {counts}; got {rows.shape[1]}: leave out the others{by_name}")
    whole = np.isfinite(rows).all(axis=1)
    if not whole.any():
        raise ValueError(f"{option}: {file} must hold at least one line that is whole; got none of {whole.size}")
    if not whole.all():
        say(f"{chosen.program}: {np.sum(~whole)} of {whole.size} rows of {file.name} left out")
    return NetworkRows(rows[whole, :P].copy(), rows[whole, P:].copy(), np.flatnonzero(whole) + 1)
