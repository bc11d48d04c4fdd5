"""Small problems and networks for them, for tests of multilevel training."""

import numpy as np

import refkan as rk
from refkan.training.losses import Collocation, Side, Term, prescribed


def data(n=120, seed=1234):
    x = np.random.default_rng(seed).uniform(1e-4, 0.9999, (n, 2))
    return x, rk.problems.regression_target(x)


def small_problem(basis="spline", node_map="mean-std", intervals=(1, 3), widths=(2, 3, 1), n=120, **options):
    x, y = data(n)
    net = rk.kan(list(widths), 3, list(intervals), basis=basis, node_map=node_map, **options)
    net, theta = net.initialize(np.random.default_rng(7), x)
    return rk.LeastSquares(net, x, y), theta


class Line:
    def __call__(self, theta, x):
        return x @ theta[:, None]

    def vjp(self, theta, x, inputs=True):
        return self(theta, x), lambda dy: ((x.T @ dy)[:, 0], None)


def poisson(net, attention=None):
    inside = Side(np.random.default_rng(0).uniform(size=(40, 2)), first=[[1.0, 0.0], [0.0, 1.0]])
    edge = np.array([[0.0, 0.3], [1.0, 0.4], [0.2, 0.0], [0.7, 1.0]])

    def equation(x, u, u_x, u_y, u_xx, u_yy):
        return u_xx + u_yy + np.sin(3 * x[:, 0])

    return Collocation(
        net,
        [
            Term("equation", inside, equation, lambda *_: (0.0, 0.0, 0.0, 1.0, 1.0), attention=attention),
            prescribed("edge", edge, 0.0, weight=10.0),
        ],
    )
