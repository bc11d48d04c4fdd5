"""Models of the libraries themselves, where they are installed."""

from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from refkan import interop
from refkan.interop import ConversionError
from refkan.interop.libraries import EfficientKan, Jaxkan, Library
from tests.interop.models import pykan_state, pykan_values
from tests.shared.refusals import refused
from tests.shared.tables import each_row


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


class Plain(Library):
    """Models that are dicts of arrays, with the formulas of pykan but for `change` of (values, x)."""

    def __init__(self, change=lambda y, x: y):
        self.change = change

    def require(self, model):
        assert isinstance(model, dict)

    def arrays(self, model):
        return {name: array.copy() for name, array in model.items()}

    def call(self, model, x):
        """At points within the knots, and beyond them by a fifth of their length."""
        low, high = model["act_fun.0.grid"][:, 0], model["act_fun.0.grid"][:, -1]
        at = (x - low) / (high - low)
        assert np.all((at.min(axis=0) >= -0.2) & (at.min(axis=0) < -0.15))
        assert np.all((at.max(axis=0) > 1.15) & (at.max(axis=0) <= 1.2))
        return self.change(pykan_values(model, x), x)

    def put(self, model, state):
        model.update(state)


def scaled(factor):
    return lambda y, x: factor * y


@each_row(
    "change, dtype, agrees",
    (scaled(1 + 5e-13), float, True),
    (scaled(1 - 2e-12), float, False),
    (scaled(1 + 5e-5), np.float32, True),
    (scaled(1 - 2e-4), np.float32, False),
    (scaled(np.nan), float, False),
    (lambda y, x: y + 1e-3 * np.abs(y).max() * (x[:, :1] > x[:, :1].max() - 0.2), float, False),
    (lambda y, x: y - 1e-3 * np.abs(y).max() * (x[:, :1] < x[:, :1].min() + 0.2), float, False),
    (lambda y, x: y + 1e-11 * np.abs(y).max() * (np.abs(y) == np.abs(y).min()), float, False),
)
def test_values_of_models_are_compared_inside_and_outside(change, dtype, agrees):
    """In float32 where one array is; by the largest difference of all, over the largest value."""
    state = pykan_state(np.random.default_rng(0), [2, 3, 1])
    state["node_scale_0"] = state["node_scale_0"].astype(dtype)
    net, theta = interop.from_state(state)
    moved = theta + 0.1 * (np.arange(theta.size) % 2)
    library, model = Plain(change), dict(state)
    if agrees:
        assert np.array_equal(library.taken(model)[1], theta)
        library.written(net, theta, model)
        return
    refused(lambda: library.taken(model), "ConversionError: the model has a part that was not converted")
    refused(lambda: library.written(net, moved, model), "ConversionError: the model has a part")
    assert all(np.array_equal(model[name], array) for name, array in state.items())  # taken back


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(before)


@pytest.fixture
def pykan(torch):
    return pytest.importorskip("kan").KAN


def model_of(pykan, torch, seed=0, **options):
    model = pykan(width=[2, 3, 1], grid=4, k=3, seed=seed, auto_save=False, **options)
    for name, tensor in model.named_parameters():
        if name.startswith(("node", "subnode")):
            tensor.data += 0.2 * torch.randn_like(tensor)
    model.act_fun[0].mask.data[0, 1] = 0
    return model


@pytest.mark.parametrize("seed", range(3))
def test_pykan(pykan, torch, seed):
    model = model_of(pykan, torch, seed)
    net, theta = interop.from_pykan(model)
    x = np.random.default_rng(seed).uniform(-2, 2, (200, 2))
    at = torch.tensor(x, requires_grad=True)
    y = model(at)
    (dx,) = torch.autograd.grad(y.sum(), at)
    before, y = interop.state_of(model), y.detach().numpy()
    assert relative(net(theta, x), y) < 1e-14
    assert relative(net.vjp(theta, x)[1](np.ones_like(y))[1], dx.numpy()) < 1e-13
    interop.to_pykan(net, theta, model)
    assert all(np.array_equal(before[name], array) for name, array in interop.state_of(model).items())
    interop.to_pykan(*interop.refined(net, theta), model)
    assert model.act_fun[0].num == model.grid == 14
    assert relative(model(torch.tensor(x)).detach().numpy(), y) < 1e-14


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("used", [False, True])
def test_a_model_that_comes_back_trains_on(pykan, torch, used, factor):
    model, x = model_of(pykan, torch), torch.rand(20, 2) * 2 - 1
    data = dict.fromkeys(("train_input", "test_input"), x) | dict.fromkeys(
        ("train_label", "test_label"), torch.sin(3 * x[:, :1]) * x[:, 1:]
    )
    if used:
        model.fit(data, opt="LBFGS", steps=1)
    net, theta = interop.from_pykan(model)
    interop.to_pykan(*interop.refined(net, theta, factor), model)
    assert all(p.is_contiguous() for p in model.parameters())
    losses = model.fit(data, opt="LBFGS", steps=2)["train_loss"]
    assert losses[-1] < losses[0]


