"""Criteria on made-up measurements, one failing in each condition alone, and measurements whose size is known."""

import numpy as np
import pytest

import refkan as rk
from refkan.claims import Beside, estimate
from tests.shared.refusals import refused
from tests.validation.conditions import conditions_of
from tests.validation.made_up import (
    ill_posed,
    measured,
    powers,
    starts,
)
from validation.bases import change_of_basis_spectrum, relu_form_accuracy
from validation.conditioning import certified_conditions, condition_ratios
from validation.conditioning.condition_ratios import LAYER
from validation.conditioning.network_spectra import MATRICES, START
from validation.descent import descent_trajectories, learning_rates
from validation.equations.allen_cahn import allen_cahn_as_printed
from validation.implementations.gradients_by_hand import worst_error
from validation.knots import free_knots_pareto
from validation.measures import log_slope
from validation.multilevel import coarse_subspace, multilevel_preconditioners
from validation.statements import AS_PUBLISHED, ByCells, named, ratios, times

CASES = {
    "S1": (lambda found: change_of_basis_spectrum.grows_like(found, lambda r: 2 * r),
           [{"order": 2, "exponent": 4.0199}, {"order": 3, "exponent": 5.9801}], {
        "too fast": [{"order": 2, "exponent": 4.0201}, {"order": 3, "exponent": 6.0}],
        "too slow": [{"order": 2, "exponent": 4.0}, {"order": 3, "exponent": 5.9799}],
        "of the other sign": [{"order": 2, "exponent": -4.0}, {"order": 3, "exponent": 6.0}],
    }),
    "W2, front": (lambda points: free_knots_pareto.front(points) == ["a", "b"],
                  {"a": (1.0, 2.0), "b": (2.0, 1.0), "c": (1.0, 3.0), "d": (3.0, 1.0), "e": (2.0, 2.0)}, {
        "a twin": {"a": (1.0, 2.0), "b": (2.0, 1.0), "c": (1.0, 2.0)},
        "between": {"a": (1.0, 3.0), "b": (3.0, 1.0), "c": (2.0, 2.0)},
        "beaten in both": {"a": (1.0, 2.0), "b": (0.5, 1.0)},
    }),
    "H3": (lambda values: descent_trajectories.slow_at(np.array([1.0, *values])) == 1, [1e-3 * 0.999 / 1.9, 1.0], {
        "none": [1e-3 * 1.001 / 1.9, 1.0],
    }),
    "H4, growth": (lambda sizes: certified_conditions.growth(starts(sizes)) == {2: pytest.approx(3.0)}, (2, 4), {
        "one size": (2,),
    }),
    "N2, runs": (
        lambda turns: learning_rates.runs_confirm([{"over_predicted": {"linearised": dict(enumerate(turns))}}]),
        [1.0, 0.78, 1.29], {
            "too early": [1.0, 0.77, 1.0],
            "too late": [1.0, 1.3, 1.0],
        }),
    "M2": (lambda found: multilevel_preconditioners.grows(found, "Jacobi"), powers(4.299, 5.701), {
        "too fast": powers(4.301, 6.0),
        "too slow": powers(4.0, 5.699),
        "falling": powers(-4.0, 6.0),
    }),
    "Q0": (allen_cahn_as_printed.ill_posed, ill_posed(), {
        "rates off": ill_posed(rates=measured(lambda rate: rate["measured"] * (1.0011 if rate["mode"] == 8 else 1.0))),
        "rates off below": ill_posed(
            rates=measured(lambda rate: rate["measured"] * (0.9989 if rate["mode"] == 8 else 1.0))),
        "like K": ill_posed(rates=lambda rates: [
            rate | dict.fromkeys(("predicted", "measured"), rate["mode"] - 5.0) for rate in rates]),
        "the largest does not grow": ill_posed(rates=lambda rates: [
            rate | dict.fromkeys(("predicted", "measured"), rate["measured"] - 512.0**2) for rate in rates]),
        "times do not halve": ill_posed(escape=lambda times: times | {512: 0.11}),
        "no escape": ill_posed(escape=lambda times: times | {512: None}),
    }),
    "M3, Jacobi": (lambda result: multilevel_preconditioners.bounded(result, "Jacobi"),
                   {"intervals": [16, 64, 256], "conditions": {"Jacobi": [10.0, 99.0, 11.0]}}, {
        "grown": {"intervals": [16, 64, 256], "conditions": {"Jacobi": [10.0, 99.0, 11.001]}},
    }),
}  # fmt: skip
"""Row -> criterion, what meets it, and by name what fails in one condition."""


@pytest.mark.parametrize("row", CASES)
def test_what_meets_a_criterion_on_its_bounds_meets_it(row):
    criterion, meets, _ = CASES[row]
    assert criterion(meets) is True or criterion(meets) is np.True_


@pytest.mark.parametrize(("row", "change"), [(row, change) for row, (*_, fails) in CASES.items() for change in fails])
def test_a_criterion_fails_in_each_condition_alone(row, change):
    criterion, _, fails = CASES[row]
    assert not criterion(fails[change])


