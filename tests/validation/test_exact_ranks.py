"""N3: what the verdict says, and that a wrong rank or a wrong list of null vectors turns it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from refkan.analysis.exact.ranks import ranks
from refkan.claims.running.outcomes import plain
from refkan.claims.verdicts import FAILING
from validation.conditioning import exact_ranks
from validation.conditioning.exact_ranks import Case, accidents
from validation.ledger import row

pytest.importorskip("flint")

FEW = (exact_ranks.QUICK[0], *exact_ranks.QUICK[2:4])


@pytest.fixture(scope="module")
def found():
    return exact_ranks.measure(FEW)


def test_the_verdict_and_its_mutations(found):
    verdict = exact_ranks.verdict(found)
    assert (verdict.id, verdict.status) == ("N3", "holds as corrected")
    assert row("N3").criterion
    assert all(status in FAILING for status in verdict.mutations.values()), verdict.mutations
    json.dumps(plain(verdict.data), allow_nan=False)


def test_a_rank_off_by_one_turns_it(monkeypatch):
    right = ranks.rank_of_matrix
    monkeypatch.setattr(ranks, "rank_of_matrix", lambda *a: replace(r := right(*a), rank=r.rank - 1))
    assert exact_ranks.verdict(exact_ranks.measure(FEW[:1])).status == "refuted"


def test_a_null_vector_that_is_left_out_turns_it(monkeypatch):
    right = ranks.known_null_vectors

    def without_last(*arguments):
        Z = right(*arguments)
        return type(Z)([row[:-1] for row in Z.tolist()])

    monkeypatch.setattr(ranks, "known_null_vectors", without_last)
    assert exact_ranks.verdict(exact_ranks.measure(FEW[:1])).status == "refuted"


def test_what_comes_beyond_the_analytic_list():
    assert accidents(Case((2, 5, 1), 3, (4, 4))) == 0
    assert accidents(Case((2, 5, 1), 3, (1, 3))) == 1
    assert accidents(Case((2, 5, 2), 3, (1, 3))) == 2
    assert accidents(Case((2, 5, 1), 3, (4, 2))) == 5
    assert accidents(Case((2, 5, 1), 3, (4, 2), node_map="min-max")) == 0
