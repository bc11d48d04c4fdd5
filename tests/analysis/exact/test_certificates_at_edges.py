"""Certificates of networks and boxes at edges: constant, huge, subnormal, thin, a point."""

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.certificates import certified_network, statements
from refkan.analysis.exact.certificates.certified_network import certificate, condition_statement
from refkan.analysis.exact.certificates.statements import NotProvenError, Posed, monotonicity
from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.ranks.network_rows import checked as checked_problem
from tests.analysis.exact.test_checked_certificates import UNIT, checked


def test_eigenvalues_below_float64_are_not_handed_on(tmp_path, capsys):
    net, x = rk.kan([1, 1], 2, 2, domain=(0.0, 1e-164), basis="relu"), np.linspace(0, 1e-164, 7)[:, None]
    data = certificate(net, np.array([1.0, 2.0, 0.0]), np.array([[0.0, 1e-164]]), (x, x), budget=20) | {"about": {}}
    assert checked(data, tmp_path, capsys)[0] == 0
    assert [row["why"] for row in data["unproven"] if "too small for float64" in row["why"]]


PARABOLAS = [1.0, 2.0, 0.0, 1.0]  # of slope -4 in the middle of the domain
EDGES = {
    "constant": ({}, np.ones(4), UNIT, 0.0),
    "subnormal": ({}, 1e-320 * np.array(PARABOLAS), UNIT, 4e-320),
    "squares that overflow": ({}, 1e200 * np.array(PARABOLAS), UNIT, 4e200),
    "squares that underflow": ({}, 1e-200 * np.array(PARABOLAS), UNIT, 4e-200),
    "a box of an ulp": ({}, PARABOLAS, [[0.5, 0.5 + 2.0**-53]], 4.0),
    "a thin box": ({"domain": (1000.0, 1001.0)}, PARABOLAS, [[1000.5, 1000.5 + 1e-9]], 4.0),
    "SiLU far out": ({"edge": "silu", "domain": (-1e10, 1e10)}, [*np.zeros(4), 1.0, 1.0], [[-4e9, -1e9]], 0.0),
}


@pytest.mark.parametrize("name", EDGES)
def test_certificates_at_edges_are_accepted(name, tmp_path, capsys):
    """All that is stated, the Lipschitz constant among it: with two points that differ however thin the box is."""
    options, theta, box, constant = EDGES[name]
    data = certificate(rk.kan([1, 1], 3, 2, **options), np.array(theta), np.array(box), budget=20) | {"about": {}}
    code, lines = checked(data, tmp_path, capsys)
    assert code == 0, lines
    (stated,) = (statement for statement in data["statements"] if statement["kind"] == "lipschitz")
    low, high = (float.fromhex(stated[end]) for end in ("low", "high"))
    assert 0 <= low <= constant * (1 + 1e-15) + 1e-322
    assert constant * (1 - 1e-8) <= high <= constant * 1.01 + 1e-298


@pytest.mark.parametrize(
    ("theta", "box", "reason"),
    [
        (PARABOLAS, [[0.5, 0.5]], "the box is a single point"),
        ([1e308, -1e308, 1e308, 0.0], [[0.0, 1e10]], "overflows"),
        ([1e308, -1e308, 1e308, 0.0], [[1e10, 2e10]], "overflows"),
    ],
)
def test_what_has_no_lipschitz_constant_says_why(theta, box, reason):
    data = certificate(rk.kan([1, 1], 3, 2), np.array(theta), np.array(box), budget=20)
    reasons = {row["statement"]: row["why"] for row in data["unproven"]}
    assert reason in reasons["Lipschitz constant"]
    assert all("SVD" not in why and "nan" not in why for why in reasons.values())


def test_conditions_are_stated_up_to_the_limits_that_are_given_and_of_the_rank_that_is_proven(monkeypatch):
    """At each limit exactly they are, and one beyond it none is."""
    net, x = rk.kan([1, 1], 3, 2), np.linspace(0.0, 1.0, 9)[:, None]
    problem = checked_problem(rk.LeastSquares(net, x, x), np.arange(4.0))
    condition = rk.exact.certified_spectrum(rk.LeastSquares(net, x, x), np.arange(4.0)).condition
    stated = condition_statement(problem, None)
    assert stated == condition_statement(problem, {"high": 4})
    low, high = float.fromhex(stated["smallest"][0]), float.fromhex(stated["largest"][1])
    assert (stated["rank"], high / low) == (4, pytest.approx(float(condition.high), rel=1e-8))
    for rank, reason in ((0, "the Jacobian is zero"), (3, "the rank is 3"), (5, "the rank is 5")):
        with pytest.raises(NotProvenError, match=reason):
            condition_statement(problem, {"high": rank})
    for limit, at, beyond, reason in (
        ("MOST_CONDITION", condition.high, condition.midpoint, "the condition number may be"),
        ("MOST_ROWS", 4, 3, "the matrix has 4 rows"),
    ):
        monkeypatch.setattr(certified_network, limit, at)
        assert condition_statement(problem, None) == stated
        monkeypatch.setattr(certified_network, limit, beyond)
        with pytest.raises(NotProvenError, match=reason):
            condition_statement(problem, None)
        monkeypatch.undo()


