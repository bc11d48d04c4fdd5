r"""Activations of a network at samples, and the functions on its edges as arrays or objects of SciPy."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from refkan.base import Array, FloatArray, Frozen, as_samples, as_vector, check_count, real
from refkan.networks.composition import Composition
from refkan.networks.layers import KnotLayer, Layer, require_knots
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


def _in_bsplines(layer: KnotLayer, space: SplineSpace, c: FloatArray) -> "BSpline":
    """SciPy's B-spline, whose base interval is the domain, or under natural tails all that the knots span.

    SciPy takes the pieces from knot r - 1 to knot -r. With r - 1 more knots at each end, and as many coefficients
    of zero, these are the ends of the supports: there the sum decays, as under natural tails.
    """
    from scipy.interpolate import BSpline  # 0.2 s that most programs need not wait for

    knots, degree = space.knots, space.degree
    if layer.outside == "natural":
        more = np.full(degree, knots[0]), np.full(degree, knots[-1])
        knots, c = np.concatenate([more[0], knots, more[1]]), np.pad(c, degree)
    return BSpline(knots, c.copy(), degree, extrapolate=layer.outside == "polynomial")


def _in_powers(layer: KnotLayer, space: SplineSpace, w: FloatArray) -> "PPoly":
    """The pieces between breakpoints t_k, by their derivatives there: f(x) = sum_m f^(m)(t_k) (x - t_k)^m / m!."""
    from scipy.interpolate import PPoly

    scaled = layer.basis == "scaled-relu"
    begin = np.array([left for left, right in pairwise(space.breakpoints) if left < right])
    taylor = [
        relu_powers.design_matrix(space, begin, derivative=m, scaled=scaled) @ w / math.factorial(m)
        for m in reversed(range(space.order))
    ]
    ends = np.append(begin, space.breakpoints[-1])
    return PPoly(np.array(taylor), ends, extrapolate=layer.outside == "polynomial")


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

        Of B-splines it is a `scipy.interpolate.BSpline`, of ReLU powers a `PPoly` of the pieces between breakpoints; of
        SiLU edges the spline part w_s sum_i C_i b_i, to which the network adds w_b silu(x). It is the edge's function
        on the domain of its input; under outside="polynomial" everywhere, and of B-splines under "natural" as far as
        the knots reach. Elsewhere it returns NaN.

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
