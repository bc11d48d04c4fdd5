"""Reading a network of refkan: the data that its layers and node maps describe themselves by, turned into objects here.

A layer or node map describes itself by a method `truth_form()`, which returns a dict of plain data. Layers of the other
kinds in `layers.FAMILIES` are read by their family:

    kind "spline"              order, outside, n_outputs, margin, knots (P, n + 2r - 1); floor, or None where the knots
                               are fixed: see `bases.free_knots`
    kind "relu", "scaled-relu" the same
    kind "silu"                spline: the form of its spline part
    kind "chebyshev"           domains, degree, outside, n_outputs, margin
    kind "dense"               n_inputs, n_outputs, activation, bias
    kind "none"; "affine"      nothing; scale, shift (Q)
    kind "sigmoid", "min-max"  domains (Q, 2)
    kind "mean-std"            domains (Q, 2), kappa

`margin` is how far x may leave a domain under outside="error", relative to its length. Floats become the numbers that
they are, exactly.
"""

from fractions import Fraction
from typing import Any

from refkan.truth.arithmetic.number_types import converter, samples, vector
from refkan.truth.evaluation import Evaluation
from refkan.truth.layers import FAMILIES, DenseLayer, Form, FreeKnotLayer, Layer, SiluLayer, SumLayer
from refkan.truth.networks import Network
from refkan.truth.node_maps import Affine, MeanStd, MinMax, NodeMap, Sigmoid, Unmapped


def of(net: Any, theta: Any, x: Any, number: Any = Fraction) -> Evaluation:
    """Evaluate a network of refkan, literally, over numbers of any type.

    Parameters
    ----------
    net : rk.Network
        Bound to data.
    theta : sequence (n_params)
    x : sequence (N, P)
        Numbers of any type that turns into `number` exactly, as float64 does.
    number : type
        Fraction, flint.fmpq, float, complex, flint.arb, flint.acb or mpmath.mpf. Networks of piecewise
        polynomials, with node maps none, affine and min-max, have rational values; others need balls or floats.

    Returns
    -------
    Evaluation
        With `value`, `pullback`, `pushforward`, `jacobian`, `gauss_newton`, `ntk`, `hessian`, `knot_gradients`,
        `input_derivatives`, `jet` and `least_squares`.

    Raises
    ------
    ValueError
        On wrong shapes, numbers that are not finite, node maps that are not bound to data. Later, when something is
        asked for: where a function has no rational value, a node is constant on the statistics batch, or x lies outside
        a domain under outside="error".
    UndecidedError
        Later, if a ball holds a knot or a kink.
    TypeError
        If `net` is no such network, or `number` no such type.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> net, theta = rk.kan([2, 3, 1], order=3, intervals=2).initialize(np.random.default_rng(0), np.eye(2))
    >>> t = rk.truth.of(net, theta, [[0.25, 0.75]])
    >>> bool(abs(float(t.value[0][0]) - net(theta, [[0.25, 0.75]])[0, 0]) < 1e-15)
    True
    """
    converter(number)
    if not hasattr(net, "layers") or not hasattr(net, "node_maps"):
        raise TypeError(f"net must be a network of refkan; got {type(net).__name__}")
    for k, node_map in enumerate(net.node_maps):
        if not node_map.bound:
            raise ValueError(
                f"node map {node_map.name!r} after layer {k} is not bound to data: "
                "net, theta = net.initialize(rng, x) first"
            )
    layers = [layer_of(_form(layer), number) for layer in net.layers]
    maps = [node_map_of(_form(node_map), number) for node_map in net.node_maps]
    width = layers[0].n_inputs
    batch = [] if net.statistics is None else samples(number, "statistics", net.statistics, width)
    network = Network(layers, maps, batch)
    return Evaluation(network, vector(number, "theta", theta, network.n_params), samples(number, "x", x, width), number)


def _form(part: Any) -> Form:
    if not hasattr(part, "truth_form"):
        raise TypeError(f"layers and node maps must describe themselves by truth_form(); got {type(part).__name__}")
    return part.truth_form()


def layer_of(form: Form, number: Any) -> Layer:
    """Return the layer that a form describes."""
    kind = form["kind"]
    if kind == "dense":
        return DenseLayer(form["n_inputs"], form["n_outputs"], form["activation"], form["bias"])
    if kind == "silu":
        return SiluLayer(_sum_layer(form["spline"], number))
    return _sum_layer(form, number)


def _sum_layer(form: Form, number: Any) -> SumLayer | FreeKnotLayer:
    """Return a layer of sums of functions of single inputs.

    Beyond the margin x raises; within it the end piece goes on.
    """
    family = FAMILIES.get(form["kind"])
    if family is None:
        raise TypeError(
            f"refkan.truth knows layers of kind {', '.join(map(repr, [*FAMILIES, 'silu', 'dense']))}; got "
            f"{form['kind']!r}: register its functions in refkan.truth.layers.FAMILIES"
        )
    convert, outside, margin = converter(number), form["outside"], None
    if outside == "error":
        outside, margin = "polynomial", convert(form["margin"])
    given = form[family.rows_of]
    rows = samples(number, family.rows_of, given, len(given[0]))
    families = [family.read(form, row, outside) for row in rows]
    layer = SumLayer(families, form["n_outputs"], margin)
    floor = form.get("floor")
    if floor is None:
        return layer
    return FreeKnotLayer(layer, convert(floor))


def node_map_of(form: Form, number: Any) -> NodeMap:
    """Return the node map that a form describes."""
    kind = form["kind"]
    if kind == "none":
        return Unmapped()
    if kind == "affine":
        scale, shift = (vector(number, name, form[name], len(form[name])) for name in ("scale", "shift"))
        return Affine(scale, shift)
    domains = samples(number, "domains", form["domains"], 2)
    if kind == "sigmoid":
        return Sigmoid(domains)
    if kind == "min-max":
        return MinMax(domains)
    if kind == "mean-std":
        return MeanStd(domains, converter(number)(form["kappa"]))
    raise TypeError(f"refkan.truth knows no node map of kind {kind!r}")
