"""refkan against the truth, within what rounding may do to each entry; and docs/truth.md: what it quotes is code."""

import re
from pathlib import Path

import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.truth import derivatives
from refkan.truth.arithmetic.taylor import coefficient, curve
from refkan.truth.jets import COEFFICIENTS
from tests.truth.running_errors import errors, inputs
from tests.truth.truth_cases import CASES, Case, draw, floats

every_case = pytest.mark.parametrize("case", CASES, ids=str)
EPS = np.finfo(float).eps


class Bounds:
    """What rounding may do to each entry of what the library computes."""

    def __init__(self, net, theta, x):
        self.t = truth.of(net, theta, x, float)
        self.network, self.theta, self.x = self.t.network, inputs(theta), inputs(x)
        self.sweep = self.network.sweep(self.theta, self.x)

    def jacobian(self):
        rows = derivatives.jacobian_rows(self.network, self.theta, self.x)
        return [[row.get(m, 0) for m in range(self.t.n_params)] for row in rows]


def check(theirs, ours, bounds):
    allowed = EPS * np.array(errors(bounds)) + 1e-300  # that of the truth's own formulas: the library's lose less
    error = np.abs(theirs - floats(ours))
    assert error.shape == allowed.shape
    assert (error <= allowed).all(), np.nanmax(error / allowed)


@every_case
def test_values_and_first_derivatives(case):
    net, theta, x = case.start()
    t, bounds = truth.of(net, theta, x, case.number), Bounds(net, theta, x)
    N, Q = len(x), case.widths[-1]
    dy, dtheta, dx = (np.array(draw(*shape), float) for shape in ((N, Q), (net.n_params,), (N, case.widths[0])))
    check(net(theta, x), t.value, bounds.sweep.value)
    check(net.jacobian(theta, x), t.jacobian(), bounds.jacobian())
    theirs, ours = net.vjp(theta, x)[1](dy), t.pullback(dy)
    check(theirs[0], ours[0], bounds.sweep.gradient(dy.tolist()))
    check(theirs[1], ours[1], bounds.sweep.input_gradient(dy.tolist()))
    tangent = derivatives.tangent(bounds.network, bounds.theta, bounds.x, dtheta.tolist(), dx.tolist())
    check(net.jvp(theta, x, dtheta, dx), t.pushforward(dtheta, dx), tangent)


@pytest.mark.parametrize("kind", ["spline", "silu", "chebyshev", "dense-tanh"])
def test_one_coefficient_moved_in_its_last_digits_is_noticed(kind):
    net, theta, x = Case(kind, "none" if "dense" in kind else "affine").start()
    bounds, moved = Bounds(net, theta, x), theta.copy()
    ours = truth.of(net, theta, x, float).value
    check(net(theta, x), ours, bounds.sweep.value)
    moved[0] += 1e-11
    with pytest.raises(AssertionError):
        check(net(moved, x), ours, bounds.sweep.value)


SMOOTH = tuple(case for case in CASES if case.order > 3 or (case.order == 3 and not case.free))


@pytest.mark.parametrize("case", SMOOTH, ids=str)
@pytest.mark.filterwarnings("ignore:.*derivative:UserWarning")
def test_jets_and_their_gradients(case):
    net, theta, x = case.start()
    t, bounds, N, Q = truth.of(net, theta, x, case.number), Bounds(net, theta, x), len(x), case.widths[-1]
    u, v = np.array(draw(1, case.widths[0]), float), np.array(draw(1, case.widths[0], seed=2), float)
    theirs, ours = net.jet(theta, x, u, v), t.jet(u, v)
    moved = [[curve(z, d, 0, 2) for z, *d in zip(row, u[0], v[0], strict=True)] for row in bounds.x]
    sweep = bounds.network.sweep(bounds.theta, moved)
    w = [np.array(draw(*shape, seed=k), float) for k, shape in enumerate(((N, Q), (N, 1, Q), (N, 1, Q)))]
    total = [0] * net.n_params
    for name, dy, (factor, monomial) in zip(("value", "first", "second"), w, COEFFICIENTS, strict=True):
        bound = [[factor * coefficient(y, monomial) for y in row] for row in sweep.value]
        found = getattr(ours, name)
        check(getattr(theirs, name).reshape(N, Q), found if name == "value" else [row[0] for row in found], bound)
        pairs = zip(total, sweep.gradient(dy.reshape(N, Q).tolist()), strict=True)
        total = [s + factor * coefficient(g, monomial) for s, g in pairs]
    check(theirs.pullback(*w)[0], ours.pullback(*w), total)


@pytest.mark.parametrize("case", [Case("spline", m) for m in ("affine", "mean-std", "sigmoid")], ids=str)
def test_hessians(case):
    net, theta, x = case.start()
    t = truth.of(net, theta, x, case.number)
    y = np.array(draw(len(x), 2), float)
    H = floats(t.least_squares(y).hessian())
    assert np.abs(rk.hessians.hessian(net, theta, x, y) - H).max() < 1e-13 * np.abs(H).max()
    K = floats(t.ntk())
    assert np.abs(rk.hessians.ntk(net, theta, x) - K).max() < 1e-13 * np.abs(K).max()
    G = floats(t.gauss_newton()) / len(x)
    assert np.abs(rk.hessians.gauss_newton(net, theta, x) - G).max() < 1e-13 * np.abs(G).max()


FOLDER = Path(truth.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "truth.md").read_text()


def test_quoted_code_is_the_code():
    source = "\n".join(path.read_text() for path in FOLDER.rglob("*.py"))
    blocks = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if ">>>" not in block]
    assert blocks
    for block in blocks:
        assert block in source


def test_every_file_is_named():
    for path in FOLDER.rglob("*.py"):
        assert path.stem in PAGE or path.name == "__init__.py", path
