"""Exact matrices, outward rounding, bits; what certificates say at the edge: forged proofs, widths asked for, costs."""

import math
import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import refkan as rk
from refkan import exact
from refkan.analysis.exact.certificates import certified_network
from refkan.analysis.exact.certificates.certified_network import is_identity
from refkan.analysis.exact.certificates.statements import STEP, Posed
from refkan.analysis.exact.enclosures import network_intervals
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.extra import at_precision
from refkan.analysis.exact.ranks.network_rows import checked, expected_seconds
from refkan.analysis.exact.ranks.ranks import rank_of_matrix
from refkan.analysis.exact.spectra import certified_spectra, condition_numbers, rational
from refkan.base.errors import ConvergenceError, KnotError
from refkan.networks.node_maps.kinds import Unmapped
from refkan.truth import UndecidedError
from tests.analysis.exact.certified_matrices import MATRICES
from tests.shared.refusals import refused
from tests.shared.tables import each_row

flint = pytest.importorskip("flint")


@pytest.mark.parametrize("which", MATRICES)
def test_too_few_bits_say_how_many_would_do(which):
    space = rk.SplineSpace.uniform(6, 40)
    with pytest.raises(ConvergenceError, match=r"bits = 48 is too low a precision .*; \d+ bits suffice") as caught:
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
    (100, 64, 150, [100, 200], "bits = 100 is too low a precision to see; 200 bits suffice"),
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
    for function in (exact.certified_condition_number, exact.extreme_eigenvalues, condition_numbers.eigenpairs):
        for bits in (8, -8):
            refused(lambda f=function, bits=bits: f(space, bits=bits), f"bits must be at least 32; got {bits}")
        with pytest.raises(TypeError, match="bits must be an integer"):
            function(space, bits=128.0)
        with pytest.raises(ValueError, match="which must be one of 'AtA'"):
            function(space, "A")
    refused(lambda: rational.rational_gram(space, "hat"), "basis must be one of")


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
    refused(lambda: rational.rational_gram(clamped, "relu"), "KnotError: strictly increasing")
    outside = rk.SplineSpace([-1.0, 0.0, 0.0, 1.0, 2.0, 3.0], 2)
    refused(lambda: exact.certified_condition_number(outside, "gram"), r"KnotError: B-spline 0 vanishes.*\[0.0, 2.0\]")


def test_boxes_are_enclosed_without_the_extra(monkeypatch):
    """By fractions of Python, to the same bits."""
    bounds = []
    for module in (flint, None):
        monkeypatch.setitem(sys.modules, "flint", module)
        network_intervals._read.cache_clear()
        net, theta = rk.kan([1, 1], 4, 3), np.array([0.1, 0.7, -0.2, 0.3, 1.1, 0.6])
        bounds.append(exact.enclose(net, theta, [[0.2, 0.7]]).first)
    assert np.array_equal(*bounds)


def test_missing_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    space = rk.SplineSpace.uniform(2, 3)
    for call in (
        lambda: exact.certified_condition_number(space),
        lambda: exact.certified_condition_number(space, "gram"),
        lambda: exact.extreme_eigenvalues(space),
        lambda: condition_numbers.eigenpairs(space, "relu_gram"),
        lambda: rational.rational_change_of_basis(space),
        lambda: rational.rational_gram(space),
    ):
        refused(call, r"ImportError: needs flint: pip install 'refkan\[exact\]'")


def test_importing_does_not_need_the_extra():
    code = "import sys; sys.modules['flint'] = sys.modules['mpmath'] = None; import refkan.analysis.exact"
    subprocess.run([sys.executable, "-c", code], check=True)


@each_row(
    "value, expected",
    (Fraction(1, 3), (1 / 3, math.nextafter(1 / 3, 1.0))),
    (Fraction(1, 10), (math.nextafter(0.1, 0.0), 0.1)),
    (Fraction(-1, 3), (-math.nextafter(1 / 3, 1.0), -1 / 3)),
    (Fraction(5, 4), (1.25, 1.25)),
    (Fraction(0), (0.0, 0.0)),
    (Fraction(1, 10**400), (0.0, 5e-324)),
    (Fraction(-1, 10**400), (-5e-324, -0.0)),
    (Fraction(10**400), (sys.float_info.max, math.inf)),
    (Fraction(-(10**400)), (-math.inf, -sys.float_info.max)),
    (Fraction(sys.float_info.max) + 1, (sys.float_info.max, math.inf)),
    (Fraction(sys.float_info.max), (sys.float_info.max, sys.float_info.max)),
)
def test_outward_rounding(value, expected):
    assert Enclosure(value, value).floats() == expected


