"""Laws of networks over Fractions, as equalities, and losses of least squares."""

from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import pairwise

import flint
import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.truth import UndecidedError
from refkan.truth.bases.bsplines import bspline, bspline_derivative
from refkan.truth.bases.prolongation import prolongation
from refkan.truth.bases.relu_powers import truncated_power_derivative
from refkan.truth.layers import BSplines, ReluPowers, SumLayer
from refkan.truth.networks import Network
from tests.analysis.exact.oracles.matrices import product, transposed
from tests.shared.refusals import refused
from tests.truth.test_networks import FEW, same
from tests.truth.truth_cases import Case, apply, draw

CASES = [Case("spline", m, o) for m in ("affine", "min-max", "none") for o in ("linear", "polynomial")]
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def by_layers(t, matrix):
    """Block diagonal matrix: for each edge of each layer the one of its input's family."""
    blocks = [matrix(family) for layer in t.network.layers for _ in range(layer.n_outputs) for family in layer.families]
    width, rows, begin = sum(len(block[0]) for block in blocks), [], 0
    for block in blocks:
        rows += [[0] * begin + row + [0] * (width - begin - len(row)) for row in block]
        begin += len(block[0])
    return rows


def with_families(t, change, theta):
    """The network with other functions on its edges, at other coefficients."""
    layers = [SumLayer([change(f) for f in layer.families], layer.n_outputs) for layer in t.network.layers]
    return replace(t, network=Network(layers, t.network.node_maps, t.network.batch), theta=theta)


def in_relu_basis(t):
    """The ReLU network, and A with b = A psi on every edge: w = A^T u."""
    A = by_layers(t, lambda f: truth.change_of_basis(f.knots, f.order))
    return with_families(t, lambda f: ReluPowers(f.knots, f.order, f.outside, 1), apply(transposed(A), t.theta)), A


def bisected(family):
    """Knots with every interval of the domain cut in two; outside they are half as far, as after uniform refinement."""
    t, r = list(family.knots), family.order
    inner = t[r - 1 : len(t) - r + 1]
    middle = sorted([*inner, *((a + b) / 2 for a, b in pairwise(inner))])
    before = [(inner[0] + knot) / 2 for knot in t[: r - 1]]
    after = [(inner[-1] + knot) / 2 for knot in t[len(t) - r + 1 :]]
    return BSplines([*before, *middle, *after], r, family.outside)


def refined(t):
    P = by_layers(t, lambda f: prolongation(f.knots, bisected(f).knots, f.order))
    return with_families(t, bisected, apply(P, t.theta)), P


@every_case
def test_both_bases_are_one_function(case):
    """Section 2: values are equal for every x, J_u = J_w A^T, grad_u = A grad_w, and tangent kernels follow."""
    u = case.truth()
    w, A = in_relu_basis(u)
    dy = draw(len(u.x), 2)
    assert u.value == w.value
    assert u.jacobian() == product(w.jacobian(), transposed(A))
    (grad_u, dx_u), (grad_w, dx_w) = u.pullback(dy), w.pullback(dy)
    assert grad_u == apply(A, grad_w)
    assert dx_u == dx_w
    assert u.ntk() == product(product(w.jacobian(), product(transposed(A), A)), transposed(w.jacobian()))
    A[0][0] += Fraction(1, 10**9)
    assert grad_u != apply(A, grad_w)


def test_hessians_in_both_bases():
    """Section 7: H_u = A H_w A^T, for the loss too."""
    u = Case("spline", "min-max", widths=(2, 2, 1)).truth()
    w, A = in_relu_basis(u)
    dy = draw(len(u.x), 1)
    assert u.hessian(dy) == product(product(A, w.hessian(dy)), transposed(A))
    assert u.least_squares(dy).hessian() == product(product(A, w.least_squares(dy).hessian()), transposed(A))


