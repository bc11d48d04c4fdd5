"""N3: the dimensions that the theorem counts with, and that a wrong rank or a wrong term turns the verdict."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations_with_replacement, product
from math import prod

import pytest

from refkan.analysis.exact.ranks import ranks
from refkan.claims import FAILING
from refkan.claims.running.outcomes import plain
from validation.rationals import rank, sample_points, spline_design, uniform_knots
from validation.theorems import nullity
from validation.theorems.drawn_networks import NAMED, Case, posed

pytest.importorskip("flint")

FEW = (
    Case((2, 2, 1), 2, (2, 2)),
    Case((1, 3, 1), 3, (1, 2)),
    Case((2, 2, 1), 2, (1, 3), "partial"),
    Case((1, 2, 1), 5, (1, 1)),
)


@pytest.fixture(scope="module")
def results():
    return list(nullity.measure(iter(FEW)))


def test_the_verdict_and_its_mutations(results):
    verdict = nullity.verdict(results)
    assert (verdict.id, verdict.status) == ("N3", "holds")
    assert all(status in FAILING for status in verdict.mutations.values()), verdict.mutations
    json.dumps(plain(verdict.data), allow_nan=False)


@pytest.mark.parametrize("off", [-1, 1])
def test_a_rank_off_by_one_turns_it(off, monkeypatch):
    right = ranks.rank_of_matrix
    monkeypatch.setattr(ranks, "rank_of_matrix", lambda *a: replace(r := right(*a), rank=r.rank + off))
    assert nullity.verdict(list(nullity.measure(iter(FEW[:1])))).status == "refuted"


@pytest.mark.parametrize(("P", "n", "r"), [(1, 1, 4), (1, 3, 3), (2, 1, 3), (2, 2, 2), (2, 2, 3), (3, 1, 2)])
def test_products_of_splines_have_the_dimensions_of_the_theorem(P, n, r):
    """Ranks over the rationals of all products of at most j functions, at points enough for their degrees."""
    knots = uniform_knots(r, n)
    points = [x for part in sample_points(knots, r, 2 * (r - 1) + 1) for x in part]
    values = spline_design(knots, r, points)
    functions = [
        [values[index[p]][i] for index in product(range(len(points)), repeat=P)]
        for p in range(P)
        for i in range(len(values[0]))
    ]
    sizes = [1]
    for j in (1, 2):
        products = [
            list(map(prod, zip(*chosen, strict=True))) for chosen in combinations_with_replacement(functions, j)
        ]
        sizes.append(rank(products))
    assert [1, sizes[1] - 1, sizes[2] - sizes[1]][:r] == nullity.new_powers(P, n, r)[:3]


@pytest.mark.parametrize(("case", "expected"), list(zip(NAMED, (23, 37, 19, 27, 29, 9, 45), strict=True)))
def test_networks_that_were_counted_wrongly(case, expected):
    assert nullity.predict(case, posed(case, 1)[2]).nullity == expected


def test_touching_breakpoints_are_chained():
    a, b, c = {(0, 0)}, {(0, 0), (1, 1)}, {(1, 1)}
    assert nullity.chained([a, b, c])
    assert not nullity.chained([a, c])
