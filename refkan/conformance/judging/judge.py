"""Ask a backend for the results of cases and compare them; exceptions of the backend are findings."""

import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from refkan.base import FloatArray, check_annotated
from refkan.conformance.adapters.adapter import Adapter, InputsOverwrittenError, check_adapter
from refkan.conformance.adapters.answers import Backend, checked, describe, where_raised
from refkan.conformance.cases import AFTER, RIGHT_ENDS, Case, ended, fine_knots, recheck
from refkan.conformance.identification import Identification, identify
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.causes import by_numbers, explained, function_changed, invalid_state
from refkan.conformance.judging.findings import Finding, Hint
from refkan.conformance.judging.proofs import proven


@dataclass(frozen=True)
class Judge:
    """Judge of one adapter; results that several cases share are computed once.

    Everything runs in the current process, which ends if the adapter ends it, and hangs if the adapter hangs. `refkan
    conform` judges in a separate process, with a time limit for each call.

    Parameters
    ----------
    adapter : Adapter
    hints : bool
        Whether the layer is identified at its first failure, so that failures tell what they follow from.
    proofs : bool
        Whether the worst entry of a failure is computed once more over the rationals, for `Finding.proven`.

    Examples
    --------
    >>> from refkan.conformance import Judge, catalogue
    >>> from refkan.conformance.adapters.backends import Refkan
    >>> judge = Judge(Refkan())
    >>> findings = [judge(case) for case in catalogue(["float64"], select=["degree-3/uniform/interior"])]
    >>> sorted({finding.status for finding in findings})
    ['passed']
    """

    adapter: Adapter
    hints: bool = True
    proofs: bool = True
    _backend: Backend = field(init=False, repr=False, compare=False)
    _identified: list[Identification] = field(init=False, repr=False, compare=False, default_factory=list)

    def __post_init__(self) -> None:
        check_adapter(self.adapter)
        check_annotated(Judge, vars(self))
        object.__setattr__(self, "_backend", Backend(self.adapter))

    def run(self, cases: Iterable[Case]) -> list[Finding]:
        """Judge cases one after another; unknown capability names come first, as errors."""
        check_annotated(Judge.run, locals())
        return [*self.declaration(), *map(self, cases)]

    def declaration(self) -> list[Finding]:
        """Return findings on the capabilities themselves."""
        return [
            Finding(f"capabilities/{k}", "capabilities", f.ERROR, f"{line}; the name is ignored")
            for k, line in enumerate(self.adapter.capabilities.problems())
        ]

    @property
    def identification(self) -> Identification:
        """What the layer is; it is identified once."""
        if not self._identified:
            self._identified.append(identify(self.adapter))
        return self._identified[0]

    def __call__(self, case: Case) -> Finding:
        """Judge one case."""
        check_annotated(Judge.__call__, locals())
        missing = self.adapter.capabilities.missing(case.needs())
        if missing:
            return Finding.of(case, f.NOT_APPLICABLE, f"not declared: {missing}")
        if case.setting.overflow:
            return Finding.of(case, f.NOT_APPLICABLE, case.setting.overflow)
        start = time.perf_counter()
        finding = self._guarded(self._by_convention(case))
        finding = replace(finding, seconds=time.perf_counter() - start)
        if self.hints and finding.status == f.FAILED:
            return explained(finding, self.identification)
        return finding

    def _guarded(self, case: Case) -> Finding:
        """Judge a case; an exception of the backend is a finding."""
        try:
            reason = self.adapter.declined(case)
            if reason:
                return Finding.of(case, f.DECLINED, reason)
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # of the backend: only its results matter
                return self._judge(case)
        except InputsOverwrittenError as error:
            hint = Hint("inputs overwritten", "arrays of the caller are changed: work on a copy")
            return Finding.of(case, f.FAILED, str(error), hints=(hint,))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # of the backend, or of reading its results
            return Finding.of(case, f.ERROR, describe(error), traceback=where_raised(error))

    def _by_convention(self, case: Case) -> Case:
        """The case with the right end that the adapter declares."""
        declared = self.adapter.capabilities.right_end
        return ended(case, declared) if declared in RIGHT_ENDS else case

    def _judge(self, case: Case) -> Finding:
        if case.quantity == "repeatability":
            return self._repeat(case)
        if case.quantity == "refinement":
            return self._refinement(case)
        model = self._backend.model(case.setting)
        if case.quantity in AFTER:
            return self._after(case, model)
        theirs = self._backend.result(case, model)
        finding = self._compare(case, theirs)
        if finding.status != f.FAILED or not self.hints:
            return finding
        if case.setting.change is not None:
            return self._changed(finding, case, theirs)
        if self.identification.bearing_on(case.quantity, case.key):
            return finding
        return by_numbers(case, theirs, finding)

    def _compare(self, case: Case, theirs: FloatArray) -> Finding:
        finding = f.compare(case, theirs, self.adapter.capabilities.form)
        return proven(case, finding) if self.proofs else finding

    def _repeat(self, case: Case) -> Finding:
        """Compare two runs bit by bit, and the first with the truth."""
        s, model = case.setting, self._backend.model(case.setting)
        declared = self.adapter.capabilities.derivatives
        gradients = [f"{of}-gradients" for of in ("input", "coefficient") if f"{of}s" in declared]
        for quantity in ("values", *gradients):
            runs = [Case(setting, quantity) for setting in (s, replace(s))]  # results are kept by setting
            first, second = (self._backend.result(run, model) for run in runs)
            differs = np.argwhere(np.asarray(first != second))
            if differs.size:
                index = tuple(int(k) for k in differs[0])
                ours, theirs = float(first[index]), float(second[index])
                return Finding.of(
                    case, f.FAILED, f"{quantity} of two runs differ", index=index, ours=ours, theirs=theirs,
                    relative_error=f.relative(theirs, ours), wrong=len(differs), total=first.size,
                )  # fmt: skip
            finding = self._compare(runs[0], first)
            if finding.status != f.PASSED:
                text = f"{quantity} of {len(s.x)} samples, the same in two runs"
                return replace(finding.about(case), message=text)
        return Finding.of(case, f.PASSED)

    def _refinement(self, case: Case) -> Finding:
        """Compare coefficients where the refined knots are those of the case."""
        knots, coefficients = self._backend.state(self._backend.model(case.setting))
        assert case.setting.change is not None
        ours = fine_knots(case.setting.spec, case.setting.change.intervals)
        size = np.abs(ours).max()
        if knots.shape != ours.shape or not np.abs(knots - ours).max() <= 64 * case.setting.eps * size:
            return Finding.of(case, f.NOT_APPLICABLE, "the refined knots are others than equally spaced")
        theirs = checked("state (coefficients)", coefficients, case.expected.shape, case.setting.dtype)
        finding = self._compare(case, theirs)
        if finding.status == f.PASSED or not self.hints:
            return finding
        hint = Hint("function changed by refine", "the refined coefficients are not the exact ones")
        return replace(finding, hints=(hint,))

    def _after(self, case: Case, model: Any) -> Finding:
        """Judge a changed model by the knots and coefficients that it reports."""
        knots, coefficients = self._backend.state(model)
        try:
            rechecked = recheck(case, knots, coefficients)
        except ValueError as error:
            return Finding.of(case, f.FAILED, str(error), hints=(invalid_state(case, knots, coefficients),))
        theirs = self._backend.result(rechecked, model)
        return self._compare(rechecked, theirs).about(case)

    def _changed(self, finding: Finding, case: Case, theirs: FloatArray) -> Finding:
        """Add the hint that the change is to blame, if the backend's own values before it are right."""
        s = case.setting
        plain = Case(replace(s, change=None), case.quantity)
        before = self._backend.result(plain, self._backend.build(s))
        if self._compare(plain, before).status != f.PASSED:
            return finding
        knots = None
        if self.adapter.capabilities.state:
            knots, _ = self._backend.state(self._backend.model(s))
        return replace(finding, hints=(function_changed(case, before, theirs, knots),))
