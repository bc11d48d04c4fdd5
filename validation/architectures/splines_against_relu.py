r"""X1: B-splines approximate more efficiently than ReLU: errors at equal parameters, after equal training.

A KAN [d, 2d+1, 1] of quadratic splines, affine node map, against what a user could do with ReLU instead: the same
network in the ReLU-power basis, started at the same function or from Gaussian coefficients of matched variance, and
dense ReLU networks with one and with two hidden layers, of the least width that gives them at least as many parameters.
All are trained by SciPy's L-BFGS-B with the same number of evaluations of value and gradient.

Estimated: the mean squared error at fresh points of each ReLU contestant over that of the spline KAN, by seed the
median over targets, over seeds the geometric mean; "more efficiently" asks for more than 1. Errors are fractions of the
variance of the target. Reported beside it: the best of the four in each pair (at four times the work), equal time,
single targets. An earlier criterion asked a factor of 10, which nobody stated.

The answer depends on the budget: with few samples and evaluations dense networks come nearer than with many. The
summary that the statement is taken from says neither how long contestants are trained nor what "ReLU" is: the budget,
the contestants, and the kind of work that is equal are readings, and the same is asked under each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
from matplotlib.figure import Figure as Drawing

from refkan.claims import (
    Beside,
    Choice,
    Estimate,
    Experiment,
    Factor,
    Figure,
    Reading,
    Readings,
    Status,
    Verdict,
    estimate,
    judge,
)
from refkan.claims.experiments import written
from refkan.claims.running.kept_parts import Parts, Resume, resume_from, run_task
from validation.architectures.equal_work import FACTOR, Comparison, marks
from validation.architectures.splines_against_relu_pairs import (
    OURS,
    RELU,
    SHOWN,
    Pair,
    Size,
    compare,
    run_pairs,
    targets,
)
from validation.grounds import require
from validation.statements import ByCells, Cells, times

CLAIMS = ("X1",)

IDS = dict(zip(("relu-same-start", "relu-gaussian", "mlp-1", "mlp-2"), RELU, strict=True))
"""Short names of the contestants, for cells."""

AGAINST = {"all": RELU, "basis": RELU[:2], "MLP": RELU[2:]}

WORK = {"evaluations": "test", "seconds": "test in time"}
"""What may be equal, and the name of the error of a contestant then; the time is that of the spline KAN."""

OPEN = (
    Factor("budget", ("large", "small"), "samples and evaluations"),
    Factor("against", tuple(AGAINST), "what ReLU means: the basis, dense networks, or both"),
    Factor("work", tuple(WORK), "that is equal"),
)
"""What the statement leaves open."""

PLACE = (
    Factor("model", tuple(IDS), "contestant"),
    Factor("dimensions", ("1-2-3", "2-3", "2"), "numbers of variables of the targets"),
    Factor("intervals", ("4-12", "3-6"), "of the two layers"),
    Factor("samples", ("2000",), "training points", number=True),
    Factor("points", ("10000",), "test points", number=True),
    Factor("evaluations", ("600",), "of value and gradient", number=True),
)
"""Which contestant, on which targets, and the size of its run."""

UNIT = "median over targets of the test error over that of the spline KAN"


QUICK = tuple(Size((2, 3), ((4, 12),), (1234, 1235), samples, 2000, n) for samples, n in ((200, 25), (400, 70)))

FULL = tuple(Size((1, 2, 3), ((4, 12),), (1234, 1235), samples, 10_000, n) for samples, n in ((500, 200), (2000, 600)))
"""Two budgets each, the larger one last."""


def run(
    quick: bool, progress: Callable[[str], None] = lambda message: None, checkpoints: Parts | None = None
) -> list[Verdict]:
    """Train all contestants on all pairs and compare errors at fresh points within pairs."""
    require(CLAIMS)
    return answer(QUICK if quick else FULL, progress, resume_from(checkpoints))


def answer(
    sizes: Sequence[Size], progress: Callable[[str], None] = lambda message: None, resume: Resume = run_task
) -> list[Verdict]:
    """Run at given sizes, the larger one last, and judge both."""
    runs = [list(run_pairs(size, progress, resume)) for size in sizes]
    budgets = [{name: compare(pairs, name) for name in RELU} for pairs in runs]
    size, pairs, compared = sizes[-1], runs[-1], budgets[-1]
    medians = {name: float(np.median([pair[name]["test"] for pair in pairs])) for name in (OURS, *RELU, *SHOWN)}
    made = readings(dict(zip(OPEN[0].values, zip(sizes[::-1], runs[::-1], strict=True), strict=True)))
    return [
        JUDGED["X1"].verdict(
            "X1",
            made,
            measured=f"{Readings(made, experiment=False).told()}. Median ratios of test errors to the spline KAN,"
            f" {len(pairs)} pairs: "
            + "; ".join(in_words(*budget) for budget in reversed(list(zip(sizes, budgets, strict=True)))),
            details=details(size, pairs, medians),
            data={
                "seeds": list(size.seeds),
                "medians": medians,
                "ratios": {name: comparison.median for name, comparison in compared.items()},
                "budgets": [
                    {"samples": s.samples, "evaluations": s.evaluations}
                    | {
                        "ratios": {name: comparison.median for name, comparison in row.items()},
                    }
                    for s, row in zip(sizes, budgets, strict=True)
                ],
                "targets": by_target(size, pairs),
                "pairs": pairs,
            },
            figures=(draw(size, pairs),),
            mutations=mutations(pairs),
        )
    ]


def asked(cells: Cells) -> tuple[Estimate, ...]:
    """The ratios of errors, above 1."""
    return tuple(
        estimate(f"error of {c.cell} over splines", c.values, "geometric mean", at_least=1.0, cost=COST) for c in cells
    )


COST = "one seed takes twelve minutes of processor time"

JUDGED = {"X1": ByCells(asked, control=times(ReLU=1e6), twin=times(ReLU=1e-6), experiment=False)}


def readings(budgets: Mapping[str, tuple[Size, list[Pair]]]) -> list[Reading]:
    """Return the statement under every reading."""
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
    what = WORK[reading["work"]]
    values = {s: compare([pair for pair in own if pair["seed"] == s], name, what=what).median for s in size.seeds}
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
    pairs = list(run_pairs(size, lambda text: None, run_task, (OURS, name)))
    what = WORK[choice["work"]]
    found = {
        f"{pair['target']}, {who}": pair[who][key] for pair in pairs for who, key in ((OURS, "test"), (name, what))
    }
    return found | {"median ratio": compare(pairs, name, what=what).median}


EXPERIMENT = Experiment((*OPEN, *PLACE), run_again)


def in_words(size: Size, compared: Mapping[str, Comparison]) -> str:
    """Say what came out with a budget."""
    rows = ", ".join(f"{name} {c}" for name, c in sorted(compared.items(), key=lambda item: item[1].median))
    return f"{rows} with {size.samples} samples and {size.evaluations} evaluations"


def compare_with_best(pairs: list[Pair]) -> Comparison:
    """Compare with the lowest test error of the four ReLU contestants in each pair."""
    best = [min(pair[name]["test"] for name in RELU) for pair in pairs]
    return Comparison.of([pair[OURS]["test"] for pair in pairs], best)


def mutations(pairs: list[Pair]) -> dict[str, Status]:
    """Claims that must not hold: a ReLU MLP, or the ReLU basis, in the place of splines."""
    return {
        f"{ours} in the place of splines": judge(
            all(compare(pairs, name, ours).median >= 1 for name in (OURS, *RELU) if name != ours)
        )
        for ours in (RELU[0], RELU[2])
    }


def by_target(size: Size, pairs: list[Pair]) -> dict[str, dict[str, dict[str, float]]]:
    """For each target: the median test error of each contestant, and the median ratio of each to the spline KAN."""
    table = {}
    for target in targets(size):
        own = [pair for pair in pairs if pair["target"] == target.id]
        table[target.id] = {
            "test": {name: float(np.median([pair[name]["test"] for pair in own])) for name in (OURS, *RELU, *SHOWN)},
            "ratios": {name: compare(own, name).median for name in (*RELU, *SHOWN)},
        }
    return table


def details(size: Size, pairs: list[Pair], medians: Mapping[str, float]) -> str:
    """Return the set-up and what is shown beside the criterion, one paragraph each."""
    lowest = {id: min(row["ratios"][name] for name in RELU) for id, row in by_target(size, pairs).items()}

    def ratios(names: tuple[str, ...], what: str = "test") -> str:
        return ", ".join(f"{name} {compare(pairs, name, what=what)}" for name in names)

    paragraphs = [
        f"{size.samples} samples, {size.test_points} test points, {len(size.seeds)} seeds from {size.seeds[0]}, "
        f"{len(lowest)} targets of {', '.join(map(str, size.dimensions))} variables, "
        f"intervals {', '.join(map(str, size.intervals))}.",
        "Median test errors, fractions of variance: " + ", ".join(f"{name} {e:.1e}" for name, e in medians.items()),
        f"The best of the four ReLU contestants in each pair: {compare_with_best(pairs)}",
        "In the CPU time of the spline KAN: " + ratios(RELU, "test in time"),
        "Training losses: " + ratios(RELU, "training") + "; on the way: " + on_the_way(size, pairs),
        "Shown, not judged: " + ratios(SHOWN),
        f"Targets with a median ratio below {FACTOR:g} against some ReLU contestant, and the lowest such ratio: "
        + (", ".join(f"{id} {ratio:.2g}" for id, ratio in lowest.items() if ratio < FACTOR) or "none"),
    ]
    if len(size.intervals) > 1:
        for intervals in size.intervals:
            own = [pair for pair in pairs if pair["intervals"] == list(intervals)]
            row = ", ".join(f"{name} {compare(own, name)}" for name in RELU)
            paragraphs.append(f"Intervals {intervals}: {row}")
    return "\n\n".join(text.removesuffix(".") + "." for text in paragraphs)


def on_the_way(size: Size, pairs: list[Pair]) -> str:
    """Median ratios of training losses after a quarter and after half of the evaluations."""
    places = marks(size.evaluations)
    texts = []
    for part in (4, 2):
        at = int(np.searchsorted(places, size.evaluations / part, side="right")) - 1
        ratios = {
            name: np.median([pair[name]["curve"][at] / pair[OURS]["curve"][at] for pair in pairs]) for name in RELU
        }
        row = ", ".join(f"{name} {ratio:.2g}" for name, ratio in ratios.items())
        texts.append(f"after {places[at]} evaluations {row}")
    return "; ".join(texts)


def draw(size: Size, pairs: list[Pair]) -> Figure:
    """Ratios of test errors for each target and contestant, one dot a pair."""
    ids = [target.id for target in targets(size)]
    drawing = Drawing(figsize=(max(6.0, 0.45 * len(ids) + 3), 4))
    axes = drawing.subplots()
    for k, name in enumerate(RELU):
        place = [ids.index(pair["target"]) + 0.15 * (k - 1.5) for pair in pairs]
        axes.semilogy(place, [pair[name]["test"] / pair[OURS]["test"] for pair in pairs], ".", label=name)
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.axhline(FACTOR, color="black", linewidth=0.8, linestyle=":")
    axes.set_xticks(range(len(ids)), ids, rotation=60, ha="right", fontsize=7)
    axes.set_ylabel("test error / that of the spline KAN")
    axes.legend(fontsize=7)
    return Figure.from_matplotlib(
        drawing, "splines-against-relu", "Ratios of errors at fresh points; dotted: the factor of the criterion."
    )
