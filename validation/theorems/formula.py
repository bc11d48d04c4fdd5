"""A statement of a paper that arithmetic decides: as printed, as corrected, and altered."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from refkan.base import Frozen
from refkan.claims import Verdict
from validation.statements import by_criterion


class Formula(Frozen):
    """A statement: whether it is true as printed, as corrected, and altered."""

    printed: bool
    measured: str
    altered: Mapping[str, bool]
    right: bool | None = None
    corrected: str = ""
    why: str = ""
    data: Mapping[str, object] = field(default_factory=dict)

    def verdict(self, id: str) -> Verdict:
        details = f"{self.why}\n\nRun it again: `python -m validation {id}`."
        more: dict[str, Any] = {"corrected": self.corrected, "details": details, "data": self.data}
        return by_criterion(id, self.printed, self.measured, self.altered, self.right, **more)
