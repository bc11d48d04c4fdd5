r"""O3: Gaussian KANs do well with eps in [1/(G-1), 2/(G-1)] ([N26], abstract and README of its code).

Functions exp(-(x - c_g)^2/eps^2) with G equidistant centres on [0, 1]; s = eps (G - 1) is the width in units of the
spacing, and the interval is 1 <= s <= 2. The paper: "a practical operating interval", "not a universal optimality
result, but a stable and effective design rule"; scale is governed by the first layer's feature matrix Phi (N, G), whose
rank is judged in single precision.

Conditioning. For samples uniform on [0, 1], Phi^T Phi/N tends to the Gram matrix

    int_0^1 exp(-(x - a)^2/eps^2 - (x - b)^2/eps^2) dx
        = exp(-(a - b)^2/(2 eps^2)) eps sqrt(pi/8) (erf(sqrt2 (1 - m)/eps) + erf(sqrt2 m/eps)),    m = (a + b)/2,

whose eigenvalues are enclosed in ball arithmetic; on the whole line its condition number would be about
exp(pi^2 s^2/2)/2 for s >= 1 (Poisson's summation formula), 70 at s = 1 and 2e8 at s = 2. That of Phi is the root.

"Effective" is taken as: an error that is at most 10 times the best of the sweep; "stable" as: Phi has full rank in
single precision. How coefficients are found is open, and a reading. Networks that are hardly trained decide nothing
(`TRAINED`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

import refkan as rk
from refkan.analysis.exact.extra import at_precision
from refkan.analysis.exact.spectra.orthogonal_certificates import enclosed_eigenvalues
from refkan.claims import Beside, Estimate, Experiment, Factor, Verdict, estimate, exactly, judge, twin
from refkan.claims.experiments import Choice
from refkan.networks.layers import Layer
from refkan.networks.layers.functions import Declared, RowFunctions
from validation.statements import (
    ByCells,
    Cells,
    Change,
    Progress,
    Resume,
    RunSize,
    answers,
    each,
    each_part,
    levelled,
    named,
    quick_and_full,
)

CLAIMS = ("O3",)


@dataclass(frozen=True)
class GaussianLayer(Layer):
    """y_q = sum_p sum_g C[q, p, g] exp(-(x_p - c_g)^2 / eps^2), c_g = g/(G - 1), g = 0, ..., G - 1."""

    n_inputs: int
    n_outputs: int
    centres: int
    width: float

    @property
    def blocks(self) -> dict[str, tuple[int, ...]]:
        return {"coefficients": (self.n_outputs, self.n_inputs, self.centres)}

    def declare(self, theta: Any) -> Declared:
        return Declared(self.n_inputs, self.n_outputs, (RowFunctions(self.rows, self.n_inputs, self.centres),), theta)

    def rows(self, x: Any, derivatives: int) -> Any:
        """Values and derivatives, (derivatives + 1, N, P, G): f^(m+1) = -2 (t f^(m) + m f^(m-1)) in t = (x - c)/eps."""
        t = (x[..., None] - np.linspace(0, 1, self.centres)) / self.width
        out = [np.exp(-(t**2))]
        for m in range(derivatives):
            out.append(-2 * (t * out[m] + m * out[m - 1]))
        return np.stack([f / self.width**m for m, f in enumerate(out)])

    def initialize(self, rng: np.random.Generator, x: Any, scheme: str = "linear") -> Any:
        """Start as the paper's code does: independent N(0, 1/(P G)^2)."""
        return rng.normal(0.0, 1.0 / (self.n_inputs * self.centres), self.n_params)


