"""Ranks, changes of basis, Gram matrices and eigenvalues, from their definitions."""

from fractions import Fraction
from math import prod

import mpmath

from tests.analysis.exact.oracles import bases
from tests.analysis.exact.oracles import polynomials as P
from tests.analysis.exact.oracles.jets import to_mp

PRIME = 2**61 - 1


def rank_modulo(rows, prime=PRIME):
    """The rank modulo a prime that divides no denominator: a lower bound of the rank, by elimination."""
    rows = [[c.numerator * pow(c.denominator, -1, prime) % prime for c in map(Fraction, row)] for row in rows]
    rank = 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((k for k in range(rank, len(rows)) if rows[k][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        inverse = pow(rows[rank][column], -1, prime)
        for k in range(rank + 1, len(rows)):
            if factor := rows[k][column] * inverse % prime:
                rows[k] = [(a - factor * b) % prime for a, b in zip(rows[k], rows[rank], strict=False)]
        rank += 1
    return rank


def rank(rows):
    """The exact rank over Fractions, by Bareiss's elimination without fractions."""
    rows = [[Fraction(c) for c in row] for row in rows]
    work = []
    for row in rows:
        factor = prod({c.denominator for c in row})
        work.append([int(c * factor) for c in row])
    done, previous = 0, 1
    for column in range(len(work[0]) if work else 0):
        pivot = next((k for k in range(done, len(work)) if work[k][column]), None)
        if pivot is None:
            continue
        work[done], work[pivot] = work[pivot], work[done]
        head = work[done]
        for k in range(done + 1, len(work)):
            row, c = work[k], work[k][column]
            work[k] = [(head[column] * a - c * b) // previous for a, b in zip(row, head, strict=False)]
        previous = head[column]
        done += 1
    return done


def change_of_basis(knots, order, scaled=False):
    """A in b = A psi: row i is a scaled r-th divided difference."""
    t, r = [Fraction(float(k)) for k in knots], order
    dim = len(t) - r
    n = dim - r + 1
    factor = ((t[r - 1 + n] - t[r - 1]) / n) ** (r - 1) if scaled else 1
    out = [[Fraction(0)] * dim for _ in range(dim)]
    for i in range(dim):
        for j in range(i, min(i + r, dim - 1) + 1):
            others = prod((t[j] - t[k] for k in range(i, i + r + 1) if k != j), start=Fraction(1))
            out[i][j] = (-1) ** r * (t[i + r] - t[i]) / others * factor
    return out


def gram(knots, order, kind="splines"):
    """The integrals of products over [a, b], piece by piece."""
    pieces = getattr(bases, kind)([float(k) for k in knots], order, "polynomial")
    cuts, functions = pieces.cuts, pieces.functions[1:-1]
    dim = len(functions[0])
    out = [[Fraction(0)] * dim for _ in range(dim)]
    for a, b, on in zip(cuts, cuts[1:], functions, strict=False):
        for i in range(dim):
            for j in range(i + 1):
                out[i][j] += P.integral(P.mul(on[i], on[j]), a, b)
                out[j][i] = out[i][j]
    return out


def product(A, B):
    """A B."""
    columns = list(zip(*B, strict=False))
    return [[sum(a * b for a, b in zip(row, column, strict=False)) for column in columns] for row in A]


def transposed(A):
    """A^T."""
    return [list(column) for column in zip(*A, strict=False)]


def eigenpairs(rows):
    """All eigenvalues of a symmetric matrix, ascending, with the digits that mpmath works with, and eigenvectors."""
    entries = [[to_mp(c) if isinstance(c, Fraction) else mpmath.mpf(c) for c in row] for row in rows]
    values, vectors = mpmath.eigsy(mpmath.matrix(entries))
    return list(values), vectors


def eigenvalues(rows):
    """The eigenvalues alone."""
    entries = [[to_mp(c) if isinstance(c, Fraction) else mpmath.mpf(c) for c in row] for row in rows]
    return sorted(mpmath.eigsy(mpmath.matrix(entries), eigvals_only=True))


def solved(A, columns):
    """A^-1 B by elimination, over any numbers; A upper triangular."""
    n = len(A)
    out = [None] * n
    for i in reversed(range(n)):
        rest = [sum((A[i][k] * out[k][j] for k in range(i + 1, n)), 0 * columns[i][j]) for j in range(len(columns[0]))]
        out[i] = [(columns[i][j] - rest[j]) / A[i][i] for j in range(len(columns[0]))]
    return out