@every_case
def test_refined_networks_are_the_same_function(case):
    """Section 8: g_c(x; u_c) = g_f(x; P u_c) for every x, gradients are restricted by P^T, matrices by Galerkin."""
    coarse = case.truth()
    fine, P = refined(coarse)
    dy = draw(len(coarse.x), 2)
    assert fine.value == coarse.value
    assert coarse.input_derivatives()[0] == fine.input_derivatives()[0]
    assert coarse.pullback(dy)[0] == apply(transposed(P), fine.pullback(dy)[0])
    assert coarse.jacobian() == product(fine.jacobian(), P)


def test_galerkin_products():
    coarse = Case("spline", widths=(2, 2, 1)).truth()
    fine, P = refined(coarse)
    y = draw(len(coarse.x), 1)
    for name in ("gauss_newton", "hessian"):
        fine_matrix, coarse_matrix = (getattr(t.least_squares(y), name)() for t in (fine, coarse))
        assert coarse_matrix == product(product(transposed(P), fine_matrix), P)


def test_natural_tails_are_not_nested():
    """The trap of section 8: knots outside the domain that are not nested."""
    coarse = Case("spline", "affine", "natural").truth()
    fine, _ = refined(coarse)
    assert fine.value != coarse.value


@every_case
def test_constants_moved_between_edges_change_nothing(case):
    """Section 7: (P - 1) Q null vectors of each layer, exactly."""
    t = case.truth()
    J, begin = t.jacobian(), 0
    for layer in t.network.layers:
        for q in range(layer.n_outputs):
            for p in range(layer.n_inputs - 1):
                z = [Fraction(0)] * t.n_params
                edge = begin + (q * layer.n_inputs + p) * layer.dim
                z[edge : edge + layer.dim] = [Fraction(1)] * layer.dim
                z[edge + layer.dim : edge + 2 * layer.dim] = [Fraction(-1)] * layer.dim
                assert not any(apply(J, z))
        begin += layer.n_params


def test_scaled_and_shifted_nodes_change_nothing_under_min_max_maps():
    """Section 7: scale and shift of each hidden node are two more null vectors each."""
    t = Case("spline", "min-max").truth()
    J, first = t.jacobian(), t.network.layers[0]
    size = first.n_inputs * first.dim
    for q in range(first.n_outputs):
        node = slice(q * size, (q + 1) * size)
        for values in ([Fraction(1)] * first.dim + [Fraction(0)] * (size - first.dim), t.theta[node]):
            z = [Fraction(0)] * t.n_params
            z[node] = values
            assert not any(apply(J, z))


few_cases = pytest.mark.parametrize("case", FEW, ids=str)


def loss_of(case, number=None, squares=False):
    t = case.truth(number)
    N = len(t.x)
    weights = [Fraction(N * (s + 1) ** 2, 4) if squares else s + 1 for s in range(N)]
    return t, t.least_squares(draw(N, case.widths[-1]), weights)


@few_cases
def test_everything_follows_from_the_residual(case):
    """Weights are chosen so that w_s/N are squares: all is exact over Fractions too."""
    t, loss = loss_of(case, squares=True)
    r, J = loss.residual(), loss.jacobian()
    assert same(loss.value, sum(v * v for v in r) / 2)
    assert same(loss.gradient(), apply(transposed(J), r))
    assert same(loss.gauss_newton(), [apply(transposed(J), column) for column in transposed(J)])
    assert same(loss.ntk(), [apply(J, row) for row in J])
    assert same(loss.misfit[0][0], t.value[0][0] - loss.y[0][0])


@few_cases
def test_the_hessian_is_gauss_newton_and_curvature(case):
    t, loss = loss_of(case)
    N = len(t.x)
    scaled = [[(s + 1) * e / N for e in row] for s, row in enumerate(loss.misfit)]
    curvature = replace(t).hessian(scaled)
    pairs = zip(loss.gauss_newton(), curvature, strict=True)
    assert same(loss.hessian(), [[g + c for g, c in zip(*rows, strict=True)] for rows in pairs])


