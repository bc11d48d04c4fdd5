"""Solutions of the papers' equations put into these equations, by complex steps and differences of high order."""

from functools import cache

import numpy as np
from scipy.integrate import solve_ivp

import refkan as rk
from validation.equations.allen_cahn.allen_cahn_as_printed import Equation, derivative, initial
from validation.grounds.spaces import Departures, departure

STEP = 1e-20


def poisson() -> Departures:
    """div(eps grad u) = f and the flux at the interface."""
    p = rk.problems.poisson
    x = np.array([[-0.75, 0.3], [-0.2, -0.55], [0.15, 0.4], [0.65, 0.9]])
    gradient = np.stack([p.solution(x + 1j * STEP * e)[:, 0].imag / STEP for e in np.eye(2)], axis=1)
    yield "Poisson: gradient", departure(p.gradient(x), gradient)
    second = sum(p.gradient(x + 1j * STEP * e)[:, k].imag / STEP for k, e in enumerate(np.eye(2)))
    eps = np.where(x[:, 0] < 0, 1.0, 0.5)
    yield "Poisson: coefficient", departure(p.coefficient(x)[:, 0], eps)
    yield "Poisson: source", departure(p.source(x)[:, 0], eps * second)
    left = np.sin(np.pi * x[:2, 0]) * np.sin(3 * np.pi * x[:2, 1])
    yield "Poisson: solution", departure(p.solution(x)[:2, 0], left)


def burgers() -> Departures:
    """u_t + u u_x = nu u_xx, the initial values, and the slope."""
    b = rk.problems.burgers
    x, nu = np.array([[-0.6, 0.2], [0.1, 0.5], [0.35, 0.9]]), b.VISCOSITY
    u = b.solution(x)[:, 0]
    u_x, u_t = (b.solution(x + 1j * STEP * e)[:, 0].imag / STEP for e in np.eye(2))
    u_xx = b.slope(x + 1j * STEP * np.array([1.0, 0.0]))[:, 0].imag / STEP
    yield "Burgers: slope", departure(b.slope(x)[:, 0], u_x)
    yield "Burgers: the equation", departure(u_t + u * u_x, nu * u_xx, float(np.abs(u * u_x).max()))
    start = np.array([[-0.5], [0.25]])
    yield "Burgers: initial values", departure(b.initial(start), -np.sin(np.pi * start))
    yield "Burgers: at the start", departure(b.solution(np.hstack([start, 0 * start])), -np.sin(np.pi * start))


TIME, MODES = 0.25, 96


@cache
def galerkin(diffusion: float) -> np.ndarray:
    """u(x, TIME) at x = k/4, k = 0..4, by a Galerkin system of cosines on [0, 1] that shares nothing with the library.

    u_t = diffusion u_xx + 5 (u - u^3), u(x, 0) = x^2 cos(pi x), periodic and even.
    """
    rate = derivative(Equation(diffusion, 5.0), MODES)
    end = solve_ivp(rate, (0.0, TIME), initial(MODES), method="DOP853", rtol=1e-9, atol=1e-10)
    return np.asarray(np.cos(np.pi * np.outer(np.arange(5) / 4, np.arange(MODES + 1))) @ end.y[:, -1])


def allen_cahn() -> Departures:
    """The reference at a diffusion that few modes resolve, to 1e-6: that is where the cosines of the other end."""
    a, diffusion = rk.problems.allen_cahn, 1e-2
    x = np.arange(5)[:, None] / 4
    yield "Allen-Cahn: initial values", departure(a.initial(x), x**2 * np.cos(np.pi * x))
    u = a.reference(modes=64, tolerance=1e-3, diffusion=diffusion)(np.hstack([x, np.full_like(x, TIME)]))
    difference = departure(u[:, 0], galerkin(diffusion))
    yield "Allen-Cahn: the reference", difference if difference > 1e-5 else 0.0
