r"""Ranks of Jacobians that are known in balls only: of mean-std and sigmoid maps, SiLU edges, tanh and free knots.

    rank >= k    the determinant of a k x k minor of J is a ball that does not hold zero
    rank <= k    M - k independent vectors of theory, along which the network does not change (`null_directions`);
                 or k is the number of rows

A ball never proves J z = 0, so that the upper half is a theorem on such networks, applied; that J z may be zero is
checked. If J has more null vectors than theory lists, no precision finds a minor of that size, and the largest that is
found is the lower bound. Rows of samples that lie on a knot, as far as balls can tell, are left out of it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import linalg

from refkan.analysis.exact.extra import precision, require
from refkan.analysis.exact.ranks.network_rows import Problem
from refkan.analysis.exact.ranks.null_directions import known_null_vectors
from refkan.base.errors import ConvergenceError

BITS = (128, 256, 512, 1024)
"""Precisions that are tried."""

Minor = tuple[tuple[int, ...], tuple[int, ...]]
"""Rows and columns."""


def minor_in_balls(problem: Problem) -> tuple[Minor, Any]:
    """Find a minor that is not zero, as large as theory and the rows allow if there is one, and the null vectors.

    Raises
    ------
    ConvergenceError
        If J Z is proven not to be zero, Z the null vectors of theory.
    """
    require("flint")
    Z = known_null_vectors(problem)
    greatest = min(problem.net.n_params - Z.ncols(), problem.n_rows)
    best: Minor = (), ()
    for bits in BITS:
        with precision(bits) as flint:
            rows = problem.decided_rows(flint.arb)
            if not rows:
                continue
            J = flint.arb_mat(problem.dense(rows.values()))
            if not all(entry.contains(0) for entry in (J * flint.arb_mat(Z)).entries()):
                raise ConvergenceError(
                    "J Z is proven not to be zero: the null vectors of theory are wrong for this network"
                )
            numbers = list(rows)
            for minor in _minors(flint, J, greatest, bits == BITS[-1]):
                if len(minor[0]) > len(best[0]):
                    best = tuple(numbers[i] for i in minor[0]), minor[1]
        if len(best[0]) == greatest:
            break
    return best, Z


def _minors(flint: Any, J: Any, greatest: int, all_sizes: bool) -> Iterator[Minor]:
    """Minors that are not zero: of the greatest size, or else, by bisection, of the greatest that is found."""
    entries = np.array([[float(entry.mid()) for entry in row] for row in J.tolist()])
    low, high, size = 0, min(greatest, J.nrows()), min(greatest, J.nrows())
    while low < size:
        rows, columns = _independent(entries, size)
        if not flint.arb_mat([[J[i, j] for j in columns] for i in rows]).det().contains(0):
            yield rows, columns
            low = size
        elif not all_sizes:
            return
        else:
            high = size - 1
        size = (low + high + 1) // 2


def _independent(J: Any, rank: int) -> Minor:
    """Rows and columns that are independent as far as float64 sees: pivots of two QR decompositions."""
    columns = np.sort(linalg.qr(J, mode="r", pivoting=True)[1][:rank])
    rows = np.sort(linalg.qr(J[:, columns].T, mode="r", pivoting=True)[1][:rank])
    return tuple(map(int, rows)), tuple(map(int, columns))