WIDTHS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""s: widths in units of the spacing of the centres."""

INTERVAL = (1.0, 1.5, 2.0)
EFFECTIVE = 10.0

TRAINED = 0.1
"""Error of the best width, median over targets and seeds, at which a sweep can tell widths apart: it decides nothing
where networks have hardly been trained, for then all widths are equally bad."""

SINGLE = 2.0**23
"""Condition number of Phi beyond which its rank is not full in single precision."""

TARGETS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "smooth": lambda x: np.sin(4 * x.sum(axis=1)) + x[:, 0] ** 2,
    "waves": lambda x: np.cos(6 * np.pi * x).sum(axis=1),
    "front": lambda x: np.tanh(20 * (x.mean(axis=1) - 0.4)),
    "kink": lambda x: np.abs(x - 0.37).sum(axis=1),
}

OPEN = (Factor("training", ("adam", "single", "double"), "two layers by Adam; one by least squares, in a precision"),)

QUICK, FULL = quick_and_full(
    centres=((8, 16), (8, 16, 32)), samples=(200, 300), seeds=((0,), (0, 1, 2, 3, 4)),
    hidden=(3, 6), deep_centres=((8,), (20,)), steps=(300, 300),
)  # fmt: skip
"""Numbers of centres, samples, seeds; hidden nodes, centres and steps of networks trained by Adam."""


def gram(flint: Any, centres: int, s: float) -> Any:
    """The Gram matrix in balls; (a - b)/eps = (g - h)/s by integers, which have no radius."""
    root, width = flint.arb(2).sqrt(), flint.arb(s)
    eps = width / (centres - 1)

    def entry(g: int, h: int) -> Any:
        m = flint.arb(g + h) / (2 * (centres - 1))
        tails = (root * (1 - m) / eps).erf() + (root * m / eps).erf()
        return (-flint.arb((g - h) * (g - h)) / (2 * width * width)).exp() * eps * (flint.arb.pi() / 8).sqrt() * tails

    return flint.arb_mat([[entry(g, h) for h in range(centres)] for g in range(centres)])


def condition(centres: int, s: float) -> tuple[float, float]:
    values = at_precision(
        None, 128, 2048, "enclose the spectrum", lambda flint: enclosed_eigenvalues(flint, gram(flint, centres, s))
    )
    return values[-1].quotient(values[0]).floats()


def features(x: np.ndarray, centres: int, s: float) -> np.ndarray:
    """Phi (N, G) in the precision of x (N,)."""
    number = x.dtype.type
    c = np.linspace(0, 1, centres).astype(x.dtype)
    return np.asarray(np.exp(-(((x[:, None] - c) * number((centres - 1) / s)) ** 2)))


def samples(seed: int, count: int, inputs: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 30])
    return rng.uniform(size=(count, inputs)), rng.uniform(size=(1000, inputs))


def one_layer(precision: Any, target: str, centres: int, s: float, seed: int, size: RunSize) -> float:
    """Root mean square error at fresh points of the least-squares fit, relative to the target's deviation."""
    x, fresh = samples(seed, size.samples, 1)
    y, true = TARGETS[target](x), TARGETS[target](fresh)
    Phi = features(x[:, 0].astype(precision), centres, s)
    coefficients = np.linalg.lstsq(Phi, y.astype(precision), rcond=None)[0]
    fitted = features(fresh[:, 0].astype(precision), centres, s) @ coefficients
    return float(np.sqrt(np.mean((fitted - true) ** 2)) / true.std())


def two_layers(target: str, centres: int, s: float, seed: int, size: RunSize) -> float:
    """The same of a network [2, hidden, 1] with no map between the layers, trained by Adam."""
    x, fresh = samples(seed, size.samples, 2)
    y, true = TARGETS[target](x), TARGETS[target](fresh)
    layers = (GaussianLayer(P, Q, centres, s / (centres - 1)) for P, Q in ((2, size.hidden), (size.hidden, 1)))
    net = rk.Network(tuple(layers), (rk.networks.node_maps.NODE_MAPS["none"],))
    net, theta = net.initialize(np.random.default_rng([seed, 31]), x)
    result = rk.minimize(rk.LeastSquares(net, x, y[:, None]), theta, "adam", size.steps, learning_rate=1e-2)
    return float(np.sqrt(np.mean((net(result.theta, fresh)[:, 0] - true) ** 2)) / true.std())


def run_case(choice: Choice, seed: int, size: RunSize) -> dict[str, dict[str, list[float]]]:
    """Errors for each number of centres and target, one a width."""
    train, centres = two_layers, size.deep_centres
    if choice["training"] != "adam":
        train, centres = partial(one_layer, np.float32 if choice["training"] == "single" else np.float64), size.centres
    return {str(G): {name: [train(name, G, s, seed, size) for s in WIDTHS] for name in TARGETS} for G in centres}


EXPERIMENT = Experiment(OPEN, lambda choice, seed: run_case(choice, seed, FULL))


@answers(QUICK, FULL)
def run(size: RunSize, progress: Progress, resume: Resume) -> list[Verdict]:
    places = each(progress, "O3: condition number, G = {}, s = {:g}", size.centres, WIDTHS)
    conditions = {place: condition(*place) for place in places}
    splines = {
        G: rk.exact.certified_condition_number(rk.SplineSpace.uniform(4, G - 3), which="gram") for G in size.centres
    }

    def trained(training: str, seed: int) -> Any:
        key = {"task": "O3", "training": training, "seed": seed, "size": [size.samples, size.steps]}
        return resume(key, partial(run_case, {"training": training}, seed, size))

    trainings, n = OPEN[0].values, len(size.seeds)
    made = each_part(resume, progress, "O3: {}, seed {}", trained, trainings, size.seeds)
    errors = {name: dict(zip(size.seeds, made[k * n :], strict=False)) for k, name in enumerate(trainings)}
    return [verdict(conditions, splines, errors)]