@pytest.mark.parametrize(
    ("rise", "fall", "kind"), [(1.0, -1.0, "not monotone"), (0.0, -1.0, "monotone"), (1.0, 0.0, "monotone")]
)
def test_an_output_that_rises_and_stays_is_not_said_to_do_neither(rise, fall, kind, monkeypatch):
    """Two pairs of points with these bounds of what the output gains."""
    net = rk.kan([1, 1], 2, 2)
    posed = Posed.of(net, np.array([0.0, 1.0, 2.0]), np.array(UNIT), 1e-2, 20)
    low, high = np.array([[rise], [-2.0]]), np.array([[2.0], [fall]])
    monkeypatch.setattr(Posed, "pairs_along", lambda posed, x, directions: (np.zeros((2, 2, 1)), Intervals(low, high)))
    assert monotonicity(posed, 0, 0)["kind"] == kind


def test_what_stays_in_a_part_of_the_box_is_not_said_to_rise():
    flat = certificate(rk.kan([1, 1], 2, 2), np.array([0.0, 0.0, 1.0]), np.array(UNIT), budget=20)
    assert not [statement for statement in flat["statements"] if "monotone" in statement["kind"]]
    reasons = [row["why"] for row in flat["unproven"] if row["statement"].startswith("monotonicity")]
    assert reasons
    assert "it may be constant in parts of the box" in reasons[0]


def test_splines_without_slopes_are_refused():
    net = rk.Network((rk.kan([1, 1], 1, 2).layers[0],), ())
    with pytest.raises(ValueError, match=r"order 2 or more.*layer 0 is"):
        certificate(net, np.ones(2), np.array(UNIT), budget=20)


def test_a_network_of_as_many_inputs_as_there_are_letters_is_certified_and_no_larger_one(monkeypatch):
    monkeypatch.setattr(certified_network, "MOST_INPUTS", 1)
    one, two = (rk.kan([count, 1], 2, 1) for count in (1, 2))
    assert certificate(one, np.ones(one.n_params), np.array(UNIT), budget=20)["statements"]
    with pytest.raises(ValueError, match="at most 1 inputs; the network has 2"):
        certificate(two, np.ones(two.n_params), np.array(UNIT * 2), budget=20)


@pytest.mark.parametrize(("most", "corners"), [(0, 0), (1, 2)])
def test_corners_of_a_box_of_few_inputs_are_looked_at(most, corners, monkeypatch):
    monkeypatch.setattr(statements, "CORNERS", most)
    posed = Posed.of(rk.kan([1, 1], 2, 2), np.array([0.0, 1.0, 0.0]), np.array(UNIT), 1e-2, 20)
    assert len(posed.sample[0]) == statements.SAMPLED + corners


@pytest.mark.parametrize("samples", [2, 3, 9])
def test_a_jacobian_of_full_rank_needs_no_null_vectors(samples):
    net, x = rk.kan([1, 1], 2, 2), np.linspace(0.0, 1.0, samples)[:, None]
    stated = certified_network.rank_statement(checked_problem(rk.LeastSquares(net, x, x), np.arange(3.0)))
    assert (stated["low"], stated["high"], stated["null"]) == (min(samples, 3), min(samples, 3), [])


def test_networks_that_jump_are_refused():
    """Two knots at 1/2 let a piecewise linear function jump; one lets it bend."""
    spaces = [rk.SplineSpace([-1.0, 0.0, *[0.5] * count, 1.0, 2.0], 2) for count in (1, 2)]
    bent, broken = (rk.Network((rk.SplineLayer((space,), 1, "linear"),), ()) for space in spaces)
    assert certificate(bent, np.arange(3.0), np.array(UNIT), budget=20)["statements"]
    with pytest.raises(ValueError, match="an edge jumps where too many knots coincide"):
        certificate(broken, np.arange(4.0), np.array(UNIT), budget=20)


def test_leaves_end_where_bounds_are_as_close_as_asked():
    x = np.random.default_rng(0).uniform(size=(12, 2))
    net, theta = rk.kan([2, 2, 1], 3, 2).initialize(np.random.default_rng(1), x)
    stated = certificate(net, theta, np.array(UNIT * 2), tolerance=1e-2, budget=500)["statements"]
    for statement in stated:
        if statement["kind"] in ("range", "lipschitz"):
            assert "remark" not in statement
            assert statement["leaves"].count(".") < 100
