"""What a certificate of a network is expected to cost, said before the work starts."""

from __future__ import annotations

from refkan.analysis.exact.ranks.network_rows import Problem
from refkan.base.arguments import check_positive

SECONDS = 600.0
"""Expected time beyond which work is refused by default."""

OF_ENTRY = 2.5e-4
"""Seconds for an entry of J that is not zero, with its share of the elimination; measured at [2, 5, 1], two layers."""

OF_STATISTICS = 3.0
"""How many times as much an entry costs where statistics of a batch depend on all parameters; the same network."""

OF_HESSIAN = 5.0
"""How many times as much a row of the Hessian costs as one of J; the same network."""

OF_CUBE = 7e-6
"""Seconds for each n^3 of one eigenvalue decomposition of n rows at 512 bits; measured at n = 90."""


def expected_seconds(problem: Problem, decompositions: int, bits: int = 512, hessian: bool = False) -> float:
    """Estimate the time of an exact Jacobian, or Hessian, and of some eigenvalue decompositions at a precision."""
    M = problem.net.n_params
    rows = problem.n_rows
    entry = OF_ENTRY * (OF_HESSIAN if hessian else 1.0)
    if problem.net.statistics is not None:
        entry *= OF_STATISTICS * (1 + problem.net.statistics.shape[0] / max(1, rows))
    return entry * rows * M + decompositions * OF_CUBE * M**3 * max(1.0, bits / 512)


def require_cost(
    what: str, problem: Problem, seconds: float | None, decompositions: int, hessian: bool = False
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
        f"{what} of {M} parameters on {rows} rows is expected to take {_spoken(expected)}, more than the {limit:g} s "
        f"that `seconds` allows: about {max(1, int(M * factor))} parameters on {max(1, int(rows * factor))} rows fit; "
        f"take a smaller network or fewer samples, or give seconds={2 * expected:.3g}"
    )


def _spoken(seconds: float) -> str:
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
