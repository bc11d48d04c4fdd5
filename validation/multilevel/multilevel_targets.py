r"""What multilevel training with many starts attains on the regression target of [S26], medians over 20 seeds.

Means: [2, 5, 1], quadratic splines, mean-std map; many starts on the coarsest level and on some of the samples, pruned
from level to level by training loss, on the finest levels too; variable projection (the coefficients of the last layer
eliminated, damped Gauss-Newton on the rest), one minimisation a level; the reported levels on all 20,000 samples. The
error of a level is that of its best network by training loss. Seeds draw samples and starts. Settings were chosen on
seeds that are not among those reported: 1 to 4 for the rotated target, 1 and 2 without kinks, 1 for the unrotated one.

With a finer outer layer, (4, 32), the ridge is about zero and there is no roughness. The first full run had the ridge
and the roughness of the other settings there too, untried, and came out at 2.7e-5; they were changed after that run, by
errors of seeds 1 to 4: 6.2e-6, 5.2e-6, 2.5e-5, 1.2e-5 against 4.8e-5, 1.0e-5, 1.7e-5, 1.1e-5.

Coefficients that hardly any sample sees, at the corners of the square, can spoil the mean of the test errors by a
single point. A ridge that is strong enough to prevent it is felt by all other coefficients: the kinks are fitted by
large coefficients that nearly cancel. A small ridge about the start of each level, and a small roughness, which
continues the polynomials beside such coefficients, are not felt; without kinks, where errors reach 1e-10, the ridge is
taken smaller and the roughness larger. Restarts, which set the damping back, only cost steps.

What limits the errors, besides minima:

* The line y' = sqrt(4/3), the last kink, cuts 5e-5 off the square, about one sample of 20,000, and one of the 20,000
  test points. A network that has seen no sample there continues the target without its kink, and this point alone adds
  1.06e-6 to the mean. The details give the share of test points there and the number of samples there for each seed.
* Without the kinks, edges of the first layer that are linear, the exact rotation, and the best outer layers of 24, 48
  and 96 intervals have errors 4.0e-6, 5.1e-8, 7.6e-10, which fall by 78 and 67: the order of splines. Training bends
  the first layer and does better on all three levels, the more so the coarser: factors between them are smaller.

The outer layer, which has to resolve the target's waves, is finer for the smooth target: (2, 24), (4, 48), (8, 96).

Bounds, fixed before the run, on the mean squared error at 20,000 fresh points (medians): with 230 parameters 5e-5 on
the rotated target with intervals (8, 24), 2e-5 with (4, 32), 3e-6 on the unrotated one; with 830 parameters 1e-6 on the
rotated one. On the last two refinements the error falls by at least 6 where the target has kinks, and by 2^(2r) = 64
to within 20 % without its term in absolute value. The published mean, 3.67e-5 with 230 parameters, is met or beaten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from time import process_time
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

import refkan as rk
from refkan.claims.parts import Parts
from refkan.claims.verdicts import Figure, Verdict, judge
from refkan.hierarchy import MultistartResult, multistart
from refkan.hierarchy.work import gradient_seconds, interval_weight
from validation.multilevel.table_two import PUBLISHED, TEST_POINTS, TEST_SEED

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
        Of the coarsest level, and of the refinements that follow.
    steps, survivors, samples : tuple
        Of each level; samples None are all.
    reported : int
        How many of the last levels are reported.
    ridge, roughness : float
        Of the last layer's coefficients.
    ridge_about : {"start", "zero"}
        What the ridge draws them to: where they are at the start of each level, or zero.
    angle, kink
        Of the target.
    hidden : int
        Nodes between the two layers.
    """

    intervals: tuple[int, int]
    factors: tuple[Any, ...]
    steps: tuple[int, ...]
    survivors: tuple[int, ...]
    samples: tuple[int | None, ...]
    reported: int = 1
    ridge: float = 1e-9
    ridge_about: str = "start"
    roughness: float = 1e-9
    angle: float = rk.problems.ROTATION
    kink: bool = True
    hidden: int = 5


STEPS, STARTS, SAMPLES = (6, 10, 20, 40), (128, 96, 16, 4), (500, 500, 2000, None)

FULL = {
    "rotated": Setting(
        (1, 3), (2, 2, 2, 2, 2), (6, 10, 20, 30, 25, 25), (*STARTS, 3, 2), (*SAMPLES, None, None), reported=3
    ),
    "rotated, outer layer finer": Setting(
        (1, 4), ((1, 2), 2, 2), STEPS, STARTS, SAMPLES, ridge_about="zero", roughness=0.0
    ),
    "unrotated": Setting((1, 3), (2, 2, 2), STEPS, (96, 72, 14, 4), SAMPLES, angle=0.0),
    "rotated, smooth": Setting(
        (1, 6),
        ((1, 2), 2, 2, 2),
        (10, 15, 30, 30, 30),
        (16, 6, 3, 2, 2),
        (500, 1000, None, None, None),
        reported=3,
        ridge=1e-11,
        roughness=1e-8,
        kink=False,
    ),
    "rotated, smooth, two nodes": Setting(
        (2, 12),
        ((1, 2), 2, 2, 2),
        (10, 15, 30, 30, 30),
        (16, 6, 3, 3, 3),
        (500, 1000, None, None, None),
        reported=4,
        ridge=1e-12,
        roughness=3e-7,
        kink=False,
        hidden=2,
    ),
}

FEW, SMALL = (12, 10, 3, 1), (500, 500, 1000, None)

QUICK = {
    "rotated": Setting((1, 3), (2, 2, 2, 2), (6, 10, 20, 30, 15), (*FEW, 1), (*SMALL, None), reported=2),
    "unrotated": Setting((1, 3), (2, 2, 2), STEPS, FEW, SMALL, angle=0.0),
}

