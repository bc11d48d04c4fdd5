"""Networks of splines with dyadic parameters, scaled so that activations do what a theorem supposes, with samples.

At the end those on which the theorem on nullities is tried: named ones, small ones, deep ones, random ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, pairwise

import numpy as np

import refkan as rk
from refkan.base import Frozen

STAYING = ("inside", "partial")
"""Tails of activations that stay in the domain."""


class Case(Frozen, eq=True):
    """A network of splines on uniform knots of [0, 1], its parameters and samples drawn by a seed.

    Tails "inside" stand for activations that stay in the domain, "partial" for such that stay in some two thirds of
    it; with the others they leave it on both sides.
    """

    widths: tuple[int, ...]
    order: int
    intervals: tuple[int, ...]
    tails: str = "inside"
    node_map: str = "none"
    seed: int = 0

    @property
    def network(self) -> rk.Network:
        outside = "polynomial" if self.tails in STAYING else self.tails
        return rk.kan(self.widths, self.order, self.intervals, node_map=self.node_map, outside=outside)


Posed = tuple[rk.LeastSquares, np.ndarray, list[np.ndarray]]


def posed(case: Case, sample_size: int) -> Posed:
    """The problem, dyadic parameters, and the inputs of every layer; layers are scaled to the range of `tails`."""
    rng = np.random.default_rng([case.seed, case.order, *case.widths, *case.intervals])
    net = case.network
    pool = (2 * rng.integers(0, 1 << 16, (1 << 14, case.widths[0])) + 1) / 2.0**17
    parts: list[np.ndarray] = []
    for k, (P, Q) in enumerate(pairwise(case.widths)):
        C = np.zeros((Q, P, 1))
        while not C.any() or (case.order > 1 and not np.ptp(C, axis=2).all()):  # no constant edges
            C = rng.integers(-(1 << 14), 1 << 14, (Q, P, case.intervals[k] + case.order - 1)) / 2.0**12
        if k < len(case.widths) - 2 and case.node_map == "none":
            z = activations(case, [*parts, C.ravel()], pool)[-1]
            beyond = rng.integers(64, 320, (2, Q)) / 4096 * (1 if case.tails in STAYING else -3)
            beyond[1] += 3 / 8 * (case.tails == "partial")
            span = np.where(np.ptp(z, axis=0) > 0, np.ptp(z, axis=0), 1)
            scale = np.floor(4096 * (1 - beyond.sum(axis=0)) / span) / 4096
            shift = np.ceil(4096 * (beyond[0] - scale * z.min(axis=0)) / P) / 4096
            C = C * scale[:, None, None] + shift[:, None, None]
        parts.append(C.ravel())
    x = pool[in_all_pieces(case, activations(case, parts[:-1], pool), 2 * sample_size * net.n_params + 20)]
    if case.node_map == "min-max":
        net, _ = net.initialize(rng, x)
    problem = rk.LeastSquares(net, x, np.zeros((len(x), case.widths[-1])))
    return problem, np.concatenate(parts), activations(case, parts[:-1], x)


def activations(case: Case, parts: Sequence[np.ndarray], x: np.ndarray) -> list[np.ndarray]:
    """The inputs of every layer, in turn, and what the last of those given puts out."""
    inputs = [x]
    for k, part in enumerate(parts):
        layer = rk.kan(case.widths[k : k + 2], case.order, case.intervals[k], outside=case.network.layers[k].outside)
        z = layer(part, inputs[-1])
        inputs.append(z if case.node_map == "none" else (z - z.min(axis=0)) / np.ptp(z, axis=0))
    return inputs


def in_all_pieces(case: Case, inputs: Sequence[np.ndarray], number: int) -> np.ndarray:
    """Choose samples, as many as can be in each region on which the network is one polynomial."""
    pieces = np.hstack([np.floor(z * n) for z, n in zip(inputs, case.intervals, strict=True)])
    _, region = np.unique(pieces, axis=0, return_inverse=True)
    before = np.argsort(np.argsort(region, kind="stable"))  # places in the order by regions
    first = np.searchsorted(np.sort(region), region)
    return np.asarray(np.argsort(before - first, kind="stable")[:number])


NAMED = (
    Case((2, 9, 1), 3, (1, 4)),
    Case((2, 9, 2), 3, (1, 4)),
    Case((2, 8, 1), 3, (1, 4)),
    Case((2, 8, 1), 3, (1, 4), "partial"),
    Case((2, 5, 1), 3, (4, 1), "polynomial"),
    Case((2, 5, 1), 3, (4, 4), "linear"),
    Case((2, 5, 1), 1, (4, 4)),
)
"""Networks that an earlier list of null vectors counted wrongly, and the one of the papers."""

QUICK = (
    *(Case((2, 2, 1), r, (2, 2), tails) for r in (2, 3) for tails in ("inside", "linear")),
    *(Case((1, 3, 1), 3, (1, n), tails) for n in (2, 3) for tails in ("inside", "linear", "natural")),
    *(Case((1, 2, 2), 4, (1, 2), tails) for tails in ("polynomial", "linear")),
    *(Case((2, 3, 1), 2, (1, n), tails) for n in (1, 3) for tails in ("inside", "natural")),
    *(Case((2, 2, K), 3, (1, 1)) for K in (1, 2)),
    *(Case((2, 2, 1), r, (1, 3), "partial") for r in (2, 3)),
    *(Case((2, 2, 1), 1, (3, n), tails) for n in (2, 4) for tails in ("inside", "natural")),
    *(Case((1, 2, 1), 5, (1, n)) for n in (1, 2)),
    *(Case((2, 2, 1), 2, (1, n), node_map="min-max") for n in (2, 3)),
    *(Case((2, 1, 1), 3, (1, n), "natural") for n in (2, 3)),
    *(Case((2, 2, 2, 1), 2, (1, 2, 2), tails) for tails in ("inside", "polynomial")),
)

DEEP = tuple(
    Case((2, *hidden, 1), r, (2, n, 2), tails, seed=seed)
    for hidden in ((2, 2), (3, 2))
    for r, n in ((2, 2), (2, 1), (3, 2))
    for tails in ("inside", "polynomial")
    for seed in range(2)
)

RANDOM = 500
"""Networks of two layers in a full run, all of which meet the hypotheses of equality."""


def random_cases() -> Iterator[Case]:
    """Architectures with up to 60 parameters, r = 1 to 5, each on its own seed."""
    for seed in count():
        rng = np.random.default_rng([3, seed])
        P, Q, K, r = (int(rng.integers(low, high)) for low, high in ((1, 4), (1, 7), (1, 3), (1, 6)))
        intervals = tuple(map(int, rng.integers(1, 4, 2)))
        tails = str(rng.choice(["inside", "partial", "polynomial", "linear", "natural"]))
        case = Case((P, Q, K), r, intervals, tails, "min-max" if seed % 8 == 0 and r > 1 else "none", seed)
        if case.network.n_params <= 60:
            yield replace(case, tails="inside") if case.node_map == "min-max" else case
