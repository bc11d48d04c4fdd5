"""refkan itself, in the spline and in the ReLU-power basis."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.adapters.adapter import DEGREES, Adapter, Capabilities
from refkan.conformance.cases import KNOTS, RULES, LayerSpec, as_specs
from refkan.networks import Network
from refkan.networks.hessians import gauss_newton
from refkan.networks.hessians.products import tangent_of_pullback
from refkan.networks.layers import SplineLayer
from refkan.networks.layers.knot_layers.knot_layer import require_knots
from refkan.networks.node_maps import NODE_MAPS
from refkan.splines import bsplines
from refkan.splines.spaces import SplineSpace
from refkan.splines.transfer import prolong


@dataclass
class Model:
    """A network in the spline basis with its coefficients, and the same in the basis under judgement."""

    spline: Network
    u: FloatArray
    net: Network
    theta: FloatArray


class Refkan(Adapter):
    """refkan in the spline basis."""

    name = "refkan"
    basis = "spline"
    capabilities = Capabilities(
        degrees=DEGREES,
        knots=KNOTS,
        outside=RULES,
        derivatives=("inputs", "coefficients", "knots", "second", "gauss-newton"),
        refine=("nested",),
        network=True,
        promotes=True,
        state=True,
    )

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Model:
        """Build a network without node maps."""
        specs = as_specs(spec)
        layers = [
            SplineLayer(tuple(SplineSpace(row, each.order) for row in each.knots), each.n_outputs, each.outside)
            for each in specs
        ]
        return self._model(Network(tuple(layers), (NODE_MAPS["none"],) * (len(layers) - 1)),
                           np.concatenate([each.coefficients.ravel() for each in specs]))  # fmt: skip

    def _model(self, spline: Network, u: FloatArray) -> Model:
        net = spline.to_basis(self.basis)
        return Model(spline, u, net, spline.convert(u, net, allow_inexact=True))

    def forward(self, model: Model, x: Any) -> Any:
        """Values."""
        return model.net(model.theta, x)

    def vjp(self, model: Model, x: Any, dy: Any) -> Mapping[str, Any]:
        """The library's pullback; gradients in the coefficients of the spline basis."""
        _, pullback = model.net.vjp(model.theta, x)
        dtheta, dx = pullback(dy)
        du = model.net.coordinates("spline").gradient(dtheta) if self.basis != "spline" else dtheta
        blocks = [block["coefficients"] for block in model.spline.unpack(du)]
        out = {"inputs": dx, "coefficients": blocks if len(blocks) > 1 else blocks[0]}
        if "knots" in self.capabilities.derivatives and len(blocks) == 1:
            spaces = require_knots(model.spline.layers[0]).spaces
            if spaces[0].order > 1 and all((np.diff(space.breakpoints) > 0).all() for space in spaces):
                out["knots"] = self._knots(spaces, model, x, dy)
        return out

    def _knots(self, spaces: tuple[SplineSpace, ...], model: Model, x: Any, dy: Any) -> Any:
        (blocks,) = model.spline.unpack(model.u)
        rows = []
        for p, space in enumerate(spaces):
            moved = (
                dy[:, q] @ bsplines.knot_derivative_matrix(space, C[p], x[:, p], "polynomial")
                for q, C in enumerate(blocks["coefficients"])
            )
            rows.append(sum(moved))
        return np.array(rows)

    def second(self, model: Model, x: Any, dy: Any, direction: Any) -> Any:
        """The library's tangent of the pullback."""
        at, still = np.ascontiguousarray(x), np.zeros(model.net.n_params)
        return tangent_of_pullback(model.net, model.theta, at, dy, still, direction)[1]

    def gauss_newton(self, model: Model, x: Any) -> Any:
        """The library's matrix."""
        H = gauss_newton(model.net, model.theta, x)
        if self.basis == "spline":
            return H
        to = model.net.coordinates("spline").gradient
        return np.array([to(row) for row in np.array([to(column) for column in H.T]).T])

    def refine(self, model: Model, intervals: int, x: Any) -> Model:
        """Refine exactly, without the samples."""
        (layer,), (blocks,) = model.spline.layers, model.spline.unpack(model.u)
        coarse = require_knots(layer)
        fine = coarse.refined(intervals // coarse.intervals)
        pairs = enumerate(zip(coarse.spaces, fine.spaces, strict=True))
        C = np.stack([prolong(old, new, blocks["coefficients"][:, p]) for p, (old, new) in pairs], axis=1)
        return self._model(Network((fine,), ()), C.ravel())

    def state(self, model: Model) -> tuple[Any, Any]:
        """Knots and spline coefficients."""
        (layer,) = model.spline.layers
        u = model.net.convert(model.theta, model.spline, allow_inexact=True)
        (blocks,) = model.spline.unpack(u)
        return np.array([space.knots for space in require_knots(layer).spaces]), blocks["coefficients"]


class RefkanRelu(Refkan):
    """refkan in the ReLU-power basis, judged by the sums of absolute terms in that basis."""

    name = "refkan, ReLU basis"
    basis = "relu"
    capabilities = replace(
        Refkan.capabilities,
        form="truncated powers",
        degrees=(1, 2, 3, 4, 5),
        knots=("uniform", "arbitrary"),
        outside=("linear", "polynomial"),
        derivatives=("inputs", "coefficients", "second", "gauss-newton"),
    )
