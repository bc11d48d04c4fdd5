r"""Constructors of networks: `kan` and `mlp` of the papers, and `chebyshev_kan`."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from refkan.base import check_choice, check_count, check_sequence, is_sequence, numbers
from refkan.networks.layers import ChebyshevLayer, DenseLayer, Layer, SiluLayer, SplineLayer
from refkan.networks.layers.chebyshev import MAX_DEGREE
from refkan.networks.layers.layer import BASES
from refkan.networks.network import Network
from refkan.networks.node_maps import NODE_MAPS
from refkan.splines.knots import MAX_INTERVALS, check_domain, check_order
from refkan.splines.spaces import SplineSpace

UNIT = (0.0, 1.0)

MAX_PARAMETERS = 10_000_000_000
"""Largest number of coefficients of a network, 80 GB: larger networks are a typing error and take minutes to build."""


def kan(
    widths: Sequence[int],
    order: int,
    intervals: int | Sequence[int],
    domain: Any = UNIT,
    *,
    basis: str = "spline",
    node_map: str = "affine",
    outside: str = "linear",
    edge: str = "spline",
    free_knots: bool | Sequence[bool] = False,
) -> Network:
    r"""Build a Kolmogorov-Arnold network [d_0, d_1, ..., d_L] of splines on uniform knots.

    Parameters
    ----------
    widths : sequence of int
        At least two, all positive.
    order : int
        Order r = degree + 1 of all splines.
    intervals : int or sequence of int
        Number of intervals, one for all layers or one a layer.
    domain : pair, sequence of pairs, or "data"
        One pair (a, b) for the inputs of every layer; or d_0 pairs for the network's inputs, hidden layers
        then have (0, 1). "data": `Network.initialize` takes the range of each input from its x, and until then the
        network can only be refined or change its basis.
    basis : {"spline", "relu", "scaled-relu"}
        What the coefficients refer to.
    node_map : {"affine", "mean-std", "min-max", "sigmoid", "none"}
        How activations are brought into the next domain. "sigmoid" for differential equations: activations stay inside
        the domain, at whose ends second derivatives jump under outside="linear".
    outside : {"linear", "polynomial", "natural", "error"}
        What a spline does outside its domain: continue as the tangent at the end ("linear"), as the polynomial of the
        end interval, by the values of the B-splines themselves, which decay to zero ("natural"), or raise an error.
    edge : {"spline", "silu"}
        "silu": the edge w_b silu(x) + w_s sum_i c_i b_i(x) of the first KAN paper.
    free_knots : bool or sequence of bool
        Whether interior breakpoints are trained, for all layers or one a layer.

    Returns
    -------
    Network
        Not yet bound to data: see `Network.initialize`.

    Raises
    ------
    ValueError, TypeError
        On widths, counts, names or combinations that make no network; the message names the argument.

    Notes
    -----
    [S26] eq. (2), with knots that go on uniformly beyond the ends of each domain. A layer from P to Q nodes on n
    intervals has Q P (n + r - 1) coefficients; "silu" adds 2 Q P weights, free knots P n parameters.

    Examples
    --------
    >>> import refkan as rk
    >>> net = rk.kan([2, 5, 1], order=3, intervals=[1, 3])
    >>> net
    Network([2, 5, 1]: order 3 on 1 interval (spline), order 3 on 3 intervals (spline), maps: affine; 55 parameters)
    >>> net.n_params
    55

    Data of any range, the domain taken from them:

    >>> import numpy as np
    >>> x = np.random.default_rng(0).uniform([-3.0, 100.0], [5.0, 200.0], (50, 2))
    >>> net, theta = rk.kan([2, 5, 1], order=3, intervals=4, domain="data").initialize(np.random.default_rng(1), x)
    >>> net.layers[0].domains.round(1)
    array([[ -2.9,   5. ],
           [100.3, 199.5]])
    """
    widths = _check_widths(widths)
    n_layers = len(widths) - 1
    check_choice("basis", basis, BASES)
    check_choice("node_map", node_map, NODE_MAPS)
    check_choice("edge", edge, ("spline", "silu"))
    counts = _one_a_layer("intervals", intervals, n_layers)
    free = _one_a_layer("free_knots", free_knots, n_layers)
    for k, flag in enumerate(free):
        if not isinstance(flag, bool | np.bool_):
            raise TypeError(
                f"free_knots must be True or False, for all layers or one a layer; got {flag!r} for layer {k}"
            )
    if edge == "silu" and basis != "spline":
        raise ValueError(f"edge 'silu' is defined in the spline basis; got basis={basis!r}")
    order = check_order(order)
    counts = [check_count(f"intervals[{k}]", n, 1, MAX_INTERVALS) for k, n in enumerate(counts)]
    _check_size(widths, [n + order - 1 for n in counts])
    layers: list[Layer] = []
    for k, (P, Q) in enumerate(pairwise(widths)):
        pairs = _domains(domain, P, k)
        n = counts[k]
        # Inputs with one domain share one space.
        made = {pair: SplineSpace.uniform(order, n, pair) for pair in dict.fromkeys(pairs)}
        spaces = tuple(made[pair] for pair in pairs)
        spline = SplineLayer(spaces, Q, outside, bool(free[k]))
        layers.append(SiluLayer(spline) if edge == "silu" else spline.in_basis(basis))
    node_maps = (NODE_MAPS[node_map],) * (n_layers - 1)
    return Network(tuple(layers), node_maps, domain_from_data=_from_data(domain))


def chebyshev_kan(
    widths: Sequence[int],
    degree: int | Sequence[int],
    domain: Any = UNIT,
    *,
    node_map: str = "affine",
    outside: str = "linear",
) -> Network:
    r"""Build a network [d_0, d_1, ..., d_L] with sums of Chebyshev polynomials on its edges, nested in their degree.

    Parameters
    ----------
    widths : sequence of int
        At least two, all positive.
    degree : int or sequence of int
        Highest degree, one for all layers or one a layer; `Network.refine` multiplies it.
    domain : pair or sequence of pairs
        As for `kan`.
    node_map : {"affine", "mean-std", "min-max", "sigmoid", "none"}
    outside : {"linear", "polynomial", "error"}

    Returns
    -------
    Network
        Not yet bound to data: see `Network.initialize`.

    Raises
    ------
    ValueError, TypeError
        As for `kan`.

    Examples
    --------
    >>> import refkan as rk
    >>> net = rk.chebyshev_kan([2, 5, 1], degree=4)
    >>> net.n_params, net.refine()
    (75, Network([2, 5, 1]: Chebyshev of degree 8, Chebyshev of degree 8, maps: affine; 135 parameters))
    """
    widths = _check_widths(widths)
    check_choice("node_map", node_map, NODE_MAPS)
    degrees = _one_a_layer("degree", degree, len(widths) - 1)
    degrees = [check_count(f"degree[{k}]", value, 1, MAX_DEGREE) for k, value in enumerate(degrees)]
    _check_size(widths, [value + 1 for value in degrees])
    pairs = list(pairwise(widths))
    layers = []
    for k, (P, Q) in enumerate(pairs):
        ends = tuple(_domains(domain, P, k))
        layers.append(ChebyshevLayer(ends, Q, degrees[k], outside))
    node_maps = (NODE_MAPS[node_map],) * (len(pairs) - 1)
    return Network(tuple(layers), node_maps, domain_from_data=_from_data(domain))


def mlp(widths: Sequence[int], activation: str = "relu") -> Network:
    r"""Build a dense network: activation(W x + bias) in hidden layers, a linear output without bias.

    This is the MLP that the papers compare with; "relu3" is max(z, 0)^3.

    Parameters
    ----------
    widths : sequence of int
        [d_0, ..., d_L], all positive.
    activation : {"relu", "relu3", "tanh"}

    Returns
    -------
    Network

    Raises
    ------
    ValueError, TypeError
        On bad widths or an unknown activation.

    Examples
    --------
    >>> import refkan as rk
    >>> [rk.mlp(widths).n_params for widths in ([2, 5, 1], [2, 30, 1], [2, 20, 20, 1])]
    [20, 120, 500]
    """
    widths = _check_widths(widths)
    check_choice("activation", activation, ("relu", "relu3", "tanh"))
    _check_size(widths, [1] * (len(widths) - 1))
    pairs = list(pairwise(widths))
    hidden = [DenseLayer(P, Q, activation) for P, Q in pairs[:-1]]
    output = DenseLayer(*pairs[-1], activation="identity", bias=False)
    return Network((*hidden, output), (NODE_MAPS["none"],) * len(hidden))


def _check_widths(widths: Any) -> list[int]:
    widths = check_sequence("widths", widths, "integers")
    if len(widths) < 2:
        raise ValueError(f"widths must hold at least two numbers, inputs and outputs; got {list(widths)}")
    return [check_count(f"widths[{k}]", width, 1) for k, width in enumerate(widths)]


def _check_size(widths: Sequence[int], coefficients: Sequence[int]) -> None:
    """Refuse widths whose parameters exceed any memory, before layers are built; `coefficients` on an edge of each."""
    total = sum(P * Q * count for (P, Q), count in zip(pairwise(widths), coefficients, strict=True))
    if total > MAX_PARAMETERS:
        raise ValueError(
            f"widths must make a network of at most {MAX_PARAMETERS:,} parameters; got widths {widths} with {total:,} "
            f"coefficients, {8e-9 * total:,.0f} GB: take smaller widths or fewer intervals"
        )


def _one_a_layer(name: str, value: Any, n_layers: int) -> list[Any]:
    if not is_sequence(value):
        return [value] * n_layers
    if len(value) != n_layers:
        raise ValueError(f"{name} must be one value or one a layer ({n_layers}); got {len(value)} values")
    return list(value)


def _from_data(domain: Any) -> bool:
    """Whether the domain is to be taken from data."""
    return isinstance(domain, str) and check_choice("domain", domain, ("data",)) == "data"


def _domains(domain: Any, n_inputs: int, layer: int) -> list[tuple[float, float]]:
    if _from_data(domain):  # the first layer's hold the place until then
        return [UNIT] * n_inputs
    shape = numbers("domain", domain).shape
    if len(shape) == 2:
        if layer > 0:
            return [UNIT] * n_inputs
        if shape[0] != n_inputs:
            raise ValueError(f"domain must be one pair or one for each of the {n_inputs} inputs; got {shape[0]} pairs")
        return [check_domain(pair, f"domain[{p}]") for p, pair in enumerate(domain)]
    return [check_domain(domain)] * n_inputs
