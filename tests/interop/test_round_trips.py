"""Round trips of random and trained models through the libraries themselves, where they are installed.

Numbers that were measured are in docs/interop.md: `python -m tests.interop.test_round_trips 200` prints them anew, of
200 random models.

In float32 a library rounds more than the difference to be seen: 200 random models of pykan differ by up to 1.3e-6 in
values and 5e-6 in gradients from themselves in float64. So models in float32 are compared in float64 as well: the same
arrays in a model of the library that computes in float64.
"""

import os
import sys
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from refkan import interop
from refkan.interop.libraries import JAXKAN

RANDOM, TRAINED = 50, 3

COMPARED = ("values", "input gradients", "coefficient gradients")


def relative(a, b):
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-300))


class Torch:
    """What the two libraries on PyTorch have in common."""

    def __init__(self, dtype):
        self.torch = pytest.importorskip("torch")
        self.dtype, self.number = dtype, getattr(self.torch, dtype)

    @contextmanager
    def ready(self):
        before = self.torch.get_default_dtype()
        self.torch.set_default_dtype(self.number)
        try:
            yield
        finally:
            self.torch.set_default_dtype(before)

    def values(self, model, x):
        with self.torch.no_grad():
            return model(self.torch.tensor(x, dtype=self.number)).double().numpy()

    def gradients(self, model, x):
        at = self.torch.tensor(x, dtype=self.number, requires_grad=True)
        arrays = self.coefficients(model)
        found = self.torch.autograd.grad(model(at).sum(), [at, *arrays])
        dx, *dC = (part.double().numpy() for part in found)
        return dx, [self.to_papers(part) for part in dC]

    def widened(self, model, wide, seed):
        twin = wide.new(seed)
        twin.load_state_dict(model.state_dict())
        return twin

    def train(self, model):
        torch = self.torch
        x = torch.tensor(np.random.default_rng(9).uniform(-1, 1, (200, 2)), dtype=self.number)
        y = torch.sin(3 * x[:, :1]) * x[:, 1:]
        with torch.no_grad():
            for tensor in self.coefficients(model):
                tensor *= 0.1
        parameters = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.LBFGS(parameters, max_iter=10, line_search_fn="strong_wolfe")

        def loss():
            optimizer.zero_grad()
            value = ((model(x) - y) ** 2).mean()
            value.backward()
            return value

        optimizer.step(loss)


class Pykan(Torch):
    take, put = staticmethod(interop.from_pykan), staticmethod(interop.to_pykan)

    def new(self, seed):
        KAN = pytest.importorskip("kan").KAN  # noqa: N806
        model = KAN(width=[2, 3, 1], grid=4, k=3, seed=seed, auto_save=False)
        model.save_act = False
        return model

    def randomize(self, model, rng):
        for name, tensor in model.named_parameters():
            if not any(part in name for part in ("symbolic", "grid", "mask")):
                tensor.data = self.torch.tensor(rng.normal(size=tuple(tensor.shape)), dtype=self.number)
        model.act_fun[0].mask.data[0, 1] = 0

    def coefficients(self, model):
        return [layer.coef for layer in model.act_fun]

    def to_papers(self, array):
        return array.transpose(1, 0, 2)


class EfficientKan(Torch):
    """Of the folder src of a clone that the environment variable EFFICIENT_KAN names."""

    take, put = staticmethod(interop.from_efficient_kan), staticmethod(interop.to_efficient_kan)

    def new(self, seed):
        folder = os.environ.get("EFFICIENT_KAN", "")
        if Path(folder).is_dir() and folder and folder not in sys.path:
            sys.path.insert(0, folder)
        try:
            package = import_module("efficient_kan")
        except ImportError as error:
            pytest.skip(f"efficient-kan is not importable, and EFFICIENT_KAN names no copy of it ({error})")
        self.torch.manual_seed(seed)
        return package.KAN([2, 3, 1], grid_size=4, spline_order=3)

    def randomize(self, model, rng):
        for tensor in model.parameters():
            tensor.data = self.torch.tensor(rng.normal(size=tuple(tensor.shape)), dtype=self.number)

    def coefficients(self, model):
        return [layer.spline_weight for layer in model.layers]

    def to_papers(self, array):
        return array


