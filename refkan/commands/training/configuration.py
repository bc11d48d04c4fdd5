"""What `refkan train` was asked for, checked: the set-up, the network, the method and its options."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refkan.base import Frozen, check_positive, located, nearest
from refkan.commands.data_files.trained_columns import fill_gaps, read_rows
from refkan.networks import Network
from refkan.training.optimizers import RESIDUAL_METHODS
from refkan.training.recipes import PROBLEMS, Setup, own_data, setup_named

RATED = ("adam", "gd")
"""Methods with a learning rate."""

RATE = 1e-2
"""Their rate by default."""


class Configuration(Frozen, eq=True):
    """One training, ready to run.

    Attributes
    ----------
    setup : Setup
    net : Network
        On the coarsest level, not bound.
    schedule : tuple of int
        Steps on each level.
    method : str
    options : dict
        Of the method.
    seed : int
    """

    setup: Setup
    net: Network
    schedule: tuple[int, ...]
    method: str
    options: dict[str, Any]
    seed: int


def configuration(chosen: argparse.Namespace) -> Configuration:
    """Return what was asked for.

    Raises
    ------
    ValueError, TypeError
        For numbers out of range and combinations that make no training; the message names the option.
    """
    setup, schedule = setup_of(chosen), chosen.schedule
    if schedule is None:
        schedule = [30 if chosen.optimizer in RESIDUAL_METHODS else 500] * len(setup.shape.intervals)
    net, options = network_of(setup, chosen), options_of(chosen, setup)
    return Configuration(setup, net, tuple(schedule), chosen.optimizer, options, chosen.seed)


def setup_of(chosen: argparse.Namespace) -> Setup:
    """The problem, with as many points as were asked for, or the data of a file."""
    if chosen.problem not in PROBLEMS:
        return data_in(chosen)
    for name in ("drop_bad_rows", "impute"):
        if getattr(chosen, name):
            raise ValueError(f"--{name.replace('_', '-')} is for files of data; {chosen.problem} has none")
    with located(f"--points {chosen.points} for {chosen.problem}"):  # how few are too few is known to the problem
        return setup_named(chosen.problem, chosen.points)


def data_in(chosen: argparse.Namespace) -> Setup:
    """The set-up of a CSV file: inputs, and in the last column the output."""
    file = Path(chosen.problem)
    if file.suffix.lower() != ".csv" and not file.exists():
        near = f"; did you mean {name}?" if (name := nearest(chosen.problem, PROBLEMS)) else ""
        raise ValueError(
            f"PROBLEM must be a file of data, FILE.csv, or one of {', '.join(PROBLEMS)}; got {chosen.problem!r}{near}"
        )
    if chosen.points is not None:
        raise ValueError("--points applies to named problems; a file is used completely")
    numbers = read_rows("PROBLEM", file, chosen, lambda header: _columns_asked_for(chosen, header), "--inputs")
    rows = numbers.rows
    if rows.shape[1] < 2:
        raise ValueError(f"PROBLEM: {file} must have two columns or more, the inputs and then the output; got one")
    if chosen.impute:
        used = rows[np.isfinite(rows[:, -1])]
        fill_gaps(rows, rows.shape[1] - 1, np.nanmedian(used[:, :-1], axis=0), file.name, chosen)
    usual = [*(f"x{k}" for k in range(1, rows.shape[1])), "y"]
    names = [name or other for name, other in zip(numbers.names or usual, usual, strict=True)]
    with located(f"PROBLEM: {file}, inputs x and last column y"):  # the names of arrays
        return own_data(rows[:, :-1], rows[:, -1], file.name, names, chosen.drop_bad_rows)


def _columns_asked_for(chosen: argparse.Namespace, header: Sequence[str] | None) -> list[str] | None:
    """Names of the inputs and of the target, which is the last column unless it was named; None for all columns."""
    if chosen.target is None and chosen.inputs is None:
        return None
    names = list(header or ())
    target = names[-1] if chosen.target is None and names else chosen.target
    inputs = [name for name in names if name != target] if chosen.inputs is None else chosen.inputs
    if target in inputs:
        raise ValueError(f"--inputs must not name the target; got {target!r}")
    return [*inputs, target]


def network_of(setup: Setup, chosen: argparse.Namespace) -> Network:
    """The network, that of the problem where nothing else was asked for, with the derivatives of its equation."""
    widths, inputs = chosen.widths, setup.kan().widths[0]
    if widths is not None and (widths[0], widths[-1], len(widths) > 1) != (inputs, 1, True):
        raise ValueError(f"--widths must begin with {inputs} and end with 1; got {widths}")
    options = {name: value for name in ("basis", "node_map") if (value := getattr(chosen, name)) is not None}
    order, intervals = chosen.order, chosen.intervals
    if intervals is not None:
        layers = len(widths or setup.shape.widths) - 1
        if len(intervals) not in (1, layers):
            raise ValueError(f"--intervals must have one value or one a layer ({layers}); got {len(intervals)} values")
        if len(intervals) == 1:
            intervals = intervals[0]
    net = setup.kan(widths, intervals, order, **options)
    with located(f"--order {order} for {setup.name}"):
        net.require_derivatives(max((term.derivative_order for term in setup.terms), default=0))
    return net


def options_of(chosen: argparse.Namespace, setup: Setup) -> dict[str, Any]:
    """Options of the method; ValueError for those that it does not take, and for a method that the problem excludes."""
    if chosen.optimizer == "variable-projection" and setup.samples is None:
        raise ValueError("--optimizer variable-projection is for regression")
    if chosen.optimizer in RATED:
        rate = RATE if chosen.learning_rate is None else chosen.learning_rate
        return {"learning_rate": check_positive("--learning-rate", rate)}
    if chosen.learning_rate is not None:
        raise ValueError(f"--learning-rate is for --optimizer adam or gd; got {chosen.optimizer}")
    return {}
