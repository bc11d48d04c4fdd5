"""The exact claims and their tools: each verdict must turn when the mathematics under it is falsified."""

from fractions import Fraction

import numpy as np
import pytest

from refkan import truth
from refkan.truth.bases.prolongation import prolongation
from validation import rationals
from validation.bases import (
    bases_span_the_space,
    change_of_basis_formulas,
    difference_operators,
    layers_in_both_bases,
)
from validation.descent import descent_geometries, mixed_updates_diverge
from validation.multilevel import prolongation_formulas

F = Fraction
CLAIMS = {
    "L2": lambda: change_of_basis_formulas.recursion_verdict(knot_cases()),
    "C1": lambda: change_of_basis_formulas.uniform_verdict(knot_cases()),
    "L4": lambda: difference_operators.run(quick=True)[0],
    "L5": lambda: descent_geometries.gradient_verdict(layers()),
    "T1": lambda: descent_geometries.table_verdict(layers()),
    "T2": lambda: mixed_updates_diverge.verdict(counts(), [mixed_updates_diverge.divergence(3, 4, 0)]),
}
"""Every verdict, on fewer cases than the quick run where that takes more than a second or two."""


def knot_cases():
    rng = np.random.default_rng(4)
    return [({"order": order, "intervals": 3}, rationals.random_knots(rng, order, 3)) for order in range(1, 6)]


def layers():
    return [descent_geometries.random_layer(order, inputs, 3) for order in (2, 3) for inputs in (1, 2)]


def counts():
    return [
        mixed_updates_diverge.count_unstable(order, inputs, intervals, 0)
        for order in (1, 2, 3)
        for inputs in (1, 2)
        for intervals in (1, 2)
    ]


def flipped(function):
    """Return a change of basis with the sign of its entry (0, 1) flipped."""

    def wrong(knots, order):
        A = function(knots, order)
        return [[-a if (i, j) == (0, 1) else a for j, a in enumerate(row)] for i, row in enumerate(A)]

    return wrong


@pytest.mark.parametrize("id", ["L2", "C1", "L4", "L5", "T1"])
def test_a_wrong_change_of_basis_refutes_the_claim(id, monkeypatch):
    monkeypatch.setattr(truth, "change_of_basis", flipped(truth.change_of_basis))
    assert CLAIMS[id]().status == "refuted"


def nested_pairs():
    return [prolongation_formulas.nested_pair(order, intervals, 0) for order in (1, 2, 3) for intervals in (1, 2, 3)]


def losses(formula=1e-15):
    sizes = [16.0, 64.0, 128.0]
    kept = {f"r = {r}, {way}": [formula, 1e-12, 1e-11] for r in (2, 3, 4, 5) for way in ("formula", "knot insertion")}
    return kept | {"intervals": sizes}


NESTED = {
    "E24": lambda: prolongation_formulas.inclusion_verdict(nested_pairs()),
    "E25": lambda: prolongation_formulas.dyadic_verdict(2),
    "P2": lambda: prolongation_formulas.formula_verdict(nested_pairs(), losses()),
}


def test_wrong_prolongations_refute_the_formulas(monkeypatch):
    limit = prolongation_formulas.LIBRARY
    verdicts = [prolongation_formulas.formula_verdict(nested_pairs()[:1], losses(limit * k)) for k in (1.0, 1.001)]
    assert [made.status for made in verdicts] == ["holds as corrected", "refuted"]
    right = prolongation
    monkeypatch.setattr(prolongation_formulas, "prolongation", lambda *at: [[2 * p for p in row] for row in right(*at)])
    assert (NESTED["E25"]().status, NESTED["P2"]().status) == ("refuted", "refuted")


def test_rows_of_neighbours_hold_where_they_are_the_prolongation(monkeypatch):
    formula = prolongation_formulas.formula
    monkeypatch.setattr(
        prolongation_formulas,
        "prolongation",
        lambda t, s, r: np.roll(np.array(formula(t, s, r, False)), -1, axis=1).tolist(),
    )
    made = NESTED["P2"]().mutations
    assert made["a neighbour of each injected power"] == "holds"
    assert made["A' in place of its inverse"] == "refuted"


