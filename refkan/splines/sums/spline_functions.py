"""B-splines as functions of single inputs, and their sums over samples by the engine in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.base.array_types import Array
from refkan.base.short_reprs import ShortRepr
from refkan.kernels.engine_choice import BASIS, SUM, takes_fast
from refkan.splines.local_basis import KnotTables
from refkan.splines.sums.channels import Channels
from refkan.splines.sums.fast import FastSums
from refkan.splines.sums.plain import PlainSums
from refkan.splines.sums.sums import SplineSums
from refkan.splines.sums.window_jets import WindowJets

SLACK = 4 * np.finfo(np.float64).eps
"""How far activations may pass an end under outside="error", relative to b - a: a node map that takes the range of
the activations onto the domain does so up to rounding."""


@dataclass(frozen=True, eq=False)
class KnotFunctions(ShortRepr):
    """Functions of P knot vectors, with a rule outside their domains; what a layer declares, see `layers.functions`.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.splines.sums import KnotFunctions
    >>> layer = rk.ReluLayer((rk.SplineSpace.uniform(order=2, intervals=4),) * 3, n_outputs=1)
    >>> (functions,) = layer.declare([0.0] * layer.n_params).functions
    >>> isinstance(functions, KnotFunctions), functions.slots, functions.dim
    (True, 3, 5)
    """

    tables: KnotTables
    outside: str

    constant = False

    @property
    def slots(self) -> int:
        """Number of knot vectors P."""
        return self.tables.knots.shape[0]

    @property
    def dim(self) -> int:
        """Number of functions of each."""
        return self.tables.dim

    @property
    def moving(self) -> tuple[int, ...]:
        """Shape of parameters that move the knots: none."""
        return ()

    def motion(self, C: Array) -> Any:
        """Return None: the knots are fixed."""
        return None


class SplineFunctions(KnotFunctions):
    """The B-splines, r of them at every point, summed by the engine in use.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.splines.local_basis import KnotTables
    >>> from refkan.splines.sums import Channels, SplineFunctions
    >>> functions = SplineFunctions(KnotTables(np.arange(-1.0, 4.0)[None], 2), "linear")  # hats at 0, 1 and 2
    >>> functions.sums(np.array([[[0.0, 1.0, 4.0]]]), np.array([[[0.5]]]), Channels(0, 0), back=False).value
    array([[[0.5]]])
    """

    def sums(self, C: Array, z: Array, channels: Channels, back: bool) -> SplineSums:
        """Return the sums with coefficients C (Q, P, dim) at a jet z (N, channels, P)."""
        return spline_sums(self.tables, C, z, channels, self.outside, SLACK, back)


def spline_sums(
    tables: KnotTables,
    C: Array,
    z: Array,
    channels: Channels,
    outside: str,
    slack: float = 0.0,
    back: bool = True,
) -> SplineSums:
    """Sum u[s, c, q] = sum_p sum_i W[s, c, p, i] C[q, p, start[s, p] + i], W the jets of the B-splines at z.

    The engine is chosen here, by `use_engine` and sizes; what is asked later of the sums comes from the same engine.

    Parameters
    ----------
    tables : KnotTables
        Of P knot vectors.
    C : array (Q, P, dim)
    z : array (N, channels, P)
        Neither C nor z is copied: they are not to be written to while the sums live.
    channels : Channels
    outside : {"linear", "polynomial", "natural", "error"}
    slack : float
        Under "error", by which part of its domain a point may pass an end.
    back : bool
        Whether there is likely to be a way back to the inputs.

    Raises
    ------
    OutsideDomainError
        Under "error", if a point lies outside its domain.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.splines.local_basis import KnotTables
    >>> from refkan.splines.sums import Channels, spline_sums
    >>> tables = KnotTables(np.arange(-1.0, 4.0)[None], 2)  # hats at 0, 1 and 2
    >>> z = np.array([[[0.5], [1.0]]])  # x = 1/2, which moves with speed 1
    >>> spline_sums(tables, np.array([[[0.0, 1.0, 4.0]]]), z, Channels(1, 0), "linear").value
    array([[[0.5],
            [1. ]]])
    """
    arguments = tables, C, z, channels, outside, slack, back
    if z.dtype.kind == "c" or C.dtype.kind == "c" or tables.knots.dtype.kind == "c":
        return PlainSums(*arguments)
    if not takes_fast(z.shape[0] * C.shape[1] * tables.order * (SUM * C.shape[0] + BASIS)):
        return PlainSums(*arguments)
    return FastSums(*arguments) if channels.count == 1 else WindowJets(*arguments)
