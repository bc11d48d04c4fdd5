r"""Layers of other libraries as plain arrays: SiLU plus a spline on each edge, then an affine map of each node.

`refined` returns the same function on finer grids. Libraries that extend a grid fit samples, which changes the
function. Here knots are inserted into all intervals of the extended knot vector, including those beyond the domain:
there the basis functions decay, and splines with finer knots only inside the domain could not represent that.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, KnotError, Natural, as_array, as_shape, as_vector, check_annotated, real
from refkan.networks.layers import DenseLayer, Layer, SiluLayer, SplineLayer
from refkan.networks.network import Network
from refkan.networks.node_maps import AffineMap
from refkan.networks.node_maps.kinds import Unmapped
from refkan.networks.node_maps.node_map import NodeMap
from refkan.splines.spaces import SplineSpace
from refkan.splines.transfer import prolong

HELD = {"basis": "spline", "outside": "natural", "free_knots": False}
"""What layers of those libraries are, by attributes of layers of refkan."""


class ConversionError(ValueError):
    """A model has a part that cannot be converted; the message names it.

    Examples
    --------
    >>> from refkan import interop
    >>> interop.from_state({"weight": [1.0]})
    Traceback (most recent call last):
    refkan.interop.kan_edges.ConversionError: not the state of a model of pykan, efficient-kan or jaxkan: it has
        'weight'
    """


class Edges(Frozen):
    """One layer of a model as plain arrays.

    ::

        z_q = scale_q sum_p (base[q, p] silu(x_p) + factor[q, p] sum_i C[q, p, i] b_i(x_p)) + shift_q

    Splines follow the rule "natural" outside the domain: the values of the extended basis functions, which decay to 0.

    Attributes
    ----------
    knots : array (P, K)
        Extended knot vectors, K = dim + order.
    coefficients : array (Q, P, dim)
    base, factor : array (Q, P)
        What silu and the spline of each edge are multiplied by.
    scale, shift : array (Q,)
        The affine map of each output.

    Raises
    ------
    ValueError, TypeError
        If an array has another shape or holds other than finite real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.interop.kan_edges import Edges
    >>> one = np.ones((1, 1))
    >>> edges = Edges(np.arange(-3.0, 9.0)[None], np.zeros((1, 1, 8)), one, one, one[0], 0 * one[0])
    >>> edges.order, edges.maps, edges.layer(0).n_params
    (4, False, 10)
    """

    knots: FloatArray
    coefficients: FloatArray
    base: FloatArray
    factor: FloatArray
    scale: FloatArray
    shift: FloatArray

    def __post_init__(self) -> None:
        knots = as_array("knots", self.knots, 2)
        C = as_array("coefficients", self.coefficients, 3)
        Q, P, _ = C.shape
        shapes = {"knots": (P, knots.shape[1]), "coefficients": C.shape}
        shapes |= {"base": (Q, P), "factor": (Q, P), "scale": (Q,), "shift": (Q,)}
        for name, shape in shapes.items():
            object.__setattr__(self, name, real(name, as_shape(name, getattr(self, name), shape)))

    @property
    def order(self) -> int:
        """Order r = degree + 1."""
        return int(self.knots.shape[1] - self.coefficients.shape[2])

    @property
    def maps(self) -> bool:
        """Whether the affine map of nodes is not the identity."""
        return bool((self.scale != 1).any() or (self.shift != 0).any())

    @property
    def node_map(self) -> NodeMap:
        """The map of the outputs."""
        if self.maps:
            return AffineMap(self.scale, self.shift)
        return Unmapped()

    def layer(self, k: int) -> SiluLayer:
        """Return the layer of refkan; `k` is its number in errors."""
        check_annotated(Edges.layer, locals())
        if self.order < 2:
            raise ConversionError(
                f"layer {k}: {len(self.knots)} grids of {self.knots.shape[1]} knots do not fit coefficients of shape "
                f"{self.coefficients.shape}"
            )
        try:
            spaces = tuple(SplineSpace(row, self.order) for row in self.knots)
        except KnotError as error:
            raise ConversionError(f"layer {k}: the grid is not a valid knot vector: {error}") from error
        return SiluLayer(SplineLayer(spaces, self.coefficients.shape[0], outside="natural"))


def assemble(parts: Sequence[Edges]) -> tuple[Network, FloatArray]:
    """Return the network of layers, and its parameters.

    An affine map behind the last layer becomes a node map followed by a dense layer that is the identity: networks of
    refkan end with a layer.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.interop.kan_edges import Edges, assemble
    >>> one = np.ones((1, 1))
    >>> net, theta = assemble([Edges(np.arange(-3.0, 9.0)[None], np.zeros((1, 1, 8)), one, one, 2 * one[0], one[0])])
    >>> net(theta, [[0.0]])  # 2 silu(0) + 1
    array([[1.]])
    """
    check_annotated(assemble, locals())
    if not parts:
        raise ConversionError("the model has no layers")
    layers: list[Layer] = []
    maps: list[NodeMap] = []
    theta = []
    for k, edges in enumerate(parts):
        layer = edges.layer(k)
        layers.append(layer)
        theta.append(layer.pack(coefficients=edges.coefficients, w_b=edges.base, w_s=edges.factor))
        maps.append(edges.node_map)
    if not parts[-1].maps:
        maps.pop()
    else:
        width = parts[-1].coefficients.shape[0]
        last = DenseLayer(width, width, "identity", bias=True)
        layers.append(last)
        theta.append(last.pack(weights=np.eye(width), bias=np.zeros(width)))
    return Network(tuple(layers), tuple(maps)), np.concatenate(theta)


def disassemble(net: Network, theta: Any) -> list[Edges]:
    """Return the layers of a network as plain arrays.

    Raises
    ------
    ConversionError
        For layers and node maps that those libraries have no place for.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.interop.kan_edges import disassemble
    >>> net = rk.kan([2, 3, 1], order=4, intervals=5, outside="natural", node_map="none")
    >>> [edges.coefficients.shape for edges in disassemble(net, np.zeros(net.n_params))]
    [(3, 2, 8), (1, 3, 8)]
    """
    check_annotated(disassemble, locals())
    theta = as_vector("theta", theta, net.n_params)
    parts: list[Edges] = []
    for k, (layer, blocks, where) in enumerate(zip(net.layers, net.unpack(theta), net.slices, strict=True)):
        last = k == len(net.layers) - 1
        if set(blocks) == {"weights", "bias"} and last and parts and layer.linear:
            parts[-1] = _with_identity(parts[-1], blocks["weights"], blocks["bias"])
            continue
        faults = [f"{name}={getattr(layer, name)!r}" for name in HELD if getattr(layer, name) != HELD[name]]
        if faults:
            raise ConversionError(
                f"layer {k} ({layer.describe()}) cannot be represented in pykan, efficient-kan and jaxkan, whose "
                f"functions are B-splines that decay outside fixed knots; got {', '.join(faults)}: build the network "
                "by refkan.kan(..., outside='natural') and train it again"
            )
        C = blocks["coefficients"]
        node_map: NodeMap = Unmapped()
        if not last:
            node_map = net.node_maps[k]
        scale, shift = _affine(node_map, k, len(C))
        edges = Edges(
            knots=np.array([space.knots for space in layer.spaces_at(theta[where])]),
            coefficients=C.copy(),
            base=np.array(blocks.get("w_b", np.zeros(C.shape[:2]))),
            factor=np.array(blocks.get("w_s", np.ones(C.shape[:2]))),
            scale=scale,
            shift=shift,
        )
        parts.append(edges)
    return parts


def _affine(node_map: NodeMap, k: int, count: int) -> tuple[FloatArray, FloatArray]:
    form = node_map.truth_form()
    if form["kind"] == "none":
        return np.ones(count), np.zeros(count)
    if form["kind"] != "affine" or not node_map.bound:
        remedy = "build the network by refkan.kan(..., node_map='none') or 'affine'"
        if node_map.uses_statistics:
            remedy = "the same function without statistics is net.freeze(theta)"
        elif form["kind"] == "affine":
            remedy = "net.initialize gives it its constants"
        raise ConversionError(
            f"node map {node_map.name!r} after layer {k} cannot be represented in pykan, efficient-kan and "
            f"jaxkan: {remedy}"
        )
    return np.array(form["scale"]), np.array(form["shift"])


def _with_identity(edges: Edges, weights: FloatArray, bias: FloatArray) -> Edges:
    """Join a diagonal dense layer behind the last one with the map before it."""
    diagonal = np.diag(weights)
    if (weights != np.diag(diagonal)).any():
        raise ConversionError(
            "the dense layer at the end mixes outputs, which pykan, efficient-kan and jaxkan cannot represent"
        )
    return replace(edges, scale=diagonal * edges.scale, shift=diagonal * edges.shift + bias)


def refined(net: Network, theta: Any, factor: Natural = 2) -> tuple[Network, FloatArray]:
    """Return the same function with each grid interval cut into `factor` equal ones, as network and parameters.

    Parameters
    ----------
    net : Network
        Of splines with outside="natural", as `from_pykan` and the like return it.
    theta : array (n_params,)
    factor : int

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.interop.kan_edges import Edges, assemble, refined
    >>> one = np.ones(1)
    >>> edges = Edges(np.arange(-3.0, 9.0)[None], np.arange(8.0)[None, None] ** 2, one[None], one[None], one, 0 * one)
    >>> net, theta = assemble([edges])
    >>> fine, fine_theta = refined(net, theta)
    >>> x = np.linspace(-5.0, 10.0, 301)[:, None]
    >>> net.n_params, fine.n_params, bool(np.abs(fine(fine_theta, x) - net(theta, x)).max() < 1e-13)
    (10, 21, True)
    """
    check_annotated(refined, locals())
    parts = disassemble(net, theta)
    return assemble([_finer(edges, factor, k) for k, edges in enumerate(parts)])


def _finer(edges: Edges, factor: int, k: int) -> Edges:
    """The layer with every interval between knots cut; its functions are those of splines whose domain all knots are.

    Beyond the knots lie d = r - 1 others on each side, whose B-splines have coefficients zero before and after.
    """
    d, rows, columns = edges.order - 1, [], []
    for p, knots in enumerate(edges.knots):
        wide = np.flatnonzero(np.diff(knots) > 0)
        shares = np.arange(1, factor) / factor
        new = knots[wide, None] + np.diff(knots)[wide, None] * shares
        ends = np.ptp(knots) * np.arange(1, d + 1)
        before, behind = knots[0] - ends[::-1], knots[-1] + ends
        rows_of = (knots, np.sort(np.append(knots, new)))
        coarse, fine = (SplineSpace(np.concatenate([before, row, behind]), edges.order) for row in rows_of)
        C = prolong(coarse, fine, np.pad(edges.coefficients[:, p], ((0, 0), (d, d))))
        rows.append(fine.breakpoints)
        columns.append(C[:, d : C.shape[1] - d])
    if len({row.size for row in rows}) > 1:
        raise ConversionError(f"layer {k}: inputs repeat different numbers of knots, which no grid can hold")
    return replace(edges, knots=np.array(rows), coefficients=np.stack(columns, axis=1))
