"""Judging a backend: builds models, asks for results, compares; what a backend raises is a finding, not a crash."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refkan.array_types import FloatArray
from refkan.conformance import findings as f
from refkan.conformance.adapters import Adapter, InputsOverwrittenError
from refkan.conformance.answers import BadResultError, as_mapping, as_real, checked, describe, entry
from refkan.conformance.cases import Case, Setting
from refkan.conformance.changes import AFTER, recheck
from refkan.conformance.diagnosis import Changed, diagnose, diagnose_change, invalid_state
from refkan.conformance.findings import Evidence, Finding, Hint
from refkan.conformance.refinement import fine_knots

Place = tuple[Any, ...]

EARLIER = 8
"""Arrays of samples remembered for each layer, to tell results that were kept from an earlier call."""


@dataclass(frozen=True)
class Judge:
    """Judges cases on one adapter; results that several cases share are computed once.

    Parameters
    ----------
    adapter : Adapter
    hints : bool
        Whether failures are diagnosed.

    Examples
    --------
    >>> from refkan.conformance import Judge, catalogue
    >>> from refkan.conformance.backends import Refkan
    >>> judge = Judge(Refkan())
    >>> findings = [judge(case) for case in catalogue(["float64"], select=["degree-3/uniform/interior"])]
    >>> sorted({finding.status for finding in findings})
    ['passed']
    """

    adapter: Adapter
    hints: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "_kept", {})
        object.__setattr__(self, "_failed_inside", set())
        object.__setattr__(self, "_values_right", set())
        object.__setattr__(self, "_handed", {})

    def run(self, cases: Iterable[Case], progress: Callable[[Finding], None] = lambda finding: None) -> list[Finding]:
        """Judge cases one after another; unknown capability names come first, as errors."""
        out = self.declaration()
        for case in cases:
            out.append(self(case))
            progress(out[-1])
        return out

    def declaration(self) -> list[Finding]:
        """Findings on the capabilities themselves."""
        return [
            Finding(f"capabilities/{k}", "capabilities", f.ERROR, f"{line}; the name is ignored")
            for k, line in enumerate(self.adapter.capabilities.problems())
        ]

    def __call__(self, case: Case) -> Finding:
        """Judge one case."""
        missing = self.adapter.capabilities.missing(case.needs())
        if missing:
            return Finding(case.key, case.quantity, f.NOT_APPLICABLE, f"not declared: {missing}")
        start = time.perf_counter()
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # of the backend: what matters is what it returns
                finding = self._judge(case)
        except InputsOverwrittenError as error:
            hint = Hint("inputs overwritten", "arrays of the caller are changed: work on a copy")
            finding = Finding(case.key, case.quantity, f.FAILED, str(error), hints=(hint,))
        except (Exception, SystemExit) as error:  # of the backend, or of what it returned
            finding = Finding(case.key, case.quantity, f.ERROR, describe(error))
        return replace(finding, seconds=time.perf_counter() - start)

    # ------------------------------------------------------------ one case

    def _judge(self, case: Case) -> Finding:
        if case.quantity == "repeatability":
            return self._repeat(case)
        if case.quantity == "refinement":
            return self._refinement(case)
        model = self._model(case.setting)
        if case.quantity in AFTER:
            return self._after(case, model)
        theirs = self._result(case, model)
        finding = self._compare(case, theirs)
        if finding.status == f.PASSED and case.quantity == "values":
            self._values_right.add(case.setting.name)  # type: ignore[attr-defined]
        if finding.status == f.PASSED or not self.hints:
            return finding
        if case.setting.change is not None:
            return replace(finding, hints=self._change_hints(case, theirs))
        again = self._result(case, model, run=1)
        sort = (case.setting.dtype, case.setting.spec.degree, case.setting.spec.kind, case.quantity)
        if case.setting.region not in ("outside", "far"):
            self._failed_inside.add(sort)  # type: ignore[attr-defined]
        inside = sort not in self._failed_inside  # type: ignore[attr-defined]
        evidence = Evidence(
            case, theirs, again, right_inside=inside,
            values_right=case.setting.name in self._values_right,  # type: ignore[attr-defined]
            earlier=self._earlier(case.setting),
            forward=lambda x: self.adapter.forward(model, x),
        )  # fmt: skip
        return replace(finding, hints=diagnose(evidence))

    def _compare(self, case: Case, theirs: FloatArray) -> Finding:
        return f.compare(case, theirs, self.adapter.capabilities.form)

    def _model(self, setting: Setting) -> Any:
        """Build the model of a setting, with its state change; models are kept for the cases that follow."""
        change = setting.change
        if change is None:
            return self._once(("model", id(setting)), setting, lambda: self._used(setting))

        def changed() -> Any:
            model = self._build(setting)
            # Many backends fill buffers when they are first evaluated: a change must not leave those behind.
            self.adapter.forward(model, setting.laid_out())
            if change.kind == "refine":
                found = self.adapter.refine(model, change.intervals, change.x)
            else:
                found = self.adapter.update(model, change.x)
            if found is None:
                raise BadResultError(f"{change.kind} returned None: return the model")
            return found

        return self._once(("changed", id(change), setting.spec.outside), change, changed)

    def _build(self, setting: Setting) -> Any:
        return self.adapter.built(setting.specs if len(setting.specs) > 1 else setting.spec)

    def _used(self, setting: Setting) -> Any:
        """Build a model and evaluate it at other samples of the same shape: nothing kept from that may show later."""
        model = self._build(setting)
        other = (setting.x + np.roll(setting.x, 1, axis=0)) / 2
        with suppress(Exception, SystemExit):  # what is raised will be raised again, in a case
            self.adapter.forward(model, setting.laid_out(other))
        for x in (other, setting.x):
            self._remember(_place(setting), x)
        for p, place in enumerate(_columns(setting)):
            self._remember(place, other[:, p])
        return model

    def _remember(self, place: Place, x: FloatArray) -> None:
        handed = self._handed.setdefault(place, [])  # type: ignore[attr-defined]
        if len(handed) < EARLIER:
            handed.append(x)

    def _earlier(self, setting: Setting) -> list[FloatArray]:
        """Samples handed to layers on the same knots, and those made of the first column that each knot vector saw."""
        kept: dict[Place, list[FloatArray]] = self._handed  # type: ignore[attr-defined]
        columns = [kept[place][0] for place in _columns(setting) if place in kept]
        whole = kept.get(_place(setting), [])
        return whole + ([np.stack(columns, axis=1)] if len(columns) == setting.x.shape[1] else [])

    def _once(self, key: Any, owner: Any, compute: Callable[[], Any]) -> Any:
        """Return the result kept under a key, or compute it; an exception is kept too. Few are kept at a time."""
        kept: dict[Any, tuple[Any, Any, BaseException | None]] = self._kept  # type: ignore[attr-defined]
        if key not in kept:
            while len(kept) >= 8:
                kept.pop(next(iter(kept)))
            try:
                kept[key] = (owner, compute(), None)
            except (Exception, SystemExit) as error:
                kept[key] = (owner, None, error)
        _, value, raised = kept[key]
        if raised is not None:
            raise raised
        return value

    def _result(self, case: Case, model: Any, run: int = 0) -> FloatArray:
        """Ask the backend for the quantity of a case and check its shape."""
        s, adapter, shape = case.setting, self.adapter, case.expected.shape
        if case.quantity == "values":
            return checked("forward", self._asked(adapter.forward, model, s), shape, s.dtype)
        if case.quantity == "second-derivatives":
            return checked("second", self._asked(adapter.second, model, s, s.dy, s.direction), shape, s.dtype)
        if case.quantity == "gauss-newton":
            return checked("gauss_newton", self._asked(adapter.gauss_newton, model, s), shape, s.dtype)
        name = {"input-gradients": "inputs", "coefficient-gradients": "coefficients", "knot-gradients": "knots"}
        found = self._once(("vjp", id(s), run), s, lambda: self._asked(adapter.vjp, model, s, s.dy))
        return entry(found, name[case.quantity], shape, s.dtype)

    def _asked(self, method: Callable[..., Any], model: Any, setting: Setting, *vectors: FloatArray) -> Any:
        """Call a method of the adapter with arrays of its own, which must be the same afterwards."""
        given = [setting.laid_out(), *(vector.copy() for vector in vectors)]
        found = method(model, *given)
        for name, array, kept in zip(("x", "dy", "direction"), given, (setting.x, *vectors), strict=False):
            if not np.array_equal(array, kept):
                called = getattr(method, "__name__", "the method")
                raise InputsOverwrittenError(f"{called} changed its argument {name}")
        return found

    def _repeat(self, case: Case) -> Finding:
        """Compare two runs bit by bit."""
        s, model = case.setting, self._model(case.setting)
        runs = []
        for _ in range(2):
            parts = {"values": np.asarray(self.adapter.forward(model, s.laid_out()))}
            derivatives = [d for d in ("inputs", "coefficients") if d in self.adapter.capabilities.derivatives]
            if derivatives:
                found = as_mapping(self.adapter.vjp(model, s.laid_out(), s.dy), derivatives[0])
                parts |= {d: np.asarray(found[d]) for d in derivatives if found.get(d) is not None}
            runs.append(parts)
        for name, first in runs[0].items():
            second = runs[1][name]
            differs = np.argwhere(np.asarray(first != second))
            if differs.size:
                index = tuple(int(k) for k in differs[0])
                ours, theirs = float(first[index]), float(second[index])
                ratio = np.median(np.asarray(second)[first != second] / np.asarray(first)[first != second])
                grows = name != "values" and np.allclose(np.asarray(second), ratio * np.asarray(first), rtol=1e-3)
                hint = Hint(
                    "not deterministic", f"{len(differs)} of {first.size} entries of {name} differ between runs"
                )
                if grows and abs(ratio - 1) > 1e-3:
                    hint = Hint(
                        "gradients accumulate", f"{name} of the second run are those of the first times {ratio:.4g}"
                    )
                return Finding(
                    case.key, case.quantity, f.FAILED, f"{name} of two runs differ", index, ours, theirs,
                    abs(theirs - ours) / abs(ours) if ours else float("inf"), wrong=len(differs), total=first.size,
                    hints=(hint,),
                )  # fmt: skip
        return Finding(case.key, case.quantity, f.PASSED)

    def _state(self, model: Any) -> tuple[FloatArray, FloatArray]:
        found = self.adapter.state(model)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise BadResultError(f"state returned {type(found).__name__}: return a pair of knots and coefficients")
        knots, coefficients = found
        return as_real("state (knots)", knots), as_real("state (coefficients)", coefficients)

    def _refinement(self, case: Case) -> Finding:
        """Compare coefficients where the refined knots are those of the case."""
        knots, coefficients = self._state(self._model(case.setting))
        assert case.setting.change is not None
        ours = fine_knots(case.setting.spec, case.setting.change.intervals)
        size = np.abs(ours).max()
        if knots.shape != ours.shape or not np.abs(knots - ours).max() <= 64 * case.setting.eps * size:
            return Finding(
                case.key, case.quantity, f.NOT_APPLICABLE, "the refined knots are others than equally spaced"
            )
        theirs = checked("state (coefficients)", coefficients, case.expected.shape, case.setting.dtype)
        finding = self._compare(case, theirs)
        if finding.status == f.PASSED or not self.hints:
            return finding
        return replace(
            finding, hints=(Hint("function changed by refine", "the refined coefficients are not the exact ones"),)
        )

    def _after(self, case: Case, model: Any) -> Finding:
        """Judge a changed model by the knots and coefficients that it reports."""
        knots, coefficients = self._state(model)
        try:
            now = recheck(case, knots, coefficients)
        except ValueError as error:
            hints = invalid_state(case, knots, coefficients)
            return Finding(case.key, case.quantity, f.FAILED, str(error), hints=hints)
        theirs = self._result(now, model)
        finding = replace(self._compare(now, theirs), key=case.key, quantity=case.quantity)
        if finding.status == f.PASSED or not self.hints:
            return finding
        return replace(finding, hints=diagnose(Evidence(now, theirs, before=case)))

    def _change_hints(self, case: Case, theirs: FloatArray) -> tuple[Hint, ...]:
        """Say whether the change is to blame, by the backend's own values before it."""
        s, change = case.setting, case.setting.change
        assert change is not None
        plain = Case(replace(s, change=None), case.quantity)
        fresh = self._build(s)
        before = self._result(plain, fresh)
        if self._compare(plain, before).status != f.PASSED:
            return diagnose(Evidence(plain, before))
        on_before = as_real("forward", self.adapter.forward(fresh, change.x))
        model = self._model(s)
        on_after = as_real("forward", self.adapter.forward(model, change.x))
        knots = self._state(model)[0] if self.adapter.capabilities.state else None
        return diagnose_change(case, Changed(on_before, on_after, before, theirs, knots))


def _place(setting: Setting) -> Place:
    """What a table of kept results might be looked up by: shape, order and knots."""
    return (setting.x.shape, setting.dtype, *((spec.order, spec.knots.tobytes()) for spec in setting.specs))


def _columns(setting: Setting) -> list[Place]:
    """The same for each input of the first layer."""
    return [((len(setting.x),), setting.dtype, (setting.spec.order, row.tobytes())) for row in setting.spec.knots]
