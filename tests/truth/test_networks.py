"""Derivatives of the truth: backward by hand and forward by Taylor numbers agree, exactly over exact numbers."""

from dataclasses import replace
from fractions import Fraction

import flint
import numpy as np
import pytest

from refkan import truth
from refkan.truth.arithmetic import taylor
from refkan.truth.arithmetic.number_types import converter
from refkan.truth.layers import BSplines, DenseLayer, SiluLayer, SumLayer, sums
from refkan.truth.node_maps import Affine, MeanStd, MinMax, Sigmoid
from tests.truth.truth_cases import BITS, CASES, Case, draw, floats

every_case = pytest.mark.parametrize("case", CASES, ids=str)
FEW = (
    Case("spline"),
    Case("relu", "min-max"),
    Case("silu", "mean-std", free=True),
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


@every_case
def test_pullback_and_pushforward_are_adjoint(case):
    """<dy, J_theta dtheta + J_x dx> = <J_theta^T dy, dtheta> + <J_x^T dy, dx>: two mechanisms, one number."""
    t = case.truth()
    dy, dtheta = draw(len(t.x), case.widths[-1]), draw(t.n_params, seed=2)
    dx = draw(len(t.x), case.widths[0], seed=3)
    back_theta, back_x = t.pullback(dy)
    left = inner(t.number, dy, t.pushforward(dtheta, dx))
    assert same(left, inner(t.number, dtheta, back_theta) + inner(t.number, dx, back_x))
    assert case.order == 1 or not same(left, inner(t.number, dtheta, back_theta) - inner(t.number, dx, back_x))


def doubled(function):
    """What a function returns, times two."""

    def twice(rows):
        if isinstance(rows, list | tuple):
            return type(rows)(map(twice, rows))
        return {m: 2 * v for m, v in rows.items()} if isinstance(rows, dict) else 2 * rows

    return lambda *arguments: twice(function(*arguments))


WRONG = [
    (Case("spline"), SumLayer, "slopes"),
    (Case("spline"), SumLayer, "gradients"),
    (Case("spline"), Affine, "slope"),
    (Case("spline", "sigmoid"), Sigmoid, "slope"),
    (Case("silu"), SiluLayer, "gradients"),
    (Case("dense-tanh", "none"), DenseLayer, "slopes"),
    (Case("spline", free=True), sums, "breakpoint_pullback"),
    (Case("spline", free=True), BSplines, "knot_slopes"),
]


@pytest.mark.parametrize(("case", "owner", "name"), WRONG, ids=lambda part: getattr(part, "__name__", str(part)))
def test_a_wrong_derivative_breaks_adjointness(case, owner, name, monkeypatch):
    monkeypatch.setattr(owner, name, doubled(getattr(owner, name)))
    with pytest.raises(AssertionError):
        test_pullback_and_pushforward_are_adjoint(case)


@pytest.mark.parametrize("kind", [MeanStd, MinMax])
def test_constants_held_fixed_break_adjointness(kind, monkeypatch):
    right = kind.constants

    def fixed(self, Y, domain, where):
        scale, shift, _ = right(self, Y, domain, where)
        return scale, shift, lambda dscale, dshift: [0 * v for v in Y]

    monkeypatch.setattr(kind, "constants", fixed)
    with pytest.raises(AssertionError):
        test_pullback_and_pushforward_are_adjoint(Case("spline", {MeanStd: "mean-std", MinMax: "min-max"}[kind]))


@every_case
def test_rows_of_the_jacobian_are_pullbacks(case):
    t = case.truth()
    N, Q = len(t.x), case.widths[-1]
    J = t.jacobian()
    assert len(J) == N * Q
    for row in (0, N * Q - 1):
        dy = [[int(s * Q + q == row) for q in range(Q)] for s in range(N)]
        assert same(J[row], t.pullback(dy)[0])


@every_case
def test_gradients_are_complex_steps(case):
    """F(theta + i h dtheta).imag / h, by arithmetic of complex numbers alone."""
    t = case.truth(complex)
    h = 1e-30
    dtheta, dx = (np.array(draw(*shape), float) for shape in ((t.n_params,), (len(t.x), case.widths[0])))
    moved = replace(t, theta=list(np.array(t.theta) + 1j * h * dtheta), x=(np.array(t.x) + 0j).tolist())
    step = np.imag(moved.value) / h
    assert np.allclose(step, np.real(case.truth(float).pushforward(dtheta)), rtol=1e-11, atol=1e-12)
    moved = replace(t, x=(np.array(t.x) + 1j * h * dx).tolist())
    step, zero = np.imag(moved.value) / h, [0] * t.n_params
    assert np.allclose(step, np.real(case.truth(float).pushforward(zero, dx)), rtol=1e-11, atol=1e-12)


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


@few_cases
def test_gradients_of_jets_are_complex_steps(case):
    t, c, h = case.truth(), case.truth(complex), 1e-30
    N, Q, u = len(t.x), case.widths[-1], draw(2, case.widths[0])
    weights = draw(N, Q), draw(N, 2, Q, seed=2), draw(N, 2, Q, seed=3)
    gradient = t.jet(u).pullback(*weights)
    for m in (0, t.n_params // 2, t.n_params - 1):
        moved = replace(c, theta=[value + (1j * h if k == m else 0) for k, value in enumerate(c.theta)]).jet(u)
        parts = zip(weights, (moved.value, moved.first, moved.second), strict=True)
        step = sum(np.sum(np.array(w, float) * np.imag(part)) for w, part in parts) / h
        assert step == pytest.approx(float(gradient[m]), rel=1e-10, abs=1e-10)


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
    case = Case(kind, "affine", free=True)
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
