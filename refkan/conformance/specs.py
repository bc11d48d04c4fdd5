r"""What a backend is asked to build: a layer y_q = sum_p sum_i C[q, p, i] b_i(x_p), and the conventions it follows."""

from __future__ import annotations

from dataclasses import dataclass

from refkan.arguments import as_array, check_choice
from refkan.array_types import FloatArray
from refkan.conformance.precision import DTYPES, is_exact
from refkan.splines.knots import check_knots, check_order
from refkan.splines.local_basis import OUTSIDE

KNOTS = ("uniform", "arbitrary", "clamped", "repeated")
RULES = ("natural", "linear", "polynomial")

CONVENTIONS = {
    "layer": "y[s, q] = sum over p and i of C[q, p, i] b_i(x[s, p]), b_i the B-splines of degree r - 1 on knots[p]",
    "knots": "(P, K): for each input the extended vector t_{1-r} <= ... <= t_{n+r-1}, K = n + 2 degree + 1;"
    " the domain [a, b] is [knots[r-1], knots[K-r]]; B-spline i lives on knots[i] .. knots[i+r]",
    "coefficients": "(Q, P, dim), C order, dim = n + r - 1 = n + degree; index i counts basis functions from the left",
    "right end": "the last interval of the domain is closed: at x = b the basis sums to one, and derivatives are those"
    " from the left; at every other knot values and derivatives are those from the right",
    "outside": "natural: the values of the extended basis functions, zero beyond all knots; linear: the tangent at the"
    " end point; polynomial: the end piece continued",
    "repeated knots": "0/0 counts as 0 in the recursion of Cox and de Boor; a knot is repeated at most r times",
    "gradients": "of the sum of dy * y: inputs (N, P), coefficients (Q, P, dim), knots (P, n-1) for the interior"
    " breakpoints t_1 .. t_{n-1}, each moved alone",
    "second derivatives": "(N, P): derivative of the input gradient along direction (N, P)",
    "Gauss-Newton matrix": "J^T J / N with J the Jacobian of all outputs in the coefficients, layer by layer, C order",
    "refinement": "coefficients (Q, P, dim') on fine_knots of the same function",
    "networks": "layers applied one after another, nothing between them; parameters layer by layer",
}


@dataclass(frozen=True, eq=False)
class LayerSpec:
    """A layer to be built by a backend.

    Attributes
    ----------
    knots : array (P, K)
        Extended knot vectors, one for each input; K = n + 2 degree + 1.
    coefficients : array (Q, P, dim)
        dim = n + degree.
    order : int
        r = degree + 1.
    outside : {"natural", "linear", "polynomial"}
    dtype : {"float64", "float32", "bfloat16"}
        The format to compute in. All numbers are given as float64 and are numbers of this format.
    kind : {"uniform", "arbitrary", "clamped", "repeated"}
        "uniform": one knot vector for all inputs, equally spaced, so that `domain` and `intervals` say everything.

    Examples
    --------
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

    def __post_init__(self) -> None:
        order = check_order(self.order)
        knots, coefficients = as_array("knots", self.knots, 2), as_array("coefficients", self.coefficients, 3)
        check_choice("outside", self.outside, OUTSIDE)
        check_choice("dtype", self.dtype, DTYPES)
        check_choice("kind", self.kind, KNOTS)
        for row in knots:
            check_knots(row, order)
        expected = (knots.shape[0], knots.shape[1] - order)
        if coefficients.shape[1:] != expected:
            raise ValueError(f"coefficients must have shape (Q, P, dim) = (Q, {expected}); got {coefficients.shape}")
        for name, array in (("knots", knots), ("coefficients", coefficients)):
            array = array.copy()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "order", order)

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

    def is_exact(self) -> bool:
        """Whether all knots and coefficients are numbers of the format."""
        return is_exact(self.dtype, self.knots) and is_exact(self.dtype, self.coefficients)
