"""Judging a backend: asks for results and compares them; what a backend raises is a finding, not a crash.

The second half says what the numbers of a failing case are: how they follow from the right ones, what a change did, and
what is proven. A layer that can be asked is identified instead. Files of results cannot be asked; and of state changes
identification asks for one refinement and one update, cases for more, on few, discrete and constant samples.

A finding compares with the truth rounded to float64, or computed in it. The one entry that is worst is computed once
more over Fractions, without rounding: every float is a fraction, and splines, their derivatives and networks of them
take fractions to fractions. What is left is a difference of two fractions, rounded down.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from refkan.base import FloatArray, check_annotated
from refkan.base.plain_text import rounded
from refkan.conformance.adapters.adapter import Adapter, InputsOverwrittenError
from refkan.conformance.adapters.answers import KEPT, Backend, checked, describe, where_raised
from refkan.conformance.cases import (
    AFTER,
    EPS,
    QUANTITIES,
    RIGHT_ENDS,
    Case,
    ExactQuantities,
    Setting,
    exact,
    fine_knots,
    matters,
    recheck,
)
from refkan.conformance.cases.cases import CHANGE_ROOM
from refkan.conformance.identification import Difference, Identification, identify
from refkan.conformance.identification.explanations import explain
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding, Hint


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
        check_annotated(Judge, vars(self))
        object.__setattr__(self, "_backend", Backend(self.adapter))

    def run(self, cases: Iterable[Case], progress: Callable[[Finding], None] = lambda finding: None) -> list[Finding]:
        """Judge cases one after another; unknown capability names come first, as errors."""
        check_annotated(Judge.run, locals())
        out = self.declaration()
        for case in cases:
            out.append(self(case))
            progress(out[-1])
        return out

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
        if missing := self.adapter.capabilities.missing(case.needs()):
            return Finding.of(case, f.NOT_APPLICABLE, f"not declared: {missing}")
        if case.setting.overflow:
            return Finding.of(case, f.NOT_APPLICABLE, case.setting.overflow)
        start = time.perf_counter()
        case = self._by_convention(case)
        try:
            if reason := self.adapter.declined(case):
                return Finding.of(case, f.DECLINED, reason)
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # of the backend: what matters is what it returns
                finding = self._judge(case)
        except InputsOverwrittenError as error:
            hint = Hint("inputs overwritten", "arrays of the caller are changed: work on a copy")
            finding = Finding.of(case, f.FAILED, str(error), hints=(hint,))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # of the backend, or of what it returned
            finding = Finding.of(case, f.ERROR, describe(error), traceback=where_raised(error))
        finding = replace(finding, seconds=time.perf_counter() - start)
        return explained(finding, self.identification) if self.hints and finding.status == f.FAILED else finding

    def _by_convention(self, case: Case) -> Case:
        """The case with the right end that the adapter declares."""
        s, declared = case.setting, self.adapter.capabilities.right_end
        if declared == s.right_end or declared not in RIGHT_ENDS or not matters(s.specs, s.x):
            return case
        return replace(case, setting=_ended(s, declared))

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
        if finding.status == f.FAILED and case.setting.change is not None and self.hints:
            return self._changed(finding, case, theirs)
        if finding.status != f.FAILED or not self.hints or self.identification.bearing_on(case.quantity, case.key):
            return finding
        return by_numbers(case, theirs, finding)

    def _compare(self, case: Case, theirs: FloatArray) -> Finding:
        finding = f.compare(case, theirs, self.adapter.capabilities.form)
        return proven(case, finding) if self.proofs else finding

    def _repeat(self, case: Case) -> Finding:
        """Compare two runs bit by bit, and the first with the truth."""
        s, model = case.setting, self._backend.model(case.setting)
        asked = [of for of in ("input", "coefficient") if f"{of}s" in self.adapter.capabilities.derivatives]
        for quantity in ("values", *(f"{of}-gradients" for of in asked)):
            runs = [Case(setting, quantity) for setting in (s, replace(s))]  # each setting is asked once
            first, second = (self._backend.result(run, model) for run in runs)
            differs = np.argwhere(np.asarray(first != second))
            if differs.size:
                index = tuple(int(k) for k in differs[0])
                ours, theirs = float(first[index]), float(second[index])
                return Finding.of(
                    case, f.FAILED, f"{quantity} of two runs differ", index=index, ours=ours, theirs=theirs,
                    relative_error=abs(theirs - ours) / abs(ours) if ours else float("inf"),
                    wrong=len(differs), total=first.size,
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
        return replace(
            finding, hints=(Hint("function changed by refine", "the refined coefficients are not the exact ones"),)
        )

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
        """Say whether the change is to blame, by the backend's own values before it."""
        s = case.setting
        plain = Case(replace(s, change=None), case.quantity)
        before = self._backend.result(plain, self._backend.build(s))
        if self._compare(plain, before).status != f.PASSED:
            return finding
        knots = self._backend.state(self._backend.model(s))[0] if self.adapter.capabilities.state else None
        return replace(finding, hints=(function_changed(case, before, theirs, knots),))


@lru_cache(KEPT)
def _ended(setting: Setting, right_end: str) -> Setting:
    """A setting with another right end: cases that share one go on sharing it."""
    return replace(setting, right_end=right_end)


def explained(finding: Finding, identification: Identification) -> Finding:
    """Return a failure with the differences of the layer that bear on it and are large enough to explain it."""
    bearing = identification.bearing_on(finding.quantity, finding.key)
    hints = [Hint.of(difference) for difference in bearing if explains(difference, finding)]
    return replace(finding, hints=tuple(dict.fromkeys((*finding.hints, *hints))))


