r"""Rank of the Jacobian, and condition of the Gauss-Newton matrix, each with what proves it again.

    rank J >= k    a minor of size k that is not zero modulo a prime
    rank J <= k    null vectors with J Z = 0, first those of theory, or the number of rows or columns
    spectrum       J^T J/N - mu I has as many negative eigenvalues as its L D L^T has negative pivots (Sylvester)

J J^T/N has the same eigenvalues that are not zero, and is taken where there are fewer rows than parameters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refkan.analysis.exact.certificates.statements import NotProvenError, Statement, hexadecimal
from refkan.analysis.exact.extra import precision, require
from refkan.analysis.exact.ranks.expected_cost import require_cost
from refkan.analysis.exact.ranks.network_rows import Problem, rational_rows, rows_in_balls
from refkan.analysis.exact.ranks.null_directions import known_null_vectors
from refkan.analysis.exact.ranks.ranks import PRIMES, pivots, rank_of_matrix
from refkan.analysis.exact.spectra.rational import as_fractions

SECONDS = 60.0
"""Expected time beyond which ranks are left out."""

MOST_ROWS = 150
"""Rows of the largest matrix whose condition number is handed on: over rational numbers it takes a minute."""

BITS = 320

MARGINS = (1e-9, 1e-6, 1e-3, 0.1)
"""Relative distances from eigenvalues in float64 at which these are looked for; the first that hold are stated."""


def rank_statement(problem: Problem) -> Statement:
    """The rank of the Jacobian of a network with rational values."""
    if problem.irrational:
        raise NotProvenError(
            f"the Jacobian has no rational values ({', '.join(problem.irrational)}), and no minors modulo a prime; "
            "`refkan spectrum --network FILE --data SAMPLES.csv --certify` proves its rank in balls"
        )
    flint = require("flint")
    require_cost("an exact rank", problem, SECONDS, decompositions=0)
    J, _ = rational_rows(problem)
    prime, most = PRIMES[0], min(J.nrows(), J.ncols())
    rows, columns = (pivots(flint.nmod_mat(matrix, prime)) for matrix in (J.transpose(), J))
    null: list[Any] = []
    if len(rows) < most:
        Z = known_null_vectors(problem)
        if J.ncols() - Z.ncols() > len(rows):
            proof = rank_of_matrix(J)
            Z, prime, rows, columns = proof.null, proof.prime, proof.rows, proof.columns
        null = as_fractions(Z.transpose())
    return {
        "kind": "rank", "low": len(rows), "high": len(rows), "prime": prime, "rows": list(rows),
        "columns": list(columns), "null": [[f"{z.numerator:x}/{z.denominator:x}" for z in row] for row in null],
    }  # fmt: skip


def condition_statement(problem: Problem, rank: int | None) -> Statement:
    """The least and the greatest eigenvalue of J^T J/N that are not zero.

    Without a proven rank they are those of a matrix that has none that are zero.
    """
    require("flint")
    rows, M = problem.n_rows, problem.net.n_params
    size = min(rows, M)
    rank = size if rank is None else rank
    if not rank:
        raise NotProvenError("the Jacobian is zero: there is no condition number")
    if size > MOST_ROWS:
        raise NotProvenError(
            f"the matrix has {size} rows, more than the {MOST_ROWS} that are handed on: take a smaller network or "
            "fewer samples, or `refkan spectrum --network FILE --data SAMPLES.csv --certify`"
        )
    with precision(BITS) as flint:
        J = rows_in_balls(flint, problem)
        gram = (J * J.transpose() if rows < M else J.transpose() * J) * (1 / flint.arb(len(problem.shares)))
        singular = np.linalg.svd([[float(J[i, m]) for m in range(M)] for i in range(rows)], compute_uv=False)
        values = singular**2 / len(problem.shares)
        for margin in MARGINS:
            ends = [value * (1 + sign * margin) for value in (values[rank - 1], values[0]) for sign in (-1, 1)]
            counts = [_eigenvalues_below(flint, gram, float(end)) for end in ends]
            if None not in counts and counts[0] <= size - rank < counts[1] and counts[2] < size == counts[3]:  # type: ignore[operator]
                bounds = {"smallest": hexadecimal(ends[:2]), "largest": hexadecimal(ends[2:])}
                return {"kind": "condition", "rank": rank, **bounds}
    raise NotProvenError(
        f"float64 does not find the smallest of the {rank} eigenvalues that are not zero (it has "
        f"{values[rank - 1]:.3g} beside {values[0]:.3g}), or some are zero that are not proven to be: "
        "`refkan spectrum --network FILE --data SAMPLES.csv --certify` looks for it in balls"
    )


def _eigenvalues_below(flint: Any, matrix: Any, mu: float) -> int | None:
    """How many eigenvalues of a symmetric matrix of balls are less than mu: negative pivots; None if undecided."""
    size, count = matrix.nrows(), 0
    A = [[matrix[i, j] - (mu if i == j else 0) for j in range(i + 1)] for i in range(size)]
    for k in range(size):
        pivot = A[k][k]
        if not (pivot > 0 or pivot < 0):
            return None
        count += pivot < 0
        column = [A[i][k] for i in range(k + 1, size)]
        for i in range(k + 1, size):
            factor = A[i][k] / pivot
            A[i][k + 1 :] = [a - factor * b for a, b in zip(A[i][k + 1 :], column, strict=False)]
    return count
