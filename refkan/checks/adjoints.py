"""The dot check: an operator and its adjoint, without the matrix of either."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refkan.base import Array, Frozen, RandomSource, as_generator, check_count, check_function, check_tolerance
from refkan.checks.differences import evaluate_real
from refkan.checks.reports import Report, format_table, verdict

Shape = int | Sequence[int]


class DotTrial(Frozen, eq=True):
    """One pair of random arrays: ``forward = <A v, w>``, ``adjoint = <v, A^T w>``.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> A = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> trial = rk.checks.dot_check(lambda v: A @ v, lambda w: A.T @ w, (2,), (2,)).trials[0]
    >>> bool(np.isclose(trial.forward, trial.adjoint, rtol=1e-14)), trial.relative_error < 1e-14
    (True, True)
    """

    forward: float
    adjoint: float
    relative_error: float


class DotReport(Report):
    """The outcome of `dot_check`: the trials and the largest relative error among them.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> A = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> report = rk.checks.dot_check(lambda v: A @ v, lambda w: A @ w, (2,), (2,))  # A is not symmetric
    >>> report.ok, report.max_relative_error > 1e-3
    (False, True)
    """

    trials: tuple[DotTrial, ...]
    max_relative_error: float


def dot_check(
    forward: Callable[[Array], Any],
    adjoint: Callable[[Array], Any],
    n_in: Shape,
    n_out: Shape,
    rng: RandomSource = 0,
    rtol: float = 512 * float(np.finfo(np.float64).eps),
    *,
    trials: int = 5,
) -> DotReport:
    """Test that two linear maps are adjoint: ``<A v, w> = <v, A^T w>`` for random real v, w.

    The relative error of a trial is ``|<A v, w> - <v, A^T w>| / max(sum |A v| |w|, sum |v| |A^T w|)``: relative to the
    sum of absolute contributions.

    Parameters
    ----------
    forward, adjoint : callable
        A, from arrays of shape `n_in` to shape `n_out`, and A^T, back.
    n_in, n_out : int or tuple of int
        The shapes; a number n means (n,).
    rng : numpy.random.Generator or seed
        Draws the normal entries of v and w.
    rtol : float
        512 eps by default: the two inner products are sums of some hundreds of rounded terms.
    trials : int
        The number of pairs, at least 1.

    Returns
    -------
    DotReport

    Raises
    ------
    ValueError
        If a result has another shape than promised or is not finite (with its index).
    TypeError
        If a result is not real.

    Notes
    -----
    Passing for all v and w implies that both maps are linear, so that a jvp that is not linear in its direction fails
    too.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.checks import dot_check
    >>> dot_check(np.cumsum, lambda w: np.cumsum(w[::-1])[::-1], 5, 5).ok
    True
    >>> dot_check(np.cumsum, np.cumsum, 5, 5).ok
    False
    """
    check_function("forward", forward, 1)
    check_function("adjoint", adjoint, 1)
    rtol = check_tolerance("rtol", rtol)
    shape_in, shape_out = _as_shape("n_in", n_in), _as_shape("n_out", n_out)
    count = check_count("trials", trials, minimum=1)
    generator = as_generator("rng", rng)
    done = []
    for _ in range(count):
        v, w = generator.standard_normal(shape_in), generator.standard_normal(shape_out)
        left = w * evaluate_real("forward(v)", forward, v, shape_out)
        right = v * evaluate_real("adjoint(w)", adjoint, w, shape_in)
        first, second = float(left.sum()), float(right.sum())
        scale = max(float(np.abs(left).sum()), float(np.abs(right).sum()))
        error = abs(first - second)
        if scale > 0:
            error /= scale
        done.append(DotTrial(first, second, error))
    worst = max(trial.relative_error for trial in done)
    ok = worst <= rtol
    rows = [[f"{t.forward:.15e}", f"{t.adjoint:.15e}", f"{t.relative_error:.2e}"] for t in done]
    head = f"dot check {verdict(ok)}: largest relative error {worst:.2e}, rtol {rtol:.2e}"
    table = head + "\n" + format_table(["<A v, w>", "<v, A^T w>", "relative error"], rows)
    return DotReport(ok, table, tuple(done), worst)


def _as_shape(name: str, value: Shape) -> tuple[int, ...]:
    if isinstance(value, Sequence):
        return tuple(check_count(f"{name}[{axis}]", size) for axis, size in enumerate(value))
    return (check_count(name, value),)
