r"""W1: the spline basis as a preconditioner when the number of variables grows.

Networks [d, 2d+1, 1], as [2, 5, 1] of the papers: quadratic splines on (4, 12) intervals, affine node map, trained by
SciPy's L-BFGS-B in the coefficients of the spline basis, and of the ReLU-power basis of the same space. Both spend the
same number of evaluations of value and gradient, which for networks of one shape is the papers' nominal work.

Estimated in each dimension, at fresh points and, as corrected, of training losses (preconditioning speaks of the
minimisation): the mean squared error in each ReLU basis (the same start, a Gaussian start of matched variance, the same
start in the scaled basis) over that in the spline basis, by seed the geometric mean over targets; "by an order" asks at
least 10. Dimensions 2 and 4 quickly; 2, 4, 6 and 10 in full. Errors are fractions of the variance of the target.

In full there are 3200 samples, twice the parameters of the largest network (1554 in dimension 10).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

import refkan as rk
from refkan.claims import Estimate, Figure, Status, Verdict, decide, estimate, twin
from refkan.claims.running.kept_parts import Parts, Resume, resume_from, run_task
from validation.architectures.equal_work import Comparison, Contestant, Samples, marks, train
from validation.grounds import require

CLAIMS = ("W1",)

OURS = "spline"

IN_SPLINE_COORDINATES = "ReLU, steps in spline coordinates"
"""A mutation: the network of the ReLU basis with the preconditioner that the spline basis is said to be."""


@dataclass(frozen=True)
class Size:
    """What is run: dimensions, seeds, samples, test points, and evaluations of value and gradient a run."""

    dimensions: tuple[int, ...]
    seeds: tuple[int, ...]
    samples: int
    test_points: int
    evaluations: int


QUICK = Size((2, 4), (1234, 1235), 400, 2000, 70)

FULL = Size((2, 4, 6, 10), (1234, 1235), 3200, 10_000, 200)

Results = dict[str, list[dict[str, Any]]]
"""For each arm, what its runs returned, one a pair (target, seed)."""


def targets(dimension: int) -> list[rk.problems.Target]:
    """Return all superpositions, formulas and special functions of this many variables."""
    problems = rk.problems
    groups = (problems.SUPERPOSITIONS, problems.FORMULAS, problems.SPECIAL_FUNCTIONS)
    return [target for group in groups for target in group if target.dimension == dimension]


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


def mutants(dimension: int) -> dict[str, Contestant]:
    """Return arms that a mutation of the claim needs."""
    return {IN_SPLINE_COORDINATES: Contestant(network(dimension, "relu"), geometry="spline")}


def run(
    quick: bool, progress: Callable[[str], None] = lambda message: None, checkpoints: Parts | None = None
) -> list[Verdict]:
    """Train all arms on all pairs of each dimension and compare within pairs."""
    require(CLAIMS)
    return answer(QUICK if quick else FULL, progress, resume_from(checkpoints))


def answer(
    size: Size, progress: Callable[[str], None] = lambda message: None, resume: Resume = run_task
) -> list[Verdict]:
    """Run at a given size."""
    lowest = size.dimensions[0]
    results = {d: run_dimension(d, size, arms(d), progress, resume) for d in size.dimensions}
    mutated = results[lowest] | run_dimension(lowest, size, mutants(lowest), progress, resume)
    conditions = {d: starting_conditions(d, size, progress, resume) for d in size.dimensions}
    compared = {what: {d: compare(runs, what) for d, runs in results.items()} for what in ("test", "training")}
    estimates, training = asked(results), asked(results, "training")
    status = decide(estimates, corrected=training)
    n_pairs = {d: len(runs[OURS]) for d, runs in results.items()}
    return [
        Verdict(
            "W1",
            status,
            f"after {size.evaluations} evaluations, median ratios to the spline basis of errors at fresh points: "
            f"{shown(compared['test'])}; of training losses: {shown(compared['training'])}",
            corrected="the minimisation is preconditioned: training losses differ as in R1 in each dimension"
            if status == "holds as corrected"
            else "",
            details=details(size, results, conditions),
            data={
                "seeds": list(size.seeds),
                "pairs": n_pairs,
                "medians": {
                    what: {d: {name: c.median for name, c in row.items()} for d, row in rows.items()}
                    for what, rows in compared.items()
                },
                "targets": {d: by_target(d, size, runs) for d, runs in results.items()},
                "runs": results,
                "conditions at the start": conditions,
            },
            figures=(draw(size, results),),
            mutations=mutations(size, results, mutated),
            estimates=tuple(estimates),
            controls={"a thousandth of the errors in the spline basis": twin(asked(spoilt(results)))},
        )
    ]


def run_dimension(
    d: int, size: Size, contestants: Mapping[str, Contestant], progress: Callable[[str], None], resume: Resume
) -> Results:
    """Train contestants on all pairs of a dimension; pairs are ordered by target, then by seed."""
    results: Results = {name: [] for name in contestants}
    for target in targets(d):
        for seed in size.seeds:
            progress(f"d = {d}: {target.id}, seed {seed}")
            samples = Samples.of(target, seed, size.samples, size.test_points)
            for name, contestant in contestants.items():
                task = {"claim": "W1", "arm": name, "target": target.id, "seed": seed, "samples": size.samples}
                task |= {"test points": size.test_points, "evaluations": size.evaluations}
                run_arm = partial(train, contestant, samples, seed, size.evaluations)
                results[name].append({"target": target.id, "seed": seed} | resume(task, run_arm))
    return results


def shown(compared: Mapping[int, Mapping[str, Comparison]]) -> str:
    """Medians and levels, in words."""
    return "; ".join(f"d = {d}: " + ", ".join(f"{name} {c}" for name, c in row.items()) for d, row in compared.items())


def compare(results: Results, what: str = "test", ours: str = OURS) -> dict[str, Comparison]:
    """Compare `ours` with every other arm over pairs."""
    errors = {name: [run[what] for run in runs] for name, runs in results.items()}
    return {name: Comparison.of(errors[ours], values) for name, values in errors.items() if name != ours}


COST = "one seed takes six minutes of processor time"


def asked(results: Mapping[int, Results], what: str = "test", ours: str = OURS) -> list[Estimate]:
    """Errors of the other arms over those of one, by seed the geometric mean over targets, in every dimension."""
    made = []
    for d, runs in results.items():
        for name in (name for name in runs if name != ours):
            logs: dict[int, list[float]] = {}
            for one, other in zip(runs[ours], runs[name], strict=True):
                logs.setdefault(one["seed"], []).append(np.log(other[what] / one[what]))
            values = {seed: float(np.exp(np.mean(each))) for seed, each in logs.items()}
            title = f"{'error' if what == 'test' else 'loss'} of {name} over {ours}, d = {d}"
            made.append(estimate(title, values, "geometric mean", at_least=10.0, cost=COST))
    return made


def mutations(size: Size, results: Mapping[int, Results], mutated: Results) -> dict[str, Status]:
    """Claims that must not hold: bases exchanged, and a ReLU basis that is preconditioned."""
    coordinates = {size.dimensions[0]: {name: mutated[name] for name in (OURS, IN_SPLINE_COORDINATES)}}
    return {
        "the ReLU basis preconditions": twin(asked(results, ours="ReLU, same start")),
        "the ReLU basis with steps in spline coordinates": twin(asked(coordinates)),
    }


def spoilt(results: Mapping[int, Results]) -> dict[int, Results]:
    """Results with a thousandth of the errors in the spline basis, on which the claim is true."""
    return {
        d: {name: [{**r, "test": r["test"] / (1000 if name == OURS else 1)} for r in of] for name, of in runs.items()}
        for d, runs in results.items()
    }


def by_target(d: int, size: Size, results: Results) -> dict[str, dict[str, Any]]:
    """For each target: median training and test error of each arm, and its median ratios."""
    table: dict[str, dict[str, Any]] = {}
    for target in targets(d):
        own = {name: [run for run in runs if run["target"] == target.id] for name, runs in results.items()}
        table[target.id] = {
            "training": {name: median(runs, "training") for name, runs in own.items()},
            "test": {name: median(runs, "test") for name, runs in own.items()},
            "ratios": {name: comparison.median for name, comparison in compare(own).items()},
        }
    return table


def starting_conditions(d: int, size: Size, progress: Callable[[str], None], resume: Resume) -> dict[str, float]:
    """Condition numbers of the Gauss-Newton matrix on its range, at the same start in each basis."""
    progress(f"d = {d}: condition numbers")
    target, seed = targets(d)[0], size.seeds[0]
    samples = Samples.of(target, seed, size.samples, 1)
    conditions = {}
    for basis in ("spline", "relu", "scaled-relu"):
        task = {"claim": "W1", "condition": basis, "dimension": d, "seed": seed, "samples": size.samples}
        conditions[basis] = resume(task, partial(condition, network(d, basis), samples, seed))
    return conditions


def condition(net: rk.Network, samples: Samples, seed: int) -> float:
    """Condition number of the Gauss-Newton matrix on its range at the start."""
    net, theta = net.initialize(np.random.default_rng([seed, 1]), samples.x)
    return float(rk.spectrum(rk.LeastSquares(net, samples.x, samples.y), theta).condition)


def median(runs: Sequence[Mapping[str, Any]], what: str) -> float:
    """Median over runs."""
    return float(np.median([run[what] for run in runs]))


def details(size: Size, results: Mapping[int, Results], conditions: Mapping[int, Mapping[str, float]]) -> str:
    """Return the set-up, single targets, levels, condition numbers and time, one paragraph each."""
    setup = (
        f"{size.samples} samples, {size.test_points} test points, {len(size.seeds)} seeds from {size.seeds[0]}; pairs "
        f"are target x seed: {', '.join(f'{len(runs[OURS])} in d = {d}' for d, runs in results.items())}. Parameters: "
        + ", ".join(f"{runs[OURS][0]['parameters']} in d = {d}" for d, runs in results.items())
        + "."
    )
    single = "Median ratios of errors at fresh points for single targets, same start: " + "; ".join(
        f"d = {d}: "
        + ", ".join(f"{id} {row['ratios']['ReLU, same start']:.2g}" for id, row in by_target(d, size, runs).items())
        for d, runs in results.items()
    )
    levels = "Median fractions of variance left in the spline basis, training and test: " + "; ".join(
        f"d = {d}: {median(runs[OURS], 'training'):.1e} and {median(runs[OURS], 'test'):.1e}"
        for d, runs in results.items()
    )
    condition = "Condition numbers of the Gauss-Newton matrix on its range at one start: " + "; ".join(
        f"d = {d}: " + ", ".join(f"{basis} {value:.1e}" for basis, value in row.items())
        for d, row in conditions.items()
    )
    cost = "CPU time of an evaluation, ReLU basis over spline basis, medians: " + ", ".join(
        f"{median(runs['ReLU, same start'], 'seconds') / median(runs[OURS], 'seconds'):.2g} in d = {d}"
        for d, runs in results.items()
    )
    return "\n\n".join([setup, *(f"{text}." for text in (single, levels, condition, cost))])


def draw(size: Size, results: Mapping[int, Results]) -> Figure:
    """Median training loss against evaluations in each dimension, quartiles over pairs shaded."""
    drawing = Drawing(figsize=(3.4 * len(results), 3.4))
    panels = drawing.subplots(1, len(results), sharey=True, squeeze=False)[0]
    for panel, (d, runs) in zip(panels, results.items(), strict=True):
        for name, pairs in runs.items():
            low, middle, high = np.quantile([pair["curve"] for pair in pairs], [0.25, 0.5, 0.75], axis=0)
            (line,) = panel.loglog(marks(size.evaluations), middle, label=name)
            panel.fill_between(marks(size.evaluations), low, high, color=line.get_color(), alpha=0.15)
        panel.set(title=f"d = {d}", xlabel="evaluations")
    panels[0].set_ylabel("training loss / variance")
    panels[0].legend(fontsize=7)
    return Figure.from_matplotlib(
        drawing, "high-dimension", "Training loss against evaluations; medians over pairs, quartiles shaded."
    )
