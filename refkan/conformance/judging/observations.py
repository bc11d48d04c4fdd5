"""What a backend does where nothing was promised: its rule outside the domain, the right end, its formats."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.adapters.adapter import Adapter
from refkan.conformance.adapters.answers import BadResultError, as_real, describe
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.catalogue import catalogue
from refkan.conformance.cases.truths.precision import DTYPES

DECAYS = {
    "natural": "the basis functions' own values, which decay to 0 without a warning",
    "linear": "the tangent at the end point",
    "polynomial": "the end piece continued",
}


def observations(adapter: Adapter) -> tuple[str, ...]:
    """Return sentences on what a backend does outside the domain and at its right end; no verdicts.

    Values of a layer on equally spaced knots are compared with each rule. A backend that raises is quoted.
    """
    declared = adapter.capabilities
    dtype = next((name for name in DTYPES if name in declared.dtypes), None)
    degree = next((d for d in (3, 2, 1) if d in declared.degrees), None)
    if dtype is None or degree is None or "uniform" not in declared.knots:
        return ()
    chosen = catalogue([dtype], [f"basis/degree-{degree}/uniform/", "/values"], frame=declared.frame)
    cases = {(case.setting.region, case.setting.spec.outside): case for case in chosen}
    return (
        f"outside the domain: {_outside(adapter, cases)}",
        f"at the right end x = b: {_right_end(adapter, cases['ends', 'natural'])}",
    )


def _evaluated(adapter: Adapter, case: Case) -> FloatArray:
    with np.errstate(all="ignore"):
        return as_real("forward", adapter.forward(adapter.built(case.setting.spec), case.setting.x))


def _quoting(observe: Callable[..., str]) -> Callable[..., str]:
    def observed(*arguments: Any) -> str:
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # of the backend
                return observe(*arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # of the backend: an observation never fails a run
            return describe(error) if isinstance(error, BadResultError) else f"raises {describe(error)}"

    return observed


@_quoting
def _outside(adapter: Adapter, cases: dict[tuple[str, str], Case]) -> str:
    for rule, text in DECAYS.items():
        beside, far = cases.get(("outside", rule)), cases.get(("far", rule))
        if beside and far and _agrees(adapter, beside) and _agrees(adapter, far):
            return f"rule {rule!r}: {text}"
    plain = cases["outside", "natural"]
    theirs = _evaluated(adapter, plain)
    if not np.isfinite(theirs).all():
        return "values that are not finite"
    if not theirs.any():
        return "zero at once"
    low, high = plain.setting.spec.domain
    clipped = Case(replace(plain.setting, x=np.clip(plain.setting.x, low, high)), "values")
    if (np.abs(theirs - clipped.expected) <= clipped.tolerance).all():
        return "the values at the end points (inputs are clamped)"
    return "none of the rules known here"


def _agrees(adapter: Adapter, case: Case) -> bool:
    return bool((np.abs(_evaluated(adapter, case) - case.expected) <= case.tolerance).all())


@_quoting
def _right_end(adapter: Adapter, case: Case) -> str:
    at_end = case.setting.x[:, 0] == case.setting.spec.domain[1]
    total = float(_evaluated(adapter, case)[at_end].sum(axis=1)[0])
    return f"the basis sums to {total:.6g}"
