r"""Activations of a network at samples, and the functions on its edges as arrays or objects of SciPy."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from refkan.base import Array, FloatArray, Frozen, as_samples, as_vector, check_count, real
from refkan.networks.composition import Composition
from refkan.networks.layers import Layer
from refkan.networks.layers.knot_layers.knot_layer import KnotLayer, require_knots
from refkan.networks.node_maps import AffineMap
from refkan.networks.same_function import SameFunction
from refkan.networks.sweeps.statistics_sweep import Statistics
from refkan.splines import relu_powers
from refkan.splines.spaces import SplineSpace
from refkan.splines.sums.input_jet import FixedJet, InputJet, as_jet

if TYPE_CHECKING:
    from scipy.interpolate import BSpline, PPoly


class Activations(Frozen, eq=True):
    """Activations of a network of layers 1, ..., L at N samples.

    Attributes
    ----------
    inputs : list of array (N, P_k)
        Inputs of each layer, after the node map before it.
    outputs : list of array (N, Q_k)
        Outputs of each layer, before the node map behind it.
    edges : list of array (N, Q_k, P_k)
        Value of the function on each edge, which is added to the output of its layer, without biases and before an
        activation.
    """

    inputs: list[FloatArray]
    outputs: list[FloatArray]
    edges: list[FloatArray]


def layer_inputs(frozen: Composition, theta: FloatArray, x: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
    """Return inputs and outputs of every layer of a network without statistics."""
    inputs, outputs = [x], []
    for k, (layer, where) in enumerate(zip(frozen.layers, frozen.slices, strict=True)):
        outputs.append(layer.linearize(theta[where], inputs[-1], slopes=False).value)
        if k < len(frozen.node_maps):
            inputs.append(frozen.node_maps[k].value(outputs[-1]))
    return inputs, outputs


def edge_values(layer: Layer, theta: FloatArray, z: FloatArray) -> FloatArray:
    """Return f_{q,p}(z_p), shape (N, Q, P): the values of the functions on edges, without biases and activations."""
    N, P = z.shape
    values = np.zeros((N, layer.n_outputs, P))
    inputs = np.arange(P)[:, None]
    for part in layer.linearize(theta, z).parts:
        if part.constant:
            continue
        start, functions, _ = part.sums.features(curved=False)
        where = start[:, :, None] + np.arange(functions.shape[2])
        C = part.C[:, inputs, where]  # (Q, N, P, width)
        values += np.einsum("qspi,spi->sqp", C, functions)
    return values


TAIL = 64.0
"""Length of the pieces beyond the domain, in lengths of the domain. SciPy continues their polynomials."""


def _in_bsplines(layer: KnotLayer, space: SplineSpace, c: FloatArray) -> "BSpline":
    """SciPy's B-spline with one more piece at each end, on which it is what the rule outside the domain says."""
    from scipy.interpolate import BSpline  # 0.2 s that most programs need not wait for

    knots, degree = space.knots, space.degree
    if layer.outside == "natural":
        knots, c = _with_zero_ends(space, c)
    if layer.outside == "linear" and degree > 1:  # the end pieces of lines and of steps are their own tangents
        knots, c = _with_tangents(space, c)
    return BSpline(knots, c.copy(), degree, extrapolate=layer.outside != "error")


