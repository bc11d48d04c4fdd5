"""Q2: Burgers' equation, Table 3 of [S26] in full, with true errors beside losses, and rows with Levenberg-Marquardt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from refkan.training import Cyclic, Redrawn, burgers
from validation.pde_runs import Model, run_models, spread, table, without
from validation.verdicts import Figure, Verdict, judge

CLAIMS = ("Q2",)

COARSE, FINE, MULTILEVEL = "coarse", "fine", "multilevel"
SIGMOID = "multilevel, sigmoid maps"
MLP, WIDE = "MLP [2,20,20,1]", "MLP [2,56,56,1]"
FIXED, REDRAWN = "LM multilevel, fixed points", "LM multilevel, redrawn points"

PUBLISHED = {COARSE: 6.6e-3, FINE: 4.1e-3, MULTILEVEL: 2.4e-5, MLP: 2.3e-2, WIDE: 1.7e-2}
"""Losses of Table 3."""

RATIO = 100.0

WEIGHT_DECAY = 1e-4

DETAILS = """Cubic splines on 5, 10 and 20 intervals, widths [2, 20, 20, 1] at full size and [2, 5, 5, 1] in the quick run, affine
maps, the papers' baseline; loss: sum of three mean squares on 64 x 64 (quick: 16 x 16) points, 64 (16) initial points and 64 (16) on each end. Adam with weight
decay 1e-4 (our choice), rate cyclic between 1e-4 and 1e-3 with cycle 100 and factor 0.9995, begun anew on each level; steps:
coarse {3200, 0, 0}, fine {0, 0, 800}, multilevel {800, 400, 200} (quick: a quarter), MLPs 3200. The MLPs have tanh; a ReLU
network has no second derivative. Fine networks start from coarse ones, prolonged without training. All cells had sigmoid
maps at first; a full run of one seed ended at 2.1e-3 with them, and runs on 32 x 32 points at 1.1e-3 (sigmoid), 2.0e-5
(mean-std) and 5.0e-6 (affine). The cells were then changed to affine maps, and the sigmoid stays as a row of its own. Our own rows:
Levenberg-Marquardt on [2, 8, 8, 1] (quick: [2, 5, 5, 1]) with sigmoid maps and initial and boundary weights of 10, on the fixed points, and on
as many points drawn anew every ten steps, from the second level on half of them in proportion to |u_x|; their losses are
on the fixed points, and with their weights. Errors are relative, in the 2-norm, on 256 x 101 points."""


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Train all models from all seeds: 2 quickly, 6 at full size."""
    seeds = range(2) if quick else range(6)
    setup = burgers((16, 16), 16) if quick else burgers()
    solution = Solution()
    runs = run_models("Q2", models(quick), setup, seeds, quick, progress, solution)
    return [verdict(runs, list(seeds), solution.t)]


class Solution:
    """Observes the network and the exact solution on lines t = const."""

    def __init__(self) -> None:
        self.x, self.t = np.linspace(-1.0, 1.0, 201), np.array([0.25, 0.5, 1.0])

    def __call__(self, problem: Any, theta: np.ndarray) -> dict[str, Any]:
        """Values (3, 201)."""
        points = np.stack(np.meshgrid(self.x, self.t), axis=-1).reshape(-1, 2)
        return {"lines": problem.net(theta, points).reshape(self.t.size, self.x.size)}


