"""Findings: the outcome of judging a case, and the failures that a user expects."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self

import numpy as np

from refkan.base import Array, FloatArray
from refkan.base.atomic_files import read_file
from refkan.base.json_data import plain
from refkan.base.plain_text import printable
from refkan.conformance.adapters.answers import one_line
from refkan.conformance.cases import QUANTITIES, Case, family, spacing
from refkan.conformance.identification.reported import Difference

PASSED, FAILED, ERROR, NOT_APPLICABLE = "passed", "failed", "error", "not applicable"
EXPECTED_FAILURE, UNEXPECTED_PASS = "expected failure", "unexpected pass"
DECLINED = "declined"
"""By the adapter, with a reason."""

STATUSES = (PASSED, FAILED, ERROR, DECLINED, NOT_APPLICABLE, EXPECTED_FAILURE, UNEXPECTED_PASS)

UNJUDGED = (NOT_APPLICABLE, DECLINED)

BAD = (FAILED, ERROR, UNEXPECTED_PASS)
"""Statuses that make a run fail."""


@dataclass(frozen=True)
class Hint:
    """The cause of a failure: a stable name, and a sentence with the numbers.

    Examples
    --------
    >>> from refkan.conformance.judging.findings import Hint
    >>> Hint("constant factor", "outputs are multiplied by 0.5").name
    'constant factor'
    """

    name: str
    text: str

    @classmethod
    def of(cls, difference: Difference) -> Self:
        """Return the hint for a difference found by identification; its sentence does not repeat its name."""
        return cls(difference.name, str(difference).removeprefix(f"{difference.name}: "))


@dataclass(frozen=True)
class Finding:
    """The outcome of one case.

    Attributes
    ----------
    key, quantity, status : str
    message : str
        The missing capability, the exception, or the wrong shape.
    index : tuple of int
        The entry whose error is largest, relative to the allowed one.
    ours, theirs, relative_error, ulps : float
        Of this entry; NaN if they do not apply.
    excess : float
        Error there in units of the allowed one; infinite if theirs is not finite.
    wrong, total : int
        Entries beyond the tolerance, and all.
    x : tuple of float
        The sample with that index, for quantities by sample.
    span : tuple of pairs
        For each input the knots next to x (infinite beyond all knots).
    hints : tuple of Hint
        Differences of the layer that explain the failure, the leading one first.
    seconds : float
        Duration of the case.
    traceback : str
        Of an exception, from the adapter on.
    proven : float
        A proven lower bound of |theirs - exact|; NaN if nothing is proven.
    family : str
        Of the case, in tables: see `refkan.conformance.cases.catalogue`.

    Examples
    --------
    >>> from refkan.conformance import Judge, catalogue
    >>> from refkan.conformance.adapters.backends import Refkan
    >>> (case,) = catalogue(["float64"], select=["float64/basis/degree-1/uniform/ends/values"])
    >>> finding = Judge(Refkan())(case)
    >>> finding.status, finding.wrong, finding.total, finding.hint
    ('passed', 0, 84, '')
    """

    key: str
    quantity: str
    status: str
    message: str = ""
    index: tuple[int, ...] = ()
    ours: float = float("nan")
    theirs: float = float("nan")
    relative_error: float = float("nan")
    ulps: float = float("nan")
    excess: float = float("nan")
    wrong: int = 0
    total: int = 0
    x: tuple[float, ...] = ()
    span: tuple[tuple[float, float], ...] = ()
    hints: tuple[Hint, ...] = ()
    seconds: float = 0.0
    traceback: str = ""
    proven: float = float("nan")
    family: str = ""

    @classmethod
    def of(cls, case: Case, status: str, message: str = "", **more: Any) -> "Finding":
        """Return a finding on a case, with its key, quantity and family."""
        return cls("", "", status, message, **more).about(case)

    def about(self, case: Case) -> "Finding":
        """Return the same finding for another case."""
        return replace(self, key=case.key, quantity=case.quantity, family=family(case))

    def __post_init__(self) -> None:
        # Both are in the words of the backend.
        object.__setattr__(self, "message", one_line(self.message))
        object.__setattr__(self, "traceback", printable(self.traceback))

    @property
    def hint(self) -> str:
        """Name of the leading hint, "" if there is none."""
        return self.hints[0].name if self.hints else ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON: numbers that are not finite become strings."""
        return dict(plain(asdict(self), repr))


def relative(theirs: float, ours: float) -> float:
    """Return the relative error, infinite if ours is 0."""
    return float("inf") if ours == 0 else abs(theirs - ours) / abs(ours)


