"""Judging a backend: builds models, asks for results, compares; what a backend raises is a finding, not a crash."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refkan.array_types import FloatArray
from refkan.conformance import findings as f
from refkan.conformance.adapters import Adapter
from refkan.conformance.cases import Case, Setting
from refkan.conformance.changes import AFTER, recheck
from refkan.conformance.diagnosis import Changed, diagnose, diagnose_change, invalid_state
from refkan.conformance.findings import Evidence, Finding, Hint
from refkan.conformance.refinement import fine_knots


class BadResultError(Exception):
    """A backend returned something of a wrong shape or type."""


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
        except (Exception, SystemExit) as error:  # of the backend, or of what it returned
            finding = Finding(case.key, case.quantity, f.ERROR, _describe(error))
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
        if finding.status == f.PASSED or not self.hints:
            return finding
        if case.setting.change is not None:
            return replace(finding, hints=self._change_hints(case, theirs))
        again = self._result(case, model, run=1)
        sort = (case.setting.dtype, case.setting.spec.degree, case.setting.spec.kind, case.quantity)
        if case.setting.region not in ("outside", "far"):
            self._failed_inside.add(sort)  # type: ignore[attr-defined]
        inside = sort not in self._failed_inside  # type: ignore[attr-defined]
        return replace(finding, hints=diagnose(Evidence(case, theirs, again, right_inside=inside)))

    def _compare(self, case: Case, theirs: FloatArray) -> Finding:
        return f.compare(case, theirs, self.adapter.capabilities.form)

    def _model(self, setting: Setting) -> Any:
        """Build the model of a setting, with its state change; models are kept for the cases that follow."""
        change = setting.change
        if change is None:
            return self._once(("model", id(setting)), setting, lambda: self._build(setting))

        def changed() -> Any:
            model = self._build(setting)
            # Many backends fill buffers when they are first evaluated: a change must not leave those behind.
            self.adapter.forward(model, change.x[:1])
            if change.kind == "refine":
                return self.adapter.refine(model, change.intervals, change.x)
            return self.adapter.update(model, change.x)

        return self._once(("changed", id(change), setting.spec.outside), change, changed)

    def _build(self, setting: Setting) -> Any:
        return self.adapter.build(setting.specs if len(setting.specs) > 1 else setting.spec)

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
        s, adapter = case.setting, self.adapter
        x = s.laid_out()
        if case.quantity == "values":
            return _checked("forward", adapter.forward(model, x), case.expected.shape, s.dtype)
        if case.quantity == "second-derivatives":
            found = adapter.second(model, x, s.dy, s.direction)
            return _checked("second", found, case.expected.shape, s.dtype)
        if case.quantity == "gauss-newton":
            return _checked("gauss_newton", adapter.gauss_newton(model, x), case.expected.shape, s.dtype)
        name = {"input-gradients": "inputs", "coefficient-gradients": "coefficients", "knot-gradients": "knots"}
        found = self._once(("vjp", id(s), run), s, lambda: adapter.vjp(model, x, s.dy))
        return _entry(found, name[case.quantity], case.expected.shape, s.dtype)

    def _repeat(self, case: Case) -> Finding:
        """Compare two runs bit by bit."""
        s, model = case.setting, self._model(case.setting)
        runs = []
        for _ in range(2):
            parts = {"values": np.asarray(self.adapter.forward(model, s.laid_out()))}
            derivatives = [d for d in ("inputs", "coefficients") if d in self.adapter.capabilities.derivatives]
            if derivatives:
                found = self.adapter.vjp(model, s.laid_out(), s.dy)
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
        knots, coefficients = self.adapter.state(model)
        return _array("state (knots)", knots), _array("state (coefficients)", coefficients)

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
        theirs = _checked("state (coefficients)", coefficients, case.expected.shape, case.setting.dtype)
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
        on_before = _array("forward", self.adapter.forward(fresh, change.x))
        model = self._model(s)
        on_after = _array("forward", self.adapter.forward(model, change.x))
        knots = self._state(model)[0] if self.adapter.capabilities.state else None
        return diagnose_change(case, Changed(on_before, on_after, before, theirs, knots))


def _describe(error: BaseException) -> str:
    text = str(error).strip()
    if isinstance(error, BadResultError):
        return text
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"needs the package {error.name}, which is not installed: pip install {error.name}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _array(name: str, value: Any) -> FloatArray:
    if value is None:
        raise BadResultError(f"{name} returned None: return an array")
    try:
        array = np.asarray(value)
    except Exception as error:
        raise BadResultError(f"{name} returned what numpy cannot read ({error}): return an array") from error
    if array.dtype.kind not in "biuf":
        raise BadResultError(f"{name} returned dtype {array.dtype}: return real numbers")
    return array.astype(np.float64)


def _checked(name: str, value: Any, shape: tuple[int, ...], dtype: str) -> FloatArray:
    array = _array(name, value)
    given = getattr(value, "dtype", None)
    if dtype == "float64" and str(given) in ("float32", "float16", "bfloat16"):
        raise BadResultError(
            f"{name} returned {given} in a case of float64: build and compute in the format of the spec"
        )
    if array.shape != shape:
        raise BadResultError(f"{name} returned shape {array.shape}; expected {shape}")
    return array


def _entry(found: Any, name: str, shape: tuple[int, ...], dtype: str) -> FloatArray:
    """Return one of the gradients that vjp returned; None means that the outputs do not depend on it: zeros."""
    if not isinstance(found, Mapping) or name not in found:
        have = sorted(found) if isinstance(found, Mapping) else type(found).__name__
        raise BadResultError(f"vjp returned {have}; expected a mapping with {name!r}")
    value = found[name]
    if value is None:
        return np.zeros(shape)
    if isinstance(value, list | tuple):  # a network: layer by layer
        parts = [np.zeros(0) if part is None else _array(f"vjp ({name})", part).ravel() for part in value]
        value = np.concatenate(parts)
    return _checked(f"vjp ({name})", value, shape, dtype)
