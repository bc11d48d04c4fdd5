"""A base for layers in PyTorch: autograd gives all derivatives, so that an adapter only builds the layer."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from refkan.base import check_choice
from refkan.base.extras import needed
from refkan.conformance.adapters.adapter import Adapter, InputsOverwrittenError
from refkan.conformance.adapters.answers import BadResultError
from refkan.conformance.cases import LOW, PARTS, Case, LayerSpec, as_specs

VARIANTS = ("eager", "compile", "vmap", "autocast", "tf32")

LOWERING = {"autocast": "bfloat16", "tf32": "tf32"}
"""Formats of results: models are made in float32, and results are judged by what the lower format allows."""

COMPILED = ("layer/degree-3/uniform/3x2", "layer/degree-3/arbitrary/3x2", "network/degree-2/uniform/2-3-2")
"""Settings that are compiled: each takes seconds."""

MODELS = 4
"""Models that share a compiled function: PyTorch compiles it anew where their shapes differ, up to a limit."""

PLAIN = ("values", "input-gradients", "coefficient-gradients")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


class TorchAdapter(Adapter):
    """An adapter whose models are callables of tensors; implement `build` and `coefficients`.

    The format of the current spec is stored before `build` is called; `self.tensor` and `self.number` use it.

    Tensors are made on `device`: set `device = "cuda"` in the class for layers that run there alone, or call
    `on("cuda")`. `as_variant("compile")`, "vmap", "autocast" or "tf32" judges the layer as it is called in these ways.

    `build(spec)` returns a module (or any callable x (N, P) -> y (N, Q)) with the knots and coefficients of the spec;
    `self.tensor(array, spec.dtype)` makes tensors. `coefficients(model)` returns the tensor to differentiate, and
    `to_papers` turns its layout into (Q, P, dim). `parts(model)` returns tensors of declared parts, by name, and
    `part_to_papers` turns their layouts into (Q, P) or (Q,). Override `call` if the model is not called as `model(x)`,
    and `knots(model)` if the knots (P, K) are a tensor to differentiate.

    Raises
    ------
    ImportError
        If PyTorch is not installed, or has no such device here.

    Examples
    --------
    >>> from refkan.conformance import Capabilities, TorchAdapter
    >>> class MyAdapter(TorchAdapter):  # making one, MyAdapter(), needs PyTorch
    ...     capabilities = Capabilities(degrees=(3,), derivatives=("inputs", "coefficients"))
    ...     def build(self, spec):
    ...         from my_package import MyLayer  # the layer to be judged
    ...         layer = MyLayer(spec.n_inputs, spec.n_outputs, spec.intervals, spec.domain)
    ...         layer.coefficients.data = self.tensor(spec.coefficients)
    ...         return layer
    >>> MyAdapter.capabilities.degrees
    (3,)
    """

    device: Any = "cpu"
    compile_options: Mapping[str, Any] = MappingProxyType({})
    variant = "eager"
    _compiled: Callable[[Any, Any], Any] | None = None

    def __init__(self) -> None:
        self.torch: Any = needed(type(self).__name__, "torch", "torch")
        self.dtype = "float64"
        self.on(self.device)

    def on(self, device: Any) -> Self:
        """Judge the layer on a device; return the adapter.

        Raises
        ------
        ImportError
            If PyTorch finds no such device: a suite is skipped then.
        """
        kind = str(device).partition(":")[0]
        if kind == "cuda" and not self.torch.cuda.is_available():
            raise ImportError(
                f"no device {device!r} here: torch {self.torch.__version__} finds no CUDA; nothing is judged there"
            )
        self.device = device
        return self

    def as_variant(self, name: str) -> Self:
        """Judge the layer called in another way, "compile", "vmap", "autocast" or "tf32"; return the adapter."""
        check_choice("variant", name, VARIANTS)
        self.variant, self._compiled, self._seen = name, None, dict[int, Any]()
        if name != "eager":
            self.name = f"{self.title}, {name}"
        if name in LOWERING:
            self.capabilities = replace(self.capabilities, dtypes=(LOWERING[name],))
        return self

    def declined(self, case: Case) -> str:
        """Return why a case is not judged: the adapter declines it, or the variant does not support it."""
        if (reason := self.declines(case)) or self.variant != "compile":
            return reason
        if case.quantity not in PLAIN:
            return "compile: PyTorch does not differentiate compiled functions twice; the rest is that of eager"
        if case.setting.name.partition("/")[2] not in COMPILED:
            return f"compile: {len(COMPILED)} settings of each format are compiled, no others"
        return ""

    def _outputs(self, model: Any, x: Any) -> Any:
        """Outputs of a model at x, called in the way that was chosen."""
        if self.variant == "vmap":
            return self.torch.vmap(lambda row: self.call(model, row[None])[0])(x)
        if self.variant == "autocast":
            with self.torch.autocast(x.device.type, dtype=getattr(self.torch, LOWERING["autocast"])):
                return self.call(model, x)
        if self.variant == "tf32":
            # Not undone: products of the backward pass follow what holds when they are computed.
            self.torch.backends.cuda.matmul.allow_tf32 = True
        if self.variant != "compile":
            return self.call(model, x)
        if self._compiled is None or (id(model) not in self._seen and len(self._seen) == MODELS):
            self.torch.compiler.reset()  # beyond its limit PyTorch falls back to eager
            self._compiled, self._seen = self.torch.compile(self.call, **self.compile_options), {}
        self._seen[id(model)] = model
        return self._compiled(model, x)

    def tensor(self, array: Any, dtype: str | None = None, grad: bool = False) -> Any:
        """Return a tensor that owns its memory, by default in the format of the spec that was built last."""
        made = self.torch.tensor(np.asarray(array, np.float64), dtype=self.torch.float64)
        made = made.to(self.device, self.number if dtype is None else getattr(self.torch, dtype))
        return made.requires_grad_() if grad else made

    @property
    def number(self) -> Any:
        """The PyTorch dtype of the spec, for `module.to(self.number)`."""
        single = self.variant in LOWERING or self.dtype == "tf32"
        return self.torch.float32 if single else getattr(self.torch, self.dtype)

    def samples(self, x: Any) -> Any:
        """Return samples as a tensor with the strides of x, and in the format of x if that is not float64."""
        strides = [step // x.itemsize for step in x.strides]
        made = self.tensor(x) if x.dtype == np.float64 else self.torch.tensor(x, device=self.device)
        if x.flags.c_contiguous or any(step < 0 for step in strides):
            return made
        if not strides[0]:
            return made[:1].clone().expand(x.shape)
        size = 1 + sum((n - 1) * step for n, step in zip(x.shape, strides, strict=True))
        view = self.torch.zeros(size, dtype=made.dtype, device=made.device).as_strided(x.shape, strides)
        return view.copy_(made)

    def call(self, model: Any, x: Any) -> Any:
        """Return the outputs (N, Q) of a model at a tensor x (N, P)."""
        return model(x)

    def in_mode(self, model: Any, training: bool) -> Any:
        """Put modules into a mode; a model may be a list of them."""
        for module in model if isinstance(model, list) else [model]:
            if hasattr(module, "train"):
                module.train(training)
        return model

    def coefficients(self, model: Any) -> Any:
        """Return the model's own tensor of coefficients (for a network, a list of them)."""
        raise NotImplementedError("implement coefficients(model): the tensor of spline coefficients")

    def to_papers(self, array: Any) -> Any:
        """Turn coefficients in the layout of the model, as a NumPy array, into (Q, P, dim)."""
        return array

    def parts(self, model: Any) -> Mapping[str, Any]:
        """Return the tensors of the declared parts that the model has, by name; for a network, a list of mappings."""
        raise NotImplementedError("parts are declared: implement parts(model), which returns tensors by name")

    def part_to_papers(self, name: str, array: Any) -> Any:
        """Turn a part in the layout of the model, as a NumPy array, into (Q, P), or (Q,) for one number an output."""
        return array

    def knots(self, model: Any) -> Any:
        """Return the tensor of the knots (P, K)."""
        raise NotImplementedError("implement knots(model): the tensor of knots (P, K)")

    def array(self, tensor: Any) -> Any:
        """Return a tensor as a NumPy array; lower formats are widened to float64."""
        tensor = tensor.detach().cpu()
        return (tensor.double() if str(tensor.dtype).removeprefix("torch.") in LOW else tensor).numpy()

    def forward(self, model: Any, x: Any) -> Any:
        """Return the outputs without recording a graph."""
        at = self.samples(x)
        kept = at.clone()
        with self.torch.no_grad():
            y = self._outputs(model, at)
        if not self.torch.equal(at, kept):
            raise InputsOverwrittenError("the model changed the tensor that it was called with")
        return self.array(y)

    def vjp(self, model: Any, x: Any, dy: Any) -> Mapping[str, Any]:
        """Return gradients by autograd; None where the outputs do not depend on a tensor."""
        declared = self.capabilities.derivatives
        leaf = self.samples(x).requires_grad_()
        wanted: dict[str, list[Any]] = {"inputs": [leaf]}
        if "coefficients" in declared:
            wanted["coefficients"] = _listed(self.coefficients(model))
            parts = self.parts(model) if self.used_parts else {}
            wanted |= {part: _listed(arrays) for part, arrays in parts.items()}
        if "knots" in declared:
            wanted["knots"] = [self.knots(model)]
        tensors = [tensor for group in wanted.values() for tensor in group]
        for tensor in tensors:
            tensor.requires_grad_()
        y = self._outputs(model, leaf)
        if dy.flags.c_contiguous:
            of, options = self._against(y, dy), {}
        else:  # handed over as it lies in memory
            of, options = y, {"grad_outputs": self.samples(dy).to(y.dtype)}
        gradients = iter(self.torch.autograd.grad(of, tensors, allow_unused=True, **options))
        turned: dict[str, Callable[[Any], Any]] = {"coefficients": self.to_papers, "knots": self.interior}
        turned |= {part: partial(self.part_to_papers, part) for part in PARTS}
        out: dict[str, Any] = {}
        for name, group in wanted.items():
            arrays = [None if g is None else self.array(g) for g in islice(gradients, len(group))]
            arrays = [None if a is None else turned.get(name, np.asarray)(a) for a in arrays]
            out[name] = arrays if len(arrays) > 1 else arrays[0]
        return out

    def _against(self, y: Any, dy: Any) -> Any:
        """Sum dy * y, of which autograd finds what it finds of y with the cotangent dy.

        A cotangent of its own makes it load a package for symbolic sizes first, which takes a second.
        """
        if tuple(y.shape) != dy.shape:
            raise BadResultError(f"the model returned shape {tuple(y.shape)}; expected {dy.shape}")
        return (y * self.tensor(dy).to(y.dtype)).sum()

    def interior(self, gradient: Any) -> Any:
        """Return the columns of interior breakpoints of a gradient in all knots (P, K)."""
        return gradient[:, self.order : gradient.shape[1] - self.order]

    order = 1
    used_parts: tuple[str, ...] = ()

    def remember(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> LayerSpec:
        """Store the (first) layer, and its properties that are used most; return the layer."""
        first = super().remember(spec)
        self.spec, self.dtype, self.order = first, first.dtype, first.order
        self.used_parts = tuple(part for part in PARTS if any(part in each.parts for each in as_specs(spec)))
        return first

    def second(self, model: Any, x: Any, dy: Any, direction: Any) -> Any:
        """Differentiate the input gradient once more."""
        leaf = self.samples(x).requires_grad_()
        y = self._outputs(model, leaf)
        (dx,) = self.torch.autograd.grad(self._against(y, dy), leaf, create_graph=True)
        if not dx.requires_grad:
            if self.order <= 2:  # pieces of degree 1: the gradient does not depend on x
                return np.zeros(x.shape)
            raise RuntimeError("no graph through the input gradient: no double backward")
        (ddx,) = self.torch.autograd.grad(self._against(dx, direction), leaf, allow_unused=True)
        return np.zeros(x.shape) if ddx is None else self.array(ddx)
