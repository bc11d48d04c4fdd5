"""All cases, one list for all files of tests: truths are computed once for each case and kept with it."""

from __future__ import annotations

from refkan.conformance import catalogue

CASES = catalogue()
