"""A regressor and a classifier: spline networks with penalties, in the interface of scikit-learn."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Self

import numpy as np

from refkan.base import FloatArray, Natural, NonNegative, check_annotated, check_count
from refkan.base.arguments import check_below_one, check_positive, check_unmasked
from refkan.base.extras import needed
from refkan.estimators.target_units import in_units, units_of
from refkan.networks import Network, kan
from refkan.training.losses import CrossEntropy, LeastSquares, Penalized
from refkan.training.losses.cross_entropy import class_probabilities
from refkan.training.optimizers import State, minimize

needed("refkan.estimators", "sklearn")
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # noqa: E402  # after the message of what is missing
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.utils import check_random_state  # noqa: E402
from sklearn.utils.multiclass import check_classification_targets  # noqa: E402
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data  # noqa: E402

ROWS_A_PARAMETER = 10
"""Distinct rows per parameter from which a hidden layer is the default."""

LARGEST = 1e150
"""Size of inputs and targets up to which their ranges and squares are finite."""


def check_fraction(name: str, value: object) -> float:
    """Return `value` as a float if it lies in (0, 1)."""
    check_below_one(name, value)
    return check_positive(name, value)


Fraction = Annotated[float, check_fraction]


class SplineEstimator(BaseEstimator):
    """The common part of both estimators: how the network is built, trained and stopped."""

    method: ClassVar[str]
    tolerance_change: ClassVar[float] = 1e-14
    default_ridge: ClassVar[float]

    def __init__(
        self,
        hidden_layer_sizes: Any = "auto",
        *,
        order: Natural = 3,
        intervals: Natural = 8,
        roughness: NonNegative = 1e-2,
        ridge: NonNegative | None = None,
        max_iter: Natural = 200,
        early_stopping: bool = False,
        validation_fraction: Fraction = 0.2,
        n_iter_no_change: Natural = 10,
        random_state: Any = None,
    ) -> None:
        self.__dict__.update({name: value for name, value in locals().items() if name != "self"})

    def _train(
        self,
        loss: Callable[[Network, FloatArray, Any, FloatArray], Any],
        X: FloatArray,
        targets: Any,
        weights: FloatArray,
        n_outputs: int,
        stratify: Any = None,
    ) -> None:
        """Set network_, theta_, n_iter_ and loss_curve_."""
        rows = weights > 0.0
        X, targets, weights = X[rows], targets[rows], weights[rows]
        state = check_random_state(self.random_state)
        rng = np.random.default_rng(state.randint(2**31, size=4))
        hidden = self._hidden(X, n_outputs)
        kept, back = np.arange(len(X)), None
        if self.early_stopping:
            strata = None if stratify is None else stratify[rows]
            kept, back = train_test_split(kept, test_size=self.validation_fraction, random_state=state, stratify=strata)

        def loss_on(part: Any) -> Any:
            share = weights[part] * (len(part) / weights[part].sum())
            return loss(net, X[part], targets[part], share)

        net = kan([X.shape[1], *hidden, n_outputs], self.order, self.intervals, _ranges(X[kept]))
        net, theta = net.initialize(rng, X[kept])
        if not hidden:  # linear in theta: the start plays no part but in rounding
            theta = np.zeros_like(theta)
        ridge = self.default_ridge if self.ridge is None else self.ridge
        problem = Penalized(loss_on(kept), self.roughness, ridge)
        watch = None if back is None else BestHeldBack(loss_on(back), theta, self.n_iter_no_change)
        result = minimize(
            problem, theta, self.method, self.max_iter, callback=watch, tolerance_change=self.tolerance_change
        )
        self.network_ = net
        self.theta_ = result.theta if watch is None else watch.theta
        self.loss_curve_ = result.history.value
        self.n_iter_ = max(1, result.history.value.size - 1)

    def _hidden(self, X: FloatArray, n_outputs: int) -> tuple[int, ...]:
        """Widths of the hidden layers; none where the rows are few."""
        if not isinstance(self.hidden_layer_sizes, str):
            sizes = np.atleast_1d(self.hidden_layer_sizes).tolist() if np.size(self.hidden_layer_sizes) else []
            return tuple(check_count(f"hidden_layer_sizes[{k}]", width, 1) for k, width in enumerate(sizes))
        if self.hidden_layer_sizes != "auto":
            raise ValueError(
                f"hidden_layer_sizes must be 'auto' or a sequence of widths; got {self.hidden_layer_sizes!r}"
            )
        inputs = X.shape[1]
        width = 2 * inputs + 1
        parameters = width * (inputs + n_outputs) * (self.intervals + self.order - 1)
        # Distinct rows, so that a weight of 2 and a repeated row mean the same.
        few = len(X) < ROWS_A_PARAMETER * parameters or len(np.unique(X, axis=0)) < ROWS_A_PARAMETER * parameters
        return () if few else (width,)

    def _check_arguments(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Check the parameters of the estimator, and what scikit-learn does not check of the data."""
        check_annotated(SplineEstimator.__init__, self.get_params())
        for name, array in {"X": X, "y": y, "sample_weight": sample_weight}.items():
            check_unmasked(name, array)

    def _weights(self, sample_weight: Any, X: FloatArray) -> FloatArray:
        """Weights (N,), divided by the largest one: sums of them are finite."""
        weights: FloatArray = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        largest = weights.max()
        if largest == 0.0:
            raise ValueError("sample_weight must contain at least one non-zero number; got zeros only")
        return weights / largest

    def _outputs(self, X: Any) -> FloatArray:
        """Outputs (N, Q) of the network."""
        check_is_fitted(self)
        check_unmasked("X", X)
        outputs: FloatArray = self.network_(self.theta_, validate_data(self, X, dtype=np.float64, reset=False))
        return outputs


