"""Results that came back for exported cases, judged."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.catalogue import catalogue
from refkan.conformance.cases.exchanged_folders import read_cases, read_results
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding, compare
from refkan.conformance.judging.results_explained import by_numbers


def check(folder: Path, results: Path) -> list[Finding]:
    """Judge results against exported cases.

    Raises
    ------
    CaseFileError
        If the cases are of another version or were altered, or a file cannot be read.
    """
    version, keys, truth = read_cases(folder)
    cases = {case.key: case for case in catalogue(version=version)}
    given = read_results(results)
    out: list[Finding] = []
    for name in [name for name in given if name not in set(keys)]:
        near = get_close_matches(name, keys, 1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        out.append(Finding(name, "results", f.ERROR, f"no case has this key{guess}"))
    for key in keys:
        case = cases[key]
        case.__dict__["expected"], case.__dict__["tolerance"] = truth[f"{key}/expected"], truth[f"{key}/tolerance"]
        absent = Finding.of(case, f.NOT_APPLICABLE, "not in the results")
        out.append(_judge(case, given[key]) if key in given else absent)
    return out


def _judge(case: Case, given: Any) -> Finding:
    if given.dtype.kind not in "biuf":
        return Finding.of(case, f.ERROR, f"must hold real numbers; got dtype {given.dtype}")
    theirs = given.astype(np.float64)
    if theirs.shape != case.expected.shape:
        return Finding.of(case, f.ERROR, f"must have shape {case.expected.shape}; got {theirs.shape}")
    with np.errstate(all="ignore"):  # of numbers beyond any range
        finding = compare(case, theirs)
        if finding.status == f.PASSED or case.quantity == "refinement":
            return finding
        return by_numbers(case, theirs, finding)
