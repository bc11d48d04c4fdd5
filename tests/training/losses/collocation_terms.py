"""Terms that collocation is tested on: a problem in two inputs with every kind of them."""

import numpy as np

from refkan.training.losses import Side, Term, flux_jump, periodicity, prescribed

NU = 0.1
AXES = np.eye(2)


def burgers(x, u, u_x, u_t, u_xx):
    return u_t + u * u_x - NU * u_xx


def burgers_partials(x, u, u_x, u_t, u_xx):
    return u_x, u, 1.0, -NU


def equation(points, **options):
    return Term("equation", Side(points, AXES, orders=(2, 1)), burgers, burgers_partials, **options)


def one_of_each(points, **options):
    """A problem in two inputs with every kind of term."""
    t = np.linspace(0.1, 0.9, 5)[:, None]
    left, right = np.hstack([0 * t, t]), np.hstack([0 * t + 1, t])
    return (
        equation(points, weight=0.7, **options),
        prescribed("initial", np.hstack([t, 0 * t]), lambda x: -np.sin(np.pi * x[:, 0]), weight=2.0),
        prescribed("boundary", left, 0.0),
        prescribed("data", points[:4], np.array([0.3, -0.2, 0.1, 0.5])),
        periodicity("periodic", left, right, [1.0, 0.0], weight=3.0),
        flux_jump("interface", Side(left, [[1.0, -0.5]], orders=1), Side(left, [[1.0, 0.5]], orders=1), (1.0, 0.5)),
    )


def close(ours, theirs, rtol):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=rtol * max(np.abs(theirs).max(initial=0), 1e-300))
