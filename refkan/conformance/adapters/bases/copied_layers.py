"""Bases for copies of two layers that many projects hold: `KANLinear` of efficient-kan, and `KANLayer` of pykan."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

from refkan.conformance.adapters.adapter import Capabilities
from refkan.conformance.adapters.bases.module_base import ModuleAdapter
from refkan.conformance.cases import KNOTS, LayerSpec

FORMATS = ("float64", "float32")
DERIVATIVES = ("inputs", "coefficients", "second", "gauss-newton")
"""What autograd gives."""

PARTS_OF_EDGES = Capabilities(
    knots=KNOTS, outside=("natural",), dtypes=FORMATS, derivatives=DERIVATIVES, parts=("base", "scale"), update=True,
    network=True, state=True,
)  # fmt: skip


class EfficientKanAdapter(ModuleAdapter):
    """`KANLinear` of efficient-kan, or of a copy of it: set `layer` to the class.

    It is converted by `.double()` in float64, and keeps the grid that it makes itself if this is equally spaced. What
    a copy has no more is not declared: `base_weight`, `spline_scaler`, `update_grid`.

    Examples
    --------
    >>> from refkan.conformance import EfficientKanAdapter
    >>> class Mine(EfficientKanAdapter):  # making one, Mine(), needs PyTorch
    ...     from fractions import Fraction as layer  # here: from my_model.kan import KANLinear as layer
    >>> Mine.capabilities.update
    True
    """

    layer_name = "KANLinear"
    part_weights: ClassVar = {"base": "base_weight", "scale": "spline_scaler"}
    capabilities = PARTS_OF_EDGES

    def __init__(self, where: str = "") -> None:
        super().__init__(where)
        with self.torch.random.fork_rng(devices=()):
            sample = self.layer(1, 1)
        present = {part: name for part, name in self.part_weights.items() if hasattr(sample, name)}
        updates = hasattr(sample, "update_grid")
        self.part_weights = present  # type: ignore[misc]  # of this copy
        self.capabilities = replace(
            self.capabilities, parts=tuple(present), update=updates and self.capabilities.update
        )

    def made(self, spec: LayerSpec) -> Any:
        """The layer, by names of arguments: copies have them in other orders."""
        return self.layer(
            spec.n_inputs, spec.n_outputs, grid_size=spec.intervals, spline_order=spec.degree,
            grid_range=list(spec.domain), **self.options,
        )  # fmt: skip

    def update(self, model: Any, x: Any) -> Any:
        """`update_grid`."""
        (layer,) = model
        layer.update_grid(self.tensor(x))
        return model


class PykanAdapter(ModuleAdapter):
    """`KANLayer` of pykan, or of a copy of it: set `layer` to the class.

    It is converted by `.double()` in float64, and has SiLU if a case has it.

    Attributes
    ----------
    default_dtype_first : bool
        Whether the default dtype of PyTorch is set during each call, so that grids are made in that format.

    Examples
    --------
    >>> from refkan.conformance import PykanAdapter
    >>> class Mine(PykanAdapter):  # making one, Mine(), needs PyTorch
    ...     name, module, variable = "my copy", "my_model.KANLayer", "MY_MODEL"  # of the folder that MY_MODEL names
    >>> Mine.capabilities.refine
    ('nested', 'any')
    """

    weight, axes = "coef", (1, 0, 2)
    part_weights: ClassVar = {"base": "scale_base", "scale": "scale_sp"}
    parts_turned = True
    default_dtype_first = False
    capabilities = replace(PARTS_OF_EDGES, refine=("nested", "any"))

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

    def made(self, spec: LayerSpec) -> Any:
        """The layer on the grid that it makes in the format that is set."""
        with self._default_dtype():
            return super().made(spec)

    def outputs(self, layer: Any, x: Any) -> Any:
        """The first of what it returns."""
        return layer(x)[0]

    def refine(self, model: Any, intervals: int, x: Any) -> Any:
        """`initialize_grid_from_parent`, what `KAN.refine` does for each layer."""
        (parent,) = model
        with self._default_dtype():
            child = self.converted(self.layer(parent.in_dim, parent.out_dim, intervals, parent.k))
            child.scale_base.data, child.scale_sp.data = parent.scale_base.data, parent.scale_sp.data
            child.initialize_grid_from_parent(parent, self.tensor(x))
        return [child]

    def update(self, model: Any, x: Any) -> Any:
        """`update_grid_from_samples`."""
        (layer,) = model
        with self._default_dtype():
            layer.update_grid_from_samples(self.tensor(x))
        return model