def test_outward_rounding_of_random_rationals(rng):
    for p, q in rng.integers(1, 2**62, (200, 2)).tolist():
        low, high = Enclosure(Fraction(p, q), Fraction(p, q)).floats()
        assert Fraction(low) <= Fraction(p, q) <= Fraction(high) <= Fraction(math.nextafter(low, math.inf))


def test_enclosures_refuse_nonsense():
    refused(lambda: Enclosure(Fraction(2), Fraction(1)), "low must not exceed high")
    refused(lambda: Enclosure(math.nan, math.nan), "low must not exceed high")
    one, zero = Enclosure(Fraction(1), Fraction(1)), Enclosure(Fraction(-1), Fraction(1))
    refused(lambda: one.quotient(zero), "two positive numbers")
    assert (one.sign, zero.sign, zero.relative_width, one.relative_width) == (1, 0, math.inf, 0.0)
    assert Enclosure(Fraction(0), Fraction(0)).relative_width == 0.0
    assert Enclosure(Fraction(10**400), Fraction(10**400)).midpoint == math.inf


def test_quotients_hold_all_quotients_and_no_more():
    """Both ends of both intervals matter: the quotient of the low end is by the high one."""
    numerator, denominator = Enclosure(Fraction(2), Fraction(3)), Enclosure(Fraction(5), Fraction(7))
    quotient = numerator.quotient(denominator)
    corners = [a / b for a in (Fraction(2), Fraction(3)) for b in (Fraction(5), Fraction(7))]
    assert (quotient.low, quotient.high) == (min(corners), max(corners))


def problem(P=1, node_map="affine", samples=12, order=2, statistics=None):
    rng = np.random.default_rng(4)
    x = rng.uniform(size=(samples, P))
    net, theta = rk.kan([P, 2, 1], order, 2, node_map=node_map).initialize(rng, x if statistics is None else statistics)
    return rk.LeastSquares(net, x, x[:, :1]), theta


def test_pairs_that_show_a_slope_lie_in_the_box_as_far_apart_as_said():
    """By the given directions, whatever the place of the box; cut where they leave it."""
    net = rk.kan([2, 1], 3, 2, domain=(-5.0, 5.0))
    posed = Posed.of(net, np.arange(float(net.n_params)), np.array([[-3.0, 1.0], [2.0, 3.0]]), 1e-2, 10)
    x = np.array([[0.0, 2.5], [1.0, 2.5]])
    pairs, moves = posed.pairs_along(x, np.eye(2)[[1, 0]] * posed.sides.max())
    step = 4.0 * STEP
    np.testing.assert_array_equal(pairs[0], [[0.0, 2.5 - step], [0.0, 2.5 + step]])
    np.testing.assert_array_equal(pairs[1], [[1.0 - step, 2.5], [1.0, 2.5]])
    values = net(np.arange(float(net.n_params)), pairs.reshape(4, 2)).reshape(2, 2)
    np.testing.assert_allclose(moves.lo[:, 0], values[:, 1] - values[:, 0], rtol=0, atol=1e-12)


def test_a_layer_behind_the_last_map_is_left_out_only_if_it_does_nothing():
    layer, same = rk.DenseLayer(2, 2, "identity"), np.eye(2)
    assert is_identity(layer, {"weights": same, "bias": np.zeros(2)})
    for other, blocks in (
        (layer, {"weights": same, "bias": np.array([0.0, 1e-300])}),
        (layer, {"weights": same[::-1], "bias": np.zeros(2)}),
        (rk.DenseLayer(2, 2, "relu"), {"weights": same, "bias": np.zeros(2)}),
        (layer, {}),
    ):
        assert not is_identity(other, blocks)


