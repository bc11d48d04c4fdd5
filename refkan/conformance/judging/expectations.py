"""Failures that a user knows of: patterns of keys, each with a reason."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from refkan.base.atomic_files import read_file
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding


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
    def of(cls, known: Path | str | Iterable[str]) -> "Expectations":
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
        """The patterns that a key matches: with any, the case is expected to fail."""
        return [pattern for pattern in self.reasons if fnmatchcase(key, pattern)]

    def reason(self, key: str) -> str:
        """Why a case is expected to fail, or the pattern that says so."""
        return "; ".join(self.reasons[pattern] or pattern for pattern in self.matching(key))

    def apply(self, finding: Finding) -> Finding:
        """Return the finding with the status that it has in the light of what was expected."""
        if not self.matching(finding.key):
            return finding
        if finding.status in (f.FAILED, f.ERROR):
            return replace(finding, status=f.EXPECTED_FAILURE)
        if finding.status == f.PASSED:
            return replace(finding, status=f.UNEXPECTED_PASS, message="listed as an expected failure, but it passes")
        return finding

    def unused(self, keys: Sequence[str]) -> list[Finding]:
        """A finding for each pattern that matches no case."""
        unused = self.reasons.keys() - {pattern for key in keys for pattern in self.matching(key)}
        return [
            Finding(f"expected-failures/{pattern}", "expected failures", f.ERROR, "this pattern matches no case")
            for pattern in self.reasons
            if pattern in unused
        ]
