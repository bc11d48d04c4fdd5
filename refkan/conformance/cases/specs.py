r"""What a backend is asked: to build a layer y_q = sum_p sum_i C[q, p, i] b_i(x_p), and then for its quantities.

Conventions say what both mean. Each quantity comes with the method of an adapter that has it, and with the axes of its
results.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, as_array, check_choice, lazy, real
from refkan.conformance.cases.truths.precision import DTYPES
from refkan.splines.knots import check_knots, check_order
from refkan.splines.local_basis import OUTSIDE

KNOTS = ("uniform", "arbitrary", "clamped", "repeated")
RULES = ("natural", "linear", "polynomial")
CONSTANT = "constant"
"""A rule outside that other layers have, but none of refkan: the value at the end point."""

PARTS = ("base", "scale", "node-scale", "bias")
"""What layers have beside their splines."""

PER_NODE = ("node-scale", "bias")
"""Parts with one number an output; the others have one an edge."""


def attribute(part: str) -> str:
    """The name of a part as an attribute of `LayerSpec`."""
    return part.replace("-", "_")


@lru_cache(maxsize=256)
def _check_once(knots: bytes, order: int) -> None:
    """Check a knot vector, given by its bytes: a search for hints makes hundreds of layers on the same few."""
    check_knots(np.frombuffer(knots), order)


def as_specs(spec: "LayerSpec | tuple[LayerSpec, ...]") -> "tuple[LayerSpec, ...]":
    """The layers of what an adapter is asked to build."""
    return spec if isinstance(spec, tuple) else (spec,)


CONVENTIONS = {
    "layer": "y[s, q] = sum over p and i of C[q, p, i] b_i(x[s, p]), b_i the B-splines of degree r - 1 on knots[p]",
    "parts": "where a case has them: y[s, q] = node_scale[q] (sum over p of base[q, p] silu(x[s, p]) + scale[q, p]"
    " times the spline of q and p) + bias[q], silu(x) = x / (1 + exp(-x)); their gradients have their shapes",
    "knots": "(P, K): for each input the extended vector t_{1-r} <= ... <= t_{n+r-1}, K = n + 2 degree + 1;"
    " the domain [a, b] is [knots[r-1], knots[K-r]]; B-spline i lives on knots[i] .. knots[i+r]",
    "coefficients": "(Q, P, dim), C order, dim = n + r - 1 = n + degree; index i counts basis functions from the left",
    "right end": "the last interval of the domain is closed: at x = b the basis sums to one, and derivatives are those"
    " from the left; at every other knot values and derivatives are those from the right",
    "outside": "natural: the values of the extended basis functions, zero beyond all knots; linear: the tangent at the"
    " end point; polynomial: the end piece continued; constant: the value at the end point",
    "repeated knots": "0/0 counts as 0 in the recursion of Cox and de Boor; a knot is repeated at most r times",
    "gradients": "of the sum of dy * y: inputs (N, P), coefficients (Q, P, dim), knots (P, n-1) for the interior"
    " breakpoints t_1 .. t_{n-1}, each moved alone",
    "second derivatives": "(N, P): derivative of the input gradient along direction (N, P)",
    "Gauss-Newton matrix": "J^T J / N with J the Jacobian of all outputs in the coefficients, layer by layer, C order",
    "refinement": "coefficients (Q, P, dim') on fine_knots of the same function",
    "networks": "layers applied one after another, nothing between them; parameters layer by layer",
}


class LayerSpec(Frozen):
    """A layer to be built by a backend.

    Attributes
    ----------
    knots : array (P, K)
        Extended knot vectors, one for each input; K = n + 2 degree + 1.
    coefficients : array (Q, P, dim)
        dim = n + degree.
    order : int
        r = degree + 1.
    outside : {"natural", "linear", "polynomial", "constant"}
        What holds outside the domain, as `CONVENTIONS` says.
    dtype : {"float64", "float32", "tf32", "bfloat16", "float16"}
        The format to compute in. All numbers are given as float64 and are numbers of this format.
    kind : {"uniform", "arbitrary", "clamped", "repeated"}
        "uniform": one knot vector for all inputs, equally spaced, so that `domain` and `intervals` say everything.
    base, scale : array (Q, P), optional
        Weights of silu(x_p) (0 if None) and of the splines (1 if None).
    node_scale, bias : array (Q,), optional
        The affine map of each output: 1 and 0 if None.

    Examples
    --------
    >>> from refkan.conformance import LayerSpec
    >>> spec = LayerSpec([[-1, 0, 1, 2]], [[[3, 4]]], order=2, kind="uniform")
    >>> spec.n_inputs, spec.n_outputs, spec.degree, spec.intervals, spec.dim, spec.domain
    (1, 1, 1, 1, 2, (0.0, 1.0))
    """

    knots: FloatArray
    coefficients: FloatArray
    order: int
    outside: str = "natural"
    dtype: str = "float64"
    kind: str = "arbitrary"
    base: FloatArray | None = None
    scale: FloatArray | None = None
    node_scale: FloatArray | None = None
    bias: FloatArray | None = None

    def __post_init__(self) -> None:
        order = check_order(self.order)
        knots = real("knots", as_array("knots", self.knots, 2))
        coefficients = as_array("coefficients", self.coefficients, 3)
        check_choice("outside", self.outside, (*OUTSIDE, CONSTANT))
        check_choice("dtype", self.dtype, DTYPES)
        check_choice("kind", self.kind, KNOTS)
        for row in knots:
            _check_once(row.tobytes(), order)
        expected = (knots.shape[0], knots.shape[1] - order)
        if coefficients.shape[1:] != expected:
            raise ValueError(f"coefficients must have shape (Q, P, dim) = (Q, {expected}); got {coefficients.shape}")
        arrays = {"knots": knots, "coefficients": coefficients}
        for part in self.parts:
            shape = coefficients.shape[: 1 if part in PER_NODE else 2]
            arrays[attribute(part)] = given = as_array(attribute(part), self.part(part), len(shape))
            if given.shape != shape:
                raise ValueError(f"{attribute(part)} must have shape {shape}; got {given.shape}")
        for name, array in arrays.items():
            array = array.copy()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "order", order)

    @lazy
    def parts(self) -> tuple[str, ...]:
        """Names of the parts that are given."""
        return tuple(part for part in PARTS if getattr(self, attribute(part)) is not None)

    def part(self, name: str) -> FloatArray:
        """Return a part by its name, or its neutral value if it is not given."""
        check_choice("name", name, PARTS)
        array: FloatArray | None = getattr(self, attribute(name))
        if array is None:
            shape = self.coefficients.shape[: 1 if name in PER_NODE else 2]
            return np.zeros(shape) if name in ("base", "bias") else np.ones(shape)
        return array

    @property
    def gain(self) -> FloatArray:
        """The factor of the spline of each edge, (Q, P)."""
        return self.part("node-scale")[:, None] * self.part("scale")

    @property
    def degree(self) -> int:
        """The degree r - 1."""
        return self.order - 1

    @property
    def n_inputs(self) -> int:
        """Number of inputs P."""
        return self.knots.shape[0]

    @property
    def n_outputs(self) -> int:
        """Number of outputs Q."""
        return self.coefficients.shape[0]

    @property
    def dim(self) -> int:
        """Number of basis functions of each input."""
        return self.coefficients.shape[2]

    @property
    def intervals(self) -> int:
        """Number n of intervals between breakpoints, empty ones included."""
        return self.knots.shape[1] - 2 * self.order + 1

    @property
    def domains(self) -> FloatArray:
        """Ends (a, b) of each input, shape (P, 2)."""
        return self.knots[:, [self.order - 1, -self.order]]

    @property
    def domain(self) -> tuple[float, float]:
        """Ends (a, b) of the first input: of all inputs if the knots are uniform."""
        return float(self.domains[0, 0]), float(self.domains[0, 1])


def reweighted(spec: LayerSpec, weights: Mapping[str, Any], **more: Any) -> LayerSpec:
    """Return the layer with other weights of parts, by their names, None for none, and with other fields."""
    return replace(spec, **{attribute(part): array for part, array in weights.items()}, **more)


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
