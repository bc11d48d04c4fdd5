r"""Networks of B-splines on few samples, by one compiled call forward and one backward.

In a small network the calls from layer to layer take longer than the sums. If every layer has B-splines on fixed knots
and every map is fixed and affine, `kernels.plain_sums` evaluates all layers in one call, with the bits of `Sweep` under
the plain engine; `Sweep` serves all other networks and sizes. The chain is used for fixed samples, which are evaluated
often, and for the engine "auto": the two loops take three seconds to compile and save 0.1 ms a call.
"""

from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, Frozen, IntArray
from refkan.kernels import plain_sums
from refkan.kernels.engine_choice import current_engine, saved_by_fast, takes_fast
from refkan.networks.layers import SplineLayer
from refkan.networks.node_maps import AffineMap
from refkan.networks.node_maps.kinds import Unmapped
from refkan.splines.local_basis import OUTSIDE, KnotTables
from refkan.splines.sums.input_jet import InputJet, packed
from refkan.splines.sums.sums import basis_at


class SplineChain(Frozen):
    """A network of B-splines on fixed knots, with fixed affine maps, in arrays as `plain_sums` takes them.

    Attributes
    ----------
    layers : array (L, 6)
    knots, maps : arrays
    tables : KnotTables
        Of the first layer.
    outside : str
        The policy of the first layer.
    sizes : tuple of int
        Of all layers but the first, inputs and functions at a sample, the sum of P and of P r; and the last Q.
    saved : float
        What a fast form would save for a sample in the largest layer, see `engine_choice`.
    """

    layers: IntArray
    knots: FloatArray
    maps: FloatArray
    tables: KnotTables
    outside: str
    sizes: tuple[int, int, int]
    saved: float

    @classmethod
    def of(cls, layers: Any, node_maps: Any) -> "SplineChain | None":
        """Return the network as a chain, or None if it has other layers or maps."""
        fits = all(map(_is_fixed_spline, layers))
        fixed = all(isinstance(node_map, AffineMap | Unmapped) for node_map in node_maps)
        if len(layers) < 2 or not fits or not fixed:
            return None
        rows, saved, inputs, functions = [], 0.0, 0, 0
        knots, maps = [np.empty(0)], [np.empty(0)]
        for k, layer in enumerate(layers):
            tables = layer.fixed_tables
            P, Q, r = layer.n_inputs, layer.n_outputs, tables.order
            mapped = k > 0 and isinstance(node_maps[k - 1], AffineMap)
            rows.append((P, Q, tables.dim, r, OUTSIDE[layer.outside], mapped))
            saved = max(saved, saved_by_fast(1, P, r, Q))
            if k == 0:
                continue
            inputs += P
            functions += P * r
            knots.append(tables.knots.ravel())
            if mapped:
                maps += [node_maps[k - 1].scale, node_maps[k - 1].shift]
            else:
                maps += [np.ones(P), np.zeros(P)]
        first = layers[0]
        return cls(
            layers=np.array(rows, np.int64),
            knots=np.concatenate(knots),
            maps=np.concatenate(maps),
            tables=first.fixed_tables,
            outside=first.outside,
            sizes=(inputs, functions, layers[-1].n_outputs),
            saved=saved,
        )

    def serves(self, theta: Array, at: InputJet) -> bool:
        """Whether the samples are fixed, the engine is "auto", and it chooses plain sums for all layers."""
        if not at.fixed or theta.dtype.kind == "c" or current_engine() != "auto":
            return False
        return not takes_fast(at.x.shape[0] * self.saved)


def _is_fixed_spline(layer: Any) -> bool:
    """Whether a layer has B-splines on fixed knots that are defined everywhere."""
    if type(layer) is not SplineLayer:
        return False
    return not layer.free_knots and layer.outside != "error"


class ChainSweep:
    """A chain at real theta and samples; like `ValueSweep`, without derivatives in x.

    Parameters
    ----------
    slopes : bool
        Without them there is no way back.

    Attributes
    ----------
    value : array (N, d_L)
    """

    def __init__(self, chain: SplineChain, theta: Array, at: InputJet, slopes: bool = True) -> None:
        self.chain, self.theta, N = chain, packed(theta), at.x.shape[0]
        basis = basis_at(at, chain.tables, 0, chain.outside, fast=False)
        n_inputs, n_functions, n_outputs = chain.sizes
        depth, starts = 1 + slopes, np.empty(N * n_inputs, np.int64)
        self.kept = basis.start, basis.rows, starts, np.empty(N * (n_inputs + depth * n_functions))
        value = np.empty((N, 1, n_outputs))
        plain_sums.network_values(chain.layers, chain.knots, chain.maps, self.theta, depth, *self.kept, value)
        self.value: Array = value[:, 0]

    def pull_back(self, dy: FloatArray, inputs: bool) -> tuple[FloatArray, None]:
        """Cotangent dtheta of dy (N, d_L), and None."""
        dtheta, dy = np.empty(self.theta.size), packed(dy[:, None])
        plain_sums.pull_back_network(self.chain.layers, self.chain.maps, self.theta, *self.kept, dy, dtheta)
        return dtheta, None
