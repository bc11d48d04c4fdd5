"""The networks on which the theorem on nullities is tried: named ones, small ones, deep ones, random ones."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import numpy as np

from validation.theorems.drawn_networks import Case

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