def models(quick: bool) -> dict[str, Model]:
    """The cells of Table 3, and two rows of our own."""
    part = 4 if quick else 1
    widths = [2, 5, 5, 1] if quick else [2, 20, 20, 1]
    setup = burgers()
    net = setup.kan(widths, node_map="affine")
    adam: dict[str, Any] = {"schedule": Cyclic(), "weight_decay": WEIGHT_DECAY}
    ours = burgers((16, 16), 16, (1.0, 10.0, 10.0)) if quick else burgers(weights=(1.0, 10.0, 10.0))
    small = setup.kan([2, 5, 5, 1] if quick else [2, 8, 8, 1])
    steps = (30, 20, 10) if quick else (120, 100, 30)
    return {
        COARSE: Model(net, (3200 // part,), options=adam),
        FINE: Model(net, (0, 0, 800 // part), options=adam),
        MULTILEVEL: Model(net, (800 // part, 400 // part, 200 // part), options=adam),
        SIGMOID: Model(setup.kan(widths), (800 // part, 400 // part, 200 // part), options=adam),
        MLP: Model(setup.mlp([2, 20, 20, 1]), (3200 // part,), options=adam),
        WIDE: Model(setup.mlp([2, 56, 56, 1]), (3200 // part,), options=adam),
        FIXED: Model(small, steps, "levenberg-marquardt", setup=ours),
        REDRAWN: Model(
            small, steps, Redrawn(setup.ranges, seed=0), per_level=({}, {"steep": 0.5}, {"steep": 0.5}), setup=ours
        ),
    }


def verdict(
    runs: Mapping[str, Sequence[Mapping[str, Any]]], seeds: list[int], times: Sequence[float] = (0.25, 0.5, 1.0)
) -> Verdict:
    """Judge ratios of losses, paired by seed."""
    ratios = {name: ratio(runs[name], runs[MULTILEVEL]) for name in (COARSE, FINE)}
    cells = "; ".join(
        f"{name}: loss {spread(group, 'loss')}"
        + (f", mean {np.mean([r['loss'] for r in group]):.1e}, published {PUBLISHED[name]:.1e}" if name in PUBLISHED else "")
        + f", error {spread(group, 'error')}"
        for name, group in runs.items()
    )
    return Verdict(
        "Q2",
        judge(min(ratios.values()) >= RATIO, experiment=True),
        f"median loss over that of multilevel, paired, {len(seeds)} seeds: coarse {ratios[COARSE]:.3g}, fine "
        f"{ratios[FINE]:.3g}; {cells}",
        details=DETAILS + " Median and extremes over seeds: " + table(runs) + ".",
        data={"seeds": seeds, "runs": without(runs, "lines")},
        figures=(draw(runs, times),),
        mutations={
            "coarse in place of multilevel": judge(
                min(ratio(runs[name], runs[COARSE]) for name in (MULTILEVEL, FINE)) >= RATIO, experiment=True
            ),
            "ratios turned over": judge(
                min(ratio(runs[MULTILEVEL], runs[name]) for name in (COARSE, FINE)) >= RATIO, experiment=True
            ),
        },
    )


def ratio(worse: Sequence[Mapping[str, Any]], better: Sequence[Mapping[str, Any]]) -> float:
    """Median over seeds of the ratio of two models' losses."""
    return float(np.median([a["loss"] / b["loss"] for a, b in zip(worse, better, strict=True)]))


def draw(runs: Mapping[str, Sequence[Mapping[str, Any]]], times: Sequence[float]) -> Figure:
    """Draw loss against true error, and the solution of the first seed on lines of constant time."""
    canvas = Drawing(figsize=(9.5, 3.6), layout="constrained")
    scatter, lines = canvas.subplots(1, 2)
    for name, group in runs.items():
        scatter.loglog([r["loss"] for r in group], [r["error"] for r in group], "o", ms=4, label=name)
    scatter.set(xlabel="loss", ylabel="relative error")
    scatter.legend(frameon=False, fontsize=7)
    x = np.linspace(-1.0, 1.0, runs[REDRAWN][0]["levels"][-1]["lines"].shape[1])
    points = np.stack(np.meshgrid(x, times), axis=-1).reshape(-1, 2)
    for k, exact in enumerate(burgers().reference(points).reshape(len(times), -1)):
        lines.plot(x, exact, "k-", lw=0.8, label="exact" if k == 0 else None)
        for name, style in ((MULTILEVEL, "C2--"), (REDRAWN, "C6:")):
            lines.plot(x, runs[name][0]["levels"][-1]["lines"][k], style, lw=1.2, label=name if k == 0 else None)
    lines.set_xticks([-1, -0.5, 0, 0.5, 1])
    lines.set(xlabel="x", ylabel="u at t = " + ", ".join(f"{t:g}" for t in times))
    lines.legend(frameon=False, fontsize=7)
    return Figure.from_matplotlib(
        canvas,
        "burgers-table",
        "Left: loss and true error of every run. Right: the solution of the first seed at three times.",
    )
