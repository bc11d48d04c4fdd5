"""B-splines as functions of single inputs, and their sums over samples by the engine in use.

The fast engine for values: polynomials for few outputs, sorted runs for many, else samples in turn.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, ShortRepr, lazy
from refkan.kernels.engine_choice import saved_by_fast, takes_fast
from refkan.splines.local_basis import KnotTables
from refkan.splines.sums.channels import Channels
from refkan.splines.sums.input_jet import InputJet, packed
from refkan.splines.sums.sums import Cotangents, PlainSums, SplineSums
from refkan.splines.sums.value_sweeps import PolynomialSweep, SortedSweep
from refkan.splines.sums.windows import WindowSums

FEW_OUTPUTS = 8
"""Outputs below which sums go sample by sample, through the polynomials of intervals."""

MANY_SAMPLES, MUCH_WORK = 64, 40_000
"""Samples, and their number times P (Q + 10), from which on sorting by interval pays for the calls that it takes."""

MAKING = 15_000
"""What making polynomials costs at least: up to so much, whatever the number of samples, they are made."""

SHORT_RUNS = 100, 6
"""Sorting pays up to 100 + 6 Q intervals. Beyond, a block has a sample or two in an interval, and filling up their runs
costs more than sums of samples in turn (docs/kernels.md)."""

Sweep = PolynomialSweep | SortedSweep


def fastest_sweep(N: int, P: int, Q: int, n: int, r: int) -> type[Sweep] | None:
    """Return how to sum over N samples fastest; None says in turn, through the basis at each (docs/kernels.md).

    P inputs, Q outputs, n intervals, order r.
    """
    if Q < FEW_OUTPUTS:
        # To make polynomials, against calls and samples that are faster with them.
        return PolynomialSweep if P * n * Q * r**2 <= MAKING + 2 * N * P * (Q + 4) else None
    if N < MANY_SAMPLES or N * P * (Q + 10) < MUCH_WORK or n > SHORT_RUNS[0] + SHORT_RUNS[1] * Q:
        return None
    return SortedSweep


class FastSums(WindowSums):
    """Values (one channel) in the fastest way; of real numbers."""

    sweep: Sweep | None = None

    def _first_value(self) -> Array:
        tables, natural = self.tables, self.outside == "natural"
        intervals = tables.breakpoints.shape[1] - 1
        kind = fastest_sweep(self.x.shape[0], self.n_inputs, self.n_outputs, intervals, self.order)
        if kind is None or (kind is SortedSweep and natural and tables.strays(self.x)):
            return super()._first_value()
        self.sweep = kind(tables, self.C, self.at, self.outside, self.back)
        return self.sweep.forward()[:, None]

    def pull_back(self, dy: FloatArray, inputs: bool = True, apart: bool = False) -> Cotangents:
        """Cotangents (dC, dz), from dy (N, 1, Q)."""
        if self.sweep is None or dy.dtype.kind == "c":
            return super().pull_back(dy, inputs, apart)
        dC, dx = self.sweep.sums_of_rows(packed(dy[:, 0]), self.order if apart else 1, inputs)
        return dC, None if dx is None else dx[:, None]


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

    @lazy
    def slots(self) -> int:
        """Number of knot vectors P."""
        return self.tables.knots.shape[0]

    @lazy
    def dim(self) -> int:
        """Number of functions of each."""
        return self.tables.dim

    @lazy
    def moving(self) -> tuple[int, ...]:
        """Shape of parameters that move the knots: none."""
        return ()

    def motion(self, C: Array) -> Any:
        """Return None: the knots are fixed."""
        return None


class SplineFunctions(KnotFunctions):
    """The B-splines, r of them at every point; the current engine computes their sums.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.splines.local_basis import KnotTables
    >>> from refkan.splines.sums import Channels, InputJet, SplineFunctions
    >>> functions = SplineFunctions(KnotTables(np.arange(-1.0, 4.0)[None], 2), "linear")  # hats at 0, 1 and 2
    >>> at = InputJet(np.array([[[0.5]]]))
    >>> functions.sums(np.array([[[0.0, 1.0, 4.0]]]), at, Channels(0, 0), back=False).value
    array([[[0.5]]])
    """

    def sums(self, C: Array, at: InputJet, channels: Channels, back: bool) -> SplineSums:
        """Return the sums with coefficients C (Q, P, dim) at a jet of the inputs."""
        return spline_sums(self.tables, C, at, channels, self.outside, SLACK, back)


def spline_sums(
    tables: KnotTables,
    C: Array,
    at: InputJet,
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
        Not copied: neither C nor z is to be written to while the sums live.
    at : InputJet
        A jet z (N, channels, P).
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
    >>> from refkan.splines.sums import Channels, InputJet, spline_sums
    >>> tables = KnotTables(np.arange(-1.0, 4.0)[None], 2)  # hats at 0, 1 and 2
    >>> at = InputJet(np.array([[[0.5], [1.0]]]))  # x = 1/2, which moves with speed 1
    >>> spline_sums(tables, np.array([[[0.0, 1.0, 4.0]]]), at, Channels(1, 0), "linear").value
    array([[[0.5],
            [1. ]]])
    """
    arguments = tables, C, at, channels, outside, slack, back
    saved = saved_by_fast(at.z.shape[0], C.shape[1], tables.order, C.shape[0])
    kind: type[SplineSums] = FastSums if channels.count == 1 else WindowSums
    if "c" in (at.z.dtype.kind, C.dtype.kind, tables.knots.dtype.kind) or not takes_fast(saved):
        kind = PlainSums
    sums = kind(*arguments)
    sums.value = sums._first_value()
    return sums
