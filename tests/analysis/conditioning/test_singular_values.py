"""Singular value decompositions where one algorithm gives up, and the memory that they are asked for."""

import tracemalloc

import numpy as np
import pytest
from scipy import linalg

from refkan.analysis.conditioning import triangles
from refkan.base import singular_values
from refkan.base.singular_values import svd
from tests.analysis.conditioning import spectrum_problems


def graded(rng, m, n):
    """Columns from 1 to far below the smallest number whose square is one, and some that are zero."""
    A = rng.normal(size=(m, n)) * 10.0 ** -rng.uniform(0, 200, n)
    A[:, rng.integers(0, n, n // 4)] = 0.0
    return A


def decomposes(A, U, s, V):
    k = min(A.shape)
    tiny = 50 * np.finfo(float).eps * max(A.shape)
    assert np.all(np.diff(s) <= 0)
    assert np.allclose((U[:, :k] * s) @ V[:k], A, rtol=0, atol=tiny * s[0])
    assert np.allclose(U.T @ U, np.eye(U.shape[1]), rtol=0, atol=tiny)
    assert np.allclose(V @ V.T, np.eye(V.shape[0]), rtol=0, atol=tiny)


@pytest.mark.parametrize("shape", [(30, 30), (40, 12), (12, 40)])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_a_matrix_is_the_product_whichever_algorithm_converges(monkeypatch, shape, full, fails):
    library, asked = linalg.svd, []

    def first_fails(A, **options):
        asked.append(options.get("lapack_driver"))
        if fails and "lapack_driver" not in options:
            raise np.linalg.LinAlgError("SVD did not converge")
        return library(A, **options)

    monkeypatch.setattr(singular_values.linalg, "svd", first_fails)
    A = graded(np.random.default_rng(4), *shape)
    U, s, V = svd(A, full_matrices=full)
    assert asked == ([None, "gesvd"] if fails else [None])
    assert U.shape == (shape[0], shape[0] if full else min(shape))
    assert V.shape == (shape[1] if full else min(shape), shape[1])
    decomposes(A, U, s, V)
    assert np.allclose(s, library(A, compute_uv=False, lapack_driver="gesvd"), rtol=0, atol=1e-14 * s[0])


def test_when_none_converges_it_says_so(monkeypatch):
    def fails(A, **options):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(singular_values.linalg, "svd", fails)
    with pytest.raises(np.linalg.LinAlgError, match="did not converge"):
        svd(np.eye(3))


@pytest.mark.parametrize("entries", [64, 2**20])
def test_the_memory_that_is_asked_for_holds_what_is_formed(monkeypatch, entries):
    """Eight doubles for each entry of R^T R and those of a block, more than is taken at its peak, and not tenfold."""
    asked = []
    monkeypatch.setattr(triangles, "BLOCK_ENTRIES", entries)
    monkeypatch.setattr(triangles, "require_memory", lambda size, *_: asked.append(size))
    problem, theta = spectrum_problems.small()
    m, M = problem.n_residuals, theta.size
    for function in (triangles.triangle, triangles.jacobian):
        function(problem, theta)
        tracemalloc.start()
        function(problem, theta)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= asked[-1] + 10**5  # of other objects
    assert asked[::2] == [8 * (8 * M * M + entries), 8 * (3 * m * M + 2 * M * M + min(m, M) * m)]
