"""Adapters of more published layers in PyTorch, from packages or from the user's own copies of repositories.

A copy is found by the environment variable that `variable` names: the folder from which `module` can be imported.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from refkan.conformance.adapters.adapter import Capabilities
from refkan.conformance.adapters.bases.copied_layers import (
    DERIVATIVES,
    FORMATS,
    PARTS_OF_EDGES,
    EfficientKanAdapter,
    PykanAdapter,
)
from refkan.conformance.adapters.bases.module_base import ModuleAdapter
from refkan.conformance.cases import LayerSpec

ANOTHER_BASIS = Capabilities(degrees=(3,), dtypes=FORMATS, derivatives=DERIVATIVES[:3])
"""Of layers whose functions are no B-splines: `basis` says which."""


class XKanerf(EfficientKanAdapter):
    """`KANLinear` of X-KANeRF, file `bspine_kan.py`: a copy of efficient-kan's."""

    name = "X-KANeRF"
    module, variable = "bspine_kan", "X_KANERF"


class Lkan(ModuleAdapter):
    """`KANLinear` of LKAN, file `lkan/models/layers/kan_linear.py`, which uses nothing of the extension in C++.

    It was judged with an empty module `lkancpp` in the place of that extension.
    """

    name = "LKAN"
    module, layer_name, variable = "lkan.models.layers.kan_linear", "KANLinear", "LKAN"
    weight = "coeff"
    part_weights: ClassVar = {"base": "scale_base", "scale": "scale_spline"}
    options: ClassVar = {"scale_spline": 1.0}
    capabilities = replace(PARTS_OF_EDGES, derivatives=DERIVATIVES)

    def update(self, model: Any, x: Any) -> Any:
        """`update_grid`."""
        (layer,) = model
        layer.update_grid(self.tensor(x))
        return model


class MatrixKan(PykanAdapter):
    """`MatrixKANLayer`, which derives from the layer of pykan, on equally spaced knots."""

    name = "MatrixKAN"
    module, layer_name, variable = "MatrixKANLayer", "MatrixKANLayer", "MATRIXKAN"
    capabilities = replace(PARTS_OF_EDGES, knots=("uniform",), network=False, refine=("nested",))


class KanMlpHybrid(ModuleAdapter):
    """`kan_mlp_hybrid.layers.kan_layer.SimpleKANLayer`."""

    name = "kan-mlp-hybrid"
    module, release, layer_name = "kan_mlp_hybrid.layers.kan_layer", "kan-mlp-hybrid==0.1.1", "SimpleKANLayer"
    weight = "spline_coefs"
    part_weights: ClassVar = {"base": "base_weight", "scale": "spline_weight"}
    capabilities = replace(PARTS_OF_EDGES, update=False, state=False)


class DeepKan(EfficientKanAdapter):
    """`deepkan.deepkan.SplineLinearLayer`; its knots are no buffer, so that `.to` leaves them in float32.

    It was judged with an empty module in the place of torchvision, which its file imports for other purposes.
    """

    name = "Deep_KAN"
    module, release, layer_name = "deepkan.deepkan", "deep-kan==0.0.4", "SplineLinearLayer"
    grid, weight = "knots", "spline_weights"
    part_weights: ClassVar = {"base": "base_weights", "scale": "spline_scales"}

    def made(self, spec: LayerSpec) -> Any:
        """The layer, which calls the number of intervals the number of knots."""
        ends = list(spec.domain)
        sizes = spec.n_inputs, spec.n_outputs
        return self.layer(*sizes, num_knots=spec.intervals, spline_order=spec.degree, grid_range=ends)

    def update(self, model: Any, x: Any) -> Any:
        """`_update_knots`, which forward calls on request."""
        (layer,) = model
        layer._update_knots(self.tensor(x))
        return model

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, update=True)