def test_a_forged_proof_of_a_rank_is_refused():
    """Each half by itself: a smaller minor, a minor that is zero, null vectors that depend, too few, or none."""
    J = flint.fmpz_mat([[1, 2, 3, 4], [2, 4, 6, 8], [0, 1, 1, 0]])
    proof = rank_of_matrix(J)
    proof.verify(J)
    Z = proof.null.tolist()
    refused(lambda: rank_of_matrix(J, flint.fmpq_mat([[1], [0], [0], [0]])), "null vectors of theory are wrong")
    twice = flint.fmpq_mat([[row[0], 2 * row[0]] for row in Z])
    forged = {
        "null vectors are dependent": replace(proof, null=twice),
        "J Z is not zero": replace(proof, null=flint.fmpq_mat([[row[0] + 1, row[1]] for row in Z])),
        "needs 2 null vectors": replace(proof, null=flint.fmpq_mat([row[:1] for row in Z])),
        "is zero modulo": replace(proof, rows=(0, 1)),
        "as many rows and columns": replace(proof, columns=proof.columns[:1]),
        "is not prime": replace(proof, prime=2**61 + 1),
    }
    for message, certificate in forged.items():
        with pytest.raises(ValueError, match=message):
            certificate.verify(J)


def test_condition_numbers_of_one_are_not_below_one():
    one = rk.SplineSpace.uniform(1, 1, (-1e-30, 1.0))  # 1 + 1e-30 is no ball of radius zero
    for which in ("AtA", "gram", "relu_gram"):
        low, high = rk.exact.certified_condition_number(one, which)
        assert low == 1.0 <= high <= 1.0 + 1e-15
    constant = rk.LeastSquares(rk.kan([1, 1], 1, 1), [[0.1], [0.4], [0.7]], [[1.0]] * 3)
    spectrum = rk.exact.certified_spectrum(constant, [1 / 3])
    assert spectrum.condition.low == 1 <= spectrum.condition.high
    assert rk.exact.certified_gauss_newton_condition(constant, [1 / 3])[0] == 1.0


def test_spectra_are_as_narrow_as_asked():
    """Also where the width that a precision reaches is just not enough: the next one is taken."""
    posed, theta = problem(P=2, node_map="none")
    spectra = [rk.exact.certified_spectrum(posed, theta, relative_width=1e-3)]
    for factor in (1.0, 0.9, 0.05, 1e-60):
        asked = factor * spectra[0].relative_width
        spectra.append(rk.exact.certified_spectrum(posed, theta, relative_width=asked))
        assert spectra[-1].relative_width <= asked
        assert (spectra[-1].bits > spectra[0].bits) == (factor < 1e-55)
        for value, inside in zip(spectra[0].values, spectra[-1].values, strict=True):
            assert value.low <= inside.high
            assert inside.low <= value.high


@pytest.mark.parametrize("seconds", [1e-2, 1e-3])
def test_the_largest_problem_that_is_said_to_fit_does(seconds):
    posed, theta = problem(P=2, samples=60)
    with pytest.raises(ValueError, match="is expected to take") as caught:
        rk.exact.certified_rank(posed, theta, seconds=seconds)
    M, rows = map(int, re.search(r"about (\d+) parameters on (\d+) rows", str(caught.value)).groups())
    cost = expected_seconds(checked(posed, theta), 0)
    scaled = cost * M * rows / (posed.net.n_params * 60)
    assert scaled <= seconds
    assert (M + 1) * (rows + 1) * cost / (posed.net.n_params * 60) >= seconds


def parabola(factor):
    """factor x (x - 1)/2: second derivative `factor`, zero at both ends, factor/8 in the middle."""
    return rk.kan([1, 1], 3, 1), factor * np.array([0.25, -0.25, 0.25])


def test_the_maximum_principle_bound_is_attained_where_the_residual_is_constant():
    net, theta = parabola(3.0)
    bound = rk.exact.certified_error(net, theta, lambda x: 0.0, lambda x: 0.0, [[0, 1]])
    assert 3.0 / 8 <= bound.by_maximum_principle <= 3.0 / 8 * (1 + 1e-9)
    assert 3.0 / 8 <= bound.by_integration <= 3.0 / 8 * (1 + 1e-3)


