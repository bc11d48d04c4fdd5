"""The truth against an implementation that shares nothing with it; jets, Hessians and derivatives in knots by laws."""

from dataclasses import replace
from fractions import Fraction

import flint
import mpmath
import numpy as np
import pytest

from refkan import truth
from refkan.truth.arithmetic import taylor
from refkan.truth.arithmetic.number_types import converter
from tests.analysis.exact.oracles.attacks import fixed
from tests.analysis.exact.oracles.jets import Digits, Rationals, rational, to_mp
from tests.analysis.exact.oracles.networks import OracleNetwork
from tests.truth.truth_cases import BITS, CASES, Case, draw, floats

every_case = pytest.mark.parametrize("case", CASES, ids=str)
FEW = (
    Case("spline"),
    Case("relu", "min-max"),
    Case("silu", "mean-std", free_knots=True),
    Case("spline", "mean-std").deeper(),
)
few_cases = pytest.mark.parametrize("case", FEW, ids=str)


def same(a, b) -> bool:
    """Equal Fractions, balls that overlap and are small, floats to 12 digits; nested lists of them."""
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, flint.arb):
        return a.overlaps(b) and bool(max(a.rad(), b.rad()) < flint.arb(2) ** -200)
    return a == pytest.approx(b, rel=1e-12, abs=1e-12) if isinstance(a, float | complex) else a == b


def inner(number, left, right):
    """Sum of products of nested lists, of which the first is of Fractions."""
    if isinstance(left, list):
        return sum((inner(number, *pair) for pair in zip(left, right, strict=True)), start=converter(number)(0))
    return converter(number)(left) * right


def near(ours, theirs, digits) -> bool:
    """Whether nested lists of numbers of any types are the same to some digits."""
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(near(*pair, digits) for pair in zip(ours, theirs, strict=True))
    a, b = (mpmath.mpf(x) if isinstance(x, int | mpmath.mpf) else to_mp(rational(x)) for x in (ours, theirs))
    return abs(a - b) <= mpmath.mpf(10) ** -digits * (1 + abs(b))


@every_case
def test_values_and_derivatives_are_those_of_an_implementation_that_shares_nothing(case):
    """In inputs with the maps and knots at theta, rounded; in parameters to 30 digits, free knots with tangents."""
    net, theta, x = case.start()
    arithmetic, number = (Rationals, Fraction) if case.number is Fraction else (Digits, mpmath.mpf)
    with mpmath.workdps(40):
        t = truth.of(net, theta, x, number)
        first, second = t.input_derivatives()
        for s, jets in enumerate(map(OracleNetwork(*fixed(net, theta), arithmetic).in_inputs, x.tolist())):
            theirs = [np.array([getattr(y, name) for y in jets]).tolist() for name in "vgh"]
            assert near([t.value[s], first[s], second[s]], theirs, 11)
        if not case.free_knots or (case.kind, case.outside) == ("spline", "linear"):
            jets = [y for row in OracleNetwork(net, theta, arithmetic).in_parameters(x) for y in row]
            assert near(t.jacobian(), [y.g.tolist() for y in jets], 30)
            assert near([v for row in t.value for v in row], [y.v for y in jets], 30)


