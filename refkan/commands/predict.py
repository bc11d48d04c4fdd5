"""`refkan predict`: values of a saved network at the rows of a file."""

import argparse
import csv
import io
import sys
from collections.abc import Sequence

import numpy as np

from refkan.base.atomic_files import write_atomically
from refkan.base.long_runs.exit_codes import OK, say
from refkan.claims.running.run_options import add_command
from refkan.commands.data_files.trained_columns import NetworkRows, add_gaps_options, read_network, read_rows_for
from refkan.commands.option_values import check_file, path
from refkan.networks import Network


def add_predict(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `predict`."""
    p = add_command(
        commands,
        "predict",
        _run,
        "shorter files",
        help="values of a trained network at the rows of a file",
        description="Print the values of a network at the rows of a CSV file, one line each under a header. Inputs are "
        "found by the names in the training data, and other columns are ignored; a file without a header "
        "must contain only the inputs, in the order of the training. A warning says how many rows lie outside "
        "the ranges that the network was trained on. With --drop-bad-rows the first column is row, the number of the "
        "row in the file, counted from 1.",
        epilog="Exit code: 0; 2 for wrong usage or a file that cannot be used; 130 if interrupted.",
    )
    p.add_argument(
        "network", type=path, metavar="NETWORK.npz", help="written by `refkan train --output` or refkan.save"
    )
    p.add_argument("rows", type=path, metavar="ROWS.csv")
    add_gaps_options(p, "ROWS.csv")
    p.add_argument("--output", type=path, metavar="FILE.csv", help="where to write; default: the standard output")


def _run(chosen: argparse.Namespace) -> int:
    net, theta, notes = read_network("NETWORK.npz", chosen.network)
    names = notes.get("columns")
    if chosen.output is not None:
        check_file("--output", chosen.output)
    inputs, outputs = net.widths[0], net.widths[-1]
    rows = read_rows_for(net, notes, "ROWS.csv", chosen.rows, "none", chosen)
    _warn_of_rows_outside(net, rows, names or [f"x{k + 1}" for k in range(inputs)])
    header = names[inputs:] if names else [f"y{k + 1}" for k in range(outputs)]
    values: list[list[object]] = net(theta, rows.x).tolist()
    if chosen.drop_bad_rows:
        header = ["row", *header]
        values = [[k, *row] for k, row in zip(rows.numbers.tolist(), values, strict=True)]
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows([map(repr, row) for row in values])
    if chosen.output is None:
        sys.stdout.write(text.getvalue())
    else:
        write_atomically(chosen.output, text.getvalue().encode())
    return OK


def _warn_of_rows_outside(net: Network, rows: NetworkRows, names: Sequence[str]) -> None:
    low, high = net.layers[0].domains.T
    outside = (rows.x < low) | (rows.x > high)
    at = np.flatnonzero(outside.any(axis=1))
    if at.size and net.layers[0].outside is not None:  # dense layers have no domain
        first, column = at[0], int(np.flatnonzero(outside[at[0]])[0])
        say(
            f"refkan predict: warning: {at.size} of {len(rows.x)} rows lie outside the ranges that the network was "
            f"trained on, where it goes on by its rule {net.layers[0].outside!r}; the first is row "
            f"{rows.numbers[first]}, {names[column]} = {rows.x[first, column]:g} outside "
            f"[{low[column]:g}, {high[column]:g}]"
        )
