"""The layer of pykan (tested with 0.2.8), on the knots that it makes itself where these are equally spaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from refkan.base.extras import needed
from refkan.conformance.adapters.adapter import Capabilities
from refkan.conformance.adapters.torch_base import TorchAdapter
from refkan.conformance.cases.specs import LayerSpec


class Pykan(TorchAdapter):
    """`kan.KANLayer.KANLayer`, converted by `.double()` in float64, with SiLU where a case has it.

    Raises
    ------
    ImportError
        If PyTorch or pykan is not installed.
    """

    name = "pykan"
    default_dtype_first = False
    capabilities = Capabilities(
        degrees=(1, 2, 3, 4, 5),
        knots=("uniform", "arbitrary", "clamped", "repeated"),
        outside=("natural",),
        dtypes=("float64", "float32"),
        derivatives=("inputs", "coefficients", "second", "gauss-newton"),
        refine=("nested", "any"),
        update=True,
        network=True,
        state=True,
        parts=("base", "scale"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.layer: Any = needed(type(self).__name__, "kan.KANLayer", "pykan==0.2.8").KANLayer

    @contextmanager
    def _default_dtype(self) -> Iterator[None]:
        """Set the default dtype of PyTorch meanwhile, if the class says so."""
        before = self.torch.get_default_dtype()
        if self.default_dtype_first:
            self.torch.set_default_dtype(self.number)
        try:
            yield
        finally:
            self.torch.set_default_dtype(before)

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Build one layer after another."""
        return [self._layer(one) for one in (spec if isinstance(spec, tuple) else (spec,))]

    def _new(self, n_inputs: int, n_outputs: int, intervals: int, degree: int, domain: tuple[float, float]) -> Any:
        with self._default_dtype():
            layer = self.layer(n_inputs, n_outputs, intervals, degree, grid_range=list(domain))
        layer = layer.to(self.number)
        layer.scale_base.data.zero_()
        layer.scale_sp.data.fill_(1.0)
        return layer

    def _layer(self, spec: LayerSpec) -> Any:
        layer = self._new(spec.n_inputs, spec.n_outputs, spec.intervals, spec.degree, spec.domain)
        if spec.kind != "uniform":
            layer.grid.data = self.tensor(spec.knots)
        layer.coef.data = self.tensor(spec.coefficients.transpose(1, 0, 2))
        layer.scale_base.data = self.tensor(spec.part("base").T)
        layer.scale_sp.data = self.tensor(spec.part("scale").T)
        return layer

    def call(self, model: Any, x: Any) -> Any:
        """Apply the layers."""
        for layer in model:
            x = layer(x)[0]
        return x

    def coefficients(self, model: Any) -> Any:
        """Coefficients of all layers, (P, Q, dim) each."""
        return [layer.coef for layer in model]

    def to_papers(self, array: Any) -> Any:
        """(P, Q, dim) to (Q, P, dim)."""
        return array.transpose(1, 0, 2)

    def parts(self, model: Any) -> Mapping[str, Any]:
        """Weights of both branches, (P, Q) each."""
        found = {"base": [layer.scale_base for layer in model], "scale": [layer.scale_sp for layer in model]}
        return {name: found[name] for name in self.used_parts}

    def part_to_papers(self, name: str, array: Any) -> Any:
        """(P, Q) to (Q, P)."""
        return array.T

    def refine(self, model: Any, intervals: int, x: Any) -> Any:
        """`initialize_grid_from_parent`, what `KAN.refine` does for each layer."""
        (parent,) = model
        child = self._new(parent.in_dim, parent.out_dim, intervals, parent.k, (-1.0, 1.0))
        child.scale_base.data, child.scale_sp.data = parent.scale_base.data, parent.scale_sp.data
        with self._default_dtype():
            child.initialize_grid_from_parent(parent, self.tensor(x))
        return [child]

    def update(self, model: Any, x: Any) -> Any:
        """`update_grid_from_samples`."""
        (layer,) = model
        with self._default_dtype():
            layer.update_grid_from_samples(self.tensor(x))
        return model

    def state(self, model: Any) -> tuple[Any, Any]:
        """Grid and coefficients."""
        (layer,) = model
        return self.array(layer.grid), self.to_papers(self.array(layer.coef))


class PykanDefaultDtype(Pykan):
    """The same with the default dtype of PyTorch set before each call, so that its grids are made in float64."""

    name = "pykan, default dtype set first"
    default_dtype_first = True
