"""What is asked of a layer: each quantity with the method of an adapter that has it, and the axes of its results."""

from typing import Any

import numpy as np

from refkan.base import Frozen
from refkan.conformance.cases.specs import PARTS

VECTORS = {"forward": 0, "vjp": 1, "second": 2, "gauss_newton": 0}
"""How many of cotangent and direction the methods of adapters take beside samples."""


class Quantity(Frozen, eq=True):
    """What is asked.

    Attributes
    ----------
    name : str
    method : {"forward", "vjp", "second", "gauss_newton"}
        Of an adapter; "" for what takes several questions.
    entry : str
        Of what `vjp` returns.
    axes : tuple of str
        Of results of a layer, where what is done to them is told by axes.
    """

    name: str
    method: str = ""
    entry: str = ""
    axes: tuple[str, ...] = ()

    @property
    def derivative(self) -> str:
        """The capability that it takes: whoever has gradients in coefficients has those in parts."""
        if self.method == "vjp":
            return self.entry if self.entry in ("inputs", "knots") else "coefficients"
        return self.method.replace("_", "-") if self.method != "forward" else ""

    @property
    def is_by_sample(self) -> bool:
        """Whether results have a row for each sample."""
        return self.axes[:1] == ("sample",)

    def of(self, source: Any, dy: Any, direction: Any) -> Any:
        """Return it of a truth, or what errors are allowed in it; of a network parameters are one vector."""
        arguments = (dy, direction)[: VECTORS[self.method]]
        if self.entry in PARTS:
            gradients = source.part_gradients(self.entry, *arguments)
        else:
            gradients = getattr(source, self.name.replace("-", "_"))
            gradients = gradients(*arguments) if callable(gradients) else gradients
        if not isinstance(gradients, list):
            return gradients
        return gradients[0] if len(gradients) == 1 else np.concatenate([part.ravel() for part in gradients])


QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity("values", "forward", axes=("sample", "output")),
        Quantity("input-gradients", "vjp", "inputs", ("sample", "input")),
        Quantity("coefficient-gradients", "vjp", "coefficients", ("output", "input", "coefficient")),
        Quantity("second-derivatives", "second", axes=("sample", "input")),
        Quantity("gauss-newton", "gauss_newton", axes=("row", "column")),
        Quantity("knot-gradients", "vjp", "knots", ("input", "point")),
        *(Quantity(f"{part}-gradients", "vjp", part) for part in PARTS),
        Quantity("repeatability"),
        Quantity("refinement"),
    )
}
"""All of them by name; those that say most about a layer come first."""