def outcomes(row, turned):
    """What a criterion says of what meets it and of what fails, some conditions turned, and the conditions met."""
    criterion, meets, fails = CASES[row]
    met, said = {}, []
    with conditions_of(criterion, turned, met) as marked:
        for measured_values in (meets, *fails.values()):
            try:
                said.append(bool(marked(measured_values)))
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                said.append(type(error).__name__)
    return said, met


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", CASES)
def test_every_condition_of_a_criterion_decides_a_made_up_case_alone(row):
    """Each conjunct, and each condition of an `all` for the first and the last of its items."""
    said, met = outcomes(row, {})
    assert said == [True, *[False] * len(CASES[row][2])]
    idle = [site for site in met if outcomes(row, {site: None})[0] == said]
    assert not idle


def test_exponents_are_those_of_powers_of_n():
    sizes = np.array([16, 32, 64])
    fitted = {r: log_slope(sizes, errors) for r, errors in {2: 3.0 * sizes**1.5, 3: 1.0 / sizes}.items()}
    assert fitted[2] == pytest.approx(1.5)
    assert fitted[3] == pytest.approx(-1.0)


def test_f2_measures_the_largest_error(monkeypatch):
    """With one value of the ReLU form off by one, at the last point of each draw."""
    values = rk.relu_powers.design_matrix

    def off(space, x):
        rows = values(space, x)
        rows[-1, 0] += 1.0
        return rows

    monkeypatch.setattr(rk.relu_powers, "design_matrix", off)
    leading = rk.ChangeOfBasis(rk.SplineSpace.uniform(2, 8)).dense()[0, 0]
    assert relu_form_accuracy.error(2, 8, np.random.default_rng(0)) == pytest.approx(leading)


@pytest.mark.parametrize("difference", [[3.0, 0.0], [-3.0, 0.0]])
def test_differences_of_p1_count_whatever_their_sign(difference):
    """The largest of a block over the largest contribution there; the worst block."""
    blocks = [(slice(0, 2),), (slice(2, 3),)]
    assert coarse_subspace.relative(np.array([*difference, 1.0]), np.array([6.0, 1.0, 4.0]), blocks) == 0.5


def test_ratios_are_those_of_the_other_basis_over_the_one_asked_for():
    matrix = {"spline": 2.0, "relu": 8.0, "scaled-relu": 4.0}
    network = {"node map": "affine", "state": START, "order": 3, "level": (1, 3)} | dict.fromkeys(MATRICES, matrix)
    layer = {"order": 3, "intervals": 8} | matrix
    for basis, expected in (
        ("spline", {"relu": 4.0, "scaled-relu": 2.0}),
        ("relu", {"spline": 0.25, "scaled-relu": 0.5}),
    ):
        found = condition_ratios.ratios([layer], [network], basis)
        assert {series.other: values for series, values in found.items() if series.place == LAYER} == {
            other: {8: [ratio]} for other, ratio in expected.items()
        }
        assert all(sizes == {3: [expected[s.other]]} for s, sizes in found.items() if s.place == "affine")


def test_grids_of_w2_have_the_parameters_of_their_budget():
    cells = [{"intervals": 9, "parameters": free_knots_pareto.expected_parameters(9) + more} for more in (0, 1)]
    refused(lambda: free_knots_pareto.verdict(cells, free_knots_pareto.QUICK), "AssertionError: the parameters")


def test_gradients_are_compared_whatever_the_sign_of_the_mistake():
    """The largest entry halved: of either sign over these seeds."""
    net = rk.mlp([2, 3, 2], "tanh")
    assert all(worst_error(net, np.random.default_rng(seed), sabotage=True) > 1e-3 for seed in range(6))
    assert worst_error(net, np.random.default_rng(0)) < 1e-14


def test_cells_are_compared_seed_by_seed():
    a = Beside("a", "m", {1: 6.0, 2: 8.0, 3: 1.0}, 5.0)
    cells = [a, Beside("b", "m", {2: 2.0, 1: 3.0}), Beside("a", "s", {1: 0.5})]
    assert ratios(cells, "a", "b") == {1: 2.0, 2: 4.0}
    assert ratios(cells, "a", "b", "s") == {}
    assert named(cells, "a", "s") == {1: 0.5}
    _, tenfold = times(a=10.0)
    assert named(tenfold(cells), "a") == {1: 60.0, 2: 80.0, 3: 10.0}
    assert named(tenfold(cells), "b") == named(cells, "b")
    assert named(AS_PUBLISHED[1](cells), "a") == {1: 5.0, 2: 5.0, 3: 5.0}


def test_where_no_reading_speaks_all_are_checked():
    """Of none every control would hold."""
    same = ("as they are", lambda cells: cells)
    by = ByCells(lambda cells: (estimate("a", named(cells, "a"), at_least=2.0),), control=same, twin=same)
    ours = dict(enumerate(np.linspace(0.9, 1.1, 25)))
    reading = by.reading({"start": "b"}, (Beside("a", "m", ours),), calibration=(Beside("b", "m", ours, 9.0),))
    assert reading.calibrated is False
    assert by.verdict("O2", [reading]).controls == {"as they are": "refuted"}
