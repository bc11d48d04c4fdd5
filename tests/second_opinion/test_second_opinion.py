"""Certificates withstand independent searches, and these notice statements that are a little too good."""

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("flint")

import refkan as rk
from refkan.analysis.exact.certificates.certified_network import certificate
from tests.second_opinion.__main__ import attacked, keep, main
from tests.second_opinion.attacks import KINDS, Exact, exact_jacobian, number, rank_by_elimination, violation
from tests.soak import trust


@pytest.mark.parametrize("part", range(4))
def test_no_statement_is_violated(part):
    rng = np.random.default_rng([part, 3])
    made = [each for _ in range(3) for each in attacked(int(rng.integers(2**31)))]
    assert not [(kind, found) for kind, found in made if found]


def test_all_kinds_of_statements_are_attacked(capsys):
    assert main(["--boxes", "1", "--seed", "1"]) == 0
    assert all(f"{kind}: 0" not in capsys.readouterr().out for kind in KINDS)


@pytest.fixture(scope="module")
def certified():
    """A certificate with a statement of each kind, by kind; the other parts of an attack."""
    rng = np.random.default_rng(3)
    net = rk.kan([2, 1], 3, 2)
    theta = np.array([0.0, 1.0, 3.0, 7.0, 2.0, -1.0, 1.0, -2.0])
    box, x = np.array([[0.1, 0.6], [0.2, 0.9]]), rng.uniform(size=(9, 2))
    y = rng.normal(size=(9, 1))
    made = certificate(net, theta, box, (x, y), tolerance=1e-3, budget=500)
    return {said["kind"]: said for said in made["statements"]}, Exact(net, theta, box, rng), x, y


def test_one_certificate_has_every_kind(certified):
    said, exact, x, y = certified
    assert {*said} == {*KINDS}
    assert not any(violation(exact, each, x, y) for each in said.values())


def times(text, factor):
    return (float(number(text)) * factor).hex()


SPOILT = {
    "range, greatest": ("range", lambda s: {"high": (float(number(s["greatest"])) - 1e-3).hex()}),
    "range, least": ("range", lambda s: {"low": (float(number(s["least"])) + 1e-3).hex()}),
    "range, not attained": ("range", lambda s: {"greatest": (float(number(s["greatest"])) + 1e-9).hex()}),
    "monotone, slope": ("monotone", lambda s: {"slope": times(s["slope"], 2)}),
    "monotone, direction": (
        "monotone",
        lambda s: {"direction": "decreasing" if s["direction"] == "increasing" else "increasing"},
    ),
    "monotone, constant": ("monotone", lambda s: {"direction": "constant"}),
    "not monotone, falls": ("not monotone", lambda s: {"falls": s["rises"]}),
    "not monotone, rises": ("not monotone", lambda s: {"rises": s["falls"]}),
    "lipschitz, above": ("lipschitz", lambda s: {"high": times(s["low"], 0.99)}),
    "lipschitz, below": ("lipschitz", lambda s: {"low": times(s["low"], 1 + 1e-6)}),
    "scaled, above": ("scaled lipschitz", lambda s: {"high": times(s["low"], 0.99)}),
    "residual, above": ("residual", lambda s: {"high": times(s["low"], 1 - 1e-12)}),
    "residual, below": ("residual", lambda s: {"low": times(s["high"], 1 + 1e-12)}),
    "rank, greater": ("rank", lambda s: {"low": s["low"] + 1, "high": s["high"] + 1}),
    "rank, less": ("rank", lambda s: {"low": s["low"] - 1, "high": s["high"] - 1}),
    "condition, largest": ("condition", lambda s: {"largest": [times(end, 1 + 1e-9) for end in s["largest"]]}),
    "condition, smallest": ("condition", lambda s: {"smallest": [times(end, 1 - 1e-9) for end in s["smallest"]]}),
    "condition, rank": ("condition", lambda s: {"rank": s["rank"] - 1}),
}


@pytest.mark.parametrize("name", SPOILT)
def test_statements_that_are_too_good_are_violated(name, certified):
    statements, exact, x, y = certified
    kind, spoil = SPOILT[name]
    assert violation(exact, statements[kind] | spoil(statements[kind]), x, y)


def test_ranks_by_elimination(certified):
    _, exact, x, _ = certified
    assert rank_by_elimination(exact_jacobian(exact, x)) == np.linalg.matrix_rank(exact.net.jacobian(exact.theta, x))
    assert rank_by_elimination([[1, 2], [2, 4]]) == 1
    assert rank_by_elimination([[0, 0], [0, 0]]) == 0
    assert Counter(KINDS).most_common(1)[0][1] == 1


def test_counts_are_kept_and_shown(tmp_path):
    for first in (1, 10):
        keep(
            Counter(range=3, rank=1), ["seed 2, rank: rank 3"] if first > 1 else [], [first, first + 4], tmp_path / "r"
        )
    text = trust.second_opinion_text(tmp_path / "r")
    assert "| range | 6 |" in text
    assert "Seeds 1 to 5, 10 to 14;\n* violated: seed 2, rank: rank 3" in text
    assert "No attacks" in trust.second_opinion_text(tmp_path / "none")
