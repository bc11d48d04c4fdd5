"""What is known of the layer under test: a value that stages hand on, one after another."""

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, Self

from refkan.base import FloatArray, Frozen
from refkan.conformance.adapters.adapter import Adapter, Capabilities
from refkan.conformance.cases import DTYPES, EPS
from refkan.conformance.identification.call_record import CallRecord
from refkan.conformance.identification.reported import Difference, Stage

ROUNDINGS = 2.0**12
"""In eps, by how much sums of the same numbers in two orders may differ without any stage reporting it."""

CANCELLED = 2.0**-36
"""Relative error of sums of truncated powers on the few intervals that stages ask with."""


class KnownLayer(Frozen):
    """The layer of an adapter, as far as it is known.

    The fields after `cache` say what stages have found, and by default that the layer is right. They never change:
    each stage returns the subject that it leaves to the next one.

    Attributes
    ----------
    adapter : Adapter
    dtype : str
        The number format.
    calls : CallRecord
        What became of the calls of the adapter.
    cache : dict
        Answers that were computed, by what they depend on.
    stages : sequence of Stage
        The results of earlier stages.
    rows : int
        How many samples are evaluated together, 0 for all of them.
    renewed : bool
        Whether each call gets a new model.
    refused : frozenset of str
        Points that give no answer.
    stretched : bool
        Whether samples beyond the domain change the knots.
    depends, nonlinear, behind : str
        On what results depend besides the sample; why coefficients do not act linearly; the map of the outputs.
    grain, noise, blur, offset : float
        Rounding of sums; error of values, relative to the largest; that of rounded points; size without coefficients.
    unit : float
        The coefficient with which single functions are asked for.
    undone : callable, optional
        Inverse of a map of the outputs.
    same_knots : bool
        Whether all inputs must have the same knots.
    apart : bool
        Whether no edge can be tested by itself.
    position : (int, int), optional
        The edge (output, input) whose functions are measured, in a larger layer.
    place : str
        The edges that have functions of their own, in words.
    right, blurred : sequence of (int, str)
        Degrees and kinds of knots on which functions are right, or right up to rounding.
    wrong_gradients, unanswered : frozenset of str
        Quantities that differ, and those without an answer.
    """

    adapter: Adapter
    dtype: str
    calls: CallRecord
    cache: dict[Any, Any] = field(default_factory=dict)
    stages: Sequence[Stage] = ()
    rows: int = 0
    renewed: bool = False
    refused: frozenset[str] = frozenset()
    stretched: bool = False
    depends: str = ""
    nonlinear: str = ""
    behind: str = ""
    grain: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    offset: float = 0.0
    unit: float = 1.0
    undone: Callable[[FloatArray], FloatArray] | None = None
    same_knots: bool = False
    apart: bool = False
    position: tuple[int, int] | None = None
    place: str = ""
    right: Sequence[tuple[int, str]] = ()
    blurred: Sequence[tuple[int, str]] = ()
    wrong_gradients: frozenset[str] = frozenset()
    unanswered: frozenset[str] = frozenset()

    @classmethod
    def of(cls, adapter: Adapter, dtype: str = "", failures: dict[str, Difference] | None = None) -> Self:
        """Return the layer of an adapter of which nothing is known, by default in the finest format declared.

        Failing calls are recorded in `failures`, which subjects in several formats may share.
        """
        declared = adapter.capabilities
        dtype = dtype or next((name for name in DTYPES if name in declared.dtypes), "float64")
        noise = CANCELLED if declared.form == "truncated powers" else 0.0
        return cls(adapter, dtype, CallRecord(dtype, {} if failures is None else failures), noise=noise)

    @property
    def declared(self) -> Capabilities:
        """What the layer can do according to its adapter."""
        return self.adapter.capabilities

    @property
    def eps(self) -> float:
        """Rounding of the format."""
        return EPS[self.dtype]

    @property
    def names(self) -> set[str]:
        """Names of all differences."""
        return {difference.name for stage in self.stages for difference in stage.differences}

    @property
    def differing(self) -> list[str]:
        """Stages with differences."""
        return [stage.name for stage in self.stages if stage.differences]

    @property
    def by_rows(self) -> bool:
        """Whether samples are evaluated one by one."""
        return self.rows == 1

    @property
    def differs(self) -> str:
        """The first stage in which values differed, "" if there is none."""
        return next((name for name in self.differing if name != "gradients"), "")

    @property
    def rough(self) -> float:
        """How far values are from smooth, relative to the largest: because of arithmetic, or of rounded points."""
        return max(self.noise, self.blur)

    def tolerance(self, size: float) -> float:
        """How much two results of that size may differ by rounding."""
        return size * max(ROUNDINGS * self.eps, 16 * self.rough)