def test_inclusion_is_as_printed_where_spaces_are_equal():
    knots = rationals.uniform_knots(2, 2)
    made = prolongation_formulas.inclusion_verdict([(2, knots, knots)])
    assert (made.status, made.mutations["inclusion both ways"]) == ("holds", "holds")


def test_the_altered_power_of_a_closed_form_is_the_next_lower_one(monkeypatch):
    powers, right = [], change_of_basis_formulas.closed_forms_agree
    monkeypatch.setattr(
        change_of_basis_formulas, "closed_forms_agree",
        lambda *at, power=0, **more: powers.append(power) or right(*at, power=power, **more),
    )  # fmt: skip
    change_of_basis_formulas.uniform_verdict(knot_cases()[:1])
    assert {*powers} == {0, -1}


def test_altered_closed_forms_hold_where_they_are_true():
    """With h = 1 no power of h tells, and to order 2 no factorial; with h = 2 and of order 3 they do."""
    at = lambda order, h: ({"order": order, "intervals": 3}, rationals.uniform_knots(order, 3, F(0), F(h)))  # noqa: E731
    unit, double, cubic = (change_of_basis_formulas.uniform_verdict([at(*case)]) for case in ((2, 1), (2, 2), (3, 2)))
    names = ("h^-r in place of h^(1-r)", "no factorial", "the power r - 1", "arbitrary knots")
    assert [unit.mutations[name] for name in names] == ["holds", "holds", "refuted", "holds"]
    assert [double.mutations[name] for name in names] == ["refuted", "holds", "refuted", "holds"]
    assert [cubic.mutations[name] for name in names] == ["refuted", "refuted", "refuted", "holds"]


def test_a_wrong_basis_refutes_the_span(monkeypatch):
    right = truth.bsplines

    def second_for_first(knots, order, x):
        row = right(knots, order, x)
        return row | {0: row.get(1, 0)}

    monkeypatch.setattr(truth, "bsplines", second_for_first)
    assert not bases_span_the_space.holds(bases_span_the_space.examine(rationals.uniform_knots(2, 3), 2))


def test_a_broken_continuity_leaves_the_space():
    """Hats multiplied by the step at a breakpoint are still linear on each interval, but jump."""
    knots = rationals.uniform_knots(2, 3)

    def torn(knots, order, points):
        return [[v * (2 if x >= 1 else 1) for v in rationals.relu_design(knots, order, [x])[0]] for x in points]

    case = bases_span_the_space.examine(knots, 2, relu=torn)
    assert case["relu_rank"] == case["dim"]
    assert not case["in_space"]


@pytest.mark.parametrize("order", [2, 3])
def test_on_random_knots_normal_matrices_annihilate_no_higher_degrees(order):
    rows = difference_operators.random_knot_rows(order, np.random.default_rng(0))
    assert rows == {"divided_difference": True, "AtA_is_2r_difference": False}


def test_the_wrong_gradient_refutes_lemma_five(monkeypatch):
    right = descent_geometries.quartic_gradient
    monkeypatch.setattr(descent_geometries, "quartic_gradient", lambda *args: 2 * right(*args))
    assert CLAIMS["L5"]().status == "refuted"


def test_stable_eigenvalues_or_a_bounded_run_refute_the_divergence(monkeypatch):
    ours = counts()
    runs = [mixed_updates_diverge.divergence(3, 4, 0)]
    assert mixed_updates_diverge.verdict(ours, runs).status == "holds"
    for changed in (
        [case | {"P = I": case["P = I"] | {2: 0}} for case in ours],
        [case | {"P = I": case["P = I"] | {2: 1}} for case in ours],
        [case | {"multiplicity of zero": case["nullity of H"]} for case in ours],
        [case | {"rows 2 and 4 share their polynomial": False} for case in ours],
    ):
        assert mixed_updates_diverge.verdict(changed, runs).status == "refuted"
    for name, value in {
        "row 2 until grown": {"1e-3": None},
        "row 1 decreases": False,
        "one input decreases": False,
    }.items():
        assert mixed_updates_diverge.verdict(ours, [runs[0] | {name: value}]).status == "refuted"


