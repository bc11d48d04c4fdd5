"""Bits, names and knots that certificates take, and what they say where python-flint is missing."""

import subprocess
import sys

import pytest

import refkan as rk
from refkan import exact
from refkan.analysis.exact.extra import at_precision
from refkan.base.errors import ConvergenceError, KnotError
from refkan.truth import UndecidedError
from tests.analysis.exact.certified_matrices import MATRICES
from tests.shared.refusals import refused
from tests.shared.tables import each_row

flint = pytest.importorskip("flint")


@pytest.mark.parametrize("which", MATRICES)
def test_too_few_bits_say_how_many_would_do(which):
    space = rk.SplineSpace.uniform(6, 40)
    with pytest.raises(ConvergenceError, match=r"bits = 48 is too low a precision .*; \d+ bits would do") as caught:
        exact.certified_condition_number(space, which, bits=48)
    enough = int(str(caught.value).split(";")[1].split()[0])
    assert exact.certified_condition_number(space, which, bits=enough) == exact.certified_condition_number(space, which)


@each_row(
    "bits, first, enough, tried, message",
    (None, 64, 200, [64, 128, 256], None),
    (None, 64, 64, [64], None),
    (None, 64, 512, [64, 128, 256, 512], None),
    (None, 64, 513, [64, 128, 256, 512], "no precision up to 512 bits suffices to see"),
    (100, 64, 100, [100], None),
    (100, 64, 150, [100, 200], "bits = 100 is too low a precision to see; 200 bits would do"),
    (600, 64, 601, [600], "no precision up to 600 bits suffices to see"),
    (256, 64, 600, [256, 512], "no precision up to 512 bits suffices to see"),
)
def test_precisions_are_doubled_until_one_suffices_or_the_last_was_tried(bits, first, enough, tried, message):
    trials = []

    def attempt(module):
        trials.append(module.ctx.prec)
        if module.ctx.prec < enough:
            raise UndecidedError
        return "seen"

    if message is None:
        assert at_precision(bits, first, 512, "see", attempt) == "seen"
    else:
        refused(lambda: at_precision(bits, first, 512, "see", attempt), f"ConvergenceError: {message}")
    assert trials == tried


def test_bits_and_names_are_checked():
    space = rk.SplineSpace.uniform(2, 3)
    for function in (exact.certified_condition_number, exact.extreme_eigenvalues, exact.eigenpairs):
        with pytest.raises(ValueError, match="bits must be at least 32; got 8"):
            function(space, bits=8)
        with pytest.raises(TypeError, match="bits must be an integer"):
            function(space, bits=128.0)
        with pytest.raises(ValueError, match="which must be one of 'AtA'"):
            function(space, "A")
    refused(lambda: exact.rational_gram(space, "hat"), "basis must be one of")


def test_precision_of_flint_is_put_back():
    before = flint.ctx.prec
    exact.certified_condition_number(rk.SplineSpace.uniform(2, 5), bits=200)
    with pytest.raises(ConvergenceError):
        exact.certified_condition_number(rk.SplineSpace.uniform(6, 40), bits=48)
    assert flint.ctx.prec == before


def test_knots_are_checked():
    clamped = rk.SplineSpace.clamped(3, [0, 1, 2])
    for which in ("AtA", "relu_gram"):
        with pytest.raises(KnotError, match="strictly increasing"):
            exact.certified_condition_number(clamped, which)
    refused(lambda: exact.rational_gram(clamped, "relu"), "KnotError: strictly increasing")
    outside = rk.SplineSpace([-1.0, 0.0, 0.0, 1.0, 2.0, 3.0], 2)
    with pytest.raises(KnotError, match=r"B-spline 0 vanishes on the domain \[0.0, 2.0\]"):
        exact.certified_condition_number(outside, "gram")


def test_missing_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    space = rk.SplineSpace.uniform(2, 3)
    for call in (
        lambda: exact.certified_condition_number(space),
        lambda: exact.certified_condition_number(space, "gram"),
        lambda: exact.extreme_eigenvalues(space),
        lambda: exact.eigenpairs(space, "relu_gram"),
        lambda: exact.rational_change_of_basis(space),
        lambda: exact.rational_gram(space),
    ):
        refused(call, r"ImportError: needs flint: pip install 'refkan\[exact\]'")


def test_importing_does_not_need_the_extra():
    code = "import sys; sys.modules['flint'] = sys.modules['mpmath'] = None; import refkan.analysis.exact"
    subprocess.run([sys.executable, "-c", code], check=True)