@few_cases
def test_gradients_are_complex_steps_of_the_value(case):
    _, loss = loss_of(case)
    _, c = loss_of(case, complex)
    h = 1e-30
    for m, slope in enumerate(loss.gradient()):
        theta = [value + (1j * h if k == m else 0) for k, value in enumerate(c.theta)]
        assert replace(c, theta=theta).value.imag / h == pytest.approx(float(slope), rel=1e-11, abs=1e-11)


def test_without_weights_they_are_one():
    t = Case("spline").truth()
    y = draw(len(t.x), 2)
    assert t.least_squares(y).gradient() == t.least_squares(y, [1] * len(t.x)).gradient()
    G, N = t.gauss_newton(), len(t.x)
    assert t.least_squares(y).gauss_newton() == [[g / N for g in row] for row in G]


def test_matrices_of_the_network_are_products_of_its_jacobian():
    t = Case("relu").truth()
    J = t.jacobian()
    assert t.gauss_newton() == [apply(transposed(J), column) for column in transposed(J)]
    assert t.ntk() == [apply(J, row) for row in J]


def test_roots_that_are_no_fractions_are_refused():
    loss = Case("spline").truth().least_squares(draw(3, 2))  # N = 3
    for quantity in (loss.residual, loss.jacobian, loss.ntk):
        refused(quantity, r"sqrt\(1/3\) is no Fraction: use number=flint.arb")
    assert isinstance(loss.value, Fraction)


@pytest.fixture
def point():
    return Case("spline").start()


def test_wrong_shapes_are_named(point):
    net, theta, x = point
    t = truth.of(net, theta, x)
    refused(lambda: truth.of(net, theta[1:], x), f"theta must hold {theta.size} numbers; got {theta.size - 1}")
    refused(lambda: truth.of(net, theta, np.ones((4, 3))), r"x\[0\] must hold 2 numbers; got 3")
    refused(lambda: truth.of(net, theta, x[0]), r"TypeError: x\[0\] must hold 2 numbers; got ")
    refused(lambda: truth.of(net, theta, 0.5), "TypeError: x must hold rows of 2 numbers; got 0.5")
    refused(lambda: t.pullback(draw(4, 2)), "dy must hold 3 rows of 2 numbers; got 4")
    refused(lambda: t.hessian(draw(3, 1)), r"dy\[0\] must hold 2 numbers; got 1")
    refused(lambda: t.pushforward([1]), "dtheta must hold")
    refused(lambda: t.least_squares(draw(4, 2)), "y must hold 3 rows")
    refused(lambda: t.least_squares(draw(3, 2), [1]), "weights must hold 3 numbers")
    refused(lambda: t.jet([]), "first must hold at least one direction")
    refused(lambda: t.jet(draw(1, 2)).pullback(draw(3, 2), draw(3, 1, 2), draw(4, 1, 2)), "dsecond")


def test_wrong_numbers_are_named(point):
    net, theta, x = point
    refused(lambda: truth.of(net, theta, [[0, 0], [0, 0], [0, float("nan")]]), r"x\[2\]: numbers must be finite.*nan")
    refused(lambda: truth.of(net, [*theta[1:], 1j], x), "TypeError: theta: numbers must turn into Fraction exactly.*1j")
    refused(lambda: truth.of(net, theta, x, number=int), r"TypeError: number must be Fraction, flint\.fmpq, float")
    refused(lambda: truth.of(net, theta, x[:2]).least_squares(draw(2, 2), [1, -1]), r"weights must.*weights\[1\] = -1")
    refused(lambda: truth.of(net, theta, x[:0]).least_squares([]), "x must hold at least one sample")


def test_what_is_no_network_is_refused(point):
    net, theta, x = point
    refused(lambda: truth.of({}, theta, x), "TypeError: net must be a network of refkan; got dict")
    refused(lambda: truth.of(rk.kan([2, 3, 2], 3, 2), theta, x), "node map 'affine' after layer 0 is not bound to data")
    with pytest.raises(TypeError, match="does not know Unknown layers: give it a method truth_form"):
        truth.of(replace(net, layers=(Unknown(net.layers[0]), net.layers[1])), theta, x)
    silent = replace(net)
    object.__setattr__(silent, "node_maps", (Silent(),))  # networks themselves take node maps alone
    refused(lambda: truth.of(silent, theta, x), r"TypeError: must describe themselves by truth_form.*got Silent")