def test_with_a_coefficient_the_least_of_its_comparison_counts():
    """m = min (s c)', s = x - 1/2, is attained at no centre of a box: the bound is no smaller than by the exact one."""
    net, theta = parabola(1.0)

    def c(x):
        return x * x * 4.0 + x * -2.0 + 1.5

    slope = lambda x: 12 * x**2 - 8 * x + Fraction(5, 2)  # noqa: E731  (s c)' = c + s c'
    least = Fraction(7, 6)  # at x = 1/3
    assert slope(Fraction(1, 3)) == least
    options = {"diffusion_coefficient": c, "residual_tolerance": 1e-6}
    bound = rk.exact.certified_error(net, theta, lambda x: 0.0, lambda x: 0.0, [[0, 1]], **options)
    exact = Fraction(bound.residual) / 8 / least
    assert exact <= Fraction(bound.by_maximum_principle) <= exact * Fraction(102, 100)
    # div(c grad v) = (c (x - 1/2))' = slope(x): the residual is the largest of it, slope(1) = 6.5
    assert 6.5 <= bound.residual <= 6.5 + 2e-6


@pytest.mark.parametrize("end", [0, 1])
def test_errors_on_each_side_of_the_boundary_count(end):
    net, theta = parabola(0.0)
    ends = [lambda x: x * 0.5, lambda x: x * -0.5 + 0.5]
    bound = rk.exact.certified_error(net, theta, lambda x: 0.0, ends[1 - end], [[0, 1]])
    assert 0.5 <= bound.boundary_error <= 0.5 + 1e-12
    plane = rk.kan([2, 1], 3, 1)
    for g in (lambda x, y: y * 0.5, lambda x, y: y * -0.5 + 0.5):
        assert rk.exact.certified_error(plane, np.zeros(6), lambda x, y: 0.0, g, [[0, 1], [0, 1]]).boundary_error >= 0.5


def test_a_residual_that_jumps_inside_a_box_is_bounded_on_both_sides():
    """v'' = 0, then 8 from 1/2 on, where no centre of the first box sees it; the budget allows no other."""
    net = rk.kan([1, 1], 3, 2)
    theta = np.array([0.0, 0.0, 0.0, 2.0])
    for box in ([0.0, 0.98], [0.02, 1.0], [0.0, 1.0]):
        bound = rk.exact.certified_error(net, theta, lambda x: 0.0, lambda x: 0.0, [box], budget=1)
        assert bound.residual >= 8.0


def test_numbers_that_float64_rounds_are_refused_or_enclosed():
    net, theta = parabola(1.0)
    beyond = 2**53 + 1
    for name, options in {"box": {"box": [[0, beyond]]}, "wavenumber": {"box": [[0, 1]], "wavenumber": beyond}}.items():
        with pytest.raises(ValueError, match=f"{name} must hold floats as they are"):
            rk.exact.certified_error(net, theta, lambda x: 0.0, lambda x: 0.0, **options)
    for third in (Fraction(1, 3), Fraction(-1, 3)):
        bounds = rk.exact.certified_error(net, theta, lambda x, c=third: 0 * x + c, lambda x: 0.0, [[0, 1]])
        assert 1 - third <= Fraction(bounds.residual) <= 1 - third + Fraction(1, 10**14)


def test_statements_are_made_where_float64_rounds_as_bounds_need_it(monkeypatch):
    """Wherever an executor makes them."""

    def elsewhere():
        raise ArithmeticError("float64 must round to nearest")

    posed, theta = problem()
    monkeypatch.setattr(certified_network, "require_rounding_to_nearest", elsewhere)
    with pytest.raises(ArithmeticError, match="must round to nearest"):
        certified_network.certificate(posed.net, theta, np.array([[0.0, 1.0]]), budget=1)


def test_a_basis_that_a_layer_has_not_is_refused_before_the_work_begins(monkeypatch):
    monkeypatch.setattr(certified_spectra, "curvature", None)
    posed, theta = problem()
    refused(lambda: rk.exact.certified_spectrum(posed, theta, basis="hat"), "basis must be one of")


def test_of_a_layer_with_parameters_behind_the_last_map_no_rank_is_handed_on():
    net = rk.Network(
        (rk.SplineLayer((rk.SplineSpace.uniform(2, 2),), 1), rk.DenseLayer(1, 1, "identity")), (Unmapped(),)
    )
    x = np.array([[0.2], [0.7]])
    made = certified_network.certificate(
        net, np.array([0.0, 1.0, 3.0, 1.0, 0.0]), np.array([[0.0, 1.0]]), (x, x), budget=9
    )
    (why,) = (each["why"] for each in made["unproven"] if each["statement"] == "rank and condition")
    assert why == "the layer behind the last map has parameters of its own"