class DeepKanChebyshev(ModuleAdapter):
    """`deepkan.deepkan.ChebyshevKANLayer`: Chebyshev polynomials of tanh(x), in float32 whatever the format of x."""

    name = "Deep_KAN, Chebyshev"
    module, release, layer_name = "deepkan.deepkan", "deep-kan==0.0.4", "ChebyshevKANLayer"
    weight, axes = "cheby_coeffs", (1, 0, 2)
    capabilities = replace(ANOTHER_BASIS, dtypes=("float32",), basis="Chebyshev polynomials of tanh(x)")

    def made(self, spec: LayerSpec) -> Any:
        """A polynomial for each coefficient."""
        return self.layer(spec.n_inputs, spec.n_outputs, spec.dim - 1)


class TorchConvKan(ModuleAdapter):
    """`kans.layers.KANLayer` of torch-conv-kan without LayerNorm and PReLU, its base weights zero."""

    name = "torch-conv-kan"
    module, variable = "kans.layers", "TORCH_CONV_KAN"
    zeroed = ("base_weight",)
    capabilities = Capabilities(outside=("natural",), dtypes=FORMATS, derivatives=DERIVATIVES)

    def made(self, spec: LayerSpec) -> Any:
        """The layer, whose outputs do not mix without its normalization."""
        layer = super().made(spec)
        layer.layer_norm = layer.prelu = self.torch.nn.Identity()
        return layer


class BsrbfKan(ModuleAdapter):
    """`BSRBF_KANLayer` without LayerNorm, its base weights zero: B-splines plus Gaussian bumps."""

    name = "BSRBF_KAN"
    module, layer_name, variable = "models.bsrbf_kan", "BSRBF_KANLayer", "BSRBF_KAN"
    zeroed = ("base_weight",)
    capabilities = replace(ANOTHER_BASIS, basis="cubic B-splines plus Gaussian bumps")

    def made(self, spec: LayerSpec) -> Any:
        """The layer on inputs as they are."""
        layer = super().made(spec)
        layer.layernorm = self.torch.nn.Identity()
        return layer


class FasterKan(ModuleAdapter):
    """`FasterKANLayer` without LayerNorm: 1 - tanh(x - c)^2, with a backward pass of its own.

    That multiplies input gradients by `inv_denominator`, 0.5 by default, which the forward pass does not use.
    """

    name = "FasterKAN"
    module, layer_name, variable = "fasterkan.fasterkan_layers", "FasterKANLayer", "FASTER_KAN"
    capabilities = replace(ANOTHER_BASIS, derivatives=("inputs", "coefficients"), basis="1 - tanh(x - c)^2")

    def made(self, spec: LayerSpec) -> Any:
        """A centre for each coefficient."""
        layer = self.layer(spec.n_inputs, spec.n_outputs, *spec.domain, spec.dim)
        layer.layernorm = self.torch.nn.Identity()
        layer.spline_weight = layer.spline_linear.weight
        return layer


class FlashKan(ModuleAdapter):
    """`FlashKAN`: one clamped, equally spaced knot vector; weights (dim + 1, P, Q) hold those of the base last."""

    name = "FlashKAN"
    module, layer_name, variable = "layers.FlashKAN", "FlashKAN", "FLASHKAN"
    weight = "w"
    capabilities = Capabilities(
        knots=("clamped",), shared_knots=True, equal_spacing=True, dtypes=FORMATS, parts=("base",),
        derivatives=("inputs", "coefficients"),
    )  # fmt: skip

    def made(self, spec: LayerSpec) -> Any:
        """The layer, on the knots that it makes."""
        return self.layer(spec.n_inputs, spec.n_outputs, spec.intervals, *spec.domain, spec.order)

    def set_knots(self, layer: Any, spec: LayerSpec) -> None:
        """It has its own."""

    def set_coefficients(self, layer: Any, spec: LayerSpec) -> None:
        """Coefficients, and base weights last."""
        last = spec.part("base").T[None]
        layer.w.data = self.tensor(np.concatenate([spec.coefficients.transpose(2, 1, 0), last]))

    def turned(self, array: Any) -> Any:
        """The coefficients, (Q, P, dim)."""
        return array[:-1].transpose(2, 1, 0)

    def parts(self, model: Any) -> Mapping[str, Any]:
        """The same tensor."""
        return {"base": self.coefficients(model)} if self.used_parts else {}

    def part_to_papers(self, name: str, array: Any) -> Any:
        """The base weights, (Q, P)."""
        return array[-1].T


