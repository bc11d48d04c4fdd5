"""The dot test: right adjoints pass, wrong ones are seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refkan.checks import dot_test
from tests.shared.refusals import refused


@settings(max_examples=20, deadline=None)
@given(n=st.integers(0, 6), m=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_dot_test_on_matrices(n, m, seed):
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((m, n))
    report = dot_test(lambda v: M @ v, lambda w: M.T @ w, n, m, rng)
    assert report.ok, report.table


def test_dot_test_on_arrays_of_any_shape_and_its_sabotage():
    rng = np.random.default_rng(5)
    K = rng.standard_normal((2, 3, 4))

    def forward(v):  # (3, 4) -> (2,)
        return np.einsum("abc,bc->a", K, v)

    def adjoint(w):
        return np.einsum("abc,a->bc", K, w)

    assert dot_test(forward, adjoint, (3, 4), 2, rng).ok
    for wrong in (
        lambda w: -adjoint(w),
        lambda w: 2 * adjoint(w),
        lambda w: np.roll(adjoint(w), 1, axis=0),
        lambda w: adjoint(w) * (1 + 1e-11),
        lambda w: adjoint(w) + 1e-10,
    ):
        report = dot_test(forward, wrong, (3, 4), 2, rng)
        assert not report.ok
        with pytest.raises(AssertionError, match="dot test FAILED"):
            report.raise_if_failed()
    assert not dot_test(lambda v: forward(v) + 1e-6 * np.sum(v**2), adjoint, (3, 4), 2, rng).ok


def test_dot_test_is_reproducible_and_counts_its_trials():
    first, second = (dot_test(np.sort, np.sort, 4, 4, trials=3).trials for _ in range(2))
    assert first == second
    assert len(first) == 3


def test_dot_test_bad_results():
    refused(lambda: dot_test(lambda v: v, lambda w: w, 4, 3), r"forward\(v\) must have shape \(3,\); got \(4,\)")
    refused(lambda: dot_test(lambda v: v, lambda w: w * [1, np.nan], 2, 2), r"got adjoint\(w\)\[1\] = nan")
    refused(lambda: dot_test(lambda v: 1j * v, lambda w: w, 2, 2), r"TypeError: forward\(v\) must be real")
    refused(lambda: dot_test(lambda v: v, lambda w: w, -1, 2), "n_in")