def _with_zero_ends(space: SplineSpace, c: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Knots and coefficients of the same sum of B-splines, with a piece at each end on which it is zero."""
    knots, degree = space.knots.copy(), space.degree
    length = TAIL * np.ptp(knots)
    last = knots == knots[-1]
    if last.sum() > degree:  # a jump to zero, behind the last knot
        knots[last] = np.nextafter(knots[-1], np.inf)
    left = np.full(degree + 1, knots[0] - length)
    right = np.full(degree + 1, knots[-1] + length)
    return np.concatenate([left, knots, right]), np.pad(c, degree + 1)


def _with_tangents(space: SplineSpace, c: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Knots and coefficients of a spline on [a - l, b + l] that is this one on [a, b], and its tangents beyond.

    a and b are knots of multiplicity degree - 1, at which the first derivative is continuous. Each coefficient is the
    polar form of any piece in the support of its B-spline at the degree knots inside the support, and the polar form of
    a line is its value at the mean of its arguments: de Boor, A Practical Guide to Splines, chapter XI.
    """
    from scipy.interpolate import BSpline

    degree, (a, b) = space.degree, space.domain
    spline = BSpline(space.knots, c, degree)
    length = TAIL * (b - a)
    between = [t for t in space.knots if a < t < b]
    ends = np.repeat([a - length, a], [degree + 1, degree - 1]), np.repeat([b, b + length], [degree - 1, degree + 1])
    knots = np.concatenate([ends[0], between, ends[1]])
    made = np.empty(knots.size - degree - 1)
    for j in range(made.size):
        inside = knots[j + 1 : j + degree + 1]
        for end, beyond in ((a, knots[j] < a), (b, knots[j + degree + 1] > b)):
            if beyond:
                made[j] = spline(end) + spline(end, 1) * (inside.mean() - end)
                break
        else:
            made[j] = _polar_form(space, c, max(knots[j], a), inside)
    return knots, made


def _polar_form(space: SplineSpace, c: FloatArray, start: float, arguments: FloatArray) -> float:
    """The polar form of the first piece that begins at `start` or later: de Boor's recursion, an argument a level."""
    knots, degree = space.knots, space.degree
    piece = int(np.flatnonzero((knots[:-1] >= start) & (knots[1:] > knots[:-1]))[0])
    local = c[piece - degree : piece + 1].copy()
    for level, x in enumerate(arguments):
        for j in range(degree, level, -1):
            left = knots[piece - degree + j]
            right = knots[piece + j - level]
            weight = (x - left) / (right - left)
            local[j] = (1.0 - weight) * local[j - 1] + weight * local[j]
    return float(local[degree])


def _in_powers(layer: KnotLayer, space: SplineSpace, w: FloatArray) -> "PPoly":
    """The pieces by their derivatives at their left ends t_k: f(x) = sum_m f^(m)(t_k) (x - t_k)^m / m!.

    Under "natural" the pieces between all knots; before the first of them all powers are zero. Under "linear" two more
    pieces, the tangents.
    """
    from scipy.interpolate import PPoly

    (a, b), degree = space.domain, space.degree
    length = TAIL * (b - a)
    begin = np.unique(space.breakpoints[:-1])
    if layer.outside == "natural":
        begin = np.unique(space.knots[space.knots < b])
    begin = begin[begin < b]
    taylor = np.array([_derivatives_at(layer, space, w, begin, m) / math.factorial(m) for m in range(degree, -1, -1)])
    ends = np.append(begin, b)
    if layer.outside == "natural":
        taylor = np.pad(taylor, ((0, 0), (1, 0)))
        ends = np.insert(ends, 0, ends[0] - length)
    if layer.outside == "linear":
        pieces = PPoly(taylor, ends)
        slope_a, slope_b = pieces([a, b], 1)
        tangents = np.zeros((degree + 1, 2))
        tangents[-2:-1] = slope_a, slope_b  # steps have no such row
        tangents[-1] = pieces(a) - length * slope_a, pieces(b)
        taylor = np.concatenate([tangents[:, :1], taylor, tangents[:, 1:]], axis=1)
        ends = np.concatenate([[a - length], ends, [b + length]])
    return PPoly(taylor, ends, extrapolate=layer.outside != "error")


def _derivatives_at(layer: KnotLayer, space: SplineSpace, w: FloatArray, x: FloatArray, m: int) -> FloatArray:
    scaled = layer.basis == "scaled-relu"
    rows = relu_powers.design_matrix(space, x, derivative=m, outside="natural", scaled=scaled)
    values: FloatArray = rows @ w
    return values


class Inspectable(SameFunction):
    """A network that can be looked into; parameters and errors as for `Network`, which adds values and derivatives."""

    def freeze(self, theta: Any) -> Self:
        """Return the network with affine maps in place of mean-std and min-max maps, with their constants at theta.

        At this theta it is the same function of x; at others the constants no longer follow the statistics. A network
        without such maps is returned unchanged.

        Raises
        ------
        ValueError, TypeError, DegenerateNodeError
            As `__call__`.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> x = np.linspace(0.0, 1.0, 9)[:, None]
        >>> net, theta = rk.kan([1, 2, 1], 3, 2, node_map="mean-std").initialize(np.random.default_rng(0), x)
        >>> frozen = net.freeze(theta)
        >>> frozen.node_maps[0].name, bool(np.all(frozen(theta, x) == net(theta, x)))
        ('affine', True)
        """
        theta = as_vector("theta", theta, self.n_params)
        self.require_bound()
        if self.statistics is None:
            return self
        constants = Statistics(self, theta, slopes=False).constants
        maps = list(self.node_maps)
        for k, of_map in enumerate(constants):
            if of_map is not None:
                maps[k] = AffineMap.of_statistics(*of_map)
        return replace(self, node_maps=tuple(maps), statistics=None)

    def activations(self, theta: Any, x: Any) -> Activations:
        """Return inputs and outputs of every layer at theta and x (N, d_0), and the value on each edge.

        Raises
        ------
        ValueError, TypeError, DegenerateNodeError
            As `__call__`, and for complex arguments.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> net = rk.kan([2, 1, 1], order=2, intervals=1, node_map="none")
        >>> seen = net.activations(np.arange(6.0), [[0.25, 0.5]])  # 0 + x_0, then 2 + x_1, then 4 + z
        >>> seen.edges[0], seen.inputs[1], seen.outputs[1]
        (array([[[0.25, 2.5 ]]]), array([[2.75]]), array([[6.75]]))
        """
        theta, at = self._real_arguments(theta, x)
        inputs, outputs = layer_inputs(self.freeze(theta), theta, at.x)
        pairs = zip(self._parts(theta), inputs, strict=True)
        edges = [edge_values(*part, z) for part, z in pairs]
        return Activations(inputs, outputs, edges)

    def edge_function(self, theta: Any, layer: int, output: int, input: int) -> "BSpline | PPoly":
        """Return the spline on one edge as an object of SciPy, which needs refkan no more.

        For B-splines it is a `scipy.interpolate.BSpline`, for ReLU powers a `PPoly`; for SiLU edges the spline part
        w_s sum_i C_i b_i, to which the network adds w_b silu(x). Outside the domain it follows the layer's rule
        `outside`: it continues along the tangents ("linear"), by the last pieces ("polynomial") or by the basis
        functions as they are ("natural"). Under "error", where the network raises an error, it returns NaN. At the ends
        of the domain second derivatives jump under "linear", so that SciPy has no ``spline.derivative(nu)`` of higher
        orders; ``spline(x, nu)`` evaluates them on either side.

        Parameters
        ----------
        theta : array (n_params,)
        layer, output, input : int
            Numbers of the layer and of its output and input, from 0.

        Raises
        ------
        ValueError
            If there is no such edge, or its layer has no splines.
        TypeError
            If a number is no integer.

        Examples
        --------
        >>> import refkan as rk
        >>> net = rk.kan([1, 1], order=2, intervals=2)
        >>> spline = net.edge_function([0.0, 1.0, 4.0], layer=0, output=0, input=0)
        >>> float(spline(0.75)), float(spline.derivative()(0.75)), float(spline.integrate(0.0, 1.0))
        (2.5, 6.0, 1.5)
        """
        theta = real("theta", as_vector("theta", theta, self.n_params))
        check_count("layer", layer, 0, len(self.layers) - 1)
        of_layer, part = require_knots(self.layers[layer], f"layers[{layer}]"), theta[self.slices[layer]]
        check_count("output", output, 0, of_layer.n_outputs - 1)
        check_count("input", input, 0, of_layer.n_inputs - 1)
        space = of_layer.spaces_at(part)[input]
        if of_layer.basis == "spline":
            return _in_bsplines(of_layer, space, of_layer.spline_coefficients(part)[output, input])
        return _in_powers(of_layer, space, of_layer.unpack(part)["coefficients"][output, input])

    def _arguments(self, theta: Any, x: Any) -> tuple[Array, InputJet]:
        theta = as_vector("theta", theta, self.n_params)
        fixed = isinstance(x, FixedJet) and x.x.shape[1] == self.widths[0]  # losses have checked their samples
        if not fixed:
            x = as_jet(as_samples("x", x, self.widths[0]))
        self.require_bound()
        return theta, x

    def _real_arguments(self, theta: Any, x: Any) -> tuple[FloatArray, InputJet]:
        theta, at = self._arguments(theta, x)
        # Copies: later changes of the caller's arrays must not affect a pullback.
        if not at.fixed:
            at = InputJet(real("x", at.z).copy())
        return real("theta", theta).copy(), at