Errors = Mapping[str, Mapping[str, Sequence[float]]]
"""Number of centres -> target -> error of every width, of one run."""

EXCESS, CONDITION = "error over the best of the sweep", "condition number of Phi"
COST = "one seed takes nine seconds of processor time"


def excess(run: Errors) -> np.ndarray:
    """Error over the best of the sweep, median over targets, the largest of all G: one number a width."""
    return np.max([np.median([np.array(e) / min(e) for e in targets.values()], axis=0) for targets in run.values()], 0)


def trained(runs: Mapping[int, Errors]) -> bool:
    """Whether the best widths have learned the targets, at every G."""
    return all(
        np.median([min(e) for run in runs.values() for e in run[G].values()]) <= TRAINED
        for G in next(iter(runs.values()))
    )


def width(s: float) -> str:
    return f"s = {s:g}"


def full_rank(cells: Cells) -> tuple[Estimate, ...]:
    """Phi has full rank in single precision all over the interval; enclosed, so that no chance enters."""
    worst = max(named(cells, width(s), CONDITION)[0] for s in INTERVAL)
    return (exactly(f"greatest {CONDITION}, s = 1 to 2", worst, at_most=SINGLE),)


def asked(cells: Cells) -> tuple[Estimate, ...]:
    """And every width of the interval is within a factor of the best of the sweep."""
    told = {s: f"{EXCESS}, {width(s)}" for s in INTERVAL}
    errors = (estimate(told[s], named(cells, width(s), EXCESS), at_most=EFFECTIVE, cost=COST) for s in INTERVAL)
    return (*full_rank(cells), *errors)


def at_widths(told: str, *others: float) -> Change:
    """Give the widths of the interval what other widths have."""
    source = {width(s): width(other) for s, other in zip(INTERVAL, others, strict=True)}
    return told, lambda cells: [
        replace(c, values=named(cells, source[c.cell], c.unit)) if c.cell in source else c for c in cells
    ]


WIDER = at_widths("three times the interval", 3.0, 4.0, 6.0)

JUDGED = {
    "O3": ByCells(
        asked,
        control=levelled("with orthogonal features, all widths as good", lambda cell: 1.0),
        twin=at_widths("a quarter of the interval", 0.25, 0.25, 0.5),
        corrected=full_rank,
        published=False,
    )
}


def verdict(
    conditions: Mapping[tuple[int, float], tuple[float, float]],
    splines: Mapping[int, tuple[float, float]],
    errors: Mapping[str, Mapping[int, Errors]],
) -> Verdict:
    by, results, left, G = JUDGED["O3"], [], [], max(splines)
    worst = {s: max(high**0.5 for (_, other), (_, high) in conditions.items() if other == s) for s in WIDTHS}
    listed = ", ".join(f"{conditions[G, s][1] ** 0.5:.3g} ({width(s)})" for s in WIDTHS)
    text = f"{CONDITION}, certified, G = {G}: {listed}; of as many cubic B-splines {splines[G][1] ** 0.5:.3g}"
    for training, runs in errors.items():
        by_seed = {seed: excess(run) for seed, run in runs.items()}
        cells = [Beside(width(s), CONDITION, {0: worst[s]}) for s in WIDTHS]
        for k, s in enumerate(WIDTHS):
            cells.append(Beside(width(s), EXCESS, {seed: float(values[k]) for seed, values in by_seed.items()}))
        if trained(runs):
            results.append(by.reading({"training": training}, cells, measured=text))
        else:
            left.append({"training": training})
    wider = [twin(asked(WIDER[1](result.cells))) == "holds" for result in results]
    return by.verdict(
        "O3",
        results,
        left,
        corrected="the features have full rank in single precision on the interval; whether its widths are effective"
        " depends on how coefficients are found",
        details=DETAILS,
        data={
            "conditions": [{"centres": G, "s": s, "of the Gram matrix": c} for (G, s), c in conditions.items()],
            "B-splines": splines,
            "errors": errors,
            "widths": WIDTHS,
        },
        mutations={WIDER[0]: judge(any(wider))},
    )


DETAILS = """Condition numbers are those of the Gram matrix in L2(0, 1), enclosed in ball arithmetic, and their roots.
Errors are root mean squares at 1000 fresh points over the target's deviation: one layer of one input by least squares
(NumPy's lstsq, singular values below the rounding of the precision cut off), and a network [2, hidden, 1] without a map
between its layers, coefficients N(0, 1/(P G)^2), Adam at 1e-2, after the paper's code."""
