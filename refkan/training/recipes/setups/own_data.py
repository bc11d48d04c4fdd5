"""User data as a set-up: samples instead of an equation, some of them held out to measure errors."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refkan.base import FloatArray, as_array, as_columns, check_flag, check_type, is_sequence, real, require_finite_rows
from refkan.training.recipes.setups.setups import Setup, Shape

LARGEST, SMALLEST = 1e150, 1e-150
"""Sizes of outputs between which sums of their squares are finite and not zero."""

KEPT_BACK = 5
"""One sample of so many is kept back."""

ORDER = 3

INTERVALS = ((4, 8), (2, 4), (1, 2))
"""Of the coarsest and the finest level, the best first."""


def own_data(
    x: Any, y: Any, name: str = "own data", names: Sequence[str] | None = None, drop_bad_rows: bool = False
) -> Setup:
    """Return the set-up of regression on given samples; a fifth of them, drawn at random, measure the error.

    The network proposed is [P, 2P+1, 1], of order 3 on 4 and then 8 intervals, over the ranges of the data: columns of
    very different sizes need no scaling. Where that makes more parameters than samples, it has 2 and 4 intervals, or 1
    and 2 and as many hidden nodes as keep its parameters fewer (one at least).

    Parameters
    ----------
    x : array (N, P)
        At least 10 samples. Every column must vary.
    y : array (N,) or (N, 1)
        Its values, not all zero.
    name : str
        In tables and figures.
    names : sequence of str, optional
        Of the columns of x and then of y, for figures and messages.
    drop_bad_rows : bool
        Whether rows with a number that is not finite are left out. The equation of the set-up says how many.

    Raises
    ------
    ValueError
        If the shapes do not go together, a number is not finite, a column of x is constant, or y is zero or of a size
        whose squares overflow or vanish.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.training.recipes import own_data
    >>> x = np.random.default_rng(0).uniform(size=(50, 2)) * [1e-3, 1e4]
    >>> setup = own_data(x, np.sin(1e3 * x[:, 0]) + 1e-4 * x[:, 1])
    >>> setup.samples.shape, setup.grid.shape, setup.shape.widths
    ((40, 2), (10, 2), (2, 3, 1))
    >>> x[7] = np.nan
    >>> own_data(x, x.sum(axis=1), drop_bad_rows=True).equation
    'regression on 40 samples, error on 9 others, 1 of 50 rows left out'
    """
    check_type("name", name, str)
    points = real("x", as_columns("x", x))
    values = real("y", as_array("y", y, finite=False))
    if values.ndim == 1:
        values = values[:, None]
    if values.shape != (len(points), 1):
        raise ValueError(f"y must have one value for each of the {len(points)} rows of x; got shape {np.shape(y)}")
    inputs = points.shape[1]
    if names is not None and (not is_sequence(names) or len(names) != inputs + 1):
        raise ValueError(f"names must be one for each of the {inputs} columns of x and one for y; got {names!r}")
    left_out = ""
    if check_flag("drop_bad_rows", drop_bad_rows):
        whole = np.isfinite(np.hstack([points, values])).all(axis=1)
        left_out = f", {np.sum(~whole)} of {whole.size} rows left out" if not whole.all() else ""
        points, values = points[whole], values[whole]
    require_finite_rows("x", points)
    require_finite_rows("y", values)
    if len(points) < 2 * KEPT_BACK:
        raise ValueError(
            f"x must have at least {2 * KEPT_BACK} rows, a fifth of which are held out; got {len(points)}{left_out}"
        )
    low, high = points.min(axis=0), points.max(axis=0)
    if (low == high).any():
        column = int(np.flatnonzero(low == high)[0])
        which = f"x[:, {column}]" if names is None else f"column {names[column]!r}"
        raise ValueError(f"x must vary in every column; {which} is {low[column]:g} throughout: leave it out")
    order = np.random.default_rng(0).permutation(len(points))
    back, kept = np.sort(order[: len(points) // KEPT_BACK]), np.sort(order[len(points) // KEPT_BACK :])
    if not values[back].any():
        raise ValueError("y must not be zero at all held-out samples: errors are measured relative to it")
    size = min(np.abs(values[part]).max() for part in (back, kept)), np.abs(values).max()
    if size[0] < SMALLEST or size[1] > LARGEST:
        raise ValueError(
            f"y must have a size between {SMALLEST:g} and {LARGEST:g}, to have finite squares; got "
            f"{size[0] if size[0] < SMALLEST else size[1]:.2g}: divide it by a unit of its size"
        )
    return Setup(
        name=name,
        equation=f"regression on {kept.size} samples, error on {back.size} others{left_out}",
        ranges=tuple(zip(low.tolist(), high.tolist(), strict=True)),
        shape=_shape(inputs, kept.size),
        terms=(),
        reference=_nowhere_else,
        grid=points[back],
        samples=points[kept],
        values=(values[kept], values[back]),
        variables=tuple(f"x{k}" for k in range(1, inputs + 1)) if names is None else tuple(names[:-1]),
        output="y" if names is None else names[-1],
    )


def _shape(inputs: int, samples: int) -> Shape:
    """A network with fewer parameters than samples on its finest level, as far as there is one."""
    hidden = 2 * inputs + 1
    for intervals in INTERVALS:
        on_an_edge = intervals[-1] + ORDER - 1
        if hidden * (inputs + 1) * on_an_edge <= samples:
            return Shape((inputs, hidden, 1), ORDER, intervals, "affine")
    return Shape((inputs, max(1, samples // ((inputs + 1) * on_an_edge)), 1), ORDER, intervals, "affine")


def _nowhere_else(points: FloatArray) -> FloatArray:
    raise ValueError("the values of user data are known only at the samples")