def compare(case: Case, theirs: FloatArray, form: str = "local") -> Finding:
    """Compare results with the truth, entry by entry."""
    expected = case.expected
    tolerance = case.tolerance if form == "local" else case.allowed(form)
    with np.errstate(all="ignore"):  # of numbers beyond any range
        error = np.abs(theirs - expected)
        wrong = ~(error <= tolerance)  # NaN is wrong
        excess = np.where(np.isfinite(error), error / tolerance, np.inf)
    if not wrong.any():
        return Finding.of(case, PASSED, total=expected.size)
    index = tuple(int(k) for k in np.unravel_index(int(np.argmax(excess)), expected.shape))
    ours, other = float(expected[index]), float(theirs[index])
    x: tuple[float, ...] = ()
    span: tuple[tuple[float, float], ...] = ()
    if QUANTITIES[case.quantity].is_by_sample:
        x = tuple(float(value) for value in case.setting.x[index[0]])
        span = tuple(_span(row, value) for row, value in zip(case.setting.spec.knots, x, strict=True))
    return Finding.of(
        case,
        FAILED,
        _wrong_rows(case, wrong),
        index=index,
        ours=ours,
        theirs=other,
        relative_error=relative(other, ours),
        ulps=_ulps(case, ours, other),
        excess=float(excess[index]),
        wrong=int(wrong.sum()),
        total=expected.size,
        x=x,
        span=span,
    )


def _wrong_rows(case: Case, wrong: Array) -> str:
    """Name the first and last wrong samples, if others are right."""
    if not QUANTITIES[case.quantity].is_by_sample or len(wrong) < ROWS_REPORTED:
        return ""
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    if rows.size == len(wrong):
        return ""
    first, last = int(rows[0]), int(rows[-1])
    if rows.size < last - first + 1:
        return f"{rows.size} of {len(wrong)} samples are wrong, the first is number {first}"
    if first == last:
        return f"only sample {first} is wrong, of 0 to {len(wrong) - 1}"
    return f"samples {first} to {last} are wrong, of 0 to {len(wrong) - 1}"


ROWS_REPORTED = 30
"""The smallest number of samples for which the wrong ones are named."""


def _ulps(case: Case, ours: float, theirs: float) -> float:
    """Return the error in units in the last place of ours, or of the largest result if ours is only rounding."""
    size = largest = float(np.abs(case.expected).max())
    if abs(ours) > case.setting.eps * largest:
        size = abs(ours)
    if not size > 0:
        return float("nan")
    return float(abs(theirs - ours) / spacing(case.setting.dtype, size))


def _span(knots: FloatArray, x: float) -> tuple[float, float]:
    m = int(np.searchsorted(knots, x, side="right"))
    if x == knots[-1]:  # the closed right end of clamped knots
        m = int(np.searchsorted(knots, x, side="left"))
    padded = np.concatenate([[-np.inf], knots, [np.inf]])
    return float(padded[m]), float(padded[m + 1])


@dataclass(frozen=True)
class Expectations:
    """Patterns of keys of cases that are expected to fail ("*" stands for anything), with reasons.

    Examples
    --------
    >>> known = Expectations({"*/clamped/*": "0/0 gives NaN"})
    >>> known.apply(Finding("float64/basis/degree-3/clamped/ends/values", "values", "passed")).status
    'unexpected pass'
    """

    reasons: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, known: Path | str | Mapping[str, str] | Sequence[str]) -> "Expectations":
        """Return those of a file, of a mapping from patterns to reasons, or of patterns without reasons.

        A file has one pattern a line, followed by "#" and the reason; blank lines count for nothing.

        Raises
        ------
        OSError
            If the file cannot be read, or is not text.
        """
        if isinstance(known, Mapping):
            return cls(dict(known))
        if not isinstance(known, str | Path):
            return cls(dict.fromkeys(known, ""))
        try:
            lines = [line.partition("#") for line in read_file(Path(known)).decode("utf-8").splitlines()]
        except UnicodeDecodeError as error:
            raise OSError(f"must be text in UTF-8; got {str(known)!r} ({error})") from error
        return cls({pattern.strip(): reason.strip() for pattern, _, reason in lines if pattern.strip()})

    def matching(self, key: str) -> list[str]:
        """Return the patterns that a key matches."""
        return [pattern for pattern in self.reasons if fnmatchcase(key, pattern)]

    def reason(self, key: str) -> str:
        """Return why a case is expected to fail, or the pattern if it has no reason."""
        return "; ".join(self.reasons[pattern] or pattern for pattern in self.matching(key))

    def apply(self, finding: Finding) -> Finding:
        """Return the finding with its status in view of the expected failures."""
        if not self.matching(finding.key):
            return finding
        if finding.status in (FAILED, ERROR):
            return replace(finding, status=EXPECTED_FAILURE)
        if finding.status == PASSED:
            return replace(finding, status=UNEXPECTED_PASS, message="listed as an expected failure, but it passes")
        return finding

    def unused(self, keys: Sequence[str]) -> list[Finding]:
        """A finding for each pattern that matches no case."""
        unused = self.reasons.keys() - {pattern for key in keys for pattern in self.matching(key)}
        return [
            Finding(f"expected-failures/{pattern}", "expected failures", ERROR, "this pattern matches no case")
            for pattern in self.reasons
            if pattern in unused
        ]
