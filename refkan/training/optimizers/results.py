"""The state that a callback receives, and the result of a minimisation."""

from collections.abc import Iterator, Sequence

from refkan.base import FloatArray, Frozen, IntArray


class State(Frozen):
    """The state that callbacks and progress receive after every step; str() describes it in one line.

    Attributes
    ----------
    step : int
        Steps done: 1 after the first.
    theta : ndarray
        The parameters now, a copy.
    value, gradient_norm : float
        The value there, and the 2-norm of the gradient with respect to theta.
    best_value : float
        The least value seen so far.
    n_evaluations : int
        Evaluations of value and gradient so far.
    seconds : float
        Processor time of all threads since the start.
    damping, step_length : float or None
        Of the step, for the methods that have one: see `History`.
    steps : int
        Steps at most.
    stage : str
        For progress: which part of a training this is, such as "stage 1, 110 parameters"; empty if it is all.

    Examples
    --------
    >>> import refkan as rk
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.1], [0.9]], [[1.0], [0.0]])
    >>> def show(state):
    ...     print(state.step, f"{state.value:.4f}")
    >>> _ = rk.minimize(problem, [0.0, 0.0, 0.0], "gd", steps=2, learning_rate=1.0, callback=show)
    1 0.1090
    2 0.0477
    """

    step: int
    theta: FloatArray
    value: float
    gradient_norm: float
    best_value: float
    n_evaluations: int
    seconds: float
    damping: float | None = None
    step_length: float | None = None
    steps: int = 0
    stage: str = ""

    def __str__(self) -> str:
        return (
            f"{self.stage}{': ' if self.stage else ''}step {self.step} of {self.steps}, value {self.value:.4g}, "
            f"gradient {self.gradient_norm:.2g}, {self.seconds:.1f} s of processor time"
        )


class History(Frozen):
    """The course of a minimisation, as arrays: entry k belongs to step k, and entry 0 to the start.

    Attributes
    ----------
    value : ndarray
        The value of the current iterate, which need not be the best.
    gradient_norm : ndarray
        The 2-norm of the gradient with respect to the network's own parameters, whatever the geometry.
    seconds : ndarray
        Processor time of the process, all threads together, since the start: what else a machine does is not counted.
    evaluations : ndarray of int
        Evaluations of value and gradient so far.
    damping : ndarray or None
        "levenberg-marquardt" and "variable-projection": lambda of step k; NaN for the start.
    step_length : ndarray or None
        "gauss-newton", "natural-gradient", "self-scaled-broyden": how much of the full step k was taken; NaN for the
        start.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.1], [0.5], [0.9]], [[1.0], [2.0], [0.0]])
    >>> history = rk.minimize(problem, [0.0, 0.0, 0.0], method="gd", steps=4, learning_rate=0.5).history
    >>> history.value.size, bool(np.all(np.diff(history.value) < 0)), int(history.evaluations[-1])
    (5, True, 5)
    """

    value: FloatArray
    gradient_norm: FloatArray
    seconds: FloatArray
    evaluations: IntArray
    damping: FloatArray | None = None
    step_length: FloatArray | None = None


def counted_on(parts: "Sequence[Result]") -> Iterator[tuple[FloatArray, IntArray]]:
    """Seconds and evaluations of each of consecutive runs, counted from the start of the first."""
    before, evaluations = 0.0, 0
    for part in parts:
        yield before + part.history.seconds, evaluations + part.history.evaluations
        before, evaluations = before + float(part.history.seconds[-1]), evaluations + part.n_evaluations


class Result(Frozen):
    """The outcome of `minimize`.

    Attributes
    ----------
    theta : ndarray
        The best point seen: the least value among all evaluated.
    value : float
        The value there.
    history : History
        The course, step by step.
    n_evaluations : int
        Evaluations of value and gradient.
    converged : bool
        Whether a tolerance of the method was met, at a value not clearly above the best.
    message : str
        Why it ended.

    Examples
    --------
    >>> import refkan as rk
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.0], [0.5], [1.0]], [[1.0], [2.0], [0.0]])
    >>> result = rk.minimize(problem, [0.0, 0.0, 0.0], method="gauss-newton")
    >>> result.theta.round(12), result.converged
    (array([1., 2., 0.]), True)
    """

    theta: FloatArray
    value: float
    history: History
    n_evaluations: int
    converged: bool
    message: str

    shown = ("value", "n_evaluations", "converged", "message")
