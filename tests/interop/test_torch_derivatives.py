"""Derivatives of any order through `as_torch`: equations as they are written in PyTorch, and what is not available."""

import numpy as np
import pytest

import refkan as rk
from refkan.interop.derivative_forms import form, gradient_of_form
from refkan.training.losses import prescribed
from tests.interop.test_torch_modules import NETWORKS, started
from tests.shared.refusals import refused

torch = pytest.importorskip("torch")
func = torch.func

MAPS = [{}, {"node_map": "sigmoid"}, {"edge": "silu"}, {"node_map": "mean-std"}, {"free_knots": True}]


def second_derivatives(u, x):
    """u_pp (N,) for each input p, as in scripts for PyTorch."""
    (u_x,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    return [torch.autograd.grad(u_x[:, p].sum(), x, create_graph=True)[0][:, p] for p in range(x.shape[1])]


def poisson(net, x, ends):
    """The loss of -Laplace u + u = 1 with u = 0 on some points, as Collocation has it."""
    P = x.shape[1]
    seeds = np.eye(P)

    def residual(x, u, *derivatives):
        return -sum(derivatives[P:]) + u - 1.0

    def partials(x, u, *derivatives):
        return (1.0, *[0.0] * P, *[-1.0] * P)

    equation = rk.Term("equation", rk.Side(x, first=seeds), residual, partials)
    return rk.Collocation(net, [equation, prescribed("ends", ends, 0.0)], check=True, quiet=True)


def poisson_of_torch(module, x, ends):
    u = module(x)[:, 0]
    r = -sum(second_derivatives(u, x)) + u - 1.0
    return 0.5 * (r.square().mean() + module(ends).square().mean())


@pytest.mark.parametrize("P", [1, 2])
@pytest.mark.parametrize("options", MAPS, ids=repr)
def test_poisson_has_the_gradient_of_collocation(P, options):
    rng = np.random.default_rng(P)
    x, ends = rng.uniform(size=(40, P)), rng.integers(0, 2, size=(6, P)).astype(float)
    net, theta = rk.kan([P, 4, 1], 5, 3, **options).initialize(rng, x)
    problem = poisson(net, x, ends)
    module = rk.interop.as_torch(net, theta)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-4)
    for _ in range(3):
        optimizer.zero_grad()
        at = torch.tensor(x, requires_grad=True)
        loss = poisson_of_torch(module, at, torch.from_numpy(ends))
        loss.backward()
        value, gradient = problem.value_and_gradient(module.theta.detach().numpy())
        np.testing.assert_allclose(loss.item(), value, rtol=1e-12)
        error = np.abs(module.theta.grad.numpy() - gradient).max()
        assert error < 1e-12 * np.abs(gradient).max()
        optimizer.step()


def test_poisson_in_torch_func_has_the_gradient_of_collocation():
    """Quadratic splines, whose gradient in x of u_xx does not exist: only theta is differentiated."""
    rng = np.random.default_rng(0)
    x, ends = rng.uniform(size=(30, 2)), np.array([[0.0, 0.5], [1.0, 0.2]])
    net, theta = rk.kan([2, 3, 1], 3, 3).initialize(rng, x)
    module = rk.interop.as_torch(net, theta)

    def loss(theta):
        def u(x):
            return func.functional_call(module, {"theta": theta}, (x[None],))[0, 0]

        at = torch.from_numpy(x)
        laplace = func.vmap(lambda x: func.hessian(u)(x).trace())(at)
        r = -laplace + func.vmap(u)(at) - 1.0
        return 0.5 * (r.square().mean() + func.vmap(u)(torch.from_numpy(ends)).square().mean())

    with pytest.warns(UserWarning, match="second derivative of splines of order 3 jumps"):
        gradient, value = func.grad_and_value(loss)(torch.from_numpy(theta))
    exact, exact_gradient = poisson(net, x, ends).value_and_gradient(theta)
    np.testing.assert_allclose(value.item(), exact, rtol=1e-12)
    error = np.abs(gradient.numpy() - exact_gradient).max()
    assert error < 1e-12 * np.abs(exact_gradient).max()


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_with_second_derivatives_have_their_gradients_in_theta_and_x(kind, weighted):
    net, theta, x, rng = started(kind)
    module = rk.interop.as_torch(net, theta)
    weights = torch.from_numpy(rng.uniform(0.5, 2.0, (3, 2)))

    def loss(theta, x, weights):
        u = func.functional_call(module, {"theta": theta}, (x,))
        u = u * weights if weighted else u
        return sum(part.sin().sum() for part in second_derivatives(u, x))

    at = [torch.from_numpy(each).requires_grad_() for each in (theta, x)]
    assert torch.autograd.gradcheck(loss, [*at, weights.requires_grad_()])