ROUNDING_ROOM = 8
"""Factor by which rounding to a lower format may exceed the allowed errors, scaled to that format."""


def explains(difference: Difference, finding: Finding) -> bool:
    """Whether a difference is large enough to explain a failure.

    Rounding to a lower format has known limits: allowed errors already hold the conditioning of the case.
    """
    lower = [eps for name, eps in ROUNDED.items() if difference.name.startswith(f"{name} ")]
    if not lower or math.isnan(finding.excess):
        return True
    dtype, *parts = finding.key.split("/")
    most = ROUNDING_ROOM * max(lower) / EPS.get(dtype, EPS["float64"])
    if {"refine", "update"} & set(parts):
        most /= CHANGE_ROOM
    return finding.excess <= most


ROUNDED = {"float32": EPS["float32"], "float16": EPS["float16"], "bfloat16": EPS["bfloat16"], "float8": 2.0**-3}
"""Formats with which names of differences begin, and their spacing at 1."""


IN_WORDS = {"gauss-newton": "entries of the Gauss-Newton matrix", "knot-gradients": "gradients in knots"}
"""What results of a quantity are, where its name does not say it."""


def by_numbers(case: Case, theirs: FloatArray, finding: Finding) -> Finding:
    """Return a failure with hints on what its numbers are."""
    ours, axes = case.expected, QUANTITIES[case.quantity].axes
    if not axes or ours.ndim != len(axes) or not theirs.size:
        return finding
    owner = IN_WORDS.get(case.quantity, case.quantity.replace("-", " "))
    zero = "zero outputs" if case.quantity == "values" else "detached gradient"
    told = explain(theirs, ours, axes, float(np.max(case.tolerance)), owner, zero)
    if not told or any(difference.name == "factors by sample" for difference in told):
        return finding  # a factor for each sample explains anything of one output
    return replace(finding, hints=tuple(map(Hint.of, told)))


def invalid_state(case: Case, knots: FloatArray, coefficients: FloatArray) -> Hint:
    """Name what is wrong with the knots and coefficients that a model reports after a change."""
    kind = case.setting.change.kind if case.setting.change else ""
    told = _not_finite(kind, "coefficients", coefficients, knots)
    return told or Hint("stored knots", f"after {kind} the knots are not those of a spline")


def function_changed(case: Case, before: FloatArray, after: FloatArray, knots: FloatArray | None) -> Hint:
    """Name a change of the function, by its values before and after at the points of a case."""
    kind, size = case.setting.change.kind if case.setting.change else "", float(np.abs(before).max())
    share = float(np.abs(after - before).max()) / size if size > 0 else float("inf")
    told = _not_finite(kind, "values", after, knots)
    return told or Hint(f"function changed by {kind}", f"by {share:.1e} of its size at the points of the case")


def _not_finite(kind: str, what: str, values: FloatArray, knots: FloatArray | None) -> Hint | None:
    """Name what values after a change that are not finite follow from."""
    bad = int((~np.isfinite(values)).sum())
    text = f"{bad} of {values.size} {what} are not finite after {kind}"
    if bad and knots is not None and np.isfinite(knots).all() and (np.diff(np.sort(knots, axis=1)) == 0).any():
        return Hint("NaN from repeated knots", f"{text}, which made knots that coincide")
    return Hint(f"NaN after {kind}", text) if bad else None


TERMS = 20_000
"""Samples times coefficients up to which a sum over all samples is computed exactly: about a second."""


def proven(case: Case, finding: Finding) -> Finding:
    """Return a failure with what is proven of it in `Finding.proven`; other findings as they are.

    Nothing is proven where theirs is no number, where layers have parts beside splines (SiLU is not rational), at the
    right end where a backend has declared another convention than that of the formulas, where coefficients after a
    refinement are compared, which is done in float64, and of sums over more samples than `TERMS` allows.
    """
    if not finding.index or not math.isfinite(finding.theirs):
        return finding
    value = exact_entry(case, finding.index)
    if value is None:
        return finding
    return replace(finding, proven=rounded_down(abs(Fraction(finding.theirs) - value)))


def exact_entry(case: Case, index: tuple[int, ...]) -> Fraction | None:
    """The exact value of one entry of the quantity of a case, None where it is out of reach."""
    s, quantity = case.setting, QUANTITIES[case.quantity]
    if any(spec.parts for spec in s.specs) or (s.right_end != "closed" and matters(s.specs, s.x)):
        return None
    if quantity.is_by_sample:
        rows, index = slice(index[0], index[0] + 1), (0, *index[1:])
        s = replace(s, x=s.x[rows], dy=s.dy[rows], direction=s.direction[rows])
    elif not quantity.method or len(s.x) * sum(spec.coefficients.size for spec in s.specs) > TERMS:
        return None
    truth = ExactQuantities(s.specs, s.x)
    return Fraction(quantity.of(truth, exact(s.dy), exact(s.direction))[index])


def rounded_down(value: Fraction, digits: int = 3) -> float:
    """Return the largest decimal number of so many digits, as a float, that does not exceed a fraction.

    Its shortest decimal form is what is printed, and does not exceed the fraction either.

    Examples
    --------
    >>> rounded_down(Fraction(2, 3)), rounded_down(Fraction(1, 10**320)), rounded_down(Fraction(0))
    (0.666, 0.0, 0.0)
    """
    nearest = float(rounded(value, digits))
    return nearest if math.isfinite(nearest) and nearest >= 2.0**-1022 else 0.0
