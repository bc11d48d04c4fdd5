r"""O4: autocorrelated inputs bring spectral bias back to KANs, and a DCT of the inputs removes it ([Z26], abstract).

The paper: "temporal autocorrelation reintroduces spectral bias in KANs, and the bias becomes increasingly pronounced as
the degree of autocorrelation increases"; "DCT preprocessing substantially reduces the observed low-frequency
preference". Its theorems were out of reach: the statement is that of the abstract, and what is measured is the
condition number of the single layer's Gauss-Newton matrix off its null space, of which the theory that it answers
([W24], row O1) says that it is bounded for independent inputs.

Inputs are the T last values of a stationary AR(1) process with correlation rho. In functions that are orthonormal for
one input, Hermite polynomials of degree m, the matrix of a Gaussian process has the Toeplitz blocks (rho^(m |i - j|)),
with eigenvalues between (1 - rho^m)/(1 + rho^m) and its inverse: what varies fast along the lags is learned slowly, the
more so the lower the degree. Independent inputs have the identity, and so have those of a DCT as far as it diagonalises
the correlation and the process is Gaussian.

Open, and readings therefore: the order of the splines, how inputs are brought into their domain, the distribution of
the process. Criterion, fixed before the run: see the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.fft import dct
from scipy.stats import ortho_group, rankdata

import refkan as rk
from refkan.claims import Choice, Experiment, Factor, Reading, Readings, Table, Verdict, judge
from refkan.claims.running.kept_parts import Parts, resume_from
from validation.grounds import require

CLAIMS = ("O4",)

CORRELATIONS = (0.0, 0.5, 0.9, 0.99)

WORSE, REMOVED = 10.0, 4.0
"""How much worse the largest correlation must be than none, and how much worse than none a DCT may leave."""

OPEN = (
    Factor("order", ("4", "2"), "of the splines"),
    Factor("domain", ("ranks", "ranges", "one-range"), "each input by its ranks, by its range, or all by one range"),
    Factor("process", ("gaussian", "lognormal"), "distribution of the values"),
)

WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "lags": lambda v: v,
    "DCT": lambda v: dct(v, axis=1, norm="ortho"),
    "random rotation": lambda v: v @ ortho_group.rvs(v.shape[1], random_state=12),
}
"""What is done to the windows (N, T) before they reach the network; the last one is the mutated twin of the DCT."""

ROUNDING = 1e-12
"""Eigenvalues below this, relative to the largest, are those of functions that no sample reaches."""


@dataclass(frozen=True)
class Size:
    """Lags, intervals, windows, seeds."""

    lags: int
    intervals: int
    samples: int
    seeds: tuple[int, ...]


QUICK, FULL = Size(6, 4, 1000, (0, 1)), Size(16, 8, 3000, (0, 1, 2))


def windows(rng: np.random.Generator, samples: int, lags: int, rho: float, process: str) -> np.ndarray:
    """Independent stretches of the process, (N, T): Gaussian with variance 1, or its exponential."""
    noise = rng.standard_normal((samples, lags))
    z = noise.copy()
    for t in range(1, lags):
        z[:, t] = rho * z[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
    return z if process == "gaussian" else np.exp(z)


def into_domain(values: np.ndarray, domain: str) -> np.ndarray:
    """Bring the inputs (N, T) into [0, 1]."""
    if domain == "ranks":
        ranks: np.ndarray = (rankdata(values, axis=0) - 0.5) / len(values)
        return ranks
    low, high = (f(values) if domain == "one-range" else f(values, axis=0) for f in (np.min, np.max))
    scaled: np.ndarray = (values - low) / (high - low)
    return scaled


def condition(x: np.ndarray, order: int, intervals: int) -> float:
    """Condition number of J^T J of one layer off its null space; J has the design matrices of all inputs beside."""
    space = rk.SplineSpace.uniform(order, intervals)
    J = sp.hstack([rk.bsplines.design_matrix(space, column) for column in x.T], format="csr")
    values = np.linalg.eigvalsh((J.T @ J).toarray())[x.shape[1] - 1 :]
    return float(values[-1] / values[values > ROUNDING * values[-1]][0])


def run_case(choice: Choice, seed: int, size: Size) -> dict[str, dict[str, float]]:
    """Condition numbers for each way and each correlation."""
    found: dict[str, dict[str, float]] = {way: {} for way in WAYS}
    for rho in CORRELATIONS:
        values = windows(np.random.default_rng([seed, 40]), size.samples, size.lags, rho, choice["process"])
        for way, transform in WAYS.items():
            x = into_domain(transform(values), choice["domain"])
            found[way][f"{rho:g}"] = condition(x, int(choice["order"]), size.intervals)
    return found


EXPERIMENT = Experiment(OPEN, lambda choice, seed: run_case(choice, seed, FULL))


def run(
    quick: bool, progress: Callable[[str], None] = lambda message: None, checkpoints: Parts | None = None
) -> list[Verdict]:
    """All readings, all seeds."""
    require(CLAIMS)
    size, resume = QUICK if quick else FULL, resume_from(checkpoints)
    found = []
    for values in product(*(factor.values for factor in OPEN)):
        choice = dict(zip((factor.name for factor in OPEN), values, strict=True))
        progress(f"O4: {', '.join(values)}")
        runs = {}
        for seed in size.seeds:
            key = {"task": "O4", **choice, "seed": seed, "size": [size.lags, size.intervals, size.samples]}
            runs[seed] = resume(key, partial(run_case, choice, seed, size))
        found.append((choice, runs))
    return [verdict(found, size)]


def medians(runs: Mapping[int, Mapping[str, Mapping[str, float]]], way: str) -> list[float]:
    """Median over seeds at each correlation, rising."""
    return [float(np.median([run[way][f"{rho:g}"] for run in runs.values()])) for rho in CORRELATIONS]


def grows(lags: Sequence[float]) -> bool:
    """Whether the condition number rises with the correlation, to WORSE times that of none."""
    return all(a < b for a, b in pairwise(lags)) and lags[-1] >= WORSE * lags[0]


def removes(transformed: Sequence[float], none: float) -> bool:
    """Whether no correlation leaves more than REMOVED times the condition number of independent lags."""
    return max(transformed) <= REMOVED * none


def verdict(found: Sequence[tuple[dict[str, str], Mapping[int, Any]]], size: Size) -> Verdict:
    """Judge both halves of the statement under each reading."""
    readings, twins, turned, rows = [], [], [], []
    for choice, runs in found:
        lags, by_dct, rotated = (medians(runs, way) for way in WAYS)
        text = ", ".join(f"{a:.3g} ({b:.3g})" for a, b in zip(lags, by_dct, strict=True))
        holds = grows(lags) and removes(by_dct, lags[0])
        readings.append(Reading(choice, holds, f"lags (DCT) at rho = 0 to 0.99: {text}", grows(lags)))
        twins.append(grows(lags) and removes(rotated, lags[0]))
        turned.append(grows(lags[::-1]))
        rows += [
            (*choice.values(), way, *(f"{v:.3g}" for v in values))
            for way, values in zip(WAYS, (lags, by_dct, rotated), strict=True)
        ]
    made = Readings(readings)
    first = readings[0]
    worse = sum(reading.corrected for reading in readings)
    return Verdict(
        "O4",
        made.status,
        f"{made.over()}. Correlation raises the condition number at least {WORSE:g} times under {worse} of"
        f" {len(readings)} readings. Order 4, ranks, Gaussian: {first.measured}",
        corrected="correlation raises the condition number; a DCT takes it back where its components are scaled one by"
        " one",
        details=DETAILS.format(size=size),
        data={
            "seeds": list(size.seeds),
            "runs": [{"choice": choice, "by seed": {str(s): run for s, run in runs.items()}} for choice, runs in found],
        },
        tables=(
            Table(
                "Condition number off the null space, medians over seeds",
                (*(factor.name for factor in OPEN), "inputs", *(f"rho = {rho:g}" for rho in CORRELATIONS)),
                tuple(rows),
            ),
        ),
        mutations={
            "a random rotation in place of the DCT": judge(any(twins), experiment=True),
            "the condition number falls with the correlation": judge(any(turned), experiment=True),
        },
        readings=tuple(made.plain()),
    )


DETAILS = """One layer with {size.lags} inputs, the last values of an AR(1) process, one output, {size.intervals}
intervals; {size.samples} independent windows. The process has variance 1 and is Gaussian, or it is the exponential of
that, whose components after a DCT are uncorrelated but not independent. Inputs reach [0, 1] by their ranks, which makes
each uniform, by the range of each, or by one range for all; the last leaves the components of a DCT that have little
variance in few intervals. Eigenvalues of functions that no sample reaches do not count. Random rotations have
independent components only if the process has, and are the mutated twin."""
