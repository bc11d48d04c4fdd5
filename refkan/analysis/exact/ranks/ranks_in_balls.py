r"""Ranks of Jacobians that are known in balls only: of mean-std and sigmoid maps, SiLU edges, tanh and free knots.

    rank >= k    the determinant of a k x k minor of J is a ball that does not hold zero
    rank <= k    M - k independent vectors of theory, along which the network does not change (`null_directions`);
                 or k is the number of rows

A ball never proves J z = 0, so that the upper half is a theorem on such networks, applied; that J z may be zero is
checked. If J has more null vectors than theory lists, no precision finds a minor.
"""

from typing import Any

import numpy as np
from scipy import linalg

from refkan.analysis.exact.extra import at_precision, require
from refkan.analysis.exact.ranks.network_rows import Problem, rows_in_balls
from refkan.analysis.exact.ranks.null_directions import known_null_vectors
from refkan.base.errors import ConvergenceError
from refkan.truth import UndecidedError

FIRST_BITS, MAXIMUM_BITS = 128, 1024
"""Where the search for a precision begins and ends."""

Minor = tuple[tuple[int, ...], tuple[int, ...]]
"""Rows and columns."""


def minor_in_balls(problem: Problem) -> tuple[Minor, Any]:
    """Find a minor as large as theory and the rows allow that is not zero, and the null vectors of theory (fmpq_mat).

    Raises
    ------
    ConvergenceError
        If there is none: J has more null vectors, or a sample lies on a knot.
    """
    require("flint")
    Z = known_null_vectors(problem)
    rank = min(problem.net.n_params - Z.ncols(), problem.n_rows)
    why = f"the {Z.ncols()} null vectors of theory left out: there are more, or a sample lies on a knot"
    if rank == problem.n_rows:
        why = "the number of rows: it is smaller, or a sample lies on a knot"
    purpose = (
        f"prove that the rank is {rank}, {why}. A network with rational values, net.freeze(theta), has its rank proven "
        "without theory"
    )

    def attempt(flint: Any) -> Minor:
        J = rows_in_balls(flint, problem)
        if not all(entry.contains(0) for entry in (J * flint.arb_mat(Z)).entries()):
            raise ConvergenceError(
                "J Z is proven not to be zero: the null vectors of theory are wrong for this network"
            )
        rows, columns = _independent(np.array([[float(entry.mid()) for entry in row] for row in J.tolist()]), rank)
        minor = flint.arb_mat([[J[i, j] for j in columns] for i in rows])
        if rank and minor.det().contains(0):
            raise UndecidedError
        return rows, columns

    return at_precision(None, FIRST_BITS, MAXIMUM_BITS, purpose, attempt), Z


def _independent(J: Any, rank: int) -> Minor:
    """Rows and columns that are independent as far as float64 sees: pivots of two QR decompositions."""
    columns = np.sort(linalg.qr(J, mode="r", pivoting=True)[1][:rank])
    rows = np.sort(linalg.qr(J[:, columns].T, mode="r", pivoting=True)[1][:rank])
    return tuple(map(int, rows)), tuple(map(int, columns))
