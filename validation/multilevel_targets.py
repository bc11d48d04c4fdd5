r"""What multilevel training with many starts attains on the regression target of [S26], medians over 20 seeds.

Means: [2, 5, 1], quadratic splines, mean-std map; many starts on the coarsest level and on some of the samples, pruned
from level to level by training loss; variable projection (the coefficients of the last layer eliminated, damped
Gauss-Newton on the rest); the last level, and two more, on all 20,000 samples. Seeds draw samples and starts. Settings
were chosen on seeds 1 and 2, which are not among those reported.

Without the term in absolute value errors reach 1e-10, and two things of no weight elsewhere decide there. A ridge of 1e-9
about zero is felt: with it factors were 35 to 47. Coefficients that hardly any sample sees, at the corners of the square,
spoil the mean of the test errors by a single point: with ridges of 1e-11 or less. Both are cured by a ridge of 1e-8
about the start of each minimisation, which is restarted several times in a row. The outer layer, which has to resolve the
target's waves, is taken finer there: (2, 24), (4, 48), (8, 96). With linear functions on the edges of the first layer, which
represent the rotation exactly, the best outer layers of 24, 48 and 96 intervals have errors that fall by 73 and 66.

Bounds, fixed before the run, on the mean squared error at 20,000 fresh points (medians): with 230 parameters 5e-5 on
the rotated target with intervals (8, 24), 2e-5 with (4, 32), 3e-6 on the unrotated one; with 830 parameters 1e-6 on the
rotated one. On the last two refinements the error falls by at least 6 where the target has kinks, and by 2^(2r) = 64
to within 20 % without its term in absolute value. The published mean, 3.67e-5 with 230 parameters, is met or beaten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from time import process_time
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

import refkan as rk
from refkan.hierarchy import minimize_multilevel, multistart
from validation.parts import Parts
from validation.table_two import PUBLISHED, TEST_POINTS, TEST_SEED
from validation.verdicts import Figure, Verdict, judge

CLAIMS = ("R5",)

SEEDS = tuple(range(1234, 1254))

PUBLISHED_ERROR = PUBLISHED["spline", "multilevel"][0]

LEAST_FACTOR, ORDER, WITHIN = 6.0, 3, 0.2


@dataclass(frozen=True)
class Setting:
    """One target with one split of the intervals.

    Attributes
    ----------
    intervals, factors : tuple
        Of the coarsest level, and of the refinements that follow with many starts.
    steps, survivors, samples : tuple
        Of each level with many starts; samples None are all.
    polish : tuple of int
        Steps on the last of these levels once more, and on the refinements after it, of the one network that is left.
    restarts : int
        By how many minimisations in a row each entry of `polish` is made.
    ridge : float
        Of these, about their start.
    angle, kink
        Of the target.
    """

    intervals: tuple[int, int]
    factors: tuple[Any, ...]
    steps: tuple[int, ...]
    survivors: tuple[int, ...]
    samples: tuple[int | None, ...]
    polish: tuple[int, ...]
    restarts: int = 1
    ridge: float = 1e-9
    angle: float = rk.problems.ROTATION
    kink: bool = True


STEPS, STARTS, SAMPLES = (6, 10, 20, 30), (128, 96, 16, 4), (500, 500, 2000, None)

FULL = {
    "rotated": Setting((1, 3), (2, 2, 2), STEPS, STARTS, SAMPLES, (20, 40, 40)),
    "rotated, outer layer finer": Setting((1, 4), ((1, 2), 2, 2), STEPS, STARTS, SAMPLES, (20,)),
    "unrotated": Setting((1, 3), (2, 2, 2), STEPS, (64, 48, 12, 3), SAMPLES, (20,), angle=0.0),
    "rotated, smooth": Setting(
        (1, 6), ((1, 2), 2), (10, 15, 25), (16, 6, 2), (500, 1000, 4000), (8, 8, 8), 8, 1e-8, kink=False
    ),
}

FEW, SMALL = (12, 10, 3, 1), (500, 500, 1000, None)

QUICK = {
    "rotated": Setting((1, 3), (2, 2, 2), STEPS, FEW, SMALL, (10, 10)),
    "unrotated": Setting((1, 3), (2, 2, 2), STEPS, FEW, SMALL, (10,), angle=0.0),
}


@dataclass(frozen=True)
class Bound:
    """A bound on the median of a number of the records of a setting."""

    what: str
    setting: str
    number: Callable[[Mapping[str, Any]], float]
    low: float
    high: float

    def met(self, records: Sequence[Mapping[str, Any]], slack: float = 1.0) -> bool:
        """Whether the median lies within the bound, an upper bound on errors tightened by `slack`."""
        high = self.high / slack if np.isfinite(self.high) else self.high
        return bool(self.low <= self.median(records) <= high)

    def median(self, records: Sequence[Mapping[str, Any]]) -> float:
        """The median over seeds."""
        return float(np.median([self.number(record) for record in records]))


def error(level: int) -> Callable[[Mapping[str, Any]], float]:
    """Test error on the last level with many starts, or so many refinements after it."""
    return lambda record: record["test"][level]


def factor(level: int) -> Callable[[Mapping[str, Any]], float]:
    """By how much the test error falls in a refinement."""
    return lambda record: record["test"][level] / record["test"][level + 1]


SMOOTH = (1 - WITHIN) * 2.0 ** (2 * ORDER), (1 + WITHIN) * 2.0 ** (2 * ORDER)

BOUNDS = (
    Bound("230 parameters, (8, 24)", "rotated", error(0), 0.0, 5e-5),
    Bound("the published mean", "rotated", error(0), 0.0, PUBLISHED_ERROR),
    Bound("230 parameters, (4, 32)", "rotated, outer layer finer", error(0), 0.0, 2e-5),
    Bound("230 parameters, (8, 24)", "unrotated", error(0), 0.0, 3e-6),
    Bound("830 parameters, (32, 96)", "rotated", error(2), 0.0, 1e-6),
    Bound("factor to (16, 48)", "rotated", factor(0), LEAST_FACTOR, np.inf),
    Bound("factor to (32, 96)", "rotated", factor(1), LEAST_FACTOR, np.inf),
    Bound("factor to (4, 48)", "rotated, smooth", factor(0), *SMOOTH),
    Bound("factor to (8, 96)", "rotated, smooth", factor(1), *SMOOTH),
)

QUICK_BOUNDS = (
    Bound("230 parameters, (8, 24)", "rotated", error(0), 0.0, 5e-4),
    Bound("factor to (16, 48)", "rotated", factor(0), 2.0, np.inf),
    Bound("230 parameters, (8, 24)", "unrotated", error(0), 0.0, 3e-5),
)
"""Ten times the errors of the claim: a quick run has 12 starts for 128, 4000 samples for 20,000, and 2 seeds."""


def run(
    quick: bool,
    progress: Callable[[str], Any] = lambda message: None,
    checkpoints: Parts | None = None,
) -> list[Verdict]:
    """Run all settings for all seeds and compare medians with the bounds."""
    settings, bounds = (QUICK, QUICK_BOUNDS) if quick else (FULL, BOUNDS)
    seeds, samples = (SEEDS[:2], 4000) if quick else (SEEDS, 20_000)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in settings}
    for seed in seeds:
        for name, setting in settings.items():
            progress(f"{name}: seed {seed}")
            found[name].append(stored(setting, seed, samples, checkpoints))
    return [verdict(found, bounds)]


def stored(setting: Setting, seed: int, samples: int, checkpoints: Parts | None) -> dict[str, Any]:
    """Run one seed, or take it from a checkpoint."""
    if checkpoints is None:
        return run_seed(setting, seed, samples)
    key = {"task": "regression target", **asdict(setting), "seed": seed, "all samples": samples}
    return checkpoints.run(key, lambda: run_seed(setting, seed, samples))


def run_seed(setting: Setting, seed: int, samples: int) -> dict[str, Any]:
    """Train from many starts, then further levels; return test errors of the last levels and the work."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(1e-4, 0.9999, (samples, 2))
    x_test = np.random.default_rng(TEST_SEED).uniform(1e-4, 0.9999, (TEST_POINTS, 2))
    y, y_test = (rk.problems.regression_target(at, setting.angle, kink=setting.kink) for at in (x, x_test))
    net = rk.kan([2, 5, 1], order=ORDER, intervals=list(setting.intervals), node_map="mean-std")
    began = process_time()
    first = multistart(
        rk.LeastSquares(net, x, y),
        rng,
        setting.steps,
        setting.survivors,
        samples=setting.samples,
        factors=[list(f) if isinstance(f, tuple) else f for f in setting.factors],
        solver="cholesky",
    )
    many = process_time() - began
    problem = rk.LeastSquares(first.network, x, y)
    # A minimisation that is started again, on a level refined by 1, has its ridge about where the one before ended.
    again = setting.restarts
    factors = [2 if k % again == 0 else 1 for k in range(1, again * len(setting.polish))]
    schedule = np.repeat(setting.polish, again)
    options: dict[str, Any] = {"solver": "cholesky", "ridge": setting.ridge, "ridge_about": "start"}
    last = minimize_multilevel(problem, first.theta, schedule, "variable-projection", factors=factors, **options)
    ends = range(again - 1, again * len(setting.polish), again)
    nets, levels = ([of[k] for k in ends] for of in ([level.network for level in last.hierarchy], last.levels))
    values = [net(level.theta, x_test) for net, level in zip(nets, levels, strict=True)]
    return {
        "seed": seed,
        "test": [float(np.mean((value - y_test) ** 2)) for value in values],
        "training": [2 * level.value for level in levels],
        "parameters": [net.n_params for net in nets],
        "of many starts": [2 * table.values for table in first.levels],
        "messages": [level.message for level in levels],
        "nominal": [first.nominal, last.work.nominal],
        "measured": [first.seconds / first.unit, last.work.measured],
        "cpu seconds": [many, process_time() - began - many],
    }