def test_bases_are_examined_on_every_number_of_intervals(monkeypatch):
    sizes = dict.fromkeys(("dim", "space_dim", "spline_rank", "relu_rank"), 3)
    fine = lambda *_, **__: sizes | {"identity": True, "in_space": True}  # noqa: E731
    monkeypatch.setattr(bases_span_the_space, "examine", fine)
    for quick, most in ((True, 4), (False, 8)):
        (verdict,) = bases_span_the_space.run(quick)
        assert {case["intervals"] for case in verdict.data["cases"]} == set(range(1, most + 1))


@pytest.mark.parametrize("unnoticed", range(1, 7))
def test_alterations_of_bases_are_to_be_noticed_at_every_order(monkeypatch, unnoticed):
    monkeypatch.setattr(bases_span_the_space, "examine", lambda knots, order, **altered: order)
    monkeypatch.setattr(bases_span_the_space, "holds", lambda order: order == unnoticed)
    assert all(bases_span_the_space.altered_lemmas().values())


def test_layers_in_both_bases_are_compared_at_every_order(monkeypatch):
    """And refuted by coefficients that are wrong in the ninth digit alone."""
    ratios = {1.0: 0.5, 1 + 1e-9: 2.0}
    monkeypatch.setattr(layers_in_both_bases, "network_ratio", lambda *_, factor=1.0: (ratios[factor], 0.0))
    monkeypatch.setattr(layers_in_both_bases, "exact_layer", lambda *_, **__: True)
    for quick, orders in ((True, range(1, 5)), (False, range(1, 7))):
        (verdict,) = layers_in_both_bases.run(quick)
        assert {name[:5] for name in verdict.data["difference over bound"]} == {f"r = {r}" for r in orders}


@pytest.mark.parametrize("order", range(1, 5))
def test_layers_in_both_bases_are_equal_and_with_a_wrong_change_of_basis_are_not(order):
    rng = np.random.default_rng(order)
    assert layers_in_both_bases.exact_layer(order, rng)
    assert not layers_in_both_bases.exact_layer(order, rng, transpose=True)
    assert layers_in_both_bases.flat([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]) == list(range(1, 9))


def test_rank_by_elimination():
    rng = np.random.default_rng(0)
    for rank in range(4):
        left, right = rng.integers(-5, 6, (5, rank)), rng.integers(-5, 6, (rank, 6))
        product = left @ right
        assert rationals.rank([[F(int(v)) for v in row] for row in product]) == np.linalg.matrix_rank(product)


def test_products_against_numpy():
    array = np.random.default_rng(1).integers(-5, 6, (3, 4))
    matrix = [[F(int(v)) for v in row] for row in array]
    product = rationals.multiply(matrix, rationals.transpose(matrix), matrix)
    assert np.array_equal(np.array(product, dtype=float), array @ array.T @ array)


def test_interpolation_recovers_a_polynomial():
    coefficients = [F(3), F(-1, 2), F(0), F(7, 3)]
    points = [F(-1), F(1, 3), F(2), F(5, 2), F(4)]
    values = [sum(c * x**k for k, c in enumerate(coefficients)) for x in points]
    columns = [[v, v + x**4] for v, x in zip(values, points, strict=True)]
    assert bases_span_the_space.pieces(columns, [points], 4) == [coefficients, None]


