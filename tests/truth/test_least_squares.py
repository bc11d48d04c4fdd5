"""The loss of the truth: one residual r with value |r|^2/2, its Jacobian, and what follows from them."""

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.shared.refusals import refused
from tests.truth.test_networks import FEW, same
from tests.truth.truth_cases import Case, draw

few_cases = pytest.mark.parametrize("case", FEW, ids=str)


def loss_of(case, number=None, squares=False):
    t = case.truth(number)
    N = len(t.x)
    weights = [Fraction(N * (s + 1) ** 2, 4) if squares else s + 1 for s in range(N)]
    return t, t.least_squares(draw(N, case.widths[-1]), weights)


def transposed(rows):
    return [list(column) for column in zip(*rows, strict=True)]


def times(rows, vector):
    return [sum(a * v for a, v in zip(row, vector, strict=True)) for row in rows]


@few_cases
def test_everything_follows_from_the_residual(case):
    """Weights are chosen so that w_s/N are squares: all is exact over Fractions too."""
    t, loss = loss_of(case, squares=True)
    r, J = loss.residual(), loss.jacobian()
    assert same(loss.value, sum(v * v for v in r) / 2)
    assert same(loss.gradient(), times(transposed(J), r))
    assert same(loss.gauss_newton(), [times(transposed(J), column) for column in transposed(J)])
    assert same(loss.ntk(), [times(J, row) for row in J])
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
    assert t.gauss_newton() == [times(transposed(J), column) for column in transposed(J)]
    assert t.ntk() == [times(J, row) for row in J]


def test_roots_that_are_no_fractions_are_refused():
    loss = Case("spline").truth().least_squares(draw(3, 2))  # N = 3
    for quantity in (loss.residual, loss.jacobian, loss.ntk):
        refused(quantity, r"sqrt\(1/3\) is no Fraction: use number=flint.arb")
    assert isinstance(loss.value, Fraction)