def verdict(found: Mapping[str, Sequence[Mapping[str, Any]]], bounds: Sequence[Bound]) -> Verdict:
    """R5: whether all medians lie within their bounds."""
    answers = {bound: bound.met(found[bound.setting]) for bound in bounds}
    written = []
    for bound, met in answers.items():
        high = f" to {bound.high:.3g}" if np.isfinite(bound.high) else " or more"
        asked = f"{bound.low:.3g}{high}" if bound.low else f"at most {bound.high:.3g}"
        written.append(
            f"{bound.setting}, {bound.what}: {bound.median(found[bound.setting]):.3g} ({asked}:"
            f" {'met' if met else 'not met'})"
        )
    lines = [
        f"{name}: CPU seconds {np.median([sum(r['cpu seconds']) for r in records]):.3g} a seed; work"
        f" {np.median([r['nominal'][0] for r in records]):.3g} nominal and"
        f" {np.median([r['measured'][0] for r in records]):.3g} measured for the many starts, in evaluations of their"
        f" finest network on all samples; test errors by seed: " + ", ".join(f"{r['test'][0]:.2g}" for r in records)
        for name, records in found.items()
    ]
    tighter = all(bound.met(found[bound.setting], slack=1e3) for bound in bounds)
    return Verdict(
        "R5",
        judge(all(answers.values()), experiment=True),
        "; ".join(written),
        details="\n\n".join(lines),
        data={"seeds": [r["seed"] for r in next(iter(found.values()))], "records": dict(found)},
        figures=(figure(found),),
        mutations={"errors a thousandth of the bounds": judge(tighter, experiment=True)},
    )


def figure(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Test errors of all seeds against the number of parameters."""
    drawing = Drawing(figsize=(6, 4))
    axes = drawing.subplots()
    for k, (name, records) in enumerate(found.items()):
        for record in records:
            axes.loglog(record["parameters"], record["test"], ".-", color=f"C{k}", alpha=0.3)
        medians = np.median([record["test"] for record in records], axis=0)
        axes.loglog(records[0]["parameters"], medians, "o-", color=f"C{k}", label=name)
    axes.axhline(PUBLISHED_ERROR, color="k", lw=0.7, ls=":")
    axes.set(xlabel="parameters", ylabel="test mean squared error")
    axes.legend(fontsize=7)
    caption = "Seeds (thin) and medians; dotted: the published mean with 230 parameters."
    return Figure.from_matplotlib(drawing, "multilevel-targets", caption)
