"""Other degrees and free knots against cubic layers on fixed knots: seconds for equally many operations.

Forward and backward of order r are counted as 6 r N P Q operations. Free knots add the derivatives of the r functions
at a point in its 2(r - 1) knots: two operations to form each and two to apply it.
"""

from collections.abc import Callable, Iterator

import numpy as np

import refkan as rk
from validation.benchmarks.cases.layer_case import DOMAIN, LayerCase
from validation.benchmarks.measured.limits import measure
from validation.benchmarks.running.harness import Entry, Limit, Settings, Task

SHAPES = ((20, 20, 16), (2, 5, 16), (64, 64, 16))
QUICK = 1
CUBIC = "cubic"
OTHERS = {"degree 1": 2, "degree 2": 3, "degree 5": 6}
FREE = "cubic, free knots"


def tasks(settings: Settings) -> Iterator[Task]:
    for shape in SHAPES[:QUICK] if settings.quick else SHAPES:
        yield degrees(LayerCase(*shape))


def degrees(case: LayerCase) -> Task:
    """Forward and backward sweeps of one shape, scaled to the operations of the cubic layer."""

    def entries(settings: Settings) -> list[Entry]:
        cubic = operations(case, 4)
        contestants = {CUBIC: Limit(sweeps(case, 4))}
        for name, order in OTHERS.items():
            contestants[name] = Limit(sweeps(case, order), cubic / operations(case, order))
        contestants[FREE] = Limit(sweeps(case, 4, free_knots=True), cubic / operations(case, 4, free_knots=True))
        return measure(contestants, settings)

    title = f"layer, N = {case.samples}, P = {case.n_in}, Q = {case.n_out}, n = {case.intervals}"
    return Task(f"{title}, for as many operations as a cubic one", case.parameters, entries)


def operations(case: LayerCase, order: int, free_knots: bool = False) -> int:
    """Operations of a forward and backward sweep, as the module counts them."""
    knots = 4 * order * 2 * (order - 1) if free_knots else 0
    return (6 * order * case.n_out + knots) * case.samples * case.n_in


def sweeps(case: LayerCase, order: int, free_knots: bool = False) -> Callable[[], object]:
    """Return the sweeps of a layer of that order on the inputs of a case; free knots start from the same ones."""
    space = rk.SplineSpace.uniform(order, case.intervals, DOMAIN)
    layer = rk.SplineLayer((space,) * case.n_in, n_outputs=case.n_out, free_knots=free_knots)
    coefficients = np.random.default_rng(case.seed).normal(size=(case.n_out, case.n_in, space.dim)).ravel()
    theta = np.concatenate([coefficients, np.zeros(layer.n_params - coefficients.size)])  # equal widths
    x, dy = case.x, case.dy

    def run() -> object:
        linearization = layer.linearize(theta, x)
        return linearization.value, linearization.pullback(dy)

    return run
