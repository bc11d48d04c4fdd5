"""Refinement where it is wanted, many starts, and equations with their conditions, held to the truth."""

import numpy as np

import refkan as rk
from refkan import truth
from refkan.analysis.conditioning.null_space import null_vectors
from refkan.training.adaptivity import minimize_adaptive
from refkan.training.adaptivity.bisection import Mark, bisect
from refkan.training.adaptivity.cut_networks import Freed
from refkan.training.adaptivity.indicators import layer_states
from refkan.training.adaptivity.refits import refit_layer
from refkan.training.multilevel import Stage
from validation.equations.recipes.ordinary_setups import ordinary_setup
from validation.grounds.descent import SAMPLES
from validation.grounds.networks import posed
from validation.grounds.spaces import Departures, departure


def loss(net: rk.Network, theta: np.ndarray, problem: rk.LeastSquares) -> float:
    return float(truth.of(net, theta, problem.x, float).least_squares(problem.y).value)


def refined() -> Departures:
    """Cuts and refits are the same function; what trainings on them report is true of where they end."""
    net, theta, x, _ = posed(rk.kan([1, 1], 3, 3), SAMPLES)
    values = truth.of(net, theta, x, float).value
    fine, moved = bisect(net, theta, [Mark(layer=0, intervals=(1,), share=1.0)])
    yield "a cut", departure(truth.of(fine, moved, x, float).value, values)
    inside = np.linspace(0.0, 1.0, 3 * SAMPLES)[:, None]
    layer, refitted = refit_layer(layer_states(net, theta, inside)[0], np.linspace(0.0, 1.0, 7)[None])
    exact = truth.of(net, theta, inside, float).value
    yield "a refit", departure(truth.of(rk.Network((layer,), ()), refitted, inside, float).value, exact)
    problem = rk.LeastSquares(net, inside, np.cos(7 * inside))
    adapted = minimize_adaptive(problem, theta, "residual", "levenberg-marquardt", 2, max_rounds=2)
    yield "adaptive training", departure([adapted.value], [loss(adapted.network, adapted.theta, problem)])
    stages = [Stage(2, 1), Stage(1, 1, change=Freed())]
    best = rk.multistart(problem, np.random.default_rng(1), stages)
    yield "many starts", departure([best.value], [loss(best.network, best.theta, problem)])


def ordinary_equations() -> Departures:
    """u'' + k^2 u = f at the solution, whose derivatives come from differences of order six."""
    h = 1e-3
    weights = np.array([2.0, -27.0, 270.0, -490.0, 270.0, -27.0, 2.0]) / (180 * h**2)
    x = np.linspace(0.1, 0.9, 5)[:, None]
    for name, square in (("poisson-1d-peak", 0.0), ("helmholtz-1d-wave", 16.0)):
        setup = ordinary_setup(name)
        u = setup.reference(x)[:, 0]
        u_xx = sum(w * setup.reference(x + (k - 3) * h)[:, 0] for k, w in enumerate(weights))
        scale = float(np.abs(u_xx).max())
        equation, quantities = setup.terms[0], (x, u, np.zeros_like(u), u_xx)
        given = {"data": equation.data(x)}
        residual = np.asarray(equation.residual(*quantities, **given)) / scale
        # Differences are right to 1e-6 here: that is said, and what is below counts as none.
        worst = float(np.abs(residual).max())
        yield name, worst if worst > 1e-5 else 0.0
        yield f"{name}: k^2", departure(equation.partials(*quantities, **given)[0], square, 1.0)


def null_spaces() -> Departures:
    """Null vectors by structure: as many as the Jacobian of the truth lacks in rank, and in its null space."""
    net, theta, x, _ = posed(rk.kan([2, 1, 1], 3, 2, node_map="none"), 40)
    J = np.array(truth.of(net, theta, 0.5 + 0.4 * (x - 0.5), float).jacobian())
    Z = null_vectors(net, theta, 0.5 + 0.4 * (x - 0.5))
    yield "null vectors", float(np.abs(J @ Z).max() / np.abs(J).max())
    yield "null vectors are orthonormal", departure(Z.T @ Z, np.eye(Z.shape[1]))