class BestHeldBack:
    """A callback that keeps the parameters of least loss on held-back samples, and stops when it no longer falls."""

    def __init__(self, loss: Any, theta: FloatArray, patience: int) -> None:
        self._loss, self._patience = loss, patience
        self._least, self._step, self.theta = loss.value(theta), 0, theta

    def __call__(self, state: State) -> None:
        """Look at the loss after a step."""
        value = self._loss.value(state.theta)
        if value < self._least:
            self._least, self._step, self.theta = value, state.step, state.theta
        elif state.step - self._step >= self._patience:
            raise StopIteration


class SplineRegressor(RegressorMixin, SplineEstimator):
    r"""Regression by a spline network, using least squares with penalties.

    The model is additive, ``f(x) = sum_p phi_p(x_p)`` with one spline for each input, or a Kolmogorov-Arnold network
    with hidden layers. With inputs and targets scaled inside, weights w of mean 1 and the penalties of
    `refkan.training.losses.Penalized`, ::

        1/(2N) sum_s w_s |f(x_s) - y_s|^2 + roughness/2 sum_edges |D c|^2 + ridge/2 |theta|^2

    is minimised by Levenberg-Marquardt. An additive model is linear in its coefficients: its minimum is unique.

    Parameters
    ----------
    hidden_layer_sizes : "auto" or sequence of int
        Widths of hidden layers; () for an additive model. "auto": one hidden layer of 2P + 1 nodes if there are at
        least 10 distinct samples a parameter, else none.
    order : int
        Order r = degree + 1 of the splines.
    intervals : int
        Intervals of each spline, between the least and the largest value of each input in training. Beyond them a
        spline goes on as its tangent.
    roughness, ridge : float
        Factors of the penalties, for targets of variance 1. The ridge is 1e-6 by default.
    max_iter : int
        Steps at most.
    early_stopping : bool
        Whether training stops when the loss on samples held back has not fallen for `n_iter_no_change` steps; the
        parameters with the least such loss are kept.
    validation_fraction : float
        Share of the samples held back for that.
    n_iter_no_change : int
    random_state : int, RandomState instance or None
        Of the start and of the samples held back; additive models have no random start.

    Attributes
    ----------
    network_ : Network
    theta_ : ndarray (n_params,)
        ``network_(theta_, X)`` is the prediction, in the units of the data.
    n_iter_ : int
    loss_curve_ : ndarray
        The minimised value after each step, entry 0 the start.
    n_features_in_, feature_names_in_
        As for every estimator.

    Raises
    ------
    ImportError
        On import, if scikit-learn is not installed.
    ValueError, TypeError
        For arguments that do not describe a network, and for data that scikit-learn refuses.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.estimators import SplineRegressor
    >>> X = np.random.default_rng(0).uniform(size=(200, 2))
    >>> model = SplineRegressor().fit(X, np.sin(6 * X[:, 0]) + X[:, 1] ** 2)
    >>> model.network_
    Network([2, 1]: order 3 on 8 intervals (spline); 20 parameters)
    >>> print(f"{model.score(X, np.sin(6 * X[:, 0]) + X[:, 1] ** 2):.4f}")
    0.9999
    """

    method = "levenberg-marquardt"
    default_ridge = 1e-6

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on inputs X (N, P) and targets y (N,) or (N, Q), samples weighed by `sample_weight` (N,)."""
        self._check_arguments(X, y, sample_weight)
        _refuse_text(y)
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2)
        weights = self._weights(sample_weight, X)
        targets = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        _check_size("X", X)
        _check_size("y", targets)
        self._one_dimensional = np.ndim(y) == 1
        centre, scale = units_of(targets, weights)
        self._train(LeastSquares, X, (targets - centre) / scale, weights, targets.shape[1])
        self.theta_ = in_units(self.network_, self.theta_, centre, scale)
        return self

    def predict(self, X: Any) -> FloatArray:
        """Return the predictions (N,) for inputs X (N, P), or (N, Q) where y had columns."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._one_dimensional else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class SplineClassifier(ClassifierMixin, SplineEstimator):
    r"""Classification by a spline network whose outputs are log-odds.

    It works as `SplineRegressor`, with the mean cross entropy (`refkan.training.losses.CrossEntropy`) instead of least
    squares, minimised by L-BFGS. Two classes need one output, and K > 2 classes need K outputs.

    Parameters
    ----------
    hidden_layer_sizes, order, intervals
        As for `SplineRegressor`.
    max_iter, early_stopping, validation_fraction, n_iter_no_change, random_state
        As for `SplineRegressor`.
    roughness, ridge : float
        As for `SplineRegressor`. The ridge is 1e-3 by default: for classes that can be separated the cross entropy has
        no minimum without one.

    Attributes
    ----------
    classes_ : ndarray (K,)
    network_, theta_, n_iter_, loss_curve_, n_features_in_, feature_names_in_
        As for `SplineRegressor`.

    Raises
    ------
    ImportError, ValueError, TypeError
        As for `SplineRegressor`; ValueError for fewer than two classes.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.estimators import SplineClassifier
    >>> X = np.random.default_rng(0).uniform(-1.0, 1.0, size=(300, 2))
    >>> inside = np.where((X ** 2).sum(axis=1) < 0.5, "inside", "outside")
    >>> model = SplineClassifier().fit(X, inside)
    >>> model.predict([[0.0, 0.1], [0.9, 0.8]]).tolist()
    ['inside', 'outside']
    """

    method = "lbfgs"
    tolerance_change = 0.0  # the value ceases to fall where probabilities are still off by 1e-7
    default_ridge = 1e-3

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on inputs X (N, P) and classes y (N,), samples weighed by `sample_weight` (N,)."""
        self._check_arguments(X, y, sample_weight)
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(y)
        weights = self._weights(sample_weight, X)
        _check_size("X", X)
        self.classes_, labels = np.unique(y, return_inverse=True)
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(f"y must hold at least two classes; got one class, {self.classes_.tolist()[0]!r}")
        weighted = self.classes_[np.unique(labels[weights > 0.0])].tolist()
        if len(weighted) < 2:
            raise ValueError(f"sample_weight must be positive in at least two classes; got one class, {weighted[0]!r}")
        self._train(CrossEntropy, X, labels, weights, 1 if n_classes == 2 else n_classes, stratify=labels)
        return self

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the probabilities (N, K) of the classes, in the order of `classes_`."""
        return class_probabilities(self._outputs(X))

    def predict(self, X: Any) -> Any:
        """Return the most probable class of each row of X (N, P)."""
        most_probable = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_probable]


def _refuse_text(y: Any) -> None:
    """Raise TypeError if targets of a regression are text, naming them: scikit-learn does not say what it converts."""
    targets = np.asarray(y)
    if targets.dtype.kind not in "USO":
        return
    text = [value for value in targets.ravel().tolist() if isinstance(value, str)]
    if text:
        raise TypeError(f"y must hold numbers; got text, {text[0]!r}: use SplineClassifier for classes")


def _check_size(name: str, array: FloatArray) -> None:
    """Raise ValueError if an entry is too large for squares."""
    largest = np.abs(array).max(initial=0.0)
    if largest > LARGEST:
        raise ValueError(f"{name} must not exceed {LARGEST:g} in size; got {largest:g}: use other units")


def _ranges(X: FloatArray) -> list[tuple[float, float]]:
    """The domain of each input: its range, or an interval about its only value."""
    low, high = X.min(axis=0), X.max(axis=0)
    room = np.where(low == high, np.maximum(np.abs(low), 1.0), 0.0)
    return list(zip((low - room).tolist(), (high + room).tolist(), strict=True))
