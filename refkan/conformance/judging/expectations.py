"""Failures that a user knows of: a file of patterns, one a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from refkan.base.atomic_files import read_file
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding


@dataclass(frozen=True)
class Expectations:
    """Patterns of keys of cases that are expected to fail ("*" stands for anything).

    Examples
    --------
    >>> known = Expectations(("*/clamped/*",))
    >>> known.apply(Finding("float64/basis/degree-3/clamped/ends/values", "values", "passed")).status
    'unexpected pass'
    """

    patterns: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Expectations:
        """Read a file: one pattern a line, blank lines and what follows "#" left out.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        lines = (line.split("#", 1)[0].strip() for line in read_file(path).decode("utf-8").splitlines())
        return cls(tuple(line for line in lines if line))

    def expects(self, key: str) -> bool:
        """Whether a case is expected to fail."""
        return any(fnmatchcase(key, pattern) for pattern in self.patterns)

    def apply(self, finding: Finding) -> Finding:
        """Return the finding with the status that it has in the light of what was expected."""
        if not self.expects(finding.key):
            return finding
        if finding.status in (f.FAILED, f.ERROR):
            return replace(finding, status=f.EXPECTED_FAILURE)
        if finding.status == f.PASSED:
            return replace(finding, status=f.UNEXPECTED_PASS, message="listed as an expected failure, but it passes")
        return finding

    def unused(self, keys: Sequence[str]) -> list[str]:
        """Patterns that match no case."""
        return [pattern for pattern in self.patterns if not any(fnmatchcase(key, pattern) for key in keys)]
