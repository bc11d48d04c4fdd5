r"""Gradient descent mode by mode: predicted factors 1 - eta lambda_k against measured ones.

For a quadratic L with Hessian H, a step theta <- theta - eta C grad L multiplies the amplitude of theta - theta* in the
k-th mode of C H by 1 - eta lambda_k exactly. Near a minimum of any L the same holds to first order.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refkan.analysis.conditioning.spectra import Spectrum
from refkan.base.annotations import check_annotated
from refkan.base.arguments import as_vector, check_positive
from refkan.base.array_types import FloatArray
from refkan.base.lazy import lazy
from refkan.base.short_reprs import ShortRepr

EPS = float(np.finfo(np.float64).eps)

RESOLVED = 0.01
"""Estimated relative error of a measured decay up to which it counts as resolved."""


def predicted_factors(spectrum: Spectrum, learning_rate: float) -> FloatArray:
    """Return the factors 1 - eta lambda_k of the numerical range; those of null modes are 1.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> rk.conditioning.predicted_factors(rk.spectrum(np.diag([4.0, 1.0])), learning_rate=0.25)
    array([0.  , 0.75])
    """
    check_annotated(predicted_factors, locals())
    rate = check_positive("learning_rate", learning_rate)
    factors: FloatArray = 1.0 - rate * spectrum.values[: spectrum.n_range]
    return factors


def largest_stable_step(spectrum: Spectrum) -> float:
    """Return 2 / lambda_max, beyond which the first mode grows; infinity if no eigenvalue is positive.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> rk.conditioning.largest_stable_step(rk.spectrum(np.diag([4.0, 1.0])))
    0.5
    """
    check_annotated(largest_stable_step, locals())
    top = float(spectrum.values[: spectrum.n_range].max(initial=0.0))
    return 2.0 / top if top > 0 else np.inf


@dataclass(frozen=True, eq=False)
class DescentRates(ShortRepr):
    """The decay of each mode of the numerical range in one step of gradient descent, predicted and measured.

    Attributes
    ----------
    learning_rate : float
        The eta of the descent.
    values : ndarray (n,)
        Eigenvalues lambda_k.
    predicted, measured : ndarray (n,)
        Decay 1 - factor in a step: eta lambda_k, and what it was. Decays and not factors, since those of slow modes are
        equal to 1 in all digits; nan where a mode was not excited.
    resolved : ndarray (n,) of bool
        Whether the measurement stands out from the rounding of theta.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> recorder = rk.conditioning.ModeRecorder(rk.spectrum(np.diag([4.0, 1.0])), minimum=[0.0, 0.0])
    >>> for k in range(5):
    ...     recorder.record([0.6**k, 0.9**k])  # what descent with learning rate 0.1 does
    >>> rates = recorder.rates(learning_rate=0.1)
    >>> rates.predicted_factors, rates.measured_factors.round(12), rates.resolved
    (array([0.6, 0.9]), array([0.6, 0.9]), array([ True,  True]))
    """

    learning_rate: float
    values: FloatArray
    predicted: FloatArray
    measured: FloatArray
    resolved: np.ndarray[Any, np.dtype[np.bool_]]

    @property
    def predicted_factors(self) -> FloatArray:
        """The factors 1 - eta lambda_k of a step."""
        return 1.0 - self.predicted

    @property
    def measured_factors(self) -> FloatArray:
        """The factors by which a step multiplied the amplitudes."""
        return 1.0 - self.measured

    @property
    def relative_errors(self) -> FloatArray:
        """Relative errors of the measured decays; they mean something where `resolved`."""
        return np.abs(self.measured - self.predicted) / np.abs(self.predicted)

    @lazy
    def table(self) -> str:
        """The rates as text, one mode a line."""
        lines = ["mode  eigenvalue    predicted factor   measured factor  resolved"]
        rows = zip(self.values, self.predicted_factors, self.measured_factors, self.resolved, strict=True)
        for k, (value, predicted, measured, resolved) in enumerate(rows):
            lines.append(f"{k:4d}  {value:.4e}  {predicted:18.12f}{measured:18.12f}  {'yes' if resolved else 'no'}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table


@dataclass(eq=False)
class ModeRecorder(ShortRepr):
    """A callback for `minimize` that keeps the amplitudes of its iterates in the modes of a spectrum.

    Parameters
    ----------
    spectrum : Spectrum
    minimum : array (M,), optional
        theta*, in the network's own parameters. Without it the differences of iterates are followed, which decay at
        the same rates but say less about slow modes.
    coordinates : callable, optional
        theta -> coordinates of the spectrum, linear, where these are not the network's own parameters: for
        ``rk.spectrum(problem, theta, basis="relu")`` that is ``net.coordinates("relu").to``.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> class Bowl:
    ...     def value_and_gradient(self, theta):
    ...         return 0.5 * theta @ (theta * [4.0, 1.0]), theta * [4.0, 1.0]
    >>> recorder = rk.conditioning.ModeRecorder(rk.spectrum(np.diag([4.0, 1.0])), minimum=[0.0, 0.0])
    >>> _ = rk.minimize(Bowl(), [1.0, 1.0], method="gd", steps=20, learning_rate=0.1, callback=recorder)
    >>> recorder.rates(learning_rate=0.1).measured_factors.round(12)
    array([0.6, 0.9])
    """

    spectrum: Spectrum
    minimum: Any = None
    coordinates: Callable[[FloatArray], FloatArray] | None = None
    _amplitudes: list[FloatArray] = field(default_factory=list, init=False, repr=False)
    _noise: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        check_annotated(ModeRecorder, vars(self))
        if self.minimum is not None:
            self.minimum = as_vector("minimum", self.minimum, self.spectrum.size)

    def __call__(self, state: Any) -> None:
        """Record ``state.theta``."""
        self.record(state.theta)

    def record(self, theta: Any) -> None:
        """Record theta (M,): for the start, which callbacks are not told of, and for descents of one's own."""
        theta = as_vector("theta", theta, self.spectrum.size)
        to = self.coordinates or (lambda step: step)
        self._amplitudes.append(self.spectrum.amplitudes(to(theta if self.minimum is None else theta - self.minimum)))
        self._noise = max(self._noise, EPS * float(np.linalg.norm(to(theta))))

    @property
    def amplitudes(self) -> FloatArray:
        """Amplitudes (steps, n) recorded so far; of theta - minimum, or of theta."""
        if not self._amplitudes:
            return np.empty((0, self.spectrum.values.size))
        return np.array(self._amplitudes)

    def rates(self, learning_rate: float) -> DescentRates:
        r"""Compare what was recorded with what the spectrum predicts.

        From a_{t+1} = f a_t the decay 1 - f is estimated as sum_t sign(a_t)(a_t - a_{t+1}) / sum_t abs(a_t), over the
        steps at which the mode stands out from rounding: for a monotone decay the sum telescopes, so that rounding
        enters twice and not at every step.

        Raises
        ------
        ValueError
            If fewer than two iterates (three without `minimum`) were recorded.
        """
        rate = check_positive("learning_rate", learning_rate)
        n = self.spectrum.n_range
        a = self.amplitudes[:, :n]
        if self.minimum is None:
            a = np.diff(a, axis=0)
        if a.shape[0] < 2:
            need = 2 if self.minimum is not None else 3
            raise ValueError(f"rates need at least {need} recorded iterates; got {len(self._amplitudes)}")
        noise = self._noise * np.linalg.norm(self.spectrum.dual_vectors[:, :n], axis=0)
        used = np.where(np.abs(a[:-1]) > 10 * noise, np.sign(a[:-1]), 0.0)
        total = np.sum(used * a[:-1], axis=0)
        excited = total > 0
        change = np.sum(used * (a[:-1] - a[1:]), axis=0)
        measured = np.full(n, np.nan)
        np.divide(change, total, out=measured, where=excited)
        predicted = rate * self.spectrum.values[:n]
        error = noise * np.sqrt(np.count_nonzero(used, axis=0))
        resolved = excited & (error <= RESOLVED * np.abs(predicted) * total)
        return DescentRates(rate, self.spectrum.values[:n].copy(), predicted, measured, resolved)
