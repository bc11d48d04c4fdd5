"""What hypotheses predict from a case alone, kept with its setting for the next failure and the next backend.

Most hypotheses make their results from the case and nothing else. Whoever judges several backends by the same cases
(variants of one, a bank of broken ones) asks for the same predictions again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial, wraps
from typing import Any, TypeVar, cast
from weakref import WeakSet

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.cases import Case, Setting
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis, Source, Supposed
from refkan.conformance.judging.findings import Evidence

LIMIT = 64 * 2**20
"""Bytes kept in all: with more, everything is forgotten and computed anew."""

OVERHEAD = 200
"""Bytes of an array beside its numbers."""

NAME = "_predicted"

T = TypeVar("T", bound="FloatArray | None")

_holders: WeakSet[Setting] = WeakSet()


class _Size:
    bytes = 0


def of_case(source: Callable[[Case], Iterator[Hypothesis]]) -> Source:
    """Make a source that reads the case alone one of evidence, whose predictions are kept.

    Examples
    --------
    >>> from refkan.conformance import Evidence, catalogue
    >>> from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis
    >>> @of_case
    ... def zeros(case):
    ...     yield Hypothesis("zeros", "all are zero", lambda: print("computing") or 0 * case.expected)
    >>> (case,) = catalogue(["float64"], select=["float64/basis/degree-1/uniform/ends/values"])
    >>> for backend in ("one", "another"):
    ...     (hypothesis,) = zeros(Evidence(case, case.expected))
    ...     print(backend, hypothesis.predict().any())
    computing
    one False
    another False
    """

    @wraps(source)
    def of_evidence(evidence: Evidence) -> Iterator[Hypothesis]:
        case = evidence.case
        if isinstance(case, Supposed):  # nobody asks for it again
            yield from source(case)
            return
        for number, h in enumerate(source(case)):
            kept = partial(once, case, (source, number), h.outcome)
            yield replace(h, predict=kept, afresh=h.predict)

    return of_evidence


def once(case: Case, key: Any, compute: Callable[[], T]) -> T:
    """Return the array (or None) that is kept of a case under a key, or compute and keep it."""
    kept = vars(case.setting).setdefault(NAME, {})
    key = (case.quantity, key)
    if key not in kept:
        found = compute()
        _keep(case.setting, kept, key, found)
        return found
    return cast(T, kept[key])


def _keep(setting: Setting, kept: dict[Any, Any], key: Any, found: FloatArray | None) -> None:
    size = _size(found)
    if size > LIMIT / 2:
        return
    if _Size.bytes + size > LIMIT:
        _Size.bytes = sum(map(_size, (array for holder in _holders for array in vars(holder)[NAME].values())))
        if _Size.bytes + size > LIMIT / 2:  # otherwise settings that nobody holds any more have made room
            for holder in _holders:
                vars(holder)[NAME].clear()
            _Size.bytes = 0
    kept[key] = found
    _holders.add(setting)
    _Size.bytes += size


def _size(array: FloatArray | None) -> int:
    return OVERHEAD + (0 if array is None else array.nbytes)
