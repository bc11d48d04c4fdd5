"""Rates of descent and the reports of studies."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.conditioning import ModeRecorder, grid, largest_stable_step, predicted_factors, study, to_json
from refkan.analysis.conditioning.spectra import FLAGS
from refkan.analysis.conditioning.studies.study_rows import Study, StudyRow
from refkan.plots import conditions, to_png
from tests.analysis.conditioning.test_study import POINTS
from tests.shared.factories import samples
from tests.shared.refusals import refused


@pytest.fixture(scope="module")
def serial():
    return study(POINTS)


def test_table_json_and_figure(serial):
    lines = serial.table.splitlines()
    assert lines[0].split()[:5] == ["kind", "widths", "r", "n", "seed"]
    assert len(lines) == 11
    assert len({line.index("2,3,1") for line in lines[1:]}) == 1  # columns are aligned
    rows = json.loads(to_json(serial))
    assert [row["kind"] for row in rows] == [p.kind for p in POINTS]
    assert rows[0]["condition"] == serial.rows[0].condition
    assert rows[-1]["order"] is None
    assert rows[-1]["gap"] is None  # infinite
    assert to_png(conditions(serial)).startswith(b"\x89PNG")
    assert to_png(conditions(study([]))).startswith(b"\x89PNG")
    assert study([]).rows == ()
    assert str(serial) == serial.table


def test_flagged_points_are_drawn_apart():
    """Beyond what can be resolved a point must not look like the others."""
    points = grid(["spline", "mlp-relu"], [[2, 1]], [3], [2, 4, 8], samples=60)
    rows = [
        StudyRow(point, condition=10.0**k, flags=("resolution",) if point.intervals in (8, None) else ())
        for k, point in enumerate(points)
    ]
    (axes,) = conditions(Study(tuple(rows))).axes
    (hollow,) = (line for line in axes.lines if line.get_gid() == "flagged")
    assert hollow.get_xdata().tolist() == [8]
    assert hollow.get_markerfacecolor() == "white"
    assert ":" in [line.get_linestyle() for line in axes.lines]
    assert "hollow, dotted: flagged" in [text.get_text() for text in axes.get_legend().get_texts()]
    sure = Study(tuple(dataclasses.replace(row, flags=()) for row in rows))
    (axes,) = conditions(sure).axes
    assert not any(line.get_gid() == "flagged" and len(line.get_xdata()) for line in axes.lines)
    assert ":" not in [line.get_linestyle() for line in axes.lines]
    assert "hollow, dotted: flagged" not in [text.get_text() for text in axes.get_legend().get_texts()]


def test_every_flag_is_explained():
    sources = "".join(path.read_text() for path in Path(rk.conditioning.__file__).parent.glob("*.py"))
    named = set(re.findall(r'notes\["([a-z-]+)"\]', sources))
    assert named >= {"nullity", "gap", "resolution", "indefinite", "evaluated", "partial"}
    assert named | {"zero", "one-sided", "middle"} == set(FLAGS)


X = samples(200)
Y = rk.problems.regression_target(X)


def one_layer(order=3, intervals=6):
    """A quadratic problem, its start and the minimum nearest to it."""
    net, theta = rk.kan([2, 1], order, intervals).initialize(np.random.default_rng(1), X)
    problem = rk.LeastSquares(net, X, Y)
    J = net.jacobian(theta, X)
    minimum = theta - np.linalg.lstsq(J, problem.misfit(theta).ravel(), rcond=1e-12)[0]
    return problem, theta, minimum


def descend(problem, theta, spectrum, geometry, steps, minimum=None, share=0.9):
    """Run gradient descent at a share of the largest stable step, and compare."""
    eta = share * largest_stable_step(spectrum)
    recorder = ModeRecorder(spectrum, minimum, problem.net.coordinates(spectrum.basis).to)
    recorder.record(theta)
    rk.minimize(problem, theta, "gd", steps, geometry=geometry, learning_rate=eta, callback=recorder)
    return recorder.rates(eta)


@pytest.mark.parametrize(
    ("options", "geometry"),
    [
        ({}, None),
        ({"basis": "relu"}, "relu"),
        ({"preconditioner": "relu"}, "relu"),
        ({"basis": "relu", "preconditioner": "spline"}, "spline"),
    ],
)
def test_one_layer_decays_at_the_predicted_rates(options, geometry):
    """The loss is quadratic: every mode, also those whose factor is 1 to eight digits, to within rounding."""
    problem, theta, minimum = one_layer()
    spectrum = rk.spectrum(problem, theta, **options)
    rates = descend(problem, theta, spectrum, geometry, 200, minimum)
    assert rates.predicted.size == spectrum.n_range == theta.size - 1
    assert rates.resolved.all()
    assert rates.relative_errors.max() < 1e-7
    np.testing.assert_allclose(rates.predicted_factors, predicted_factors(spectrum, rates.learning_rate), rtol=1e-12)
    np.testing.assert_allclose(rates.measured_factors[0], -0.8, rtol=1e-9)


def test_without_the_minimum_differences_tell_the_same():
    problem, theta, _ = one_layer()
    rates = descend(problem, theta, rk.spectrum(problem, theta), None, 100)
    assert rates.relative_errors[rates.resolved].max() < 1e-8
    assert rates.resolved.mean() > 0.9


def test_slow_modes_are_in_the_relu_basis_and_not_in_the_spline_basis():
    """At the largest stable step, modes slower than 1e-3 a step."""
    problem, theta, _ = one_layer(order=2, intervals=8)
    slow = {}
    for basis in ("spline", "relu"):
        spectrum = rk.spectrum(problem, theta, basis=basis)
        slow[basis] = int(np.sum(1 - predicted_factors(spectrum, largest_stable_step(spectrum)) < 1e-3))
    assert slow["spline"] == 0
    assert slow["relu"] > 5


def test_beyond_the_largest_stable_step_the_first_mode_grows():
    problem, theta, minimum = one_layer()
    spectrum = rk.spectrum(problem, theta)
    rates = descend(problem, theta, spectrum, None, 20, minimum, share=1.05)
    assert rates.measured_factors[0] == pytest.approx(-1.1, rel=1e-8)
    assert (np.abs(rates.measured_factors[1:]) < 1.0).all()


def test_a_network_near_a_minimum_follows_its_hessian():
    """Within 20 % in every resolved mode; the Hessian at the minimum."""
    net, start = rk.kan([2, 2, 1], 3, [2, 2], node_map="mean-std").initialize(np.random.default_rng(3), X)
    problem = rk.LeastSquares(net, X, np.sin(3 * X[:, :1]) * X[:, 1:])
    minimum = rk.minimize(problem, start, "lbfgs", 3000, tolerance_gradient=1e-13).theta
    spectrum = rk.spectrum(problem, minimum, which="hessian")
    # Away from the minimum along modes that decay: what stays is curvature of higher order.
    directions = spectrum.vectors[:, :12] @ np.ones(12)
    rates = descend(problem, minimum + 1e-5 * directions, spectrum, None, 60, minimum)
    assert rates.resolved[:8].all()
    assert rates.relative_errors[:8].max() < 0.2


def test_a_wrong_rate_or_a_wrong_mode_is_noticed():
    """Sabotage: rates of twice the step, and the modes of another basis."""
    problem, theta, minimum = one_layer()
    spectrum = rk.spectrum(problem, theta)
    eta = 0.4 * largest_stable_step(spectrum)
    recorder = ModeRecorder(spectrum, minimum)
    rk.minimize(problem, theta, "gd", 50, learning_rate=eta, callback=recorder)
    assert recorder.rates(eta).relative_errors.max() < 1e-7
    assert recorder.rates(2 * eta).relative_errors.min() > 0.4
    other = rk.spectrum(problem, theta, basis="relu")
    mixed = ModeRecorder(other, minimum)
    rk.minimize(problem, theta, "gd", 50, learning_rate=eta, callback=mixed)
    assert np.nanmax(mixed.rates(eta).relative_errors) > 1.0


@pytest.mark.parametrize("rounding", [0.0, 1e-17])
def test_modes_that_are_not_excited_are_not_reported(rounding):
    spectrum = rk.spectrum(np.diag([4.0, 2.0, 1.0]))
    recorder = ModeRecorder(spectrum, minimum=np.zeros(3))
    for t in range(6):
        recorder.record([0.6**t, (-1.0) ** t * rounding, 0.9**t])
    rates = recorder.rates(0.1)
    assert list(rates.resolved) == [True, False, True]
    assert np.isnan(rates.measured[1])
    np.testing.assert_allclose(rates.measured_factors[[0, 2]], [0.6, 0.9], rtol=1e-12)
    assert "no" in rates.table.splitlines()[2]
    assert len(str(rates).splitlines()) == 4
    assert recorder.amplitudes.shape == (6, 3)


def test_steps_and_bad_input():
    spectrum = rk.spectrum(np.diag([4.0, -2.0]))
    assert largest_stable_step(spectrum) == 0.5
    assert largest_stable_step(rk.spectrum(-np.eye(2))) == np.inf
    assert largest_stable_step(rk.spectrum(np.zeros((2, 2)))) == np.inf
    recorder = ModeRecorder(spectrum)
    assert recorder.amplitudes.shape == (0, 2)
    recorder.record([1.0, 1.0])
    recorder.record([1.0, 0.5])
    refused(lambda: recorder.rates(0.1), "at least 3 recorded iterates; got 2")
    refused(lambda: ModeRecorder(spectrum, minimum=[0.0, 0.0]).rates(0.1), "at least 2 recorded iterates; got 0")
    refused(lambda: predicted_factors(spectrum, -1.0), "learning_rate must be finite and positive")
