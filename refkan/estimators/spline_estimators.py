"""A regressor and a classifier: spline networks with penalties, in the interface of scikit-learn."""

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets

from refkan.base import FloatArray
from refkan.estimators.base_estimator import SplineEstimator, check_size
from refkan.estimators.target_units import in_units, units_of
from refkan.training.losses import CrossEntropy, LeastSquares
from refkan.training.losses.cross_entropy import class_probabilities


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
        X, y = self._validated(X, y, multi_output=True, y_numeric=True)
        weights = self._weights(sample_weight, X)
        targets = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        check_size("X", X)
        check_size("y", targets)
        self._one_dimensional = np.ndim(y) == 1
        centre, scale = units_of(targets, weights)
        self._train(LeastSquares, X, (targets - centre) / scale, weights, targets.shape[1])
        self.theta_ = in_units(self.network_, self.theta_, centre, scale)
        return self

    def predict(self, X: Any) -> FloatArray:
        """Return the predictions (N,) for inputs X (N, P), or (N, Q) where y had columns."""
        outputs = self._outputs(X)
        if self._one_dimensional:
            return outputs[:, 0]
        return outputs

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
        X, y = self._validated(X, y)
        check_classification_targets(y)
        weights = self._weights(sample_weight, X)
        check_size("X", X)
        self.classes_, labels = np.unique(y, return_inverse=True)
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(f"y must hold at least two classes; got one class, {self.classes_.tolist()[0]!r}")
        weighted = self.classes_[np.unique(labels[weights > 0.0])].tolist()
        if len(weighted) < 2:
            raise ValueError(f"sample_weight must be positive in at least two classes; got one class, {weighted[0]!r}")
        n_outputs = n_classes
        if n_classes == 2:
            n_outputs = 1
        self._train(CrossEntropy, X, labels, weights, n_outputs, stratify=labels)
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
