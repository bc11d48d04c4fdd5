"""What the estimators have in common: parameters, checks of data, the network, its training and early stopping."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

import numpy as np

from refkan.base import FloatArray, Natural, NonNegative, check_annotated, check_count
from refkan.base.arguments import check_below_one, check_positive, check_unmasked
from refkan.base.extras import needed
from refkan.networks import Network, kan
from refkan.training.losses.penalized import Penalized
from refkan.training.optimizers import State, minimize

needed("refkan.estimators", "sklearn")
from sklearn.base import BaseEstimator  # noqa: E402  # after the message of what is missing
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.utils import check_array, check_random_state  # noqa: E402
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
        arguments = {name: value for name, value in locals().items() if name != "self"}
        self.__dict__.update(arguments)

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
        kept, held_back = np.arange(len(X)), None
        if self.early_stopping:
            if stratify is not None:
                stratify = stratify[rows]
            share = self.validation_fraction
            kept, held_back = train_test_split(kept, test_size=share, random_state=state, stratify=stratify)

        def loss_on(part: Any) -> Any:
            mean_one = weights[part] * (len(part) / weights[part].sum())
            return loss(net, X[part], targets[part], mean_one)

        net = kan([X.shape[1], *hidden, n_outputs], self.order, self.intervals, _ranges(X[kept]))
        net, theta = net.initialize(rng, X[kept])
        if not hidden:  # linear in theta: the start plays no part but in rounding
            theta = np.zeros_like(theta)
        ridge = self.ridge
        if ridge is None:
            ridge = self.default_ridge
        problem = Penalized(loss_on(kept), self.roughness, ridge)
        best = None
        if held_back is not None:
            best = BestHeldBack(loss_on(held_back), theta, self.n_iter_no_change)
        options: dict[str, Any] = {"callback": best, "tolerance_change": self.tolerance_change}
        result = minimize(problem, theta, self.method, self.max_iter, **options)
        self.network_ = net
        self.theta_ = result.theta
        if best is not None:
            self.theta_ = best.theta
        self.loss_curve_ = result.history.value
        self.n_iter_ = max(1, result.history.value.size - 1)

    def _hidden(self, X: FloatArray, n_outputs: int) -> tuple[int, ...]:
        """Widths of the hidden layers; none where the rows are few."""
        sizes = self.hidden_layer_sizes
        if not isinstance(sizes, str):
            widths = np.atleast_1d(np.asarray(sizes, dtype=object)).tolist()
            for k, width in enumerate(widths):
                check_count(f"hidden_layer_sizes[{k}]", width, 1)
            return tuple(widths)
        if sizes != "auto":
            raise ValueError(f"hidden_layer_sizes must be 'auto' or a sequence of widths; got {sizes!r}")
        inputs = X.shape[1]
        width = 2 * inputs + 1
        edges = width * (inputs + n_outputs)
        parameters = edges * (self.intervals + self.order - 1)
        needed_rows = ROWS_A_PARAMETER * parameters
        # Distinct rows, so that a weight of 2 and a repeated row mean the same.
        if len(X) < needed_rows or len(np.unique(X, axis=0)) < needed_rows:
            return ()
        return (width,)

    def _check_arguments(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Check the parameters of the estimator, and what scikit-learn does not check of the data."""
        check_annotated(SplineEstimator.__init__, self.get_params())
        for name, array in {"X": X, "y": y, "sample_weight": sample_weight}.items():
            check_unmasked(name, array)

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


def check_size(name: str, array: FloatArray) -> None:
    """Raise ValueError if an entry is too large for squares."""
    largest = np.abs(array).max(initial=0.0)
    if largest > LARGEST:
        raise ValueError(f"{name} must not exceed {LARGEST:g} in size; got {largest:g}: use other units")


def _ranges(X: FloatArray) -> list[tuple[float, float]]:
    """The domain of each input: its range, or an interval about its only value."""
    low, high = X.min(axis=0), X.max(axis=0)
    room = np.where(low == high, np.maximum(np.abs(low), 1.0), 0.0)
    return list(zip((low - room).tolist(), (high + room).tolist(), strict=True))
