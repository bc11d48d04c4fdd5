r"""W1: the spline basis as a preconditioner when the number of variables grows.

Networks [d, 2d+1, 1], as [2, 5, 1] of the papers: quadratic splines on (4, 12) intervals, affine node map, trained by
SciPy's L-BFGS-B in the coefficients of the spline basis, and of the ReLU-power basis of the same space. Both spend the
same number of evaluations of value and gradient, which for networks of one shape is the papers' nominal work.

The ReLU bases start at the same function, plain or scaled, or from Gaussian coefficients of matched variance. Errors
are fractions of the variance of the target.
"""

from collections.abc import Callable, Mapping
from typing import Any

import refkan as rk
from refkan.claims import Beside, Estimate, Verdict, twin
from refkan.claims.statuses import Status
from refkan.training.problems.regression import Target
from validation.architectures.equal_work import Contestant, targets, train_all
from validation.measures import means_by_seed
from validation.statements import (
    ByCells,
    Cells,
    Progress,
    Resume,
    RunSize,
    answers,
    asked_of_cells,
    each_part,
    quick_and_full,
    run_task,
    silent,
    times,
)

CLAIMS = ("W1",)
OURS = "spline"

IN_SPLINE_COORDINATES = "ReLU, steps in spline coordinates"
"""A mutation: the network of the ReLU basis with the preconditioner that the spline basis is said to be."""

QUICK, FULL = quick_and_full(
    dimensions=((2, 4), (2, 4, 6, 10)),
    seeds=((1234,), tuple(range(1234, 1239))),
    samples=(800, 3200),
    test_points=(2000, 10_000),
    evaluations=(140, 200),
)

Results = dict[str, list[dict[str, Any]]]
"""For each arm, what its runs returned, one a pair (target, seed)."""


def network(dimension: int, basis: str) -> rk.Network:
    """Return [d, 2d+1, 1], quadratic splines on (4, 12) intervals."""
    return rk.kan([dimension, 2 * dimension + 1, 1], order=3, intervals=[4, 12], basis=basis)


def arms(dimension: int) -> dict[str, Contestant]:
    """Return the spline basis first, then the ReLU basis with each of its starts."""
    relu = network(dimension, "relu")
    return {
        OURS: Contestant(network(dimension, "spline")),
        "ReLU, same start": Contestant(relu),
        "ReLU, Gaussian start": Contestant(relu, "gaussian"),
        "scaled ReLU, same start": Contestant(network(dimension, "scaled-relu")),
    }


@answers(QUICK, FULL)
def run(size: RunSize, progress: Progress, resume: Resume) -> list[Verdict]:
    return answer(size, progress, resume)


def answer(size: RunSize, progress: Progress = silent, resume: Resume = run_task) -> list[Verdict]:
    lowest = size.dimensions[0]
    mutants = {IN_SPLINE_COORDINATES: Contestant(network(lowest, "relu"), geometry="spline")}
    trained = [*((d, arms(d)) for d in size.dimensions), (lowest, mutants)]
    runs = resume.each(lambda part: run_dimension(part[0], size, part[1], progress, resume), trained)
    results = dict(zip(size.dimensions, runs, strict=False))
    mutated = results[lowest] | runs[-1]
    cells = [cell for measure in MEASURES for cell in compared(results, measure)]
    choice = {"evaluations": str(size.evaluations), "samples": str(size.samples)}
    reading = JUDGED["W1"].reading(choice, cells, reduced=size is not FULL)
    more: dict[str, Any] = {"mutations": mutations(size, results, mutated), "corrected": CORRECTED}
    return [JUDGED["W1"].verdict("W1", [reading], data={"seeds": list(size.seeds), "runs": results}, **more)]


def run_dimension(
    d: int, size: RunSize, contestants: Mapping[str, Contestant], progress: Progress, resume: Resume
) -> Results:
    """Train contestants on all pairs of a dimension; pairs are ordered by target, then by seed."""

    def trained(target: Target, seed: int) -> dict[str, Any]:
        runs = train_all({"claim": "W1", "seed": seed}, contestants, target, size, resume)
        return {name: {"target": target.id, "seed": seed} | run for name, run in runs.items()}

    runs = each_part(resume, progress, f"d = {d}: {{0.id}}, seed {{1}}", trained, targets(d), size.seeds)
    return {name: [run[name] for run in runs] for name in contestants}


COST = "one seed takes 86 s of processor time, 25 take 36 minutes"
CORRECTED = "the minimisation is preconditioned: training losses differ by an order in each dimension"
MEASURES = {"test": "error", "training": "loss"}


def compared(results: Mapping[int, Results], measure: str = "test", ours: str = OURS) -> list[Beside]:
    """Errors of the other arms over those of one, by seed the geometric mean over targets, in every dimension."""
    made = []
    for d, runs in results.items():
        for name in (name for name in runs if name != ours):
            pairs = zip(runs[ours], runs[name], strict=True)
            values = means_by_seed((own["seed"], other[measure] / own[measure]) for own, other in pairs)
            made.append(Beside(f"{MEASURES[measure]} of {name} over {ours}, d = {d}", "ratio", values))
    return made


def asked_of(measure: str) -> Callable[[Cells], tuple[Estimate, ...]]:
    """Ask of every ratio of errors, or of training losses, that its median over seeds is at least 10."""
    asked = asked_of_cells(10.0, COST)
    return lambda cells: asked([cell for cell in cells if cell.cell.startswith(MEASURES[measure])])


JUDGED = {
    "W1": ByCells(
        asked_of("test"),
        control=times(error_of=1e3),
        twin=times(error_of=1e-3),
        corrected=asked_of("training"),
        published=False,
        experiment=False,
    )
}


def mutations(size: RunSize, results: Mapping[int, Results], mutated: Results) -> dict[str, Status]:
    asked = asked_of("test")
    coordinates = {size.dimensions[0]: {name: mutated[name] for name in (OURS, IN_SPLINE_COORDINATES)}}
    return {
        "the ReLU basis preconditions": twin(asked(compared(results, ours="ReLU, same start"))),
        "the ReLU basis with steps in spline coordinates": twin(asked(compared(coordinates))),
    }