class Unknown(rk.networks.layers.Layer):
    n_inputs, n_outputs = 2, 3

    def __init__(self, layer):
        self.blocks_of = layer

    @property
    def blocks(self):
        return self.blocks_of.blocks

    declare = initialize = None


class Silent:
    bound, name = True, "silent"


IRRATIONAL = (
    Case("silu"),
    Case("mlp-tanh", "none"),
    Case("spline", "sigmoid"),
    Case("spline", "mean-std"),
    Case("spline", free_knots=True),
)


@pytest.mark.parametrize("case", IRRATIONAL, ids=str)
def test_irrational_functions_name_the_remedy(case):
    t = case.truth(Fraction)
    refused(lambda: t.value, r"is no Fraction: use number=flint.arb .* or number=float")
    assert case.truth(float).value


def test_balls_that_hold_a_knot_are_undecided(point):
    net, theta, _ = point
    t = truth.of(net, theta, [[flint.arb(0.5, 0.3), flint.arb(0.5)]], flint.arb)
    refused(lambda: t.value, r"UndecidedError: higher precision \(flint.ctx.prec\) or exact numbers")
    # Half a domain: on a knot of neither input, and decided at any precision.
    flint.ctx.prec = 53
    assert truth.of(net, theta, [[0.5, 0.5]], flint.arb).value[0][0].rad() < 1e-10


def test_the_extreme_sample_of_a_min_max_map_is_undecided_among_balls():
    """It lies on a domain's end exactly, and a ball cannot tell: Fractions can."""
    case = Case("spline", "min-max")
    with pytest.raises(UndecidedError):
        case.truth(flint.arb).value  # noqa: B018
    assert case.truth(Fraction).value


@pytest.mark.parametrize("number", [Fraction, float, flint.arb])
@pytest.mark.parametrize(("node_map", "what"), [("mean-std", "standard deviation 0"), ("min-max", "range 0")])
def test_a_constant_node_is_named(number, node_map, what):
    net, theta, x = Case("spline", node_map).start()
    C = net.layers[0].unpack(theta[net.slices[0]])["coefficients"]
    C[0] = 0.375  # a constant: the B-splines sum to one
    message = f"node 0 after layer 0 has {what} on" if number is not flint.arb else "node 0 after layer 0, on"
    refused(lambda: truth.of(net, theta, x, number).value, f"{message} the statistics batch: ")


@pytest.mark.parametrize("kind", ["spline", "relu", "chebyshev"])
def test_leaving_a_domain_is_an_error_where_it_is_one(kind):
    net, theta, x = Case(kind, "affine", "error", widths=(2, 1), intervals=(3,)).start()
    refused(lambda: truth.of(net, theta, [[0.5, 1.1]]).value, r"x must lie in the domain \[.*\]; got 1.1")
    # A map takes the range of activations onto a domain up to rounding, which the library allows for.
    x[0] = 0.0, 1 + 2 * np.finfo(float).eps
    assert np.allclose(np.array(truth.of(net, theta, x).value, float), net(theta, x), rtol=1e-11)


@pytest.mark.parametrize("i", [-1, 7, 2, None, "x", True])
def test_numbers_of_functions_that_are_none(i):
    knots = [-1.0, 0.0, 1.0, 2.0]
    error = "" if type(i) is int else "TypeError: "
    for call in (bspline, bspline_derivative, truth.truncated_power, truncated_power_derivative):
        refused(partial(call, knots, 2, i, 0.25), f"{error}i must be .*; got {i!r}")
    assert bspline(knots, 2, np.int64(1), 0.25) == 0.25