LAST_KINK = np.sqrt(4.0 / 3.0)
"""Where |sin(3 pi y'^2)| has its last kink in the rotated square, whose corner lies at y' = 1.159."""


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
    """Test error on the first level that is reported, or so many refinements after it."""
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
    Bound("factor to (8, 96)", "rotated, smooth, two nodes", factor(1), *SMOOTH),
    Bound("factor to (16, 192)", "rotated, smooth, two nodes", factor(2), *SMOOTH),
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
    """Train from many starts; return test errors of the last levels and the work."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(1e-4, 0.9999, (samples, 2))
    x_test = np.random.default_rng(TEST_SEED).uniform(1e-4, 0.9999, (TEST_POINTS, 2))
    y, y_test = (rk.problems.regression_target(at, setting.angle, kink=setting.kink) for at in (x, x_test))
    net = rk.kan([2, setting.hidden, 1], order=ORDER, intervals=list(setting.intervals), node_map="mean-std")
    problem = rk.LeastSquares(net, x, y)
    began = process_time()
    trained = multistart(
        problem,
        rng,
        setting.steps,
        setting.survivors,
        samples=setting.samples,
        factors=[list(f) if isinstance(f, tuple) else f for f in setting.factors],
        solver="cholesky",
        ridge=setting.ridge,
        ridge_about=setting.ridge_about,
        roughness=setting.roughness,
    )
    seconds = process_time() - began
    levels = trained.levels[-setting.reported :]
    squares = [(level.network(level.theta, x_test) - y_test)[:, 0] ** 2 for level in levels]
    beyond = beyond_last_kink(x_test, setting)
    work = [work_up_to(problem, trained, len(setting.steps) - setting.reported + k) for k in range(setting.reported)]
    return {
        "seed": seed,
        "test": [float(np.mean(square)) for square in squares],
        "of it beyond the last kink": [float(np.sum(square[beyond]) / beyond.size) for square in squares],
        "samples beyond the last kink": int(np.sum(beyond_last_kink(x, setting))),
        "training": [2 * float(level.values[0]) for level in levels],
        "parameters": [level.n_params for level in levels],
        "of many starts": [2 * level.values for level in trained.levels],
        "nominal": [nominal for nominal, _ in work],
        "measured": [measured for _, measured in work],
        "cpu seconds": seconds,
    }


def beyond_last_kink(x: np.ndarray, setting: Setting) -> np.ndarray:
    """Where points lie beyond the last kink; nowhere if the target has none."""
    c, s = np.cos(setting.angle), np.sin(setting.angle)
    beyond: np.ndarray = setting.kink & (s * x[:, 0] + c * x[:, 1] > LAST_KINK)
    return beyond


def work_up_to(problem: rk.LeastSquares, trained: MultistartResult, last: int) -> tuple[float, float]:
    """Both measures of the work of all levels up to one, in evaluations of its network on all samples."""
    until = trained.levels[: last + 1]
    nets = [level.network for level in until]
    nominal = sum(
        level.evaluations * level.samples * interval_weight(net) for level, net in zip(until, nets, strict=True)
    ) / (problem.x.shape[0] * interval_weight(nets[-1]))
    unit = gradient_seconds(replace(problem, net=nets[-1]), until[-1].theta)
    return nominal, sum(level.seconds for level in until) / unit


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
    lines = [f"{name}: {described(records)}" for name, records in found.items()]
    tighter = all(bound.met(found[bound.setting], slack=1e3) for bound in bounds)
    return Verdict(
        "R5",
        judge(all(answers.values())),
        "; ".join(written),
        details="\n\n".join(lines),
        data={"seeds": [r["seed"] for r in next(iter(found.values()))], "records": dict(found)},
        figures=(figure(found),),
        mutations={"errors a thousandth of the bounds": judge(tighter)},
    )


def described(records: Sequence[Mapping[str, Any]]) -> str:
    """Write down what the bounds do not say: work, errors seed by seed, and the corner beyond the last kink."""

    def median(name: str, level: int = 0) -> str:
        return f"{np.median([record[name][level] for record in records]):.3g}"

    parts = [
        f"CPU seconds {np.median([record['cpu seconds'] for record in records]):.3g} a seed (medians of {len(records)})"
    ]
    for level, parameters in enumerate(records[0]["parameters"]):
        low, middle, high = np.percentile([record["test"][level] for record in records], (25, 50, 75))
        parts.append(
            f"{parameters} parameters: test error {middle:.3g} (quartiles {low:.3g} to {high:.3g}), training error"
            f" {median('training', level)}, work so far {median('nominal', level)} nominal and"
            f" {median('measured', level)} measured, in evaluations of this network on all samples; by seed "
            + ", ".join(f"{record['test'][level]:.2g}" for record in records)
        )
    factors = np.median([np.divide(record["test"][:-1], record["test"][1:]) for record in records], axis=0)
    if factors.size:
        parts.append("factors between levels " + ", ".join(f"{f:.3g}" for f in factors))
    shares = np.array([record["of it beyond the last kink"] for record in records])
    if shares.any():
        rest = np.array([record["test"] for record in records]) - shares
        factors = np.median(rest[:, :-1] / rest[:, 1:], axis=0)
        parts.append(
            "without the test points beyond the last kink the medians are "
            + ", ".join(f"{e:.3g}" for e in np.median(rest, axis=0))
            + (f", the factors {', '.join(f'{f:.3g}' for f in factors)}" if factors.size else "")
            + "; training samples there, by seed: "
            + ", ".join(str(record["samples beyond the last kink"]) for record in records)
        )
    return "; ".join(parts)


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
