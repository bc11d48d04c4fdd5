"""A counterexample as a script that calls the author's layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refkan.conformance.adapters.adapter import Adapter
from refkan.conformance.adapters.bases.torch_base import TorchAdapter
from refkan.conformance.cases import LayerSpec
from refkan.conformance.cases.specs import attribute
from refkan.conformance.programs.fields.signs import Interval
from refkan.conformance.programs.regions import Region

CALLS = {
    "values": "adapter.forward(model, x)",
    "coefficient-gradients": 'adapter.vjp(model, x, dy)["coefficients"]',
    "input-gradients": 'adapter.vjp(model, x, dy)["inputs"]',
    "second-derivatives": "adapter.second(model, x, dy, direction)",
}
"""The call that returns each quantity."""

TANGENTS = (
    "{0}.jvp(lambda z: adapter.call(model, z), (adapter.tensor(x),), (adapter.tensor(direction),))[1]",
    "{0}.jvp(lambda z: model.function(model.coefficients, z{1}), (x,), (direction,))[1]",
)
"""The same of the jvp, in PyTorch and in JAX."""


def _call(adapter: Adapter, quantity: str, has_parts: bool) -> str:
    if quantity != "jvp":
        return CALLS[quantity]
    of_torch, of_jax = TANGENTS
    if isinstance(adapter, TorchAdapter):
        return of_torch.format("adapter.torch.func")
    return of_jax.format("adapter.jax", ", parts=model.parts" if has_parts else "")


def script(
    adapter: Adapter, spec: LayerSpec, batch: Sequence[Sequence[Region]], quantity: str, counterexample: Any
) -> str:
    """Return a program that builds the layer, and prints what it returns beside what the formula gives.

    Parameters
    ----------
    adapter : Adapter
    spec : LayerSpec
    batch : sequence of samples, each a sequence with the region of each input
    quantity : str
    counterexample : Counterexample
    """
    N, P, Q = len(batch), spec.n_inputs, spec.n_outputs
    regions = [[region.point() if isinstance(region, Interval) else region for region in row] for row in batch]
    arrays = {
        "x": np.array([[float(at) for at in row] for row in regions]),
        "dy": np.zeros((N, Q)),
        "direction": np.zeros((N, P)),
        "c": np.zeros(spec.coefficients.shape),
    }
    arrays |= {part: np.zeros(spec.part(part).shape) for part in spec.parts}
    for name, value in counterexample.at.items():
        key, _, index = name.removesuffix("]").partition("[")
        if key not in arrays:  # the value of a function, which follows from its argument
            continue
        arrays[key][tuple(map(int, index.split(",")))] = float(value)
    parts = "".join(f", {attribute(part)}={_literal(arrays[part])}" for part in spec.parts)
    made = type(adapter)
    return "\n".join(
        (
            "from numpy import array, zeros",
            f"from {made.__module__} import {made.__qualname__}",
            "from refkan.conformance.cases import LayerSpec",
            f"x, dy, direction = {', '.join(_literal(arrays[name]) for name in ('x', 'dy', 'direction'))}",
            f"spec = LayerSpec({_literal(spec.knots)}, {_literal(arrays['c'])}, {spec.order}, "
            f"outside={spec.outside!r}{parts})",
            f"adapter = {made.__qualname__}()",
            "model = adapter.built(spec)",
            f"print(float({_call(adapter, quantity, bool(spec.parts))}[{', '.join(map(str, counterexample.index))}]), "
            f"'in place of', {float(counterexample.formula)!r})",
        )
    )


def _literal(array: Any) -> str:
    """An array as an expression of Python with all digits."""
    if not array.any():
        return f"zeros({array.shape})"
    return f"array({array.tolist()!r})"
