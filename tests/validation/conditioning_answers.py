"""Small measurements of the claims about conditioning and the speed of descent, each made once: fixtures."""

import numpy as np
import pytest

import refkan as rk
from validation.conditioning import hessian_conditioning
from validation.descent.descent_rates import BASES, layer_rates, network_rates
from validation.descent.descent_trajectories import slow_modes
from validation.knots.free_knots_conditioning import conditions, extreme_cases, trained_case

SMALL = hessian_conditioning.QUICK.but(layers=(8, 16), levels=((1, 3), (2, 6)), samples=100, steps=10)


@pytest.fixture(scope="package")
def layers():
    return [layer_rates(order, 8, 0, 300) for order in (1, 3)]


@pytest.fixture(scope="package")
def networks():
    return [network_rates("mean-std", 3, 0, 10)]


@pytest.fixture(scope="package")
def trajectories():
    return [{basis: slow_modes(r, 40, basis, 100) for basis in BASES} for r in (1, 3, 5)]


@pytest.fixture(scope="package")
def knots():
    uniform = conditions(rk.SplineSpace.uniform(3, 8))
    trained = [trained_case(3, 8, target, 0, 40) | {"uniform": uniform} for target in ("step", "front")]
    return trained, [case | {"uniform": uniform} for case in extreme_cases(3, 8, 2)]


def gram(space, basis):
    """Gram matrix on the domain by NumPy's Gauss rule, three more points than it takes."""
    nodes, weights = np.polynomial.legendre.leggauss(space.order + 3)
    t = space.breakpoints
    half = np.diff(t)[:, None] / 2
    x = ((t[:-1, None] + t[1:, None]) / 2 + half * nodes).ravel()
    module = rk.bsplines if basis == "spline" else rk.relu_powers
    Phi = module.design_matrix(space, x)
    Phi = Phi.toarray() if hasattr(Phi, "toarray") else Phi
    return Phi.T @ ((half * weights).ravel()[:, None] * Phi)
