"""B-splines as functions of single inputs, and their sums over samples by the engine in use.

For values the fast engine uses polynomials if there are few outputs, sorted runs if there are many samples, and sums
over samples one after another otherwise.
"""

from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, Frozen, lazy
from refkan.kernels.engine_choice import saved_by_fast, takes_fast
from refkan.splines.local_basis import KnotTables
from refkan.splines.sums.channels import Channels
from refkan.splines.sums.input_jet import InputJet, packed
from refkan.splines.sums.sums import Cotangents, PlainSums, SplineSums
from refkan.splines.sums.value_sweeps import PolynomialSweep, SortedSweep
from refkan.splines.sums.windows import WindowSums

FEW_OUTPUTS = 8
"""Number of outputs below which samples are summed one after another by the polynomials of intervals."""

MANY_SAMPLES, MUCH_WORK = 64, 40_000
"""Least number of samples N, and of N P (Q + 10), for which sorting by interval is faster despite its calls."""

MAKING = 15_000
"""Cost of the coefficients of polynomials up to which they are computed for any number of samples."""

SHORT_RUNS = 100, 6
"""Sorting is faster up to 100 + 6 Q intervals. Beyond, a block has one or two samples in an interval, and padding their
runs costs more than sums over samples one after another (docs/kernels.md)."""

Sweep = PolynomialSweep | SortedSweep


def fastest_sweep(N: int, P: int, Q: int, n: int, r: int) -> type[Sweep] | None:
    """Return the fastest way to sum over N samples; None stands for the basis at each sample (docs/kernels.md).

    P inputs, Q outputs, n intervals, order r.
    """
    if Q < FEW_OUTPUTS:
        making = P * n * Q * r**2
        saved = 2 * N * P * (Q + 4)
        if making <= MAKING + saved:
            return PolynomialSweep
        return None
    much = N >= MANY_SAMPLES and N * P * (Q + 10) >= MUCH_WORK
    if much and n <= SHORT_RUNS[0] + SHORT_RUNS[1] * Q:
        return SortedSweep
    return None


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
        dC, dx = self.sweep.sums_of_rows(packed(dy[:, 0]), self._stride(apart), inputs)
        if dx is None:
            return dC, None
        return dC, dx[:, None]


SLACK = 4 * np.finfo(np.float64).eps
"""Distance from the domain, relative to b - a, that outside="error" accepts: node maps send the range of activations to
the domain up to rounding."""


class KnotFunctions(Frozen):
    """Functions on P knot vectors with a rule outside their domains, as layers declare them, see `layers.functions`.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.splines.sums.spline_functions import KnotFunctions
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
    """The B-splines, r of them at every point; the engine in use computes their sums.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.splines.local_basis import KnotTables
    >>> from refkan.splines.sums.channels import Channels
    >>> from refkan.splines.sums.input_jet import InputJet
    >>> from refkan.splines.sums.spline_functions import SplineFunctions
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

    `use_engine` and the sizes choose the engine here; all methods of the sums use the same engine.

    Parameters
    ----------
    tables : KnotTables
        Of P knot vectors.
    C : array (Q, P, dim)
        Not copied: do not write to C or z while the sums are in use.
    at : InputJet
        A jet z (N, channels, P).
    channels : Channels
    outside : {"linear", "polynomial", "natural", "error"}
    slack : float
        Under "error", the accepted distance from the domain, relative to its length.
    back : bool
        Whether derivatives in the inputs will be needed.

    Raises
    ------
    OutsideDomainError
        Under "error", if a point lies outside its domain.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.splines.local_basis import KnotTables
    >>> from refkan.splines.sums.channels import Channels
    >>> from refkan.splines.sums.input_jet import InputJet
    >>> from refkan.splines.sums.spline_functions import spline_sums
    >>> tables = KnotTables(np.arange(-1.0, 4.0)[None], 2)  # hats at 0, 1 and 2
    >>> at = InputJet(np.array([[[0.5], [1.0]]]))  # x = 1/2, which moves with speed 1
    >>> spline_sums(tables, np.array([[[0.0, 1.0, 4.0]]]), at, Channels(1, 0), "linear").value
    array([[[0.5],
            [1. ]]])
    """
    saved = saved_by_fast(at.z.shape[0], C.shape[1], tables.order, C.shape[0])
    kinds = at.z.dtype.kind, C.dtype.kind, tables.knots.dtype.kind
    kind: type[SplineSums] = WindowSums
    if "c" in kinds or not takes_fast(saved):
        kind = PlainSums
    elif channels.count == 1:
        kind = FastSums
    sums = kind(tables, C, at, channels, outside, slack, back)
    sums.value = sums._first_value()
    return sums
