"""The Jacobian of a least-squares problem over the rationals, or over balls, and what a certificate of it will cost.

Floats are rational numbers. Networks of piecewise polynomials with node maps none, affine and min-max are made of sums,
products and quotients of them, so that every entry of dF/dtheta is rational: `truth` computes it without rounding.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import reduce
from typing import Any

from refkan import truth
from refkan.analysis.exact.extra import require
from refkan.analysis.exact.ranks.chain_rule import curvature_rows, jacobian_rows
from refkan.base import Frozen, as_vector, check_positive, lazy, real, require_floats
from refkan.networks import Network
from refkan.training.losses import LeastSquares
from refkan.training.losses.mistaken import refuse_what_is_no_loss

IRRATIONAL = {
    "mean-std": "mean-std maps take a square root",
    "sigmoid": "sigmoid maps take an exponential function",
    "silu": "SiLU edges take an exponential function",
    "tanh": "tanh takes an exponential function",
    "free knots": "free knots take an exponential function",
}
"""Parts of networks that have no rational values, by name, and why."""

SECONDS = 600.0
"""Expected time beyond which work is refused by default."""

OF_ENTRY = 4e-5
"""Seconds for an entry of J, with its share of the elimination; measured at [2, 24, 1], two layers."""

OF_STATISTICS = 20.0
"""How many times as much an entry costs where statistics of a batch depend on all parameters; at [2, 5, 1]."""

OF_HESSIAN = 5.0
"""How many times as much a row of the Hessian costs as one of J; the same network."""

OF_CUBE = 5e-7
"""Seconds for each n^3 of one eigenvalue decomposition of n rows at 256 bits; measured at n = 486."""


class Problem(Frozen, eq=True):
    """A least-squares problem of a network at theta, checked.

    Attributes
    ----------
    net : Network
    theta, x, y : as in the problem
    shares : tuple of Fraction
        w_s/N of those samples whose weight is not zero; `x` and `y` hold these alone.
    n_samples : int
        N.
    """

    net: Network
    theta: Any
    x: Any
    y: Any
    shares: tuple[Fraction, ...]
    n_samples: int

    @property
    def n_rows(self) -> int:
        """Rows of J, samples of weight zero left out."""
        return len(self.shares) * self.net.widths[-1]

    @lazy
    def irrational(self) -> list[str]:
        """Names of the parts that have no rational values, keys of `IRRATIONAL`."""
        forms = [part.truth_form() for part in self.net.layers] + [part.truth_form() for part in self.net.node_maps]
        names = {form["kind"] for form in forms}
        names |= {form["activation"] for form in forms if form["kind"] == "dense"}
        if any((form.get("spline") or form).get("floor") is not None for form in forms):
            names.add("free knots")
        return sorted(names & set(IRRATIONAL))

    def rows(self, number: Any, decided: bool = False) -> dict[int, dict[int, Any]]:
        """The rows of dF/dtheta by number, sample-major; `decided` ones are those that balls tell from knots.

        Raises
        ------
        UndecidedError
            If there are such, and they are not left out.
        """
        t = truth.of(self.net, self.theta, self.x, number)
        rows: dict[int, dict[int, Any]] = {}
        if self.couples_samples:
            with suppress(*[truth.UndecidedError] * decided):
                rows.update(enumerate(t.jacobian_rows))
            return rows
        for s, sample in enumerate(t.x):
            with suppress(*[truth.UndecidedError] * decided):
                of_sample = jacobian_rows(t.network, t.theta, [sample])
                rows.update(enumerate(of_sample, start=s * self.net.widths[-1]))
        return rows

    def hessian(self, number: Any, matrix: Any) -> Any:
        """The Hessian of the loss 1/(2N) sum_s w_s |F(x_s) - y_s|^2, an arb_mat or fmpq_mat of such numbers (M, M)."""
        t = truth.of(self.net, self.theta, self.x, number)
        loss = t.least_squares(self.y, [share * len(self.shares) for share in self.shares])
        if self.couples_samples:
            return matrix(loss.hessian())
        cotangents = [[share * e for e in row] for share, row in zip(loss.shares, loss.misfit, strict=True)]
        curvature = curvature_rows(t.network, t.theta, t.x, cotangents)
        J = matrix(self.dense(self.rows(number).values()))
        weights = [number(w.numerator) / w.denominator for w in self.row_weights()]
        return J.transpose() * multiplied(J, weights) + matrix(self.dense(curvature.values()))

    def dense(self, rows: Iterable[dict[int, Any]]) -> list[list[Any]]:
        """Rows by column with their zeros."""
        columns = range(self.net.n_params)
        return [[row.get(m, 0) for m in columns] for row in rows]

    @property
    def couples_samples(self) -> bool:
        """Whether node maps take statistics of a batch."""
        return self.net.statistics is not None

    def row_weights(self) -> list[Fraction]:
        """The weights w_s/N of the rows: H = sum of weight times row row^T."""
        return [share for share in self.shares for _ in range(self.net.widths[-1])]


def checked(problem: Any, theta: Any) -> Problem:
    """Check a problem and theta.

    Raises
    ------
    TypeError
        If `problem` is no LeastSquares of a network of refkan.
    ValueError
        If theta does not fit, is not given or would be rounded, or no sample has a weight.
    """
    refuse_what_is_no_loss("problem", problem)
    if not isinstance(problem, LeastSquares) or not isinstance(problem.net, Network):
        raise TypeError(
            f"problem must be a LeastSquares of a network of refkan; got {type(problem).__name__}: certificates are "
            "made from the formulas of the network, rk.LeastSquares(net, x, y)"
        )
    if theta is None:
        raise ValueError("theta must be given with a problem")
    problem.net.require_bound()
    vector = real("theta", as_vector("theta", theta, problem.net.n_params))
    require_floats("theta", theta)
    n = problem.x.shape[0]
    weights = [1.0] * n if problem.weights is None else problem.weights.tolist()
    kept = [s for s, w in enumerate(weights) if w > 0]
    if not kept:
        raise ValueError("problem must have a sample of positive weight; all weights are zero")
    shares = tuple(Fraction(weights[s]) / n for s in kept)
    return Problem(problem.net, vector, problem.x[kept], problem.y[kept], shares, n)


def rational_rows(problem: Problem) -> tuple[Any, list[Any]]:
    """Return J as an integer matrix (fmpz_mat), and for each row the rational number that it has to be multiplied by.

    Raises
    ------
    ValueError
        If the network has parts without rational values.
    """
    flint = require("flint")
    if problem.irrational:
        reasons = "; ".join(IRRATIONAL[name] for name in problem.irrational)
        raise ValueError(
            f"net must have rational values for an exact Jacobian; {reasons}. Freeze statistics, net.freeze(theta), "
            "fix free knots, net.with_fixed_knots(theta), or use certified_spectrum, which works in balls"
        )
    columns, integers, factors = range(problem.net.n_params), [], []
    for row in problem.rows(flint.fmpq).values():
        scale, numbers = cleared(list(row.values()))
        placed = dict(zip(row, numbers, strict=True))
        integers.append([placed.get(m, 0) for m in columns])
        factors.append(scale)
    return flint.fmpz_mat(integers), factors


def multiplied(rows: Any, factors: Sequence[Any]) -> Any:
    """A matrix of flint with its rows multiplied by numbers."""
    return type(rows)([[entry * factor for entry in row] for row, factor in zip(rows.tolist(), factors, strict=True)])


def cleared(entries: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Return c and integers without common divisor such that entries = c times the integers; c = 1 for zeros.

    Examples
    --------
    >>> from flint import fmpq
    >>> cleared([fmpq(1, 2), fmpq(5, 3)]), cleared([fmpq(4), fmpq(6)])
    ((1/6, [3, 10]), (2, [2, 3]))
    """
    flint = require("flint")
    numerators, denominator = flint.fmpq_mat(1, len(entries), list(entries)).numer_denom()
    numbers = numerators.entries()
    divisor = reduce(flint.fmpz.gcd, numbers, flint.fmpz(0))
    if divisor == 0:
        return flint.fmpq(1), numbers
    return flint.fmpq(divisor, denominator), [number // divisor for number in numbers]


def expected_seconds(problem: Problem, decompositions: int, hessian: bool = False) -> float:
    """Estimate the time of an exact Jacobian, or Hessian, and of some eigenvalue decompositions at 256 bits."""
    M = problem.net.n_params
    rows = problem.n_rows
    entry = OF_ENTRY * (OF_HESSIAN if hessian else 1.0)
    if problem.net.statistics is not None:
        entry *= OF_STATISTICS * (1 + problem.net.statistics.shape[0] / max(1, rows))
    return entry * rows * M + decompositions * OF_CUBE * M**3


def require_cost(
    owner: str, problem: Problem, seconds: float | None, decompositions: int, hessian: bool = False
) -> None:
    """Refuse what is expected to take longer than `seconds`.

    Raises
    ------
    ValueError
        The message says what is expected, and the largest problem that fits.
    """
    limit = SECONDS if seconds is None else check_positive("seconds", seconds)
    expected = expected_seconds(problem, decompositions, hessian=hessian)
    if expected <= limit:
        return
    M, rows = problem.net.n_params, problem.n_rows
    # Time grows with rows M and M^3: all sizes smaller by a factor f cost f^2 or f^3 of it, f^2 at most.
    factor = (limit / expected) ** 0.5
    raise ValueError(
        f"{owner} of {M} parameters on {rows} rows is expected to take {_spoken(expected)}, more than the {limit:g} s "
        f"that `seconds` allows: about {max(1, int(M * factor))} parameters on {max(1, int(rows * factor))} rows fit; "
        f"take a smaller network or fewer samples, or give seconds={2 * expected:.3g}"
    )


def _spoken(seconds: float) -> str:
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
