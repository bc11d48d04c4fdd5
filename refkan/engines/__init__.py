"""Sums over samples of spline functions times coefficients, by the engine in use: one formula, several ways."""

from __future__ import annotations

from refkan.array_types import Array
from refkan.engine_choice import BASIS, SUM, current_engine, takes_fast, use_engine
from refkan.engines.channels import VALUES, Channels
from refkan.engines.fast import FastSums
from refkan.engines.plain import PlainSums
from refkan.engines.sums import SplineSums
from refkan.engines.window_jets import WindowJets
from refkan.local_basis import KnotTables

__all__ = ["VALUES", "Channels", "SplineSums", "current_engine", "spline_sums", "use_engine"]


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
    """
    arguments = tables, C, z, channels, outside, slack, back
    if z.dtype.kind == "c" or C.dtype.kind == "c" or tables.knots.dtype.kind == "c":
        return PlainSums(*arguments)
    if not takes_fast(z.shape[0] * C.shape[1] * tables.order * (SUM * C.shape[0] + BASIS)):
        return PlainSums(*arguments)
    return FastSums(*arguments) if channels.count == 1 else WindowJets(*arguments)
