r"""X1: B-splines approximate more efficiently than ReLU: errors at equal parameters, after equal training.

A KAN [d, 2d+1, 1] of quadratic splines, affine node map, against what a user could do with ReLU instead: the same
network in the ReLU-power basis, started at the same function or from Gaussian coefficients of matched variance, and
dense ReLU networks with one and with two hidden layers, of the least width that gives them at least as many parameters.
All are trained by SciPy's L-BFGS-B with the same number of evaluations of value and gradient.
"""

from collections.abc import Mapping, Sequence
from itertools import count, product
from typing import Any

import numpy as np

import refkan as rk
from refkan.base import Frozen
from refkan.claims import Beside, Experiment, Factor, Reading, Readings, Verdict, judge
from refkan.claims.experiments import Choice, written
from refkan.training.problems.regression import Target
from validation.architectures.equal_work import Contestant, targets, train_all
from validation.statements import ByCells, Progress, Resume, answers, asked_of_cells, each_part, run_task, times

CLAIMS = ("X1",)
OURS = "spline"
RELU = ("ReLU basis, same start", "ReLU basis, Gaussian start", "ReLU MLP, 1 hidden layer", "ReLU MLP, 2 hidden layers")


class Size(Frozen, eq=True):
    """What is run: numbers of variables, of which all targets are taken; intervals of both layers of each network."""

    dimensions: tuple[int, ...]
    intervals: tuple[tuple[int, int], ...]
    seeds: tuple[int, ...]
    samples: int
    test_points: int
    evaluations: int


Pair = dict[str, Any]
"""A size of network, a target, a seed, and under each contestant's name what its run returned."""


def contestants(dimension: int, intervals: tuple[int, int]) -> dict[str, Contestant]:
    """Return the KAN of quadratic splines first, then what it is compared with, at equal parameters."""
    widths = [dimension, 2 * dimension + 1, 1]
    spline = rk.kan(widths, order=3, intervals=intervals)
    relu = rk.kan(widths, order=3, intervals=intervals, basis="relu")
    return {
        OURS: Contestant(spline),
        RELU[0]: Contestant(relu),
        RELU[1]: Contestant(relu, "gaussian"),
        RELU[2]: Contestant(dense(dimension, 1, spline.n_params)),
        RELU[3]: Contestant(dense(dimension, 2, spline.n_params)),
    }


def dense(dimension: int, hidden_layers: int, n_params: int) -> rk.Network:
    """Return the dense network of least width that has at least this many parameters."""
    networks = (rk.mlp([dimension, *[width] * hidden_layers, 1]) for width in count(1))
    return next(net for net in networks if net.n_params >= n_params)


def run_pairs(size: Size, progress: Progress, resume: Resume, names: Sequence[str] | None = None) -> list[Pair]:
    """Train all contestants, or some, on each pair; ordered by size of network, target, seed.

    The spline KAN comes first; the others also get the time that it took.
    """

    def trained(intervals: tuple[int, int], target: Target, seed: int) -> Pair:
        nets = {name: c for name, c in contestants(target.dimension, intervals).items() if name in (names or (name,))}
        pair: Pair = {"intervals": list(intervals), "target": target.id, "seed": seed}
        return pair | train_all({"claim": "X1", **pair}, nets, target, size, resume, OURS)

    told, values = "{} intervals: {.id}, seed {}", (size.intervals, targets(*size.dimensions), size.seeds)
    return each_part(resume, progress, told, trained, *values)


def compare(pairs: list[Pair], name: str, ours: str = OURS, column: str = "test") -> float:
    """Return the median over pairs of the error of a contestant over that of `ours`; `column` is of the contestant."""
    own = "test" if column == "test in time" else column  # the time is the one that the spline KAN takes for its budget
    return float(np.median([pair[name][column] / pair[ours][own] for pair in pairs]))


IDS = dict(zip(("relu-same-start", "relu-gaussian", "mlp-1", "mlp-2"), RELU, strict=True))
AGAINST = {"all": RELU, "basis": RELU[:2], "MLP": RELU[2:]}

WORK = {"evaluations": "test", "seconds": "test in time"}
"""What may be equal, and the name of the error of a contestant then; the time is that of the spline KAN."""

OPEN = (
    Factor("budget", ("large", "small"), "samples and evaluations"),
    Factor("against", tuple(AGAINST), "what ReLU means: the basis, dense networks, or both"),
    Factor("work", tuple(WORK), "that is equal"),
)

PLACE = (
    Factor("model", tuple(IDS), "contestant"),
    Factor("dimensions", ("1-2-3", "2-3", "2"), "numbers of variables of the targets"),
    Factor("intervals", ("4-12", "3-6"), "of the two layers"),
    Factor("samples", ("2000",), "training points", number=True),
    Factor("points", ("10000",), "test points", number=True),
    Factor("evaluations", ("600",), "of value and gradient", number=True),
)

