"""A statement of a paper that arithmetic decides: as printed, as corrected, and altered."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from refkan.claims import Verdict, judge


@dataclass(frozen=True)
class Formula:
    """A statement: whether it is true as printed, as corrected, and altered."""

    printed: bool
    measured: str
    altered: Mapping[str, bool]
    right: bool | None = None
    corrected: str = ""
    why: str = ""
    data: Mapping[str, object] = field(default_factory=dict)

    def verdict(self, id: str) -> Verdict:
        return Verdict(
            id,
            judge(self.printed, self.right),
            self.measured,
            corrected=self.corrected,
            details=f"{self.why}\n\nRun it again: `python -m validation {id}`.",
            data=self.data,
            mutations={name: judge(holds) for name, holds in self.altered.items()},
        )
