"""Networks as modules of torch, and what importing interop brings."""

import copy
import io
import pickle
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import refkan as rk
from refkan import interop
from refkan.networks.hessians.products import hessian_vector, tangent_of_pullback
from tests.shared.refusals import refused

PAGE = Path(__file__).parents[2] / "docs/examples/layers/plot_hybrid.py"

NETWORKS = {
    "affine": lambda: rk.kan([2, 3, 2], 4, 3),
    "silu": lambda: rk.kan([2, 3, 2], 4, 3, edge="silu"),
    "relu": lambda: rk.kan([2, 3, 2], 4, 3, basis="relu"),
    "sigmoid": lambda: rk.kan([2, 3, 2], 4, 3, node_map="sigmoid"),
    "chebyshev": lambda: rk.chebyshev_kan([2, 3, 2], 4),
    "dense": lambda: rk.mlp([2, 4, 2], "tanh"),
}


def started(kind):
    rng = np.random.default_rng(5)
    x = rng.uniform(0.1, 0.9, (3, 2))
    net, theta = NETWORKS[kind]().initialize(rng, x)
    return net, theta, x, rng


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_pullback_moves_as_difference_quotients_say(kind):
    net, theta, x, rng = started(kind)
    dy, dtheta, dx = rng.normal(size=(3, 2)), rng.normal(size=theta.size), rng.normal(size=x.shape)
    h = 1e-5
    ahead, behind = (net.vjp(theta + s * dtheta, x + s * dx)[1](dy) for s in (h, -h))
    for exact, plus, minus in zip(tangent_of_pullback(net, theta, x, dy, dtheta, dx), ahead, behind, strict=True):
        np.testing.assert_allclose((plus - minus) / (2 * h), exact, rtol=0, atol=1e-6 * np.abs(exact).max())


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_hessian_is_symmetric_and_its_part_in_theta_that_of_losses(kind):
    net, theta, x, rng = started(kind)
    dy = rng.normal(size=(3, 2))
    (a, p), (b, q) = ((rng.normal(size=theta.size), rng.normal(size=x.shape)) for _ in range(2))
    moved_a, moved_p = tangent_of_pullback(net, theta, x, dy, a, p)
    moved_b, moved_q = tangent_of_pullback(net, theta, x, dy, b, q)
    np.testing.assert_allclose(b @ moved_a + np.sum(q * moved_p), a @ moved_b + np.sum(p * moved_q), rtol=1e-11)
    # Where F - y = dy, the Hessian of N times the least-squares value is J^T J and that of <dy, F>.
    y = net(theta, x) - dy
    of_loss = len(x) * hessian_vector(net, theta, x, y, a)
    J = net.jacobian(theta, x)
    alone = tangent_of_pullback(net, theta, x, dy, a, np.zeros(x.shape))[0]
    np.testing.assert_allclose(alone, of_loss - J.T @ (J @ a), rtol=0, atol=1e-10 * np.abs(of_loss).max())


@pytest.mark.parametrize("kind", NETWORKS)
def test_pytorch_checks_first_and_second_derivatives(kind):
    torch = pytest.importorskip("torch")
    net, theta, x, _ = started(kind)
    module = rk.interop.as_torch(net, theta)

    def values(theta, x):
        return torch.func.functional_call(module, {"theta": theta}, (x,))

    at = [torch.tensor(each, requires_grad=True) for each in (theta, x)]
    assert torch.autograd.gradcheck(values, at)
    assert torch.autograd.gradgradcheck(values, at)
    np.testing.assert_array_equal(module(torch.from_numpy(x)).detach().numpy(), net(theta, x))
    assert str(net) in repr(module)


def test_modules_train_stack_widen_and_are_copied():
    torch = pytest.importorskip("torch")
    net, theta, x, rng = started("affine")
    module = rk.interop.as_torch(net, theta)
    first = torch.nn.Linear(5, 2, dtype=torch.float32)
    z = torch.from_numpy(rng.normal(size=(4, 7, 5)).astype(np.float32))
    y = torch.nn.Sequential(first, torch.nn.Sigmoid(), module)(z)
    assert y.shape == (4, 7, 2)
    assert y.dtype == torch.float64
    y.square().mean().backward()
    assert first.weight.grad.abs().max() > 0
    assert module.theta.grad.shape == (net.n_params,)
    before = module(torch.from_numpy(x)).square().mean().item()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        loss = module(torch.from_numpy(x)).square().mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < before
    twin = copy.deepcopy(module)
    twin.load_state_dict(module.state_dict())
    assert not np.array_equal(module.theta.detach().numpy(), theta)
    file = io.BytesIO()
    torch.save(torch.nn.Sequential(first, module), file)
    file.seek(0)
    for other in (twin, pickle.loads(pickle.dumps(module)), torch.load(file, weights_only=False)[1]):
        np.testing.assert_array_equal(other.theta.detach().numpy(), module.theta.detach().numpy())
        assert torch.equal(other(torch.from_numpy(x)), module(torch.from_numpy(x)))
        assert len(list(other.parameters())) == 1


def test_what_a_module_cannot_take_is_refused_by_name():
    torch = pytest.importorskip("torch")
    net, theta, x, _ = started("affine")
    module = rk.interop.as_torch(net, theta)
    refused(lambda: module(x), "TypeError: x must be a Tensor; got")
    refused(lambda: module.float()(torch.from_numpy(x)), "TypeError: theta must be float64")
    refused(lambda: rk.interop.as_torch(rk.kan([2, 2, 1], 3, 2), np.zeros(24)), "is not bound to data: net, theta")


@pytest.mark.parametrize(
    ("options", "remedy"),
    [({"node_map": "mean-std"}, r"net.freeze\(theta\)"), ({"free_knots": True}, r"net.with_fixed_knots\(theta\)")],
)
def test_double_backward_that_is_not_defined_is_refused(options, remedy):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).uniform(size=(9, 2))
    net, theta = rk.kan([2, 3, 1], 4, 2, **options).initialize(np.random.default_rng(1), x)
    module = rk.interop.as_torch(net, theta)
    (dtheta,) = torch.autograd.grad(module(torch.from_numpy(x)).sum(), module.theta, create_graph=True)
    refused(dtheta.square().sum().backward, remedy)


def test_the_hybrid_model_learns_its_friction(capsys):
    pytest.importorskip("torch")
    runpy.run_path(str(PAGE))
    g, error = map(float, re.findall(r"= (\S+) \(true 1.7\).* by (\S+) at most", capsys.readouterr().out)[0])
    assert abs(g - 1.7) < 1e-3
    assert error < 0.01


def test_importing_brings_no_library():
    code = "import sys, refkan.interop; print({'torch', 'jax', 'kan', 'jaxkan'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("take", [interop.from_pykan, interop.from_jaxkan, interop.from_efficient_kan])
def test_what_is_no_model(take):
    refused(lambda: take(3.0), "ConversionError: not a model of")
