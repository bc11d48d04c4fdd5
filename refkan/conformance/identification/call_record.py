"""What became of the calls of an adapter: those that failed, and those that changed arrays of the caller."""

from collections import Counter

from refkan.conformance.adapters.answers import UnansweredError, describe, line_raised
from refkan.conformance.identification.reported import Difference


class CallRecord:
    """Calls in one format, counted by method, and a difference for each way in which they fail.

    Stages read it; only `Subject.asked` writes to it.

    Parameters
    ----------
    dtype : str
    differences : dict of str to Difference
        By messages; formats share them.
    """

    def __init__(self, dtype: str, differences: dict[str, Difference]) -> None:
        self.dtype = dtype
        self.differences = differences
        self.made, self.failed = Counter[str](), Counter[str]()
        self.overwritten = list[str]()

    def always(self, method: str) -> bool:
        """Whether every call of a method has failed."""
        return 0 < self.failed[method] == self.made[method]

    def message(self, method: str, error: BaseException) -> str:
        """Record that a call failed, and return the message."""
        reason, line = describe(error), line_raised(error)
        text = f"{method}: {reason}"
        if isinstance(error, UnansweredError):
            return text
        self.failed[method] += 1
        how = "in all calls" if self.always(method) else "in some calls"
        if self.dtype != "float64":
            how = f"{how} in {self.dtype}"
        place = f" ({line})" if line else ""
        evidence = {"method": method, "how": how, "reason": reason, "line": place}
        self.differences[text] = Difference("call fails", evidence, sure="measured", quantities=())
        return text
