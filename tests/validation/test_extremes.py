"""Rows of extremes hold, and their tools are right."""

from fractions import Fraction
from itertools import product
from math import prod
from types import SimpleNamespace

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.spectra.rational import rational_change_of_basis, rational_gram
from validation.theorems import levels_added_up, spectral_constants, steps_on_levels
from validation.theorems.extremes import fixed_knots, scaled_splines
from validation.theorems.extremes.scaled_splines import AT_MOST, bernstein_gram, extremes

flint = pytest.importorskip("flint")


@pytest.mark.parametrize(("order", "kappa"), [(4, 30.39), (5, 107.0), (6, 389.5)])
def test_knots_that_are_worse_than_bernstein_polynomials(order, kappa):
    """Knots in clusters of width 2^-15 about 0 (r of them), 5 (one), 7 (r - 1) and 49 (r): whole B-splines, exactly."""
    clusters = [at + np.arange(count) / 2.0**18 for at, count in ((0, order), (5, 1), (7, order - 1), (49, order))]
    beyond = np.arange(1, order) / 2.0**18
    knots = np.concatenate([-beyond[::-1], *clusters, clusters[-1][-1] + beyond])
    gram, whole = rational_gram(rk.SplineSpace(knots, order)), range(order - 1, 3 * order - 1)
    low, high = extremes(flint.fmpq_mat([[gram[i, j] for j in whole] for i in whole]))
    least, largest = extremes(bernstein_gram(order))
    assert high / low > kappa > largest / least
    assert high / low < AT_MOST[order]


@pytest.mark.parametrize("order", [3, 4, 5])
def test_whole_splines_between_clusters_alone_are_bernstein_polynomials(order):
    drawn = SimpleNamespace(integers=lambda low, high, size=None: 0 if size is None else np.zeros(size, int))
    for end, exact in zip(scaled_splines.whole_extremes(order, drawn), extremes(bernstein_gram(order)), strict=True):
        assert float(end) == pytest.approx(float(exact), rel=1e-3)


def test_errors_on_fixed_knots():
    """Exactly at a few points; and the verdict of errors by formulas, one of them off at one depth."""
    points = list(product(*zip(*fixed_knots.grid(4), strict=True), repeat=2))
    assert fixed_knots.largest_error(2, fixed_knots.square(1), fixed_knots.grid(8), 2) == Fraction(1, 16)
    assert fixed_knots.largest_error(2, fixed_knots.multiplied(2, 1), points) == Fraction(1, 8)
    assert fixed_knots.largest_error(3, fixed_knots.multiplied(3), points) == 0

    def made(off=None):
        def error(order, layers, points, power=0):
            depth = len(layers) - 2 * (not power)
            at_knots = power and len(points) == 2**depth + 1
            case = (order, power, depth, bool(at_knots))
            size = 0 if order == 3 or at_knots else Fraction(1 if power else 2, 4 ** (depth + 1))
            return size + Fraction(1, 10**6) * (case == off)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fixed_knots, "largest_error", error)
            return fixed_knots.run(True)[0]

    assert made().status == "holds"
    for off in ((2, 2, 5, False), (2, 2, 1, True), (2, 0, 2, False), (3, 0, 0, False), (3, 4, 2, False)):
        assert made(off).status == "refuted", off


def test_a_gradient_lies_on_new_knots_where_it_is_zero_at_every_other_one():
    """Gradients that are one at a single knot, and at a new and an old one."""
    pair = levels_added_up.nested_spaces(3, 2, 0, middle=False)
    old, t = pair[0].breakpoints, pair[1].knots[: pair[1].dim]
    A, new = rational_change_of_basis(pair[1]), (t > old[0]) & ~np.isin(t, old)
    first = int(np.flatnonzero(new)[0])
    for i in range(t.size):
        for places in ({i}, {i, first}):
            w = flint.fmpq_mat([[int(k in places)] for k in range(t.size)])
            assert steps_on_levels.lies_on_new_knots(pair, A * w) == all(new[k] for k in places)


@pytest.mark.parametrize(("slow", "status"), [(1, "holds"), (2, "refuted"), (5, "refuted")])
def test_condition_numbers_on_one_interval_grow_from_the_third_distance_on(monkeypatch, slow, status):
    right = scaled_splines.on_one_interval

    def growing(order, distance):
        steps = range(distance.bit_length() - 3)
        kappa = prod((flint.fmpq(4) if k != slow else flint.fmpq(17, 5) for k in steps), start=flint.fmpq(1))
        return right(order, distance) if order == 3 else (flint.fmpq(1), kappa)

    monkeypatch.setattr(scaled_splines, "on_one_interval", growing)
    assert scaled_splines.cut_off(True).status == status


@pytest.fixture(scope="module")
def certified():
    spaces = [rk.SplineSpace.uniform(r, n) for r in range(1, 5) for n in (32, 64)]
    return {(space.order, space.dim): rk.exact.extreme_eigenvalues(space) for space in spaces}


@pytest.mark.parametrize("end", ["low.low", "low.high", "high.low", "high.high"])
def test_a_departure_is_settled_at_both_ends_of_what_encloses_it(monkeypatch, end, certified):
    """Each end of an eigenvalue alone moved by the order of the departure itself, which would settle at one of two."""
    which, side = end.split(".")

    def enclosed(space):
        ends = [{"low": each.low, "high": each.high} for each in certified[space.order, space.dim]]
        share = 1 / (space.dim + Fraction(space.order, 2)) ** 2
        ends[which == "high"][side] *= 1 + share if side == "high" else 1 - share
        return [SimpleNamespace(**each) for each in ends]

    monkeypatch.setattr(rk.exact, "extreme_eigenvalues", enclosed)
    assert spectral_constants.spectral_constants(True).status == "refuted"
