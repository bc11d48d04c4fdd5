"""Certified numbers against eigenvalues and ranks that are known in closed form."""

from typing import Any

import numpy as np

import refkan as rk
from refkan import exact, truth
from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.spectra.certified_spectra import certified_spectrum
from refkan.analysis.exact.spectra.condition_numbers import eigenpairs
from refkan.analysis.exact.spectra.orthogonal_certificates import certified, enclosed_eigenvalues, products
from refkan.analysis.exact.spectra.rational import as_fractions, rational_change_of_basis, rational_gram
from validation.grounds.networks import posed
from validation.grounds.spaces import FINER, ORDER, Departures, departure, fractions


def outside(bounds: Any, value: float) -> float:
    """How far a number lies outside bounds, relative to it, and how wide they are where it lies inside."""
    low, high = (float(end) for end in bounds)
    room = 4 * np.finfo(float).eps * abs(value)
    return 0.0 if low - room <= value <= high + room else max(low - value, value - high) / abs(value)


def certificates() -> Departures:
    """Matrices over the rationals, extreme eigenvalues, eigenpairs, condition numbers, ranks and whole spectra."""
    space = rk.SplineSpace(FINER, ORDER)
    A = truth.change_of_basis(fractions(FINER), ORDER)
    yield "A", departure(as_fractions(rational_change_of_basis(space)), A)
    gram = rk.SplineSpace.uniform(2, 3)
    hats = np.diag([1, 2, 2, 1]) / 9 + (np.eye(4, k=1) + np.eye(4, k=-1)) / 18
    yield "the Gram matrix of hats", departure(as_fractions(rational_gram(gram)), hats)
    ends = np.linalg.eigvalsh(hats)[[0, -1]]
    condition = ends[1] / ends[0]
    yield "the condition number of hats", outside(exact.certified_condition_number(gram, which="gram"), condition)
    n = 5  # D^T D of order 1: 4 sin^2 of odd multiples of pi/(4 n + 2)
    steps = 4 * np.sin((2 * np.arange(n) + 1) * np.pi / (4 * n + 2)) ** 2
    low, high = exact.extreme_eigenvalues(rk.SplineSpace.uniform(1, n), "AtA")
    yield "the smallest eigenvalue of steps", outside(low.floats(), steps[0])
    yield "the largest eigenvalue of steps", outside(high.floats(), steps[-1])
    pairs = eigenpairs(rk.SplineSpace.uniform(1, n), "AtA")
    for k, value in enumerate(pairs.values):
        yield f"eigenvalue {k} of steps", outside(value.floats(), steps[k])
    with precision(128) as flint:
        H = flint.arb_mat([[2, 1], [1, 2]])
        for value, known in zip(enclosed_eigenvalues(flint, H), (1.0, 3.0), strict=True):
            yield "an eigenvalue of a matrix", outside(value.floats(), known)
        # Vectors that are too long, right, or too short: V^T V = 11/10 I, I or 9/10 I. Both ends need their own
        # denominator.
        for length in (11, 10, 9):
            V = flint.arb_mat([[1, 0], [0, 1]]) * (flint.arb(length) / 10).sqrt()
            enclosures = certified(flint, *products(flint.arb_mat([[1, 0], [0, 3]]), V))
            for value, known in zip(enclosures, (1.0, 3.0), strict=True):
                yield "an eigenvalue by vectors of any length", outside(value.floats(), known)
    net, theta, _, _ = posed(rk.kan([1, 1], 2, 2))
    x = np.array([[0.125], [0.375], [0.5], [0.625], [0.875]])
    problem = rk.LeastSquares(net, x, x)
    yield "a rank", float(exact.certified_rank(problem, theta).rank != 3)
    few = rk.LeastSquares(net, x[:2], x[:2])
    yield "a rank with too few samples", float(exact.certified_rank(few, theta).rank != 2)
    values = np.linalg.eigvalsh(np.array(truth.of(net, theta, x, float).least_squares(x).gauss_newton()))
    spectrum = certified_spectrum(problem, theta)
    for enclosure, value in zip(sorted(spectrum.values, key=lambda v: v.low), values, strict=True):
        yield "an eigenvalue of a Gauss-Newton matrix", outside(enclosure.floats(), value)
