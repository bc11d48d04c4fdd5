"""Processor time that a run may spend on hints: in all, on two defects in one result, on what finds nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from refkan.conformance.judging.diagnosis.pairs import Spent

HINT_SECONDS = 60.0
"""Processor time for all hints of a run, by default."""

CASE_SECONDS = 3.0
"""Processor time for the hints on one case."""

FREE_SECONDS = 3.0
"""Processor time for searches for two defects that find none, beside as much as the cases themselves took."""

LEAST_SECONDS = 0.05
"""For two defects in each case where other results have shown two; with less, they are not searched for."""

IN_VAIN_SECONDS = 1.0
"""Processor time for searches that find nothing, for each quantity, beside as much as its cases and others took."""


@dataclass
class Share:
    """Seconds that cases of one quantity took without hints, and searches that found hints, and that found none."""

    cases: float = 0.0
    found: float = 0.0
    in_vain: float = 0.0


@dataclass
class HintTime:
    """What a run has spent, and what it may.

    What has no name is searched for in vain, case after case. So such searches end, those for one quantity apart from
    those for another, and go on as its cases take time, or get names.

    Attributes
    ----------
    most : float
        For all hints of the run.
    shares : dict of Share
        By quantity.
    for_two : Spent
        Seconds of searches for two defects, which count in no share.

    Examples
    --------
    >>> from refkan.conformance.judging.hint_time import HintTime
    >>> time = HintTime(60.0)
    >>> time.searched("values", 2.0, found=False)
    >>> time.refusal("values"), time.refusal("input-gradients")
    ('not diagnosed: searches that found nothing took 2 s', '')
    >>> time.searched("values", 2.0, found=True)  # that some have names is worth as much time again
    >>> time.refusal("values")
    ''
    """

    most: float
    shares: defaultdict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    for_two: Spent = field(default_factory=Spent)

    @property
    def spent(self) -> float:
        """On hints in all."""
        return self.for_two.seconds + sum(share.found + share.in_vain for share in self.shares.values())

    @property
    def for_case(self) -> float:
        """For the next search."""
        return min(self.most - self.spent, CASE_SECONDS)

    @property
    def for_two_of_case(self) -> float:
        """For two defects in its result."""
        cases = sum(share.cases for share in self.shares.values())
        room = FREE_SECONDS + cases - (self.for_two.seconds - self.for_two.found)
        return room if room >= LEAST_SECONDS else LEAST_SECONDS if self.for_two.found else 0.0

    def refusal(self, quantity: str) -> str:
        """Why nothing is searched for now in results of a quantity, "" where there is time."""
        share = self.shares[quantity]
        if self.spent >= self.most:
            return f"not diagnosed: hints took {self.most:g} s"
        if share.in_vain >= IN_VAIN_SECONDS + share.cases + share.found:
            return f"not diagnosed: searches that found nothing took {share.in_vain:.2g} s"
        return ""

    def searched(self, quantity: str, seconds: float, found: bool) -> None:
        """Count a search, but for the part of it that was for two defects."""
        share = self.shares[quantity]
        if found:
            share.found += seconds
        else:
            share.in_vain += seconds