def test_fit_of_pykan_leaves_grids_alone_without_update_grid(pykan, torch):
    """With steps of length 0 nothing but the update of the grids changes a model."""
    model, x = model_of(pykan, torch), torch.rand(200, 2) ** 2
    data = dict.fromkeys(("train_input", "test_input"), x) | dict.fromkeys(
        ("train_label", "test_label"), torch.sin(3 * x[:, :1]) * x[:, 1:]
    )
    interop.to_pykan(*interop.from_pykan(model), model)
    before = model(x).detach()
    model.fit(data, opt="Adam", steps=1, lr=0.0, update_grid=False)
    assert torch.equal(model(x), before)
    model.fit(data, opt="Adam", steps=1, lr=0.0)
    assert not torch.allclose(model(x), before, rtol=0, atol=1e-4)


def efficient_kan(torch, widths, intervals=4, degree=3):
    """Modules of the names and the formulas of efficient-kan."""

    class Layer(torch.nn.Module):
        def __init__(self, P, Q):
            super().__init__()
            h = 2 / intervals
            knots = torch.arange(-degree, intervals + degree + 1) * h - 1
            self.spline_order, self.grid_size, self.base_activation = degree, intervals, torch.nn.SiLU()
            self.register_buffer("grid", knots.expand(P, -1).contiguous())
            for name, shape in (
                ("base_weight", (Q, P)), ("spline_weight", (Q, P, intervals + degree)), ("spline_scaler", (Q, P)),
            ):  # fmt: skip
                self.register_parameter(name, torch.nn.Parameter(torch.randn(shape)))

        def forward(self, x):
            t, x3 = self.grid, x[..., None]
            b = ((x3 >= t[:, :-1]) & (x3 < t[:, 1:])).to(x.dtype)
            for k in range(1, degree + 1):
                left = (x3 - t[:, : -k - 1]) / (t[:, k:-1] - t[:, : -k - 1]) * b[..., :-1]
                b = left + (t[:, k + 1 :] - x3) / (t[:, k + 1 :] - t[:, 1:-k]) * b[..., 1:]
            weight = self.spline_weight * self.spline_scaler[..., None]
            return self.base_activation(x) @ self.base_weight.T + torch.einsum("npi,qpi->nq", b, weight)

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.ModuleList(Layer(P, Q) for P, Q in pairwise(widths))

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    return Model()


@pytest.mark.parametrize("factor", [1, 2])
def test_a_model_of_the_names_of_efficient_kan_trains_on(torch, factor):
    torch.manual_seed(0)
    model, x = efficient_kan(torch, [2, 3, 1]), torch.rand(50, 2) * 2 - 1
    y = torch.sin(3 * x[:, :1]) * x[:, 1:]

    def step(optimizer):
        def loss():
            optimizer.zero_grad()
            value = ((model(x) - y) ** 2).mean()
            value.backward()
            return value

        return optimizer.step(loss).item()

    old = torch.optim.Adam(model.parameters(), lr=1e-3)
    step(old)
    net, theta = interop.from_efficient_kan(model)
    assert relative(net(theta, x.numpy()), model(x).detach().numpy()) < 1e-14
    interop.to_efficient_kan(*interop.refined(net, theta, factor), model)
    assert model.layers[0].grid_size == 4 * factor + 6 * (factor - 1)
    assert relative(model(x).detach().numpy(), net(theta, x.numpy())) < 1e-14
    new = torch.optim.LBFGS(model.parameters(), max_iter=5, line_search_fn="strong_wolfe")
    before = step(new)
    assert step(new) < before
    if factor == 1:  # tensors of the same shape are those that an optimizer holds already
        before = step(old)
        assert step(old) < before


def test_parts_of_pykan_without_a_name(pykan, torch):
    model = model_of(pykan, torch)
    net, theta = interop.from_pykan(model)
    model.fix_symbolic(0, 0, 0, "sin", fit_params_bool=False, verbose=False)
    before = interop.state_of(model)
    refused(lambda: interop.from_pykan(model), "ConversionError: 1 edges are symbolic, the first from input 0.*0")
    refused(lambda: interop.to_pykan(net, theta, model), "ConversionError: symbolic")
    assert all(np.array_equal(before[name], array) for name, array in interop.state_of(model).items())
    with pytest.raises(ConversionError, match="multiplication nodes"):
        interop.from_pykan(pykan(width=[2, [2, 1], 1], grid=3, k=3, auto_save=False))
    model.input_id = model.input_id.flip(0)
    refused(lambda: interop.from_pykan(model), "ConversionError: pruned or reordered")
    with pytest.raises(ConversionError, match="the base function is"):
        interop.from_pykan(pykan(width=[2, 1], grid=3, k=3, base_fun="identity", auto_save=False))
    refused(lambda: interop.from_pykan(torch.nn.Linear(2, 1)), "ConversionError: not a model of pykan")


