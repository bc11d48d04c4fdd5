"""The estimators in the interface of scikit-learn: its own checks, and what it does not check."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import refkan as rk
from refkan.analysis.exact.certificates.statements import Posed, monotonicity
from refkan.estimators import SplineClassifier, SplineRegressor
from refkan.estimators.bounded_factors import LEAST_RISE
from refkan.estimators.smooth_terms import Penalties, Smooth, Terms
from refkan.training.losses.penalized import Penalized
from tests.shared.refusals import refused
from tests.shared.tables import each_row


@pytest.fixture(autouse=True)
def numbers_of_numpy():
    """Without a seed the estimators draw, as scikit-learn does, from numpy.random, which is left as it was."""
    state = np.random.get_state()  # noqa: NPY002
    yield
    np.random.set_state(state)  # noqa: NPY002


@parametrize_with_checks([SplineRegressor(), SplineClassifier(), SplineRegressor((3,), intervals=2, max_iter=20)])
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def smooth(rng, n=400):
    X = rng.uniform([0.0, -5.0], [1e-3, 1e4], size=(n, 2))
    return X, 1e6 * np.sin(5e3 * X[:, 0]) + 100 * X[:, 1]


def test_the_network_is_the_prediction_in_the_units_of_the_data(rng):
    X, y = smooth(rng)
    for hidden in ((), (4,)):
        model = SplineRegressor(hidden, random_state=0, max_iter=50).fit(X, y)
        assert_allclose(model.network_(model.theta_, X)[:, 0], model.predict(X), rtol=1e-15)
        assert model.score(X, y) > 0.999
        bounds = rk.exact.enclose(model.network_, model.theta_, np.column_stack([X.min(axis=0), X.max(axis=0)]))
        assert bounds.value[0, 0] <= model.predict(X).min()
        assert model.predict(X).max() <= bounds.value[0, 1]


def test_weights_are_repetitions(rng):
    X, y = smooth(rng, 60)
    weights = rng.integers(0, 4, size=60)
    repeated = np.repeat(np.arange(60), weights)
    for model in (SplineRegressor(), SplineRegressor((3,), intervals=3, random_state=3, max_iter=5)):
        weighed = clone(model).fit(X, y, weights).predict(X)
        assert_allclose(weighed, clone(model).fit(X[repeated], y[repeated]).predict(X), rtol=1e-6)


def test_products_are_noticed_and_are_hidden_nodes(rng):
    X = rng.uniform(-1.0, 1.0, size=(300, 4))
    noise = 0.1 * rng.standard_normal(300)
    additive = SplineRegressor().fit(X, np.sin(3 * X[:, 0]) + X[:, 1] ** 2 + noise)
    assert (additive.structure_, additive.interactions_, additive.network_.widths) == ("additive", [], (4, 1))
    product = SplineRegressor().fit(X, X[:, 0] * X[:, 2] + noise)
    assert (product.structure_, product.interactions_, product.network_.widths) == ("interactions", [(0, 2)], (4, 5, 1))
    assert "with x0*x2" in product.explanation_
    fresh = rng.uniform(-1.0, 1.0, size=(1000, 4))
    assert np.sqrt(np.mean((product.predict(fresh) - fresh[:, 0] * fresh[:, 2]) ** 2)) < 0.04
    bounds = rk.exact.enclose(product.network_, product.theta_, np.column_stack([fresh.min(axis=0), fresh.max(axis=0)]))
    assert bounds.value[0, 0] <= product.predict(fresh).min()
    assert product.predict(fresh).max() <= bounds.value[0, 1]


def test_triples_are_noticed_where_pairs_show_nothing(rng):
    X = rng.uniform(-1.0, 1.0, size=(500, 4))
    model = SplineRegressor().fit(X, X[:, 0] * X[:, 1] * X[:, 3] + 0.02 * rng.standard_normal(500))
    assert (0, 1, 3) in model.interactions_
    fresh = rng.uniform(-1.0, 1.0, size=(1000, 4))
    assert model.score(fresh, fresh[:, 0] * fresh[:, 1] * fresh[:, 3]) > 0.97


def test_hidden_layers_are_trained_where_sums_leave_a_pattern(rng):
    X = rng.uniform(-1.0, 1.0, size=(400, 2))
    y = np.sin(5 * X[:, 0] * X[:, 1] + 3 * X[:, 0])
    model = SplineRegressor().fit(X, y)
    assert model.structure_ == "hidden layer"
    assert model.explanation_.endswith(": used")
    fresh = rng.uniform(-1.0, 1.0, size=(1000, 2))
    assert model.score(fresh, np.sin(5 * fresh[:, 0] * fresh[:, 1] + 3 * fresh[:, 0])) > 0.97
    assert np.array_equal(SplineRegressor().fit(X, y).theta_, model.theta_)
    assert_allclose(SplineRegressor().fit(X[::-1], y[::-1]).theta_, model.theta_, rtol=0, atol=1e-9)


def test_the_data_choose_the_roughness(rng):
    x = np.linspace(0.0, 1.0, 200)[:, None]
    line = SplineRegressor().fit(x, 2 * x[:, 0] + 0.3 * rng.standard_normal(200))
    assert np.abs(np.diff(line.predict(x), 3)).max() < 1e-3 * np.ptp(line.predict(x))
    waves = SplineRegressor(intervals=20).fit(x, np.sin(30 * x[:, 0]) + 0.1 * rng.standard_normal(200))
    assert np.sqrt(np.mean((waves.predict(x) - np.sin(30 * x[:, 0])) ** 2)) < 0.06


def test_smoothing_parameters_have_the_largest_marginal_likelihood(rng):
    X = rng.uniform(size=(150, 1))
    y = np.sin(5 * X) + 0.2 * rng.standard_normal((150, 1))
    terms = Terms(X, np.eye(1), 3, 6)
    smooth = Smooth(terms, X, y, np.ones(150), Penalties(max_iter=500))
    columns = terms.columns(X)
    n, residual = 150, (y - y.mean())[:, 0]

    def minus_log_likelihood(diagonal):
        covariance = columns @ np.diag(1 / diagonal) @ columns.T + np.eye(n)
        return np.linalg.slogdet(covariance)[1] + (n - 1) * np.log(residual @ np.linalg.solve(covariance, residual))

    least = minus_log_likelihood(smooth.diagonal)
    for group in range(terms.groups.max() + 1):
        for factor in (0.3, 3.0):
            diagonal = np.where(terms.groups == group, factor, 1.0) * smooth.diagonal
            assert minus_log_likelihood(diagonal) > least - 0.02


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("estimator", [SplineRegressor, SplineClassifier])
def test_monotone_inputs_are_proven_monotone(estimator, sign, rng):
    X = rng.uniform(-1.0, 1.0, size=(200, 3))
    y = sign * (X[:, 1] + 0.4 * np.sin(5 * X[:, 1])) + X[:, 0] * X[:, 2] + 0.1 * rng.standard_normal(200)
    if estimator is SplineClassifier:
        y = y > 0.0
    low, high = X.min(axis=0), X.max(axis=0)

    def directions(model):
        posed = Posed.of(model.network_, model.theta_, np.column_stack([low, high]), 0.05, 20000)
        return monotonicity(posed, 0, 1)

    free = estimator().fit(X, y)
    assert directions(free)["kind"] == "not monotone"
    model = estimator(monotone={"x1": sign}).fit(X, y)
    proven = directions(model)
    assert proven["kind"] == "monotone"
    assert proven["direction"] == {1: "increasing", -1: "decreasing"}[sign]
    assert not any(1 in group for group in model.interactions_)
    assert model.score(X, y) > free.score(X, y) - 0.05


def test_monotone_fits_are_those_of_least_penalised_squares(rng):
    X = rng.uniform(size=(80, 1))
    y = np.sin(4 * X[:, 0]) + 0.05 * rng.standard_normal(80)
    model = SplineRegressor(monotone={0: 1}, roughness=1e-3, ridge=0.0).fit(X, y)
    rises = np.diff(model.theta_)
    least = 1.000001 * LEAST_RISE * y.std() / rises.size
    assert (rises > 0.99 * least).all()
    at_bound = rises < least
    assert 0 < at_bound.sum() < rises.size
    # At the minimum every free rise has slope 0, as the constant has; at its bound a rise would increase the value.
    problem = Penalized(rk.LeastSquares(model.network_, X, y[:, None]), 1e-3)
    slopes = np.cumsum(problem.gradient(model.theta_)[::-1])[::-1]
    assert_allclose(slopes[0], 0.0, atol=1e-9)
    assert_allclose(slopes[1:][~at_bound], 0.0, atol=1e-8)
    assert (slopes[1:][at_bound] > 1e-6).all()


def test_early_stopping_keeps_the_best_on_what_is_held_back(rng):
    X = rng.uniform(size=(80, 2))
    y = X[:, 0] + rng.standard_normal(80)
    fresh = rng.uniform(size=(2000, 2))
    errors = np.zeros((3, 2))
    for seed in range(3):
        free = SplineRegressor((6,), roughness=0.0, ridge=0.0, random_state=seed, max_iter=40)
        stopped = clone(free).set_params(early_stopping=True, n_iter_no_change=3).fit(X, y)
        assert stopped.n_iter_ < 40
        for k, model in enumerate((stopped, free.fit(X, y))):
            errors[seed, k] = np.mean((model.predict(fresh) - fresh[:, 0]) ** 2)
    assert errors.mean(axis=0)[0] < 0.5 * errors.mean(axis=0)[1]


def test_roughness_makes_edges_polynomials(rng):
    X = rng.uniform(size=(200, 1))
    y = np.sin(20 * X[:, 0])
    x = np.linspace(X.min(), X.max(), 50)[:, None]
    stiff = SplineRegressor(roughness=1e8, ridge=0.0).fit(X, y).predict(x)
    assert np.abs(np.diff(stiff, 3)).max() < 1e-5 * np.abs(stiff).max()


def test_tools_of_scikit_learn_work_on_it(rng):
    X = rng.uniform(size=(150, 3))
    y = np.sin(4 * X[:, 0])
    search = GridSearchCV(
        make_pipeline(StandardScaler(), SplineRegressor()), {"splineregressor__intervals": [1, 6]}, cv=3
    ).fit(X, y)
    assert search.best_params_ == {"splineregressor__intervals": 6}
    model = SplineRegressor().fit(X, y)
    assert permutation_importance(model, X, y, random_state=0).importances_mean.argmax() == 0
    curve = partial_dependence(model, X, [0], grid_resolution=20)
    assert_allclose(curve["average"][0], np.sin(4 * curve["grid_values"][0]), atol=0.05)
    assert_allclose(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X), rtol=0)


def test_several_targets_are_separate_additive_models(rng):
    X = rng.uniform(size=(100, 2))
    Y = np.column_stack([np.sin(5 * X[:, 0]), 1e3 * X[:, 1] ** 2])
    model = SplineRegressor((), roughness=1e-2)  # a roughness that the data choose is one for all targets
    together = clone(model).fit(X, Y).predict(X)
    for q in range(2):
        assert_allclose(clone(model).fit(X, Y[:, q]).predict(X), together[:, q], rtol=1e-5, atol=1e-6 * np.ptp(Y[:, q]))


def test_three_classes_with_names(rng):
    X = rng.uniform(size=(300, 1))
    y = np.array(["low", "middle", "high"])[np.digitize(X[:, 0], [0.3, 0.7])]
    model = SplineClassifier().fit(X, y)
    assert model.classes_.tolist() == ["high", "low", "middle"]
    assert model.score(X, y) > 0.97
    assert_allclose(model.predict_proba(X).sum(axis=1), 1.0, rtol=1e-14)


TIMES = np.zeros((30, 2), "datetime64[s]")
MASKED = np.ma.masked_equal(np.arange(60.0).reshape(30, 2), 0.0)


def test_masked_inputs_of_predictions_are_refused(rng):
    model = SplineRegressor().fit(rng.uniform(size=(30, 2)), np.arange(30.0))
    with pytest.raises(ValueError, match="X must hold no masked entries"):
        model.predict(MASKED)


def test_rows_of_different_lengths_are_refused_by_name():
    for X, y in (([[0.5, 1.0], [2.0]], [1.0, 2.0]), (np.eye(2), [[1.0, 2.0], [3.0]])):
        name = "X" if y == [1.0, 2.0] else "y"
        refused(lambda X=X, y=y: SplineRegressor().fit(X, y), f"^{name} cannot be used: .*inhomogeneous")


@pytest.mark.parametrize("factor", [1e308, 1e-308])
@pytest.mark.parametrize("model", [SplineRegressor(), SplineClassifier()])
def test_only_ratios_of_weights_matter(model, factor, rng):
    X = rng.uniform(size=(40, 2))
    y = (X[:, 0] > 0.4).astype(int)
    weights = rng.uniform(0.25, 1.0, size=40)
    theta = clone(model).fit(X, y, weights).theta_
    assert np.abs(theta).max() > 0.1
    assert_allclose(clone(model).fit(X, y, factor * weights).theta_, theta, rtol=0, atol=1e-5 * np.abs(theta).max())


@each_row(
    "model, X, y, weights, message",
    (SplineRegressor("wide"), None, None, None, "hidden_layer_sizes must be 'auto' or a sequence of widths"),
    (SplineRegressor((3, 0)), None, None, None, r"hidden_layer_sizes\[1\] must be at least 1; got 0"),
    (SplineRegressor(intervals=0), None, None, None, "intervals must be at least 1; got 0"),
    (SplineRegressor(order="3"), None, None, None, "order must be an integer; got '3'"),
    (SplineRegressor(roughness=-1.0), None, None, None, "roughness"),
    (SplineRegressor(), None, None, np.zeros(30), "must contain at least one non-zero number"),
    (SplineClassifier(), None, np.ones(30), None, "at least two classes; got one class, 1.0"),
    (SplineClassifier(), None, np.linspace(0, 1, 30), None, "continuous"),
    (SplineRegressor(max_iter=2.5), None, None, None, "max_iter must be an integer; got 2.5"),
    (SplineRegressor(early_stopping="False"), None, None, None, "early_stopping must be True or False; got 'False'"),
    (SplineRegressor(n_iter_no_change=-1), None, None, None, "n_iter_no_change must be at least 1; got -1"),
    (SplineRegressor(validation_fraction=1), None, None, None, "validation_fraction must be less than 1; got 1"),
    (
        SplineRegressor(validation_fraction=0),
        None,
        None,
        None,
        "validation_fraction must be finite and positive; got 0",
    ),
    (SplineRegressor(monotone=[1, 0]), None, None, None, r"monotone must map inputs to \+1 or -1, as in \{0: 1\}; got"),
    (
        SplineRegressor(monotone={"age": 1}),
        None,
        None,
        None,
        "monotone must name inputs of X, which are x0, x1; got 'age'",
    ),
    (SplineRegressor(monotone={2: 1}), None, None, None, "numbers of inputs from 0 to 1 as keys; got 2"),
    (SplineRegressor(monotone={0.5: 1}), None, None, None, "numbers or names of inputs as keys; got 0.5"),
    (SplineRegressor(monotone={0: 2}), None, None, None, r"monotone\[0\] must be \+1 \(does not fall\) or -1"),
    (SplineRegressor((3,), monotone={0: 1}), None, None, None, r"monotone needs hidden_layer_sizes='auto' or \(\)"),
    (
        SplineClassifier(monotone={0: 1}),
        None,
        np.arange(30) % 3,
        None,
        "monotone must be None for more than two classes",
    ),
    (SplineRegressor(ridge="small"), None, None, None, "ridge must be"),
    (SplineRegressor(), 1e308 * np.ones((30, 2)), np.ones(30), None, r"X must not exceed 1e\+150 in size; got 1e\+308"),
    (SplineClassifier(), 1e308 * np.ones((30, 2)), np.arange(30) % 2, None, "X must not exceed"),
    (SplineRegressor(), None, np.full(30, -1e200), None, r"y must not exceed 1e\+150 in size; got 1e\+200"),
    (
        SplineRegressor(),
        None,
        np.array(["low"] * 30),
        None,
        "y must hold numbers; got text, 'low': use SplineClassifier",
    ),
    (SplineRegressor(), None, np.array(["low"] * 30, object), None, "y must hold numbers; got text, 'low'"),
    (SplineRegressor(random_state="seed"), None, None, None, "random_state must be None, a seed .*; got 'seed'"),
    (SplineRegressor((2,), random_state=-1), None, None, None, "random_state must be None, a seed .*; got -1"),
    (SplineRegressor(monotone={"x0": 1, 0: -1}), None, None, None, "monotone must name each input once; got"),
    (SplineRegressor(), TIMES, np.ones(30), None, r"X must hold numbers; got dtype datetime64\[s\]: give numbers"),
    (SplineRegressor(), None, TIMES[:, 0], None, r"y must hold numbers; got dtype datetime64\[s\]: give numbers"),
    (SplineRegressor(), None, None, TIMES[:, 0], "sample_weight must hold numbers; got dtype datetime64"),
    (SplineClassifier(), None, np.linspace(0, 1, 30), None, "y cannot be used: Unknown label type: continuous"),
    (SplineRegressor(), MASKED, np.ones(30), None, "X must hold no masked entries; got 1"),
    (SplineRegressor(), None, MASKED[:, 0], None, "y must hold no masked entries; got 1"),
    (SplineClassifier(), None, MASKED[:, 0], None, "y must hold no masked entries; got 1"),
    (SplineRegressor(), None, None, MASKED[:, 0], "sample_weight must hold no masked entries; got 1"),
    (
        SplineClassifier(),
        None,
        np.arange(30) % 2,
        np.arange(30) % 2,
        "sample_weight must be positive in at least two classes; got one class, 1",
    ),
)
def test_bad_arguments_are_named(model, X, y, weights, message, rng):
    X = rng.uniform(size=(30, 2)) if X is None else X
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X, (X[:, 0] > 0.5).astype(float) if y is None else y, weights)


def test_steps_that_are_no_integer_are_refused_by_the_name_of_the_argument(rng):
    X, y = smooth(rng, 20)
    for count in (2.5, "3", True):
        refused(lambda count=count: SplineRegressor(max_iter=count).fit(X, y), "TypeError: max_iter must be an integer")
