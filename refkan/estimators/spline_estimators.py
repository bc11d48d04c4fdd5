"""A regressor and a classifier: spline networks with penalties, in the interface of scikit-learn."""

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets

from refkan.base import FloatArray
from refkan.estimators.base_estimator import SplineEstimator, check_size, named, refuse_times
from refkan.estimators.bounded_factors import (
    STRENGTHS,
    Bounded,
    held_back_losses,
    log_odds,
    log_odds_penalties,
    monotone_log_odds,
    repaired,
)
from refkan.estimators.smooth_terms import Smooth
from refkan.estimators.target_units import in_units, units_of
from refkan.training.losses import CrossEntropy, LeastSquares
from refkan.training.losses.cross_entropy import class_probabilities


class SplineRegressor(RegressorMixin, SplineEstimator):
    r"""Regression by a spline network whose structure and roughness the data choose.

    The model is one of three networks, named by `structure_`. "additive" is ``f(x) = sum_p phi_p(x_p)``, one spline for
    each input. "interactions" has further splines along directions in the planes of pairs of inputs, and in the spaces
    of triples, whose products explain the residual of the additive model: nodes of a hidden layer whose first edges are
    straight lines, as in ``x y = ((x + y)^2 - (x - y)^2)/4``. "hidden layer" is the same network with all its edges
    trained, or one of given widths.

    Additive models and interactions are linear in their coefficients, and their minimum is unique. Without a given
    roughness the smoothing parameter of each spline maximises the marginal likelihood (Wood and Fasiolo, Biometrics 73,
    2017); interactions are kept if they lower the criterion of generalised cross validation, and edges are trained if
    residuals of neighbouring rows agree and training takes at least a tenth off the loss on held-back rows. With a
    given roughness, inputs and targets scaled inside, and weights w of mean 1, ::

        1/(2N) sum_s w_s |f(x_s) - y_s|^2 + roughness/2 sum_edges |D c|^2 + ridge/2 |c|^2

    is minimised, with D c as in `refkan.training.losses.Penalized`; hidden layers of given widths are trained by
    Levenberg-Marquardt.

    Parameters
    ----------
    hidden_layer_sizes : "auto" or sequence of int
        Widths of hidden layers that are trained from a random start; () for an additive model. "auto": the data choose
        the structure.
    order : int
        Order r = degree + 1 of the splines.
    intervals : int
        Intervals of each spline, between the least and the largest value of each input in training. Beyond them a
        spline goes on as its tangent.
    roughness, ridge : float or None
        Factors of the penalties, for targets of variance 1. None: the data choose them; in networks of given widths,
        held-back rows choose the roughness, and the ridge is 1e-6.
    max_iter : int
        Steps at most.
    early_stopping : bool
        Whether training of given widths stops when the loss on samples held back has not fallen for `n_iter_no_change`
        steps; the parameters with the least such loss are kept.
    validation_fraction : float
        Share of the samples held back for that.
    n_iter_no_change : int
    random_state : int, RandomState instance or None
        Of the start and of the samples held back in networks of given widths; nothing else is random.
    monotone : mapping or None
        Inputs, by number or name, with +1 for splines that rise or -1 for splines that fall: ``{"x1": 1}``. Such inputs
        take no part in interactions, and all coefficients of their splines rise or fall, so that certificates can prove
        it (`refkan certify`). Not for networks of given widths.

    Attributes
    ----------
    network_ : Network
    theta_ : ndarray (n_params,)
        ``network_(theta_, X)`` is the prediction, in the units of the data.
    structure_ : str
        "additive", "interactions" or "hidden layer".
    interactions_ : list of tuple
        The groups of interacting inputs.
    explanation_ : str
        Why this structure was chosen, with the numbers that were compared.
    n_iter_ : int
    loss_curve_ : ndarray
        The minimised value after each step, entry 0 the start; for sums, the criterion after each update of the
        smoothing parameters.
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
    >>> model.structure_
    'additive'
    >>> product = SplineRegressor().fit(X, X[:, 0] * X[:, 1])
    >>> product.structure_, product.interactions_
    ('interactions', [(0, 1)])
    """

    method = "levenberg-marquardt"
    loss = LeastSquares
    criterion = "generalised cross validation"
    further_steps = 15
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
        self._signs = self._monotone_signs()
        centre, scale = units_of(targets, weights)
        self._train(X, (targets - centre) / scale, weights)
        self.theta_ = in_units(self.network_, self.theta_, centre, scale)
        return self

    def _n_outputs(self, targets: FloatArray) -> int:
        return targets.shape[1]

    def _squares_targets(self, targets: FloatArray) -> FloatArray:
        return targets

    def _assess(
        self, smooth: Smooth, X: FloatArray, targets: FloatArray, weights: FloatArray
    ) -> tuple[float, FloatArray]:
        return smooth.score, smooth.diagonal

    def _strata(self, targets: FloatArray) -> None:
        return None

    def _factors(
        self, smooth: Smooth, X: FloatArray, targets: FloatArray, weights: FloatArray, penalties: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        beta = smooth.beta
        if self._signs:
            bounded = Bounded(smooth.terms, self._signs)
            hessian = smooth.gram + np.diag(penalties)
            beta = np.column_stack([bounded.minimum(hessian, moments) for moments in smooth.moments.T])
        splines = repaired(smooth.terms.spline_coefficients(beta), self._signs)
        return splines, smooth.intercept - smooth.terms.mean @ beta

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
    squares, minimised by L-BFGS. Two classes need one output, and K > 2 classes need K outputs. Least squares for the
    indicators of the classes find the interactions and the smoothing parameters; the cross entropy in three folds
    chooses a common factor of these, and whether the interactions are kept.

    Parameters
    ----------
    hidden_layer_sizes, order, intervals
        As for `SplineRegressor`.
    max_iter, early_stopping, validation_fraction, n_iter_no_change, random_state
        As for `SplineRegressor`.
    monotone : mapping or None
        As for `SplineRegressor`, of the log-odds of the second of two classes.
    roughness, ridge : float or None
        As for `SplineRegressor`. The ridge is at least 1e-3 by default: for classes that can be separated the cross
        entropy has no minimum without one.

    Attributes
    ----------
    classes_ : ndarray (K,)
    network_, theta_, structure_, interactions_, explanation_, n_iter_, loss_curve_, n_features_in_, feature_names_in_
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
    loss = CrossEntropy
    criterion = "cross entropy in three folds"
    further_steps = 60
    tolerance_change = 0.0  # the value ceases to fall where probabilities are still off by 1e-7
    default_ridge = 1e-3

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on inputs X (N, P) and classes y (N,), samples weighed by `sample_weight` (N,)."""
        self._check_arguments(X, y, sample_weight)
        X, y = self._validated(X, y)
        with named("y"):
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
        self._signs = self._monotone_signs()
        if self._signs and n_classes > 2:
            raise ValueError(f"monotone must be None for more than two classes; got {n_classes} classes")
        self._train(X, labels, weights)
        return self

    def _n_outputs(self, targets: Any) -> int:
        if len(self.classes_) == 2:
            return 1
        return len(self.classes_)

    def _squares_targets(self, targets: Any) -> FloatArray:
        return np.eye(len(self.classes_))[targets][:, -self._n_outputs(targets) :]

    def _strata(self, targets: Any) -> Any:
        return targets

    def _factors(
        self, smooth: Smooth, X: FloatArray, targets: Any, weights: FloatArray, penalties: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        columns, n = smooth.terms.columns(X), len(self.classes_)
        if self._signs:
            factors = monotone_log_odds(smooth.terms, targets, columns, weights, penalties, self._signs)
        else:
            (factors,) = log_odds(columns, targets, weights, penalties, n)
        beta = factors[:-1]
        splines = repaired(smooth.terms.spline_coefficients(beta), self._signs)
        return splines, factors[-1] - smooth.terms.mean @ beta

    def _assess(self, smooth: Smooth, X: FloatArray, targets: Any, weights: FloatArray) -> tuple[float, FloatArray]:
        columns = smooth.terms.columns(X)
        penalties = smooth.diagonal
        strengths: tuple[float, ...] = (1.0,)
        if self.roughness is None:
            penalties = log_odds_penalties(smooth) + self._ridge() * len(columns)
            strengths = STRENGTHS
        losses = held_back_losses(columns, targets, weights, penalties, len(self.classes_), strengths)
        return float(losses.min()), strengths[int(losses.argmin())] * penalties

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the probabilities (N, K) of the classes, in the order of `classes_`."""
        return class_probabilities(self._outputs(X))

    def predict(self, X: Any) -> Any:
        """Return the most probable class of each row of X (N, P)."""
        most_probable = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_probable]


def _refuse_text(y: Any) -> None:
    """Raise TypeError if targets of a regression are text, naming them: scikit-learn does not say what it converts."""
    refuse_times("y", y)
    targets = np.asarray(y)
    if targets.dtype.kind not in "USO":
        return
    text = [value for value in targets.ravel().tolist() if isinstance(value, str)]
    if text:
        raise TypeError(f"y must hold numbers; got text, {text[0]!r}: use SplineClassifier for classes")
