r"""O4: autocorrelated inputs bring spectral bias back to KANs, and a DCT of the inputs removes it ([Z26], abstract).

Its theorems were out of reach: the statement is that of the abstract, and what is measured is the condition number of
which the theory that it answers ([W24], row O1) says that it is bounded for independent inputs.

Inputs are the T last values of a stationary AR(1) process with correlation rho. In functions that are orthonormal for
one input, Hermite polynomials of degree m, the matrix of a Gaussian process has the Toeplitz blocks (rho^(m |i - j|)),
with eigenvalues between (1 - rho^m)/(1 + rho^m) and its inverse: what varies fast along the lags is learned slowly, the
more so the lower the degree. Independent inputs have the identity, and so have those of a DCT as far as it diagonalises
the correlation and the process is Gaussian.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from scipy.fft import dct
from scipy.stats import ortho_group, rankdata

import refkan as rk
from refkan.claims import Beside, Estimate, Factor, Grid, Verdict, estimate
from refkan.claims.cells import Cell, Found
from validation.statements import ByCells, Cells, exchanged, levelled, on_grid, raw

CLAIMS = ("O4",)
CORRELATIONS = (0.0, 0.5, 0.9, 0.99)

REMOVED = 4.0
"""How many times the condition number of independent lags a DCT may leave: a bound of ours."""

OPEN = (
    Factor("order", ("4", "2"), "of the splines"),
    Factor("domain", ("ranks", "ranges", "one-range"), "each input by its ranks, by its range, or all by one range"),
    Factor("process", ("gaussian", "lognormal"), "distribution of the values"),
)

PLACE = (
    Factor("lags", ("16",), "values of the process in a window", number=True),
    Factor("intervals", ("8",), "of the splines", number=True),
    Factor("samples", ("3000",), "windows", number=True),
)

QUICK = {"lags": "6", "intervals": "4", "samples": "1000"}

WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "lags": lambda v: v,
    "DCT": lambda v: dct(v, axis=1, norm="ortho"),
    "random rotation": lambda v: v @ ortho_group.rvs(v.shape[1], random_state=12),
}
"""What is done to the windows (N, T) before they reach the network. Components of the last one are independent only if
those of the process are: it is the mutated twin of the DCT."""

ROUNDING = 1e-12
"""Eigenvalues below this, relative to the largest, are those of functions that no sample reaches."""


def windows(rng: np.random.Generator, samples: int, lags: int, rho: float, process: str) -> np.ndarray:
    """Independent stretches of the process, (N, T): Gaussian with variance 1, or its exponential."""
    noise = rng.standard_normal((samples, lags))
    z = noise.copy()
    for t in range(1, lags):
        z[:, t] = rho * z[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
    return z if process == "gaussian" else np.exp(z)


def into_domain(values: np.ndarray, domain: str) -> np.ndarray:
    if domain == "ranks":
        return np.asarray((rankdata(values, axis=0) - 0.5) / len(values))
    low, high = (f(values) if domain == "one-range" else f(values, axis=0) for f in (np.min, np.max))
    return np.asarray((values - low) / (high - low))


def condition(x: np.ndarray, order: int, intervals: int) -> float:
    """Condition number of J^T J of one layer off its null space; J has the design matrices of all inputs beside."""
    space = rk.SplineSpace.uniform(order, intervals)
    J = sp.hstack([rk.bsplines.design_matrix(space, column) for column in x.T], format="csr")
    values = np.linalg.eigvalsh((J.T @ J).toarray())[x.shape[1] - 1 :]
    return float(values[-1] / values[values > ROUNDING * values[-1]][0])


def run_cell(cell: Cell) -> dict[str, list[float]]:
    conditions: dict[str, list[float]] = {way: [] for way in WAYS}
    order, lags, intervals, samples = (int(cell[name]) for name in ("order", "lags", "intervals", "samples"))
    for rho in CORRELATIONS:
        values = windows(np.random.default_rng([cell.seed, 40]), samples, lags, rho, cell["process"])
        for way, transform in WAYS.items():
            conditions[way].append(condition(into_domain(transform(values), cell["domain"]), order, intervals))
    return conditions


GRID = Grid("O4", OPEN, PLACE, run_cell)


def cells(quick: bool) -> list[Cell]:
    size, seeds = (QUICK, (0, 1)) if quick else ({}, (0, 1, 2, 3, 4))
    return [GRID.cell(seed, **reading, **size) for reading in GRID.every() for seed in seeds]


LAGS, DCT, ROTATED = WAYS
COST = "one seed takes five seconds of processor time"


def besides(runs: Found) -> list[Beside]:
    """Return by seed how the condition number grows from one correlation to the next, and what each way leaves."""
    seeds = {cell.seed: run for cell, run in runs.items()}
    made = []
    for k, (low, high) in enumerate(pairwise(CORRELATIONS)):
        values = {seed: run[LAGS][k + 1] / run[LAGS][k] for seed, run in seeds.items()}
        made.append(Beside(f"{LAGS}, rho = {high:g} over {low:g}", "ratio", values))
    for way in (DCT, ROTATED):
        values = {seed: max(run[way]) / run[LAGS][0] for seed, run in seeds.items()}
        made.append(Beside(f"{way}, worst rho over {LAGS}, rho = 0", "ratio", values))
    return made


def rises(cells: Cells) -> tuple[Estimate, ...]:
    """Each correlation has a larger condition number than the one before."""
    return tuple(estimate(c.cell, c.values, at_least=1.0, cost=COST) for c in cells if c.cell.startswith(LAGS))


def asked(cells: Cells) -> tuple[Estimate, ...]:
    """It rises with the correlation, and a DCT takes it back."""
    by_dct = (estimate(c.cell, c.values, at_most=REMOVED, cost=COST) for c in cells if c.cell.startswith(DCT))
    return (*rises(cells), *by_dct)


JUDGED = {
    "O4": ByCells(
        asked,
        control=levelled("with steps of ten, and nothing after a DCT", lambda c: 10.0 if LAGS in c.cell[:4] else 1.0),
        twin=exchanged(DCT, ROTATED),
        corrected=rises,
        published=False,
    )
}


def verdict(measured: Found) -> Verdict:
    by, results = JUDGED["O4"], []
    for choice in GRID.every():
        runs = {cell: run for cell, run in measured.items() if choice.items() <= set(cell.choice)}
        if runs:
            lags, by_dct = (np.median([run[way] for run in runs.values()], axis=0) for way in (LAGS, DCT))
            text = ", ".join(f"{a:.3g} ({b:.3g})" for a, b in zip(lags, by_dct, strict=True))
            told = f"condition number with lags (DCT) at rho = 0 to 0.99: {text}"
            results.append(by.reading(choice, besides(runs), measured=told))
    return by.verdict("O4", results, corrected="correlation raises the condition number", data=raw(measured))


run = on_grid(GRID, cells, verdict)
