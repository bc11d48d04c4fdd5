"""Adapters of published layers without PyTorch: in NumPy, MLX and TensorFlow.

A copy of a repository is found by the environment variable that `variable` names, as for `other_layers`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from refkan.base.extras import needed
from refkan.conformance.adapters.adapter import Adapter, Capabilities
from refkan.conformance.adapters.bases.copied_layers import PARTS_OF_EDGES
from refkan.conformance.adapters.bases.module_base import copied
from refkan.conformance.cases import LayerSpec, as_specs


class Kanboost(Adapter):
    """`kanboost.core.kan.layer.KANLayer`, in NumPy."""

    name, release = "kanboost", "kanboost==1.13.0"
    capabilities = Capabilities(
        outside=("constant",), derivatives=("inputs",), knots=("uniform", "arbitrary", "clamped")
    )

    def __init__(self) -> None:
        self.layer: Any = needed("Kanboost", "kanboost.core.kan.layer", self.release).KANLayer

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """One layer; its coefficients are (P, Q, dim), as its documentation says."""
        (each,) = as_specs(spec)
        layer = self.layer(each.n_inputs, each.n_outputs, np.array(each.knots), each.degree)
        layer.coef = each.coefficients.transpose(1, 0, 2).copy()
        return layer

    def forward(self, model: Any, x: Any) -> Any:
        """`forward`."""
        return model.forward(x)

    def vjp(self, model: Any, x: Any, dy: Any) -> Mapping[str, Any]:
        """By `deriv`, (N, P, Q)."""
        return {"inputs": np.einsum("sq,spq->sp", dy, model.deriv(x))}


class MlxKan(Adapter):
    """`kan.KANLinear` of mlx-kan, in float32, whose package has the name of pykan's: from a folder of its own."""

    name, variable = "mlx-kan", "MLX_KAN"
    capabilities = replace(PARTS_OF_EDGES, dtypes=("float32",), derivatives=("inputs", "coefficients"), network=False)
    names: ClassVar = {"inputs": "x", "coefficients": "spline_weight", "base": "base_weight", "scale": "spline_scaler"}

    def __init__(self) -> None:
        self.mx: Any = needed("MlxKan", "mlx.core", "mlx[cpu]")
        self.mx.set_default_device(self.mx.cpu)
        self.layer: Any = copied("MlxKan", self.name, "kan.kan", self.variable).KANLinear

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """One layer; its grid is (K, P), as `b_splines` reads it."""
        (each,) = as_specs(spec)
        layer = self.layer(
            each.n_inputs, each.n_outputs, grid_size=each.intervals, spline_order=each.degree,
            grid_range=list(each.domain),
        )  # fmt: skip
        if each.kind != "uniform":
            layer.grid = self.array(each.knots.T)
        layer.spline_weight = self.array(each.coefficients)
        layer.base_weight, layer.spline_scaler = self.array(each.part("base")), self.array(each.part("scale"))
        return layer, each.parts

    def array(self, values: Any) -> Any:
        """In float32."""
        return self.mx.array(np.asarray(values, np.float32))

    def forward(self, model: Any, x: Any) -> Any:
        """The outputs."""
        return np.array(model[0](self.array(x)))

    def vjp(self, model: Any, x: Any, dy: Any) -> Mapping[str, Any]:
        """By `mlx.core.vjp`."""
        layer, parts = model
        wanted = {entry: self.names[entry] for entry in ("coefficients", *parts)}

        def values(at: Any, *weights: Any) -> Any:
            for name, weight in zip(wanted.values(), weights, strict=True):
                setattr(layer, name, weight)
            return layer(at)

        before = [getattr(layer, name) for name in wanted.values()]
        _, gradients = self.mx.vjp(values, [self.array(x), *before], [self.array(dy)])
        for name, weight in zip(wanted.values(), before, strict=True):
            setattr(layer, name, weight)
        return dict(zip(("inputs", *wanted), map(np.array, gradients), strict=True))

    def update(self, model: Any, x: Any) -> Any:
        """`update_grid`."""
        model[0].update_grid(self.array(x))
        return model

    def state(self, model: Any) -> tuple[Any, Any]:
        """Grid and coefficients in effect."""
        return np.array(model[0].grid).T, np.array(model[0].scaled_spline_weight)


class TfKan(Adapter):
    """`tfkan.layers.DenseKAN`, of tf-kan-latest or of a folder that TFKAN names, without bias and base activation.

    One factor multiplies the spline and the base activation of an edge, so that the base activation is replaced by 0.
    """

    name, variable = "tfkan", "TFKAN"
    capabilities = replace(
        PARTS_OF_EDGES, parts=("scale",), derivatives=("inputs", "coefficients"), refine=("nested",), network=False
    )

    def __init__(self) -> None:
        self.tf: Any = needed("TfKan", "tensorflow", "tensorflow-cpu")
        self.layer: Any = copied("TfKan", self.name, "tfkan.layers", self.variable).DenseKAN

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """One layer; kernel (P, dim, Q), factors (P, Q)."""
        (each,) = as_specs(spec)
        layer = self.layer(
            each.n_outputs, use_bias=False, grid_size=each.intervals, spline_order=each.degree,
            grid_range=each.domain, dtype=each.dtype,
        )  # fmt: skip
        layer.build((None, each.n_inputs))
        layer.basis_activation = self.tf.zeros_like
        if each.kind != "uniform":
            layer.grid.assign(self.array(each.knots, each.dtype))
        factor = 1.0 if each.scale is not None else 0.5
        layer.spline_kernel.assign(self.array(each.coefficients.transpose(1, 2, 0) / factor, each.dtype))
        layer.scale_factor.assign(self.array(each.part("scale").T * factor, each.dtype))
        return layer, each, factor

    def array(self, values: Any, dtype: str) -> Any:
        """In the format of the layer."""
        return self.tf.constant(np.asarray(values, np.float64), dtype)

    def forward(self, model: Any, x: Any) -> Any:
        """The outputs."""
        layer, spec, _ = model
        return layer(self.array(x, spec.dtype)).numpy()

    def vjp(self, model: Any, x: Any, dy: Any) -> Mapping[str, Any]:
        """By a gradient tape."""
        layer, spec, factor = model
        at = self.array(x, spec.dtype)
        weights = [getattr(weight, "value", weight) for weight in (layer.spline_kernel, layer.scale_factor)]
        with self.tf.GradientTape() as tape:
            tape.watch([at, *weights])
            total = self.tf.reduce_sum(layer(at) * self.array(dy, spec.dtype))
        dx, dC, dscale = tape.gradient(total, [at, *weights])
        out = {"inputs": dx.numpy(), "coefficients": dC.numpy().transpose(2, 0, 1) / factor}
        return out | ({"scale": dscale.numpy().T} if "scale" in spec.parts else {})

    def update(self, model: Any, x: Any) -> Any:
        """`update_grid_from_samples`."""
        model[0].update_grid_from_samples(self.array(x, model[1].dtype))
        return model

    def refine(self, model: Any, intervals: int, x: Any) -> Any:
        """`extend_grid_from_samples`."""
        model[0].extend_grid_from_samples(self.array(x, model[1].dtype), intervals)
        return model

    def state(self, model: Any) -> tuple[Any, Any]:
        """Grid and coefficients in effect."""
        layer = model[0]
        kernel, factors = np.array(layer.spline_kernel), np.array(layer.scale_factor)
        return np.array(layer.grid), (kernel * factors[:, None]).transpose(2, 0, 1)
