"""What H4 and N1 prove: enclosures hold what float64 finds, and records or libraries that are spoilt prove nothing."""

from __future__ import annotations

import json
from copy import deepcopy

import numpy as np
import pytest

import refkan as rk
from refkan.claims import FAILING
from refkan.claims.running.outcomes import plain
from validation.conditioning import certified_conditions
from validation.conditioning.certified_conditions import (
    START,
    Small,
    at_starts,
    beyond,
    float64_agrees,
    holds,
    proven_lower,
    verdict,
)
from validation.descent.kernels import certified_kernels
from validation.descent.kernels.certified_kernels import certified_ratio, proofs, proven, radius
from validation.descent.kernels.kernels_of_both_bases import Case, kernel_ratio
from validation.ledger import row

flint = pytest.importorskip("flint")

SMALL = (Small((2, 1, 1), 3, (1, 3), samples=20), Small((2, 1, 1), 6, (2, 10), samples=34, states=(START,)))


@pytest.fixture(scope="module")
def conditions():
    return certified_conditions.measure(SMALL)


@pytest.fixture(scope="module")
def kernels():
    return proofs((1, 2, 3, 4, 5), (4,))


def test_conditions_are_proven_and_float64_agrees(conditions):
    assert len(conditions) == 4
    assert holds(conditions)
    assert len(at_starts(conditions)) == 2
    assert min(beyond(conditions)) > 1e20
    assert not proven_lower(conditions, "relu")
    answer = verdict(conditions)
    assert (answer.id, answer.status) == ("H4", "holds")
    assert row("H4").criterion
    assert all(status in FAILING for status in answer.mutations.values()), answer.mutations
    json.dumps(plain(answer.data), allow_nan=False)


def test_bases_exchanged_prove_nothing(monkeypatch):
    right = certified_conditions.enclosed
    exchanged = {"spline": "relu", "relu": "spline", "scaled-relu": "scaled-relu"}
    monkeypatch.setattr(certified_conditions, "enclosed", lambda p, m, basis: right(p, m, exchanged[basis]))
    found = certified_conditions.measure(SMALL[:1])
    assert not proven_lower(at_starts(found))
    assert not holds(found)


def test_an_enclosure_that_is_off_by_a_hundred_thousandth_does_not_agree(conditions):
    spoilt = deepcopy(conditions)
    low, high = spoilt[0]["bounds"]["relu"]
    spoilt[0]["bounds"]["relu"] = low * (1 + 1e-5), high * (1 + 1e-5)
    assert float64_agrees(conditions)
    assert not float64_agrees(spoilt)
    assert not holds(spoilt)


def test_without_a_number_beyond_1e20_nothing_holds(conditions):
    assert not holds(conditions[:1])


@pytest.mark.parametrize("rows", [[[3, 4]], [[1, 0, 0], [0, 2, 0]], [[1, 1], [1, 1], [0, 0]], [[2, 0], [0, 2]]])
def test_radii_of_known_matrices(rows):
    with flint.ctx.workprec(certified_kernels.BITS):
        found = radius(flint, flint.arb_mat(rows))
        expected = np.linalg.norm(np.array(rows, float), 2) ** 2
        assert abs(found - round(expected)).upper() < 1e-13
        assert found.contains(round(expected))


@pytest.mark.parametrize("case", [Case(2, 3, (2, 3, 1), m, 0) for m in ("affine", "mean-std", "sigmoid")])
def test_ratios_hold_those_of_float64(case):
    net, theta, x = case.build(6)
    low, high = certified_ratio(net, theta, x)
    assert low <= high <= low * (1 + 1e-12)
    assert kernel_ratio(net, theta, x) == pytest.approx(low, rel=1e-9)


def test_kernels_are_proven_and_spoilt_ones_are_not(kernels):
    assert proven(kernels, 4.0)
    assert not proven(kernels, 16.0)
    for group, number in (("norms", 1), ("near the counterexample", 0), ("wide", 0)):
        spoilt = deepcopy(kernels)
        spoilt[group][number]["bounds"] = tuple(bound / 5.0 for bound in spoilt[group][number]["bounds"])
        assert not proven(spoilt, 4.0)
    inside = deepcopy(kernels)
    inside["one layer, one sample"][0]["bounds"] = (1.0, 1.0 + 1e-9)
    assert not proven(inside, 4.0)


def test_a_wrong_change_of_basis_is_noticed(monkeypatch):
    right = certified_kernels.matrix_of_basis
    monkeypatch.setattr(certified_kernels, "matrix_of_basis", lambda *a: (right(*a)[0] * flint.fmpq(1, 2), None))
    assert not proven(proofs((1, 2, 3, 4, 5), (4,)), 4.0)


def test_the_counterexample_itself_lies_on_a_knot():
    x = np.array([[2.0], [3.0], [4.0]]) / 8.0
    net, _ = rk.kan([1, 1, 1], 2, 8, node_map="mean-std").initialize(np.random.default_rng(0), x)
    greville = rk.SplineSpace.uniform(2, 8).greville
    with pytest.raises(rk.truth.UndecidedError):
        certified_ratio(net, np.concatenate([greville, 100 * greville]), x)
