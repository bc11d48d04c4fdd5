"""N2: comparable learning rates work in both bases ([S26] Remark 1): the largest stable steps of gradient descent.

"Gradient based optimization routines for a ReLU and spline basis can be used with comparable learning rates": Theorem
2, from which it is drawn, is about the ReLU powers ((x - t_i)_+/h)^(r-1) and the factor 4. The map between layers and
the parameters (`start`) are readings; the plain powers stand beside. It is a general statement, beside which nothing
was published.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from refkan.claims import Beside, Estimate, Reading, Readings, Verdict, estimate, judge, twin
from refkan.claims.experiments import Choice, written
from validation.descent.stable_steps import BASES, CELL, EXPERIMENT, FULL, OPEN, QUICK, SHOWN, measure

__all__ = ["CLAIMS", "EXPERIMENT", "run", "verdict"]
CLAIMS = ("N2",)
BAND = (0.25, 4.0)
SURE = 0.99


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    return [verdict(measure(QUICK if quick else FULL, progress))]


def share(ratios: Sequence[float], low: float = BAND[0], high: float = BAND[1]) -> float:
    values = np.array(ratios)
    return float(np.mean((values >= low) & (values <= high)))


def runs_confirm(runs: Sequence[dict[str, Any]], factor: float = 1.0) -> bool:
    """Whether runs of the linearised problem turn at the predicted step times a factor, to one cell.

    The largest step that decreases is in a cell below the threshold, [1/CELL, 1]; the predicted one is in the grid and,
    being neutral, may count as either. Modes that the residual hardly has need some steps to be seen: one cell more.
    """
    turns = np.array([value for item in runs for value in item["over_predicted"]["linearised"].values()])
    return bool(np.all((turns >= factor / CELL**1.5) & (turns <= factor * CELL**1.5)))


def under(items: Sequence[dict[str, Any]], map: str, start: str) -> list[dict[str, Any]]:
    """Return the networks with a node map and a start; those of one layer, which have no map, stand under each."""
    return [i for i in items if i["start"] == start and (len(i["widths"]) == 2 or i["node_map"] == map)]


def asked(ratios: Sequence[float]) -> Estimate:
    """The ratio of the largest stable steps, ReLU over spline basis, 1/4 to 4; networks are the population."""
    name = "largest stable step, scaled ReLU over spline basis"
    low, high = BAND
    return estimate(name, dict(enumerate(ratios)), at_least=low, at_most=high)


def one_way(ratios: Sequence[float]) -> Estimate:
    """The share of networks on which a step that is stable in the ReLU basis is stable in the spline basis."""
    name = "share of networks on which a step stable in the ReLU basis is stable in the spline basis"
    return estimate(name, {k: float(ratio <= 1) for k, ratio in enumerate(ratios)}, "share", at_least=SURE)


def readings(results: dict[str, Any]) -> Readings:
    """Return the statement under every reading; the corrected one over all networks."""
    made = []
    right = one_way([item["ratios"]["scaled"] for item in results["predictions"]]).holds is True
    for map, start in product(*(factor.values for factor in OPEN if factor.name != "scaling")):
        predictions = under(results["predictions"], map, start)
        ratios = {name: [item["ratios"][name] for item in predictions] for name in BASES}
        runs = [item["ratios"]["scaled"] for item in under(results["runs"], map, start)]
        text = f"of {len(predictions)} networks within [1/4, 4] {share(ratios['scaled']):.0%}"
        text += f", of steps found by {len(runs)} runs {share(runs):.0%}" if runs else ""
        text += f", with plain powers {share(ratios['plain']):.0%}"
        reading = {"scaling": "scaled", "map": map, "start": start}
        cells = ratios_by_order(predictions, reading, results["samples"])
        size = f"{results['samples']} samples"
        estimates = (asked(ratios["scaled"]),)
        made.append(Reading(reading, measured=text, corrected=right, cells=cells, size=size, estimates=estimates))
    return Readings(made, experiment=False)


def ratios_by_order(predictions: Sequence[dict[str, Any]], reading: Choice, samples: int) -> tuple[Beside, ...]:
    """Return the ratios of the networks `SHOWN` by order, each with its seeds, at the largest n that was tried."""
    shown = [item for item in predictions if tuple(item["widths"]) == SHOWN]
    made = []
    for order in sorted({item["order"] for item in shown}):
        own = [item for item in shown if item["order"] == order]
        n = max(item["intervals"] for item in own)
        values = {item["seed"]: item["ratios"][reading["scaling"]] for item in own if item["intervals"] == n}
        place = {"order": str(order), "intervals": str(n), "widths": "-".join(map(str, SHOWN)), "samples": str(samples)}
        name, unit = f"r = {order}, n = {n}, {list(SHOWN)}", "largest stable step, ReLU over spline basis"
        made.append(Beside(name, unit, values, again=written(reading | place)))
    return tuple(made)


def verdict(results: dict[str, Any]) -> Verdict:
    predictions, runs = results["predictions"], results["runs"]
    made = readings(results)
    ratios = {name: [item["ratios"][name] for item in predictions] for name in BASES}
    control = share([item["control"] for item in predictions])
    confirmed = runs_confirm(runs)
    over = [value for item in runs for value in item["over_predicted"]["network"].values()]
    deciles = np.quantile(over, (0.1, 0.5, 0.9), method="lower")  # some may be inf: no interpolation

    def by_order(name: str) -> str:
        values = {r: [i["ratios"][name] for i in predictions if i["order"] == r] for r in (1, 2, 3, 4)}
        return ", ".join(f"{np.median(ratios):.2g} (r = {r})" for r, ratios in values.items())

    exponents = results["one layer, exponents of n"]
    return made.verdict(
        "N2",
        corrected="a step that is stable in the ReLU basis of Theorem 2 is stable in the spline basis on at least 99 %"
        " of random networks, not on all (N5); the other direction fails, by n^(2r)",
        measured=f"{made.told()}. {one_way(ratios['scaled']).told()}. All {len(predictions)} networks: medians"
        f" {by_order('scaled')} in the scaled ReLU basis,"
        f" {by_order('plain')} in the plain one. One layer:"
        " like n^k, k = "
        + ", ".join(f"{exponents[r]['scaled']:.2f}" for r in exponents)
        + " scaled, "
        + ", ".join(f"{exponents[r]['plain']:.2f}" for r in exponents)
        + f" plain, r = 1..4. {len(runs)} networks run: largest steps {deciles[1]:.2g} of the predicted (median;"
        f" 80 % from {deciles[0]:.2g} to {deciles[2]:.2g})",
        details=DETAILS.format(control=control, confirmed="do" if confirmed else "do not"),
        data=results,
        mutations={
            "the ReLU basis takes steps at least as large": judge(
                any(share(values, 1.0, np.inf) >= 0.5 for values in ratios.values())
            ),
            "the smaller step of 1/lambda_max is the largest": judge(runs_confirm(runs, 0.5)),
            "a step of 4/lambda_max is stable": judge(runs_confirm(runs, 2.0)),
            "99 % of steps stable in the plain basis are stable in the spline basis doubled": twin(
                [one_way([2 * ratio for ratio in ratios["plain"]])]
            ),
        },
        controls={"the spline bases on n and on 2n intervals": twin([asked([i["control"] for i in predictions])])},
    )


DETAILS = """Theorem 2, which the remark draws on, is about the ReLU powers ((x - t_i)_+/h)^(r-1): the scaled basis.
Networks [1,1], [2,5,1], [2,5,5,1], [4,8,2] of orders 1 to 4 at random parameters (the same function in all bases),
uniform inputs; networks of one layer have no node map and stand under every one. The largest
stable step is 2/lambda_max of the Gauss-Newton matrix J^T J/N, so that the ratio of the steps is that of the spectral
radii of the tangent kernels, spline over ReLU basis.

Theorem 2 bounds this ratio from above. Up to a constant a step that is stable in the ReLU basis is stable in the spline
basis, and so it is; the other direction, which "comparable" needs, fails. For one layer lambda_max is about 1/n in the
spline basis, n^(2r-1) in the scaled ReLU basis (functions of size n^(r-1), n of them, all overlapping), n in the plain
one: ratios like n^(-2r) and n^(-2). At the small n of practice the plain basis is nearer to the spline basis.

Runs: gradient descent from the start, steps in ratios of 2^(1/4), stable if the loss ends below the start and is never
above it. Runs of the linearised problem {confirmed} turn at 2/lambda_max. Networks, whose curvature
changes on the way, may fail at somewhat smaller steps or survive several times larger ones. A control, which the
criterion must let pass: the same function in the spline bases on n and on 2n intervals has largest stable steps within
[1/4, 4] of each other on {control:.0%} of the networks."""
