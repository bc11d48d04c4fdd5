"""What the estimators have in common: parameters, checks of data, the network, its training and early stopping."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

import numpy as np

from refkan.base import ArgumentCheck, FloatArray, Natural, NonNegative, check_annotated, check_count
from refkan.base.arguments import check_below_one, check_positive, check_unmasked
from refkan.base.extras import needed
from refkan.estimators.bounded_factors import monotone_signs
from refkan.estimators.held_back import BestHeldBack, held_back_rows, merged, neighbours_agree
from refkan.estimators.smooth_terms import (
    Penalties,
    Smooth,
    Terms,
    as_network,
    directions_of,
    interactions,
    ranges,
)
from refkan.networks import Network, kan
from refkan.training.losses import CrossEntropy, LeastSquares
from refkan.training.losses.penalized import Penalized
from refkan.training.optimizers import minimize

needed("refkan.estimators", "sklearn")
from sklearn.base import BaseEstimator  # noqa: E402  # after the message of what is missing
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.utils import check_array, check_random_state  # noqa: E402
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data  # noqa: E402

ROUGHNESSES = (1e-3, 1e-2, 1e-1, 1.0)
"""Factors among which rows that are held back choose, for networks whose hidden layers are trained."""

LEAST_AGREEMENT = 2.5
"""Standard deviations by which residuals of neighbouring rows must agree before a hidden layer is trained."""

MOST_PARAMETERS = 5
"""Parameters for each row up to which a hidden layer is trained."""

LEAST_GAIN = 0.9
"""Largest share of the loss on held-back rows that training may leave."""

LARGEST = 1e150
"""Size of inputs and targets up to which their ranges and squares are finite."""


def check_fraction(name: str, value: object) -> float:
    """Return `value` as a float if it lies in (0, 1)."""
    check_below_one(name, value)
    return check_positive(name, value)


Fraction = Annotated[float, ArgumentCheck("between 0 and 1", check_fraction)]


class SplineEstimator(BaseEstimator):
    """The common part of both estimators: how the network is built, trained and stopped."""

    method: ClassVar[str]
    criterion: ClassVar[str]
    loss: ClassVar[type[LeastSquares] | type[CrossEntropy]]
    further_steps: ClassVar[int]
    tolerance_change: ClassVar[float] = 1e-14
    default_ridge: ClassVar[float]

    def __init__(
        self,
        hidden_layer_sizes: Any = "auto",
        *,
        order: Natural = 3,
        intervals: Natural = 8,
        roughness: NonNegative | None = None,
        ridge: NonNegative | None = None,
        max_iter: Natural = 200,
        early_stopping: bool = False,
        validation_fraction: Fraction = 0.2,
        n_iter_no_change: Natural = 10,
        random_state: Any = None,
        monotone: Any = None,
    ) -> None:
        arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        self.__dict__.update(arguments)

    def _train(self, X: FloatArray, targets: Any, weights: FloatArray) -> None:
        """Set network_, theta_, structure_, explanation_, interactions_, n_iter_ and loss_curve_.

        Equal rows are merged, so that a weight of 2 and a repeated row mean the same.
        """
        X, targets, weights = merged(X, targets, weights)
        widths = self._widths()
        self.interactions_: list[tuple[int, ...]] = []
        if widths is None or widths == ():
            self._fit_sum(X, targets, weights, may_interact=widths is None)
        else:
            self._train_layers(widths, X, targets, weights)

    def _monotone_signs(self) -> dict[int, int]:
        """Directions of monotone inputs, by their numbers."""
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            names = [f"x{p}" for p in range(self.n_features_in_)]
        signs = monotone_signs(self.monotone, list(names))
        if signs and self._widths():
            sizes = self.hidden_layer_sizes
            raise ValueError(f"monotone needs hidden_layer_sizes='auto' or (), whose edges are bounded; got {sizes!r}")
        return signs

    def _widths(self) -> tuple[int, ...] | None:
        """Widths of the hidden layers; None if the data choose the structure."""
        sizes = self.hidden_layer_sizes
        if isinstance(sizes, str):
            if sizes != "auto":
                raise ValueError(f"hidden_layer_sizes must be 'auto' or a sequence of widths; got {sizes!r}")
            return None
        widths = np.atleast_1d(np.asarray(sizes, dtype=object)).tolist()
        for k, width in enumerate(widths):
            check_count(f"hidden_layer_sizes[{k}]", width, 1)
        return tuple(widths)

    def _fit_sum(self, X: FloatArray, targets: Any, weights: FloatArray, may_interact: bool) -> None:
        """Fit a sum of splines in the inputs and in the planes of interacting inputs, and train it where that pays."""
        penalties = Penalties(self.roughness, self.ridge, self.max_iter)
        squares = self._squares_targets(targets)

        def smooth(directions: FloatArray) -> Smooth:
            return Smooth(Terms(X, directions, self.order, self.intervals), X, squares, weights, penalties)

        best = smooth(np.eye(X.shape[1]))
        self.structure_ = "additive"
        score, chosen = self._assess(best, X, targets, weights)
        said = [f"additive: {self.criterion} {score:.3g}"]
        if may_interact and self.order > 1:
            for size in (2, 3):
                significant = interactions(X, squares - best.fitted, weights, best.freedom, size)
                groups = [group for group in significant if not self._signs.keys() & set(group)]
                if not groups:
                    continue
                trial = smooth(np.vstack([best.terms.directions, directions_of(groups, X, weights)]))
                trial_score, trial_chosen = self._assess(trial, X, targets, weights)
                said.append(f"with {_named_groups(groups)}: {trial_score:.3g}")
                if trial_score < score:
                    best, score, chosen = trial, trial_score, trial_chosen
                    self.interactions_ += groups
                    self.structure_ = "interactions"
        self.n_iter_ = len(best.scores)
        self.loss_curve_ = np.array(best.scores)
        self.network_, self.theta_ = as_network(best.terms, *self._factors(best, X, targets, weights, chosen), X)
        if self.structure_ == "interactions" and not self._signs:
            said.append(self._train_sum(best, X, targets, weights, squares))
        self.explanation_ = "; ".join(said)

    def _train_sum(self, best: Smooth, X: FloatArray, targets: Any, weights: FloatArray, squares: FloatArray) -> str:
        """Train all edges of the sum if near residuals agree, and keep this if it lowers the loss on held-back rows."""
        agreement = neighbours_agree(X, squares - best.fitted)
        if agreement < LEAST_AGREEMENT or len(X) < 50:
            return f"residuals of neighbouring rows do not agree (z = {agreement:.1f}): no hidden layer was trained"
        if self.network_.n_params > MOST_PARAMETERS * len(X):
            return f"a trained hidden layer would have {self.network_.n_params} parameters on {len(X)} rows: none"
        kept, held_back = held_back_rows(len(X))
        terms = Terms(X[kept], best.terms.directions, self.order, self.intervals)
        penalties = Penalties(self.roughness, self.ridge, self.max_iter)
        part = Smooth(terms, X[kept], squares[kept], weights[kept], penalties)
        data = X[kept], targets[kept], weights[kept]
        net, theta = as_network(terms, *self._factors(part, *data, self._assess(part, *data)[1]), X[kept])
        start = self._loss_on(net, X, targets, weights, held_back).value(theta)
        least, steps, roughness = self._choose_roughness(net, theta, X, targets, weights, self.further_steps)
        outcome = f"training all edges takes the loss on held-back rows from {start:.3g} to {least:.3g}"
        if least > LEAST_GAIN * start:
            return f"{outcome}: not used"
        problem = Penalized(self._loss_on(self.network_, X, targets, weights), roughness, self._ridge())
        result = minimize(problem, self.theta_, self.method, steps)
        self.theta_, self.structure_ = result.theta, "hidden layer"
        self.n_iter_ += max(1, result.history.value.size - 1)
        self.loss_curve_ = result.history.value
        return f"{outcome}: used"

    def _choose_roughness(
        self, net: Network, theta: FloatArray, X: FloatArray, targets: Any, weights: FloatArray, steps: int
    ) -> tuple[float, int, float]:
        """Return the least loss on held-back rows, its step, and the roughness with which it was reached."""
        kept, held_back = held_back_rows(len(X))
        outcomes = []
        for roughness in ROUGHNESSES:
            if self.roughness is not None:
                roughness = self.roughness
            problem = Penalized(self._loss_on(net, X, targets, weights, kept), roughness, self._ridge())
            best = BestHeldBack(self._loss_on(net, X, targets, weights, held_back), theta, self.n_iter_no_change)
            minimize(problem, theta, self.method, steps, callback=best, tolerance_change=self.tolerance_change)
            outcomes.append((best.least, max(best.step, 1), roughness))
            if self.roughness is not None:
                break
        return min(outcomes)

    def _train_layers(self, widths: tuple[int, ...], X: FloatArray, targets: Any, weights: FloatArray) -> None:
        """Train a network with hidden layers from a random start."""
        state = self._random_state()
        rng = np.random.default_rng(state.randint(2**31, size=4))
        kept, held_back = np.arange(len(X)), None
        if self.early_stopping:
            stratify = self._strata(targets)
            share = self.validation_fraction
            kept, held_back = train_test_split(kept, test_size=share, random_state=state, stratify=stratify)
        net = kan([X.shape[1], *widths, self._n_outputs(targets)], self.order, self.intervals, ranges(X[kept]))
        net, theta = net.initialize(rng, X[kept])
        self.structure_ = "hidden layer"
        self.explanation_ = f"hidden layers of widths {widths}, as hidden_layer_sizes says"
        roughness = self.roughness
        if roughness is None:
            roughness = self._choose_roughness(net, theta, X, targets, weights, self.max_iter)[-1]
            self.explanation_ += f"; roughness {roughness:g} has the least loss on held-back rows"
        problem = Penalized(self._loss_on(net, X, targets, weights, kept), roughness, self._ridge())
        best = None
        if held_back is not None:
            held_loss = self._loss_on(net, X, targets, weights, held_back)
            best = BestHeldBack(held_loss, theta, self.n_iter_no_change)
        options: dict[str, Any] = {"callback": best, "tolerance_change": self.tolerance_change}
        result = minimize(problem, theta, self.method, self.max_iter, **options)
        self.network_ = net
        self.theta_ = result.theta
        if best is not None:
            self.theta_ = best.theta
        self.loss_curve_ = result.history.value
        self.n_iter_ = max(1, result.history.value.size - 1)

    def _loss_on(self, net: Network, X: FloatArray, targets: Any, weights: FloatArray, rows: Any = None) -> Any:
        """Return the mean loss over some rows, all by default."""
        if rows is None:
            rows = np.arange(len(X))
        mean_one = weights[rows] * (len(rows) / weights[rows].sum())
        return self.loss(net, X[rows], targets[rows], mean_one)

    def _ridge(self) -> float:
        if self.ridge is None:
            return self.default_ridge
        return float(self.ridge)

    @abstractmethod
    def _n_outputs(self, targets: Any) -> int:
        """Number of outputs of the network."""

    @abstractmethod
    def _squares_targets(self, targets: Any) -> FloatArray:
        """Targets (N, Q) of the least squares that choose the structure."""

    @abstractmethod
    def _assess(self, smooth: Smooth, X: FloatArray, targets: Any, weights: FloatArray) -> tuple[float, FloatArray]:
        """The number by which structures are compared, the least is best, and the penalties (M,) with it."""

    @abstractmethod
    def _strata(self, targets: Any) -> Any:
        """Classes of rows that are held back in proportion, or None."""

    @abstractmethod
    def _factors(
        self, smooth: Smooth, X: FloatArray, targets: Any, weights: FloatArray, penalties: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return coefficients (Q, R, dim) of the splines of a sum and its intercepts (Q,)."""

    def _check_arguments(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Check the parameters of the estimator, and what scikit-learn does not check of the data."""
        check_annotated(SplineEstimator.__init__, self.get_params())
        self._random_state()
        for name, array in {"X": X, "y": y, "sample_weight": sample_weight}.items():
            check_unmasked(name, array)
        refuse_times("X", X)
        refuse_times("sample_weight", sample_weight)

    def _random_state(self) -> np.random.RandomState:
        try:
            state: np.random.RandomState = check_random_state(self.random_state)
        except ValueError:
            told = f"got {self.random_state!r}"
            raise ValueError(f"random_state must be None, a seed below 2**32 or a RandomState; {told}") from None
        return state

    def _validated(self, X: Any, y: Any, **options: Any) -> tuple[FloatArray, Any]:
        """Return X (N, P) and y as scikit-learn converts them; its messages follow the name of the argument."""
        with named("X"):
            check_array(X, dtype=np.float64)
        with named("y"):
            X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2, **options)
        return X, y

    def _weights(self, sample_weight: Any, X: FloatArray) -> FloatArray:
        """Weights (N,), divided by the largest one: sums of them are finite."""
        with named("sample_weight"):
            weights: FloatArray = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        largest = weights.max()
        if largest == 0.0:
            raise ValueError("sample_weight must contain at least one non-zero number; got zeros only")
        return weights / largest

    def _outputs(self, X: Any) -> FloatArray:
        """Outputs (N, Q) of the network."""
        check_is_fitted(self)
        check_unmasked("X", X)
        refuse_times("X", X)
        with named("X"):
            X = validate_data(self, X, dtype=np.float64, reset=False)
        outputs: FloatArray = self.network_(self.theta_, X)
        return outputs


@contextmanager
def named(argument: str) -> Iterator[None]:
    """Begin messages of scikit-learn, which says "input" for each of them, with the name of the argument."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{argument} cannot be used: {error}") from error


def refuse_times(name: str, data: Any) -> None:
    """Raise TypeError for dates and times, which would be taken for numbers of some unit."""
    columns = getattr(data, "dtypes", None)  # of a table of pandas
    if columns is not None and np.ndim(columns):
        times = [column for column, kind in columns.items() if getattr(kind, "kind", "") in ("m", "M")]
        told = f"times in column {times[0]!r}" if times else ""
    else:
        dtype = getattr(data, "dtype", None)
        if isinstance(data, list | tuple):
            with named(name):  # rows of different lengths
                dtype = np.asarray(data).dtype
        told = f"dtype {dtype}" if getattr(dtype, "kind", "") in ("m", "M") else ""
    if told:
        raise TypeError(f"{name} must hold numbers; got {told}: give numbers, such as seconds since a day of yours")


def check_size(name: str, array: FloatArray) -> None:
    """Raise ValueError if an entry is too large for squares."""
    largest = np.abs(array).max(initial=0.0)
    if largest > LARGEST:
        raise ValueError(f"{name} must not exceed {LARGEST:g} in size; got {largest:g}: use other units")


def _named_groups(groups: list[tuple[int, ...]]) -> str:
    return ", ".join("*".join(f"x{p}" for p in group) for group in groups)
