"""What certificates over boxes are given, checked: a network, its parameters, a box of inputs, tolerance and budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.enclosures.network_intervals import IntervalNetwork, interval_network
from refkan.base.annotations import check_annotated
from refkan.base.arguments import as_array, as_shape, check_count, check_positive, real
from refkan.base.array_types import FloatArray

BUDGET = 100_000
"""Boxes that a subdivision may evaluate by default."""

Telling = bool | Callable[[Any], Any]
"""Whether lines about a subdivision are printed, or a function that is told instead."""


def bounding_box(x: Any) -> FloatArray:
    """Return the smallest box (P, 2) that holds samples x (N, P): the least and the greatest of each input.

    Raises
    ------
    ValueError
        Where x holds no sample, or numbers that are not finite.

    Examples
    --------
    >>> import refkan as rk
    >>> rk.exact.bounding_box([[0.0, 5.0], [1.0, 3.0]])
    array([[0., 1.],
           [3., 5.]])
    """
    samples = real("x", as_array("x", x, 2))
    if not samples.shape[0]:
        raise ValueError("x must hold a sample for a box around it; got none")
    return np.stack([samples.min(axis=0), samples.max(axis=0)], axis=1)


def posed(function: Callable[..., Any], given: dict[str, Any], name: str = "net") -> tuple[IntervalNetwork, FloatArray]:
    """Check the arguments of a certificate over a box; return the network called `name` and the box (P, 2)."""
    if given["tolerance"] is not None:
        check_positive("tolerance", given["tolerance"])
    check_count("budget", given["budget"], 1)
    check_annotated(function, given)
    steps = interval_network(given[name], given["theta" if name == "net" else f"{name}_theta"], name)
    return steps, checked_box(steps, given["box"])


def checked_box(steps: IntervalNetwork, box: Any) -> FloatArray:
    """Check a box (P, 2)."""
    ends: FloatArray = real("box", as_shape("box", box, (steps.n_inputs, 2)))
    empty = ends[:, 0] > ends[:, 1]
    if empty.any():
        p = int(np.argmax(empty))
        raise ValueError(f"box must not be empty; got box[{p}] = [{ends[p, 0]}, {ends[p, 1]}], least above greatest")
    if steps.domains is not None:
        outside = (ends[:, 0] < steps.domains[:, 0]) | (ends[:, 1] > steps.domains[:, 1])
        if outside.any():
            p = int(np.argmax(outside))
            raise ValueError(
                f"box must lie in the domain under outside='error'; got box[{p}] = {ends[p].tolist()}, domain "
                f"{steps.domains[p].tolist()}: take a smaller box, or a network of another policy"
            )
    return ends


def smoothness_over(steps: IntervalNetwork, ends: FloatArray) -> int:
    """Number of continuous derivatives on a box (P, 2), at least."""
    return int(steps.sweep(Intervals(ends[None, :, 0], ends[None, :, 1]), 2).smoothness[0])