UNIT = "median over targets of the test error over that of the spline KAN"
QUICK = tuple(Size((2, 3), ((4, 12),), (1234,), samples, 2000, n) for samples, n in ((200, 25), (400, 70)))

FULL = tuple(
    Size((1, 2, 3), ((4, 12),), tuple(range(1234, 1244)), samples, 10_000, n)
    for samples, n in ((500, 200), (2000, 600))
)


@answers(QUICK, FULL)
def run(sizes: Sequence[Size], progress: Progress, resume: Resume) -> list[Verdict]:
    runs = resume.each(lambda size: run_pairs(size, progress, resume), sizes)
    budgets = [{name: compare(pairs, name) for name in RELU} for pairs in runs]
    made = readings(dict(zip(OPEN[0].values, zip(sizes[::-1], runs[::-1], strict=True), strict=True)))
    return [
        JUDGED["X1"].verdict(
            "X1",
            made,
            measured=f"{Readings(made, experiment=False).told()}. Median ratios of test errors to the spline KAN,"
            f" {len(runs[-1])} pairs: "
            + "; ".join(in_words(*budget) for budget in reversed(list(zip(sizes, budgets, strict=True)))),
            data={"seeds": list(sizes[-1].seeds), "pairs": runs[-1]},
            mutations=mutations(runs[-1]),
        )
    ]


COST = "one seed takes more than a minute of processor time"
asked = asked_of_cells(1.0, COST, "error of {} over splines")
JUDGED = {"X1": ByCells(asked, control=times(ReLU=1e6), twin=times(ReLU=1e-6), experiment=False)}


def readings(budgets: Mapping[str, tuple[Size, list[Pair]]]) -> list[Reading]:
    made = []
    for budget, against, work in product(*(factor.values for factor in OPEN)):
        size, pairs = budgets[budget]
        choice = {"budget": budget, "against": against, "work": work}
        cells = tuple(ratio_by_seed(size, pairs, name, choice) for name in AGAINST[against])
        written_size = f"{size.samples} samples, {size.evaluations} evaluations"
        made.append(JUDGED["X1"].reading(choice, cells, size=written_size))
    return made


def ratio_by_seed(size: Size, pairs: list[Pair], name: str, reading: Choice) -> Beside:
    """Return, for each seed, the median over targets of the ratio of errors, for the first size of network."""
    own = [pair for pair in pairs if pair["intervals"] == list(size.intervals[0])]
    column = WORK[reading["work"]]
    values = {s: compare([pair for pair in own if pair["seed"] == s], name, column=column) for s in size.seeds}
    where = {
        "model": next(id for id, other in IDS.items() if other == name),
        "dimensions": "-".join(map(str, size.dimensions)),
        "intervals": "-".join(map(str, size.intervals[0])),
        "samples": str(size.samples),
        "points": str(size.test_points),
        "evaluations": str(size.evaluations),
    }
    return Beside(name, UNIT, values, again=written({**reading, **where}))


def run_again(choice: Choice, seed: int) -> dict[str, float]:
    """Return the errors of one contestant and of the spline KAN on all targets, and the median of their ratios."""
    dimensions, intervals = (tuple(map(int, choice[name].split("-"))) for name in ("dimensions", "intervals"))
    samples, points, evaluations = (int(choice[name]) for name in ("samples", "points", "evaluations"))
    size = Size(dimensions, ((intervals[0], intervals[1]),), (seed,), samples, points, evaluations)
    name = IDS[choice["model"]]
    pairs = run_pairs(size, lambda text: None, run_task, (OURS, name))
    column = WORK[choice["work"]]
    errors = {
        f"{pair['target']}, {who}": pair[who][key] for pair in pairs for who, key in ((OURS, "test"), (name, column))
    }
    return errors | {"median ratio": compare(pairs, name, column=column)}


EXPERIMENT = Experiment((*OPEN, *PLACE), run_again)


def in_words(size: Size, compared: Mapping[str, float]) -> str:
    rows = ", ".join(f"{name} {ratio:.2g}" for name, ratio in sorted(compared.items(), key=lambda item: item[1]))
    return f"{rows} with {size.samples} samples and {size.evaluations} evaluations"


def mutations(pairs: list[Pair]) -> dict[str, Any]:
    return {
        f"{ours} in the place of splines": judge(
            all(compare(pairs, name, ours) >= 1 for name in (OURS, *RELU) if name != ours)
        )
        for ours in (RELU[0], RELU[2])
    }