@pytest.mark.parametrize("kind", NETWORKS)
def test_forward_and_reverse_mode_agree(kind):
    net, theta, x, _ = started(kind)
    module = rk.interop.as_torch(net, theta)

    def u(theta, x):
        return func.functional_call(module, {"theta": theta}, (x,))

    at = [torch.from_numpy(each).requires_grad_() for each in (theta, x)]
    assert torch.autograd.gradcheck(u, at, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(u, at, check_fwd_over_rev=True)
    theta, x = torch.from_numpy(theta), torch.from_numpy(x)
    for argument in (0, 1):
        first = [mode(u, argument)(theta, x) for mode in (func.jacrev, func.jacfwd)]
        torch.testing.assert_close(*first, rtol=0, atol=1e-12)
        pairs = [(func.jacrev, func.jacrev), (func.jacfwd, func.jacrev)]
        if argument == 1:  # in theta one member of a batch after the other: too many
            pairs += [(func.jacrev, func.jacfwd), (func.jacfwd, func.jacfwd)]
        second = [outer(inner(u, argument), argument)(theta, x) for outer, inner in pairs]
        scale = second[0].abs().max().item()
        for other in second[1:]:
            torch.testing.assert_close(other, second[0], rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(func.jacrev(u)(theta, x).reshape(6, -1), net.jacobian(theta.numpy(), x.numpy()))


def test_batches_of_inputs_of_parameters_and_of_directions():
    net, theta, _, rng = started("silu")
    module = rk.interop.as_torch(net, theta)

    def u(theta, x):
        return func.functional_call(module, {"theta": theta}, (x,))

    thetas = torch.from_numpy(theta + rng.normal(size=(4, theta.size)))
    xs = torch.from_numpy(rng.uniform(size=(4, 3, 2)))
    both = func.vmap(u)(thetas, xs)
    each = torch.stack([u(*at) for at in zip(thetas, xs, strict=True)])
    torch.testing.assert_close(both, each, rtol=0, atol=0)
    last = func.vmap(u, (None, 2))(thetas[0], xs.permute(1, 2, 0))
    torch.testing.assert_close(last, torch.stack([u(thetas[0], at) for at in xs]), rtol=0, atol=1e-15)

    def loss(theta, x):
        return u(theta, x).square().sum()

    gradients = func.vmap(func.grad(loss, (0, 1)), (None, 0))(thetas[0], xs)
    for k, at in enumerate(xs):
        for batched, single in zip(gradients, func.grad(loss, (0, 1))(thetas[0], at), strict=True):
            torch.testing.assert_close(batched[k], single, rtol=1e-13, atol=1e-13)
    value, pullback = func.vjp(u, thetas[0], xs[0])
    tangent = func.jvp(u, (thetas[0], xs[0]), (thetas[1], xs[1]))[1]
    cotangent = torch.ones_like(value)
    of_theta, of_x = pullback(cotangent)
    forward, backward = tangent.sum(), of_theta @ thetas[1] + (of_x * xs[1]).sum()
    torch.testing.assert_close(forward, backward, rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", NETWORKS)
def test_forms_are_the_difference_quotients_of_those_before(kind):
    net, theta, x, rng = started(kind)
    still = np.zeros(theta.size)
    in_x = [(still, rng.normal(size=x.shape)) for _ in range(2)]
    last, dy, h = (rng.normal(size=theta.size), rng.normal(size=x.shape)), rng.normal(size=(3, 2)), 1e-5
    for k in range(3):
        ahead, behind = (form(net, theta + s * last[0], x + s * last[1], in_x[:k]) for s in (h, -h))
        exact = form(net, theta, x, [*in_x[:k], last])
        np.testing.assert_allclose((ahead - behind) / (2 * h), exact, rtol=0, atol=1e-6 * np.abs(exact).max())
        # <(dtheta, dx), G_k> = <dy, D_{k+1}>
        of_theta, of_x = gradient_of_form(net, theta, x, dy, in_x[:k])
        np.testing.assert_allclose(of_theta @ last[0] + np.sum(of_x * last[1]), np.sum(dy * exact), rtol=1e-10)


def test_long_and_short_directions_keep_their_digits():
    net, theta, x, rng = started("affine")
    still = np.zeros(theta.size)
    u, v, dy = rng.normal(size=x.shape), rng.normal(size=x.shape), rng.normal(size=(3, 2))
    plain = gradient_of_form(net, theta, x, dy, [(still, u), (still, v)])
    scaled = gradient_of_form(net, theta, x, dy, [(still, 1e12 * u), (still, 1e-12 * v)])
    for one, other in zip(plain, scaled, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-13 * np.abs(one).max())


def chained(module, x, order):
    """u, u_x, u_xx, ... of the first output and input, differentiable."""
    u = module(x)[:, :1]
    for _ in range(order):
        u = torch.autograd.grad(u.sum(), x, create_graph=True)[0][:, :1]
    return u


def test_third_derivatives_in_x_are_there_and_what_follows_is_refused():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(7, 1))
    net, theta = rk.kan([1, 1], 6, 2).initialize(rng, x)
    module, at = rk.interop.as_torch(net, theta), torch.tensor(x, requires_grad=True)
    third = chained(module, at, 3)
    spline = net.edge_function(theta, 0, 0, 0)
    np.testing.assert_allclose(third.detach()[:, 0], spline(x[:, 0], 3), rtol=0, atol=1e-11)
    assert third.requires_grad
    bent = func.jacfwd(func.jacrev(func.jacrev(lambda x: module(x[None])[0, 0])))
    torch.testing.assert_close(func.vmap(bent)(at.detach())[:, 0, 0], third.detach(), rtol=0, atol=1e-11)
    for call in (
        lambda: chained(module, at, 3).sum().backward(),
        lambda: torch.autograd.grad(chained(module, at, 3).sum(), module.theta),
        lambda: chained(module, at, 4),
        lambda: func.vmap(func.jacfwd(bent))(at.detach()),
        lambda: func.vmap(func.jacrev(bent))(at.detach()),
    ):
        refused(call, "available are all second derivatives in theta and x, gradients")


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_that_splines_do_not_have_are_refused(order):
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(7, 1))
    net, theta = rk.kan([1, 3, 1], order, 2).initialize(rng, x)
    module, at = rk.interop.as_torch(net, theta), torch.tensor(x, requires_grad=True)
    which = ("first", "second", "third")[order - 1]
    answer = f"layer 0: {which} derivatives in x need splines of order >= {order + 2}"
    refused(lambda: chained(module, at, order), answer)

    def single(x):
        return module(x[None])[0, 0]

    for _ in range(order):
        single = func.jacrev(single)
    refused(lambda: func.vmap(single)(at.detach()), answer)


def test_third_derivatives_in_theta_are_refused():
    net, theta = rk.kan([1, 1, 1], 4, 1).initialize(np.random.default_rng(0), [[0.0], [0.3], [1.0]])
    module, theta = rk.interop.as_torch(net, theta), torch.from_numpy(theta)
    x = torch.tensor([[0.2], [0.7]], dtype=torch.float64)

    def bent(theta):
        """A second derivative along the ones."""

        def loss(theta):
            return func.functional_call(module, {"theta": theta}, (x,)).pow(3).sum()

        def slope(theta):
            return func.jvp(loss, (theta,), (torch.ones_like(theta),))[1]

        return func.grad(slope)(theta).sum()

    assert bent(theta).isfinite()
    for third in (lambda: func.grad(bent)(theta), lambda: func.jvp(bent, (theta,), (torch.ones_like(theta),))):
        refused(third, "got .* of which 2 move theta")


BAD_TENSORS = {
    "0-d": (lambda: torch.tensor(1.0), r"x must have shape \(..., 2\); got \(\)"),
    "no inputs": (lambda: torch.zeros(12, 0), r"x must have shape \(..., 2\); got \(12, 0\)"),
    "width": (lambda: torch.zeros(2, 3), r"x must have shape \(..., 2\); got \(2, 3\)"),
    "complex": (lambda: torch.zeros(3, 2, dtype=torch.complex128), "TypeError: real numbers .* complex128"),
    "sparse": (lambda: torch.zeros(3, 2).to_sparse(), "TypeError: dense tensor .* sparse_coo"),
    "rows": (lambda: torch.zeros(3, 2).to_sparse_csr(), "TypeError: dense tensor .* sparse_csr"),
    "mkldnn": (lambda: torch.zeros(3, 2, dtype=torch.float32).to_mkldnn(), "TypeError: dense tensor .* mkldnn"),
    "nested": (lambda: torch.nested.nested_tensor([torch.zeros(3, 2)]), "TypeError: dense tensor .* nested"),
    "quantized": (
        lambda: torch.quantize_per_tensor(torch.zeros(3, 2, dtype=torch.float32), 0.1, 0, torch.qint8),
        "TypeError: dense tensor .* quantized",
    ),
    "meta": (lambda: torch.zeros(3, 2, device="meta"), "TypeError: on the CPU; got one that is on the device meta"),
}


@pytest.mark.parametrize("kind", BAD_TENSORS)
@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_tensors_that_a_module_cannot_take_are_refused(kind):
    net, theta, _, _ = started("affine")
    made, answer = BAD_TENSORS[kind]
    tensor = made()
    refused(lambda: rk.interop.as_torch(net, theta)(tensor), answer)


@pytest.mark.parametrize("bridge", [rk.interop.as_torch, rk.interop.as_jax])
def test_what_is_no_network_is_refused(bridge):
    for other in (None, 3, "net", rk.kan):
        refused(lambda net=other: bridge(net, np.zeros(3)), "TypeError: net must be a Network; got")
    for other in (None, "theta", {}):
        refused(lambda theta=other: bridge(rk.kan([1, 1], 2, 2), theta), "TypeError: theta must hold numbers; got")