class MlpKan(ModuleAdapter):
    """`mlp_kan.KANInterpoLayer`: hats on equally spaced points."""

    name = "mlp-kan"
    module, release, layer_name = "mlp_kan", "mlp-kan==0.1.0", "KANInterpoLayer"
    weight, axes = "Y", (1, 0, 2)
    capabilities = Capabilities(degrees=(1,), outside=("natural",), dtypes=FORMATS)

    def made(self, spec: LayerSpec) -> Any:
        """A point for each coefficient."""
        return self.layer(spec.n_inputs, spec.n_outputs, spec.dim, *spec.domain)


class Kolmarn(ModuleAdapter):
    """`kan.layers.KANLayer` of kolmarn, whose package has the name of pykan's: from a folder of its own."""

    name = "kolmarn"
    module, variable = "kan.layers", "KOLMARN"
    weight = "coeff"
    capabilities = replace(ANOTHER_BASIS, basis="(1 - |x - c|^3)+", domain=(0.0, 1.0))

    def made(self, spec: LayerSpec) -> Any:
        """The layer without its affine map."""
        layer = self.layer(spec.n_inputs, spec.n_outputs, spec.dim)
        for array in (layer.linear.weight, layer.linear.bias, layer.bias):
            array.data.zero_()
        return layer


class FourierKan(ModuleAdapter):
    """`NaiveFourierKANLayer` without sines and bias: cosines of k x."""

    name = "FourierKAN"
    module, layer_name, variable = "fftKAN", "NaiveFourierKANLayer", "FOURIERKAN"
    weight = "fouriercoeffs"
    capabilities = replace(ANOTHER_BASIS, basis="cosines")

    def made(self, spec: LayerSpec) -> Any:
        """A frequency for each coefficient."""
        return self.layer(spec.n_inputs, spec.n_outputs, spec.dim, addbias=False)

    def set_coefficients(self, layer: Any, spec: LayerSpec) -> None:
        """Those of cosines come first."""
        C = spec.coefficients
        layer.fouriercoeffs.data = self.tensor(np.stack([C, np.zeros_like(C)]))

    def turned(self, array: Any) -> Any:
        """Those of cosines."""
        return array[0]


class ReluKan(ModuleAdapter):
    """`ReLUKANLayer` on [0, 1]: squares of products of two ReLUs; a convolution sums them.

    Functions (N, P, dim) are reshaped to (N, 1, dim, P), not transposed: coefficients are read in another order.
    """

    name = "ReLU-KAN"
    module, layer_name, variable = "torch_relu_kan", "ReLUKANLayer", "RELU_KAN"
    weight = "kernel"
    capabilities = replace(ANOTHER_BASIS, basis="squares of products of two ReLUs", domain=(0.0, 1.0))

    def made(self, spec: LayerSpec) -> Any:
        """The layer without bias; its kernel (Q, 1, dim, P)."""
        layer = self.layer(spec.n_inputs, spec.intervals, spec.degree, spec.n_outputs)
        layer.equal_size_conv.bias.data.zero_()
        layer.kernel = layer.equal_size_conv.weight
        return layer

    def set_coefficients(self, layer: Any, spec: LayerSpec) -> None:
        """By the documentation: function i of input p."""
        layer.kernel.data.copy_(self.tensor(spec.coefficients.transpose(0, 2, 1)[:, None]))

    def turned(self, array: Any) -> Any:
        """(Q, 1, dim, P) to (Q, P, dim)."""
        return array[:, 0].transpose(0, 2, 1)

    def outputs(self, layer: Any, x: Any) -> Any:
        """The layer has an axis more."""
        return layer(x[:, :, None])[:, :, 0]