def test_eigenvalues_of_a_matrix_that_is_known():
    similarity = [[F(1), F(2), F(0)], [F(0), F(1), F(-3)], [F(0), F(0), F(1)]]
    inverse = [[F(1), F(-2), F(-6)], [F(0), F(1), F(3)], [F(0), F(0), F(1)]]
    matrix = rationals.multiply(similarity, np.diag([F(1, 2), F(-2, 3), F(0)]), inverse)
    zeros, others = rationals.eigenvalues(rationals.to_flint(matrix))
    assert zeros == 1
    assert all(z.imag == 0 for z in others)
    assert sorted(float(z.real) for z in others) == pytest.approx([-2 / 3, 1 / 2], rel=1e-15)


def test_roots_on_the_imaginary_axis_and_repeated_ones():
    """They are not taken for roots on one side of it, and are counted as often as they occur."""
    flint = pytest.importorskip("flint")
    rotation = rationals.roots_of(flint.fmpq_poly([1, 0, 1]) ** 2)
    assert len(rotation) == 4
    assert all(not z.real < 0 and not z.real > 0 for z in rotation)


def test_a_breakpoint_is_moved_among_others_that_stay():
    coarse, fine = (rationals.uniform_knots(2, n) for n in (3, 6))
    moved = prolongation_formulas.with_a_moved_breakpoint(2, coarse, fine)
    assert [(a, b) for a, b in zip(moved, fine, strict=True) if a != b] == [(F(3, 2), 1)]


@pytest.mark.parametrize(("intervals", "status"), [(1, "refuted"), (2, "holds")])
def test_breakpoints_are_altered_where_there_are_some_within(monkeypatch, intervals, status):
    """Of knots of one interval there is none to leave out or to move: they say nothing of the altered statements."""
    monkeypatch.setattr(prolongation_formulas, "contains", lambda *spaces: True)
    pairs = [prolongation_formulas.nested_pair(order, intervals, 0) for order in (1, 2, 3)]
    mutations = prolongation_formulas.inclusion_verdict(pairs).mutations
    assert [each for name, each in mutations.items() if "breakpoint" in name] == [status] * 2


def test_a_trajectory_has_every_step():
    q = descent_geometries.STEP_SIZE
    left, one = 1 - q, q / q
    path = descent_geometries.trajectory(*(np.array(entry) for entry in ([[one]], [0 * one], [one], [[one]])))
    assert path.ravel().tolist() == [left**k for k in range(1, descent_geometries.STEPS + 1)]


def test_repeated_squaring_is_the_iteration():
    """The bound on the steps of a run brackets the step at which plain iteration passes the growth."""
    layer = descent_geometries.random_layer(3, 2, 0, 4)
    model = mixed_updates_diverge.Predictions.of(layer)
    K = model.rows[2] / np.abs(np.linalg.eigvals(model.rows[2])).max()
    bound = model.steps_until_growth(2, 0.1)
    s, steps = model.start.copy(), 0
    while np.sum(s**2) <= mixed_updates_diverge.GROWTH * np.sum(model.start**2):
        s, steps = s - 0.1 * K @ s, steps + 1
    assert bound / 2 < steps <= bound
    assert model.steps_until_growth(3, 0.1) is None


def test_predictions_follow_the_updates_of_the_coefficients():
    layer = descent_geometries.random_layer(2, 2, 1)
    model = mixed_updates_diverge.Predictions.of(layer)
    values, y = np.array(layer.b, dtype=float), np.array(layer.y, dtype=float)
    minimum = np.sum((values @ np.linalg.lstsq(values, y)[0] - y) ** 2) / len(y)
    rules = descent_geometries.rules_in_u(layer, np.eye(len(layer.u), dtype=object))
    for row, rule in rules.items():
        u, s = np.zeros(len(layer.u)), model.start.copy()
        for _ in range(3):
            u = u - 0.01 * np.array(rule, dtype=float) @ values.T @ (values @ u - y) / len(y)
            s = s - 0.01 * model.rows[row] @ s
        loss = np.sum((values @ u - y) ** 2) / len(y)
        np.testing.assert_allclose(np.sum(s**2), loss - minimum, rtol=1e-9)