class Jaxkan:
    """One model takes all random numbers, so that JAX compiles each operation once."""

    take, put = staticmethod(interop.from_jaxkan), staticmethod(interop.to_jaxkan)

    def __init__(self, dtype):
        self.jax = pytest.importorskip("jax")
        self.jnp, self.dtype, self.model = self.jax.numpy, dtype, None

    @contextmanager
    def ready(self):
        options = {"jax_enable_x64": self.dtype == "float64", "jax_disable_most_optimizations": True}
        before = {name: self.jax.config.read(name) for name in options}
        for name, value in options.items():
            self.jax.config.update(name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                self.jax.config.update(name, value)

    def new(self, seed):
        network = pytest.importorskip("jaxkan.models.KAN").KAN
        self.nnx = import_module("flax.nnx")
        if self.model is None:
            self.model = network([2, 3, 1], "spline", {"k": 3, "G": 4})
            for layer in self.model.layers:
                layer.grid.item = self.jnp.asarray(layer.grid.item, self.dtype)
                for name in ("c_basis", "c_res", "c_spl", "bias"):
                    getattr(layer, name).set_value(self.jnp.asarray(getattr(layer, name)[...], self.dtype))
            self.old = interop.state_of(self.model)
        JAXKAN.put(self.model, self.old)  # the grid of before
        return self.model

    def randomize(self, model, rng):
        for layer in model.layers:
            for name in ("c_basis", "c_res", "c_spl", "bias"):
                shape = getattr(layer, name)[...].shape
                getattr(layer, name).set_value(self.jnp.asarray(rng.normal(size=shape), self.dtype))

    def widened(self, model, wide, seed):
        twin = wide.new(seed)
        for one, other in zip(model.layers, twin.layers, strict=True):
            other.grid.item = wide.jnp.asarray(one.grid.item, wide.dtype)
            for name in ("c_basis", "c_res", "c_spl", "bias"):
                getattr(other, name).set_value(wide.jnp.asarray(getattr(one, name)[...], wide.dtype))
        return twin

    def values(self, model, x):
        return np.asarray(model(self.jnp.asarray(x, self.dtype)), np.float64)

    def _slopes(self):
        if not hasattr(self, "_compiled"):
            nnx = self.nnx

            def total(model, x):
                return model(x).sum()

            self._compiled = nnx.jit(nnx.grad(total, argnums=(0, 1)))
        return self._compiled

    def gradients(self, model, x):
        found, dx = self._slopes()(model, self.jnp.asarray(x, self.dtype))
        dC = [np.asarray(found["layers"][k]["c_basis"][...], np.float64) for k in range(len(model.layers))]
        return np.asarray(dx, np.float64), dC

    def train(self, model):
        x = self.jnp.asarray(np.random.default_rng(9).uniform(-1, 1, (100, 2)), self.dtype)
        y = self.jnp.sin(3 * x[:, :1]) * x[:, 1:]
        if not hasattr(self, "_step"):
            self._step = self.nnx.jit(self.nnx.grad(lambda model: ((model(x) - y) ** 2).mean()))
        for _ in range(10):
            slopes = self._step(model)
            for k, layer in enumerate(model.layers):
                for name in ("c_basis", "c_res", "c_spl", "bias"):
                    value = getattr(layer, name)
                    value.set_value(0.95 * value[...] - 0.1 * slopes["layers"][k][name][...])


LIBRARIES = {"pykan": Pykan, "efficient-kan": EfficientKan, "jaxkan": Jaxkan}


def compared(library, model, net, theta, x):
    """Relative differences: values, gradients in x and coefficients."""
    y = library.values(model, x)
    dx, dC = library.gradients(model, x)
    dtheta, ours = net.vjp(theta, x)[1](np.ones_like(y))
    blocks = [block["coefficients"] for block in net.unpack(dtheta) if "coefficients" in block]
    return {
        "values": relative(net(theta, x), y),
        "input gradients": relative(ours, dx),
        "coefficient gradients": max(map(relative, blocks, dC)),
    }


def round_trip(library, wide, seed, model, rng):
    """Those of a model, of its arrays back in the library, and of the library's own values after a refinement.

    Of a model in float32 also of the same arrays, before and after, in a model `wide` of the library in float64.
    """
    net, theta = library.take(model)
    x = rng.uniform(-1.5, 1.5, (100, 2)).astype(np.float32).astype(np.float64)
    found, y = compared(library, model, net, theta, x), library.values(model, x)
    if library.dtype == "float32":
        with wide.ready():
            twin = library.widened(model, wide, seed)
            found |= {f"{what} in float64": value for what, value in compared(wide, twin, net, theta, x).items()}
            exact = wide.values(twin, x)
    before = interop.state_of(model)
    library.put(net, theta, model)
    same = all(np.array_equal(before[name], array) for name, array in interop.state_of(model).items())
    library.put(*interop.refined(net, theta), model)
    found |= {"arrays": 0.0 if same else np.inf, "refined": relative(library.values(model, x), y)}
    if library.dtype == "float32":
        fine = library.take(model)
        with wide.ready():
            wide.put(*fine, twin)
            found["refined in float64"] = relative(wide.values(twin, x), exact)
    return found


def measured(name, dtype, count=RANDOM):
    """The largest differences of random and trained models of a library."""
    library, wide, worst = LIBRARIES[name](dtype), LIBRARIES[name]("float64"), {}
    with library.ready():
        for seed in range(count + TRAINED):
            rng, model = np.random.default_rng(seed), library.new(seed)
            if seed < count:
                library.randomize(model, rng)
            else:
                library.train(model)
            for what, value in round_trip(library, wide, seed, model, rng).items():
                worst[what] = max(worst.get(what, 0.0), value)
    return worst


@pytest.mark.parametrize("name", LIBRARIES)
def test_in_float64(name):
    worst = measured(name, "float64")
    assert worst["arrays"] == 0
    for what in (*COMPARED, "refined"):
        assert worst[what] <= 1e-14, worst


@pytest.mark.parametrize("name", LIBRARIES)
def test_in_float32(name):
    worst = measured(name, "float32")
    assert worst["arrays"] == 0
    for what in COMPARED:
        assert worst[f"{what} in float64"] <= 1e-14, worst
        assert worst[what] <= 1e-5, worst  # the library's own rounding
    assert worst["refined in float64"] <= 1e-6, worst
    assert worst["refined"] <= 1e-5, worst


if __name__ == "__main__":
    for name in LIBRARIES:
        for dtype in ("float64", "float32"):
            found = measured(name, dtype, int(sys.argv[1]) if len(sys.argv) > 1 else RANDOM)
            print(name, dtype, {what: f"{value:.1e}" for what, value in found.items()}, flush=True)
