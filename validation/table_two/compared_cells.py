"""What the statements on Table 2 ask of its cells: of tables of five, of typical runs, and of falls of the loss."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from refkan.claims import Estimate, estimate
from refkan.claims.estimates import shown_by_tables
from refkan.claims.seed_intervals import TABLE
from validation.statements import AS_PUBLISHED, ByCells, Cells, exchanged, levelled, ratios, times
from validation.table_two.cells_of_table import FIDELITIES, MLPS, PUBLISHED, UNIT

HALF_AN_ORDER, ORDERS, NOTHING, DROP = 10**0.5, 10.0, 2.0, 2.0
LARGER = "MLP-20-20"
COST = "one seed takes half a minute of processor time, of the MLP with 500 parameters three minutes"
FALL = "fall of the loss in the first quarter of the epochs after a refinement over that in as many before"
LAST_FALL = "fall of the loss in the last quarter of the epochs"


def named(model: str, fidelity: str) -> str:
    return model if model in MLPS else f"{model}, {fidelity}"


Pair = tuple[tuple[str, str], tuple[str, str]]
NOT_RUN = ", not run"
OF_FIVE, SHOWN = "means of five", "share of tables of five that show it"


def over(cells: Cells, pair: Pair, **asked: float) -> list[Estimate]:
    """What tables of five print of the mean errors of two cells, and the mean of all, beside the published ratio."""
    first, other = (named(*cell) for cell in pair)
    errors = {c.cell: c.values for c in cells if c.unit == UNIT}
    seeds = ratios(cells, first, other)
    published = PUBLISHED[pair[0]][0] / PUBLISHED[pair[1]][0]
    name = f"mean error, {first} over {other}"
    if not seeds:  # what is asked and not run leaves the statement undecided
        bounds = list(asked.values())[:1]
        missing = f"{OF_FIVE}, {first} over {other}{NOT_RUN}"
        return [Estimate(missing, b, 0.0, np.inf, published=published, cost=COST, **asked) for b in bounds]
    above, below = ({seed: errors[name][seed] for seed in seeds} for name in (first, other))
    means = {"over": below, "published": published}
    made = [estimate(f"{OF_FIVE}, {first} over {other}", above, "mean of five", cost=COST, **means, **asked)]
    if asked and len(seeds) >= TABLE:
        made.append(shown_by_tables(f"{SHOWN}, {first} over {other}", above, over=below, **asked))
    return [*made, estimate(name, above, "mean", **means)]


def typical(cells: Cells, pair: Pair, **asked: float) -> list[Estimate]:
    """The median over seeds of the error of one cell over that of another."""
    first, other = (named(*cell) for cell in pair)
    values = ratios(cells, first, other)
    return [estimate(f"typical run, {first} over {other}", values, cost=COST, **asked)] if values else []


def both(cells: Cells, asked: Mapping[Pair, Mapping[str, float]]) -> tuple[Estimate, ...]:
    """What is asked of tables of five, and the same ratios of typical runs."""
    means = [e for pair, bounds in asked.items() for e in over(cells, pair, **bounds)]
    return (*means, *(e for pair in asked for e in typical(cells, pair)))


ML, COARSE, FINE = ("spline", "multilevel"), ("spline", "coarse"), ("spline", "fine")
ACROSS: dict[str, Pair] = {f: (("ReLU", f), ("spline", f)) for f in FIDELITIES}
R1 = {pair: {"at_least": HALF_AN_ORDER, "at_most": 10**3.5} for pair in ACROSS.values()}

R2 = {
    (COARSE, ML): {"at_least": ORDERS},
    (FINE, ML): {"at_least": ORDERS},
    ((LARGER, "coarse"), ML): {"at_least": HALF_AN_ORDER},
}

R3: dict[Pair, dict[str, float]] = {(("ReLU", "coarse"), ("ReLU", "multilevel")): {"at_most": NOTHING}}

R8 = {
    (FINE, COARSE): {"at_least": 1 / HALF_AN_ORDER},
    (("ReLU", "fine"), ("ReLU", "coarse")): {"at_least": ORDERS * HALF_AN_ORDER},
}

R9: dict[Pair, dict[str, float]] = {(("ReLU", "fine"), ML): {"at_least": ORDERS}, (FINE, ML): {}}

R10 = {
    ACROSS["coarse"]: {"at_least": HALF_AN_ORDER, "at_most": 10**2.5},
    ACROSS["fine"]: {"at_least": 1e3},
    ACROSS["multilevel"]: {"at_least": 1e3},
    (COARSE, ML): {"at_least": 1e2},
    (FINE, ML): {"at_least": 1.0, "at_most": ORDERS},
    (FINE, COARSE): {"at_most": 1 / ORDERS},
    (("ReLU", "fine"), ("ReLU", "coarse")): {"at_least": ORDERS},
}
"""What is asked of the error of the first cell over that of the second: of means of five, of a typical run in R10."""


def typical_runs(cells: Cells) -> tuple[Estimate, ...]:
    """R10, and how often a run is not typical."""
    asked = [e for pair, bounds in R10.items() for e in typical(cells, pair, **bounds)]
    if not asked:
        return ()
    errors = {c.cell: c.values for c in cells if c.unit == UNIT}
    return (*asked, *(bad_runs(named(*cell), errors[named(*cell)]) for cell in (COARSE, FINE, ML)))


def bad_runs(name: str, errors: Mapping[int, float]) -> Estimate:
    """How many runs of a cell end above ten times the median of that cell."""
    middle = float(np.median(list(errors.values())))
    return estimate(
        f"runs above ten times the median, {name}", {s: error > ORDERS * middle for s, error in errors.items()}, "share"
    )


def drops(cells: Cells) -> tuple[Estimate, ...]:
    """R4: at each refinement, in the spline basis; in the ReLU basis beside it."""
    falls = sorted((c for c in cells if c.unit == FALL), key=lambda c: not c.cell.startswith("spline"))
    return tuple(
        estimate(f"{FALL}, {c.cell}", c.values, at_least=DROP if c.cell.startswith("spline") else None, cost=COST)
        for c in falls
    )


def stalls(cells: Cells) -> tuple[Estimate, ...]:
    """R11: of fine KANs and of MLPs; of multilevel training beside them."""
    return tuple(
        estimate(f"{LAST_FALL}, {c.cell}", c.values, at_most=None if c.cell.endswith("multilevel") else DROP, cost=COST)
        for c in cells
        if c.unit == LAST_FALL
    )


def gained(cells: Cells) -> Cells:
    """Cells with a gain of multilevel over coarse training in the ReLU basis that is a little too large."""
    coarse = next(c for c in cells if c.cell == "ReLU, coarse")
    less = {seed: error / (NOTHING + 0.1) for seed, error in coarse.values.items()}
    return [replace(c, values=less) if c.cell == "ReLU, multilevel" else c for c in cells]


TYPICAL = {
    "spline, coarse": 1.6e-3,
    "spline, fine": 8e-6,
    "spline, multilevel": 4e-6,
    "ReLU, coarse": 4e-2,
    "ReLU, fine": 1.4,
    "ReLU, multilevel": 4e-2,
}
"""Errors of runs that are typical of the set-up at its full size."""

EXCHANGED = exchanged("spline", "ReLU")

JUDGED = {
    "R1": ByCells(lambda cells: both(cells, R1), AS_PUBLISHED, EXCHANGED),
    "R2": ByCells(lambda cells: both(cells, R2), AS_PUBLISHED, times(spline__multilevel=1e3)),
    "R3": ByCells(lambda cells: both(cells, R3), AS_PUBLISHED, ("with a gain of 2.1", gained)),
    "R4": ByCells(
        drops,
        levelled("losses that drop by four", lambda c: 2 * DROP if c.cell.startswith("spline") else 1.0),
        EXCHANGED,
    ),
    "R8": ByCells(lambda cells: both(cells, R8), AS_PUBLISHED, times(spline__fine=1e-4)),
    "R9": ByCells(lambda cells: both(cells, R9), AS_PUBLISHED, EXCHANGED),
    "R10": ByCells(
        typical_runs,
        levelled("with typical errors", lambda c: TYPICAL.get(c.cell, 1.0)),
        times(spline__fine=10.0),
        experiment=False,
    ),
    "R11": ByCells(
        stalls,
        levelled("losses that rest", lambda c: 1.0),
        levelled("losses that fall by a little more than is asked", lambda c: 1.1 * DROP),
    ),
}