def test_a_check_that_fails_leaves_the_model_as_it_was(pykan, torch):
    model = model_of(pykan, torch)
    net, theta = interop.from_pykan(model)
    hook = model.act_fun[0].register_forward_hook(lambda module, given, out: (2 * out[0], *out[1:]))
    before, tensors = interop.state_of(model), list(model.parameters())
    refused(lambda: interop.to_pykan(*interop.refined(net, theta), model), "ConversionError: has a part")
    assert all(np.array_equal(before[name], array) for name, array in interop.state_of(model).items())
    assert all(a is b for a, b in zip(model.parameters(), tensors, strict=True))  # which optimizers may hold
    assert model.grid == 4
    hook.remove()


def test_state_dicts_of_torch(pykan, torch, tmp_path):
    model = model_of(pykan, torch)
    net, theta = interop.from_pykan(model)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    again, parameters = interop.read_model(tmp_path / "model.pt")
    assert np.array_equal(parameters, theta)
    assert again.widths == net.widths
    torch.save([1, 2], tmp_path / "list.pt")
    refused(lambda: interop.read_model(tmp_path / "list.pt"), "ConversionError: holds a list")
    torch.save({"some": torch.ones(2), "others": 3}, tmp_path / "some.pt")
    refused(lambda: interop.read_model(tmp_path / "some.pt"), "ConversionError: holds a dict")


def test_models_of_which_some_layers_are_others_are_refused():
    for other in ({}, {"grid": 1}, {"c_basis": 1}):
        layers = [SimpleNamespace(grid=1, c_basis=1, spline_weight=1), SimpleNamespace(**other)]
        model = SimpleNamespace(layers=layers)
        refused(partial(Jaxkan().arrays, model), "ConversionError: not a model of .* jaxkan: SimpleNamespace has")
        refused(partial(EfficientKan().require, model), "ConversionError: not a model of efficient-kan")
    refused(lambda: EfficientKan().require(SimpleNamespace(layers=())), "ConversionError: not a model")
    refused(lambda: Jaxkan().arrays(SimpleNamespace()), "ConversionError: not a model of pykan, efficient-kan or")


def quantized(torch, value):
    return torch.quantize_per_tensor(value, 0.1, 0, torch.qint8)


@each_row(
    "make, described",
    (lambda torch, value: value.bfloat16(), "torch.bfloat16, torch.strided, on cpu"),
    (lambda torch, value: value.to_sparse(), "torch.sparse_coo"),
    (lambda torch, value: value.to("meta"), "on meta"),
    (lambda torch, value: value.flatten()[:1].expand(2**12), "it stores fewer numbers than its shape requires"),
    (quantized, "torch.qint8"),
    ids=["bfloat16", "sparse", "meta", "expanded", "quantized"],
)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_tensors_that_numpy_has_no_arrays_for_are_named(torch, tmp_path, make, described):
    state = efficient_kan(torch, [2, 3, 1]).state_dict()
    state["layers.1.base_weight"] = make(torch, state["layers.1.base_weight"].float())
    message = f"'layers.1.base_weight' is a tensor that NumPy cannot hold .*{described}"
    refused(lambda: interop.from_state(state), f"ConversionError: ^{message}")
    torch.save(state, tmp_path / "model.pt")
    refused(lambda: interop.read_model(tmp_path / "model.pt"), f"ConversionError: model.pt: {message}")


@pytest.mark.parametrize("kind", ["spline", "base"])
def test_jaxkan(kind):
    jax = pytest.importorskip("jax")
    network = pytest.importorskip("jaxkan.models.KAN").KAN
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    try:
        model = network([2, 3, 1], kind, {"k": 3, "G": 4})
        for layer in model.layers:
            layer.grid.item = jax.numpy.asarray(layer.grid.item, float)
            layer.c_basis.value = jax.numpy.asarray(layer.c_basis[...], float)
            layer.bias.value = layer.bias[...] + 0.5
        net, theta = interop.from_jaxkan(model)
        x = np.random.default_rng(0).uniform(-2, 2, (100, 2))
        y = np.asarray(model(x))
        assert relative(net(theta, x), y) < 1e-14
        interop.to_jaxkan(*interop.refined(net, theta), model)
        assert model.layers[0].grid.G == 14
        assert relative(np.asarray(model(x)), y) < 1e-14
    finally:
        jax.config.update("jax_enable_x64", before)
