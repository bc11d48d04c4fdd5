"""`refkan predict`: values of a saved network at the rows of a file."""

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from refkan.base import FloatArray
from refkan.base.atomic_files import write_atomically
from refkan.base.long_runs.exit_codes import OK, say
from refkan.claims.running.run_options import add_command
from refkan.commands.number_files import read_numbers
from refkan.commands.option_values import check_file, named, path
from refkan.networks import Network, load


def add_predict(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `predict`."""
    p = add_command(
        commands,
        "predict",
        _run,
        "shorter files",
        help="values of a trained network at the rows of a file",
        description="Print the values of a network at the rows of a CSV file, one line each under a header. Inputs are "
        "found by the names that the network was trained with, whatever else the file holds; a file without a header "
        "must hold the inputs alone, in the order of the training. A warning says how many rows lie outside the ranges "
        "that the network was trained on.",
        epilog="Exit code: 0; 2 for wrong usage or a file that cannot be used; 130 if interrupted.",
    )
    p.add_argument(
        "network", type=path, metavar="NETWORK.npz", help="written by `refkan train --output` or refkan.save"
    )
    p.add_argument("rows", type=path, metavar="ROWS.csv")
    p.add_argument("--output", type=path, metavar="FILE.csv", help="where to write; default: the standard output")


def _run(chosen: argparse.Namespace) -> int:
    with named("NETWORK.npz"):
        net, theta, notes = load(chosen.network, return_notes=True)
    if chosen.output is not None:
        check_file("--output", chosen.output)
    names = notes.get("columns")
    x = _inputs(net, chosen.rows, None if names is None else names[: net.widths[0]])
    labels = [f"x{k + 1}" for k in range(net.widths[0])] if names is None else names[: net.widths[0]]
    _warn_of_rows_outside(net, x, labels)
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    outputs = net.widths[-1]
    table.writerow([f"y{k + 1}" for k in range(outputs)] if names is None else names[net.widths[0] :])
    table.writerows([map(repr, row) for row in net(theta, x).tolist()])
    if chosen.output is None:
        sys.stdout.write(text.getvalue())
    else:
        write_atomically(chosen.output, text.getvalue().encode())
    return OK


def _inputs(net: Network, file: Path, names: Sequence[str] | None) -> FloatArray:
    """The inputs (N, P) of a file: by name where the network has names and the file a header, else all its columns."""
    x = read_numbers("ROWS.csv", file, columns=lambda header: None if header is None else names).rows
    if x.shape[1] != net.widths[0]:
        by_name = "; or give it a header with the names of the training" if names else ""
        raise ValueError(
            f"ROWS.csv: {file} must have a column for each of the {net.widths[0]} inputs and no other; got "
            f"{x.shape[1]}: leave out the others, such as the output{by_name}"
        )
    return x


def _warn_of_rows_outside(net: Network, x: FloatArray, names: Sequence[str]) -> None:
    low, high = net.layers[0].domains.T
    outside = (x < low) | (x > high)
    rows = np.flatnonzero(outside.any(axis=1))
    if rows.size and net.layers[0].outside is not None:  # dense layers have no domain
        column = int(np.flatnonzero(outside[rows[0]])[0])
        say(
            f"refkan predict: warning: {rows.size} of {len(x)} rows lie outside the ranges that the network was "
            f"trained on, where it goes on by its rule {net.layers[0].outside!r}; the first is row {rows[0] + 1}, "
            f"{names[column]} = {x[rows[0], column]:g} outside [{low[column]:g}, {high[column]:g}]"
        )