@few_cases
def test_hessians_are_symmetric_and_complex_steps_of_gradients(case):
    t = case.truth()
    dy = draw(len(t.x), case.widths[-1])
    H = t.hessian(dy)
    assert same(H, [list(column) for column in zip(*H, strict=True)])
    c, h = case.truth(complex), 1e-30
    for m in (0, t.n_params // 2, t.n_params - 1):
        theta = [value + (1j * h if k == m else 0) for k, value in enumerate(c.theta)]
        step = np.imag(replace(c, theta=theta).pullback(dy)[0]) / h
        assert np.allclose(step, np.array([float(v) for v in H[m]]), rtol=1e-10, atol=1e-10)


@few_cases
def test_input_derivatives_and_jets(case):
    t = case.truth()
    P, Q = case.widths[0], case.widths[-1]
    first, second = t.input_derivatives()
    for q in range(Q):
        dy = [[int(o == q) for o in range(Q)] for _ in t.x]
        assert same([row[q] for row in first], t.pullback(dy)[1])
        for rows in second:
            assert same(rows[q], [list(column) for column in zip(*rows[q], strict=True)])
    u, v = draw(2, P), draw(2, P, seed=2)
    jet = t.jet(u, v)
    assert same(jet.value, t.value)
    for s in range(len(t.x)):
        for k in range(2):
            for q in range(Q):
                gradient, hessian = first[s][q], second[s][q]
                along = [inner(t.number, u[k], row) for row in hessian]
                assert same(jet.first[s][k][q], inner(t.number, u[k], gradient))
                assert same(jet.second[s][k][q], inner(t.number, u[k], along) + inner(t.number, v[k], gradient))


@pytest.mark.parametrize("kind", ["spline", "relu", "scaled-relu", "silu"])
@pytest.mark.parametrize("outside", ["linear", "polynomial"])
def test_knot_gradients_are_those_of_taylor_numbers(kind, outside):
    """Every interior breakpoint of the second layer moved by e_j, in the arithmetic of Taylor numbers."""
    t = Case(kind, "affine", outside).truth()
    dy = draw(len(t.x), 2)
    found = t.knot_gradients(dy)[1]
    layer = t.network.layers[1]
    spline = layer.spline if kind == "silu" else layer
    for p, family in enumerate(spline.families):
        r, n = family.order, len(family.knots) - 2 * family.order + 1
        knots = [
            taylor.variable(value, k - r, 1) if r <= k < r + n - 1 else value for k, value in enumerate(family.knots)
        ]
        families = [replace(f, knots=knots) if f is family else f for f in spline.families]
        moved = replace(spline, families=families)
        moved = replace(layer, spline=moved) if kind == "silu" else moved
        value = replace(t.network, layers=[t.network.layers[0], moved]).sweep(t.theta, t.x).value
        derivatives = [[[taylor.coefficient(y, (j,)) for y in row] for row in value] for j in range(n - 1)]
        assert same(found[p], [inner(t.number, dy, rows) for rows in derivatives])
    assert [len(row) for row in t.knot_gradients(dy)[0]] == [2, 2]


@pytest.mark.parametrize("kind", ["spline", "relu"])
def test_free_knots_are_exact_at_equal_shares(kind):
    """softmax of equal numbers is rational: so are values and all derivatives, second ones too."""
    case = Case(kind, "affine", free_knots=True)
    net, theta, x = case.start()
    for layer, where in zip(net.layers, net.slices, strict=True):
        layer.unpack(theta[where])["s"][...] = 0.25
    t = truth.of(net, theta, x)
    dy = draw(len(x), 2)
    H = t.hessian(dy)
    assert isinstance(H[-1][-1], Fraction)
    assert same(H, [list(column) for column in zip(*H, strict=True)])
    assert same(t.jacobian()[0], t.pullback([[int(s == q == 0) for q in range(2)] for s in range(len(x))])[0])
    C = [
        layer.unpack(theta[where])["coefficients"].ravel() for layer, where in zip(net.layers, net.slices, strict=True)
    ]
    fixed = truth.of(net.with_fixed_knots(theta), np.concatenate(C), x)
    assert np.allclose(floats(t.knot_gradients(dy)[1]), floats(fixed.knot_gradients(dy)[1]), rtol=1e-11)


RATIONAL = tuple(case for case in CASES if case.number is Fraction and case.node_map != "min-max")


@pytest.mark.parametrize("case", RATIONAL, ids=str)
def test_balls_contain_the_fractions(case):
    exact, balls = case.truth(), case.truth(flint.arb)
    pairs = [(exact.value, balls.value), (exact.jacobian(), balls.jacobian())]
    flint.ctx.prec = 20 * BITS  # to turn Fractions into balls
    for rows, enclosures in pairs:
        for row, balls_row in zip(rows, enclosures, strict=True):
            for value, ball in zip(row, balls_row, strict=True):
                assert ball.contains(flint.arb(flint.fmpq(value.numerator, value.denominator)))


@few_cases
def test_no_samples_give_nothing(case):
    net, theta, x = case.start()
    t = truth.of(net, theta, x[:0], case.number)
    assert t.value == t.jacobian() == t.ntk() == []
    assert t.pullback([]) == ([0] * t.n_params, [])
    assert t.gauss_newton() == [[0] * t.n_params] * t.n_params
    assert [len(row) for row in t.knot_gradients([])[0]] == [2] * case.widths[0]
