"""Results that came back for exported cases, judged."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from refkan.conformance.adapters.adapter import Capabilities
from refkan.conformance.adapters.backends.refkan_layers import Refkan
from refkan.conformance.adapters.recorded import Recorded, Recorder
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.catalogue import catalogue
from refkan.conformance.cases.exchanged_folders import read_cases, read_results
from refkan.conformance.identification import Identification, identify
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding, compare
from refkan.conformance.judging.judge import explained
from refkan.conformance.judging.results_explained import by_numbers

PORTABLE = Capabilities(degrees=(1, 2, 3), knots=("uniform", "arbitrary"), outside=("natural",))
"""What layers that are judged by files are taken to declare; a stage whose results are missing says so."""


class _Scaled(Refkan):
    """A layer whose values and gradients are multiplied."""

    capabilities = PORTABLE

    def __init__(self, values: float, gradients: float) -> None:
        self.values, self.gradients = values, gradients

    def forward(self, model: Any, x: Any) -> Any:
        return self.values * super().forward(model, x)

    def vjp(self, model: Any, x: Any, dy: Any) -> Mapping[str, Any]:
        return {name: self.gradients * np.asarray(part) for name, part in super().vjp(model, x, dy).items()}


def probes() -> list[Case]:
    """The questions by which a layer is identified, of a right one, and what is asked after a difference."""
    asked: dict[str, Case] = {}
    for factors in ((1.0, 1.0), (1.0, 2.0), (2.0, 2.0)):
        recorder = Recorder(_Scaled(*factors))
        identify(recorder)
        asked |= recorder.probes
    return list(asked.values())


def check(folder: Path, results: Path) -> tuple[list[Finding], Identification | None]:
    """Judge results against exported cases; say what the layer is where results of probes are among them.

    Raises
    ------
    CaseFileError
        If the cases are of another version or were altered, or a file cannot be read.
    """
    read, given = read_cases(folder), read_results(results)
    cases = {case.key: case for case in catalogue(version=read.version)}
    out: list[Finding] = []
    known = {*read.keys, *read.probes}
    for name in [name for name in given if name not in known]:
        near = get_close_matches(name, read.keys, 1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        out.append(Finding(name, "results", f.ERROR, f"no case has this key{guess}"))
    for key in read.keys:
        case, truth = cases[key], read.arrays
        case.__dict__["expected"], case.__dict__["tolerance"] = truth[f"{key}/expected"], truth[f"{key}/tolerance"]
        absent = Finding.of(case, f.NOT_APPLICABLE, "not in the results")
        out.append(_judge(case, given[key]) if key in given else absent)
    if given.keys().isdisjoint(read.probes):
        return out, None
    identification = identify(Recorded(str(results), given, PORTABLE))
    return [
        explained(finding, identification) if finding.status == f.FAILED else finding for finding in out
    ], identification


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
