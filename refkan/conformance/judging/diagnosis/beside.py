"""Hypotheses on what layers have beside their splines: left out, applied twice, in another order or layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.cases import PART_GRADIENTS, Case
from refkan.conformance.cases.specs import LayerSpec, attribute
from refkan.conformance.judging.diagnosis.additions import BRANCHES
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis, evaluate, supposed, with_layers
from refkan.conformance.judging.diagnosis.of_results.kept import of_case


@of_case
def beside(case: Case) -> Iterator[Hypothesis]:
    """Defects of parts that the layers of the case have."""
    specs = case.setting.specs
    has = specs[0].parts
    if not has:
        return

    def layers(name: str, text: str, change: Callable[[LayerSpec], LayerSpec]) -> Hypothesis:
        return Hypothesis(name, text, partial(with_layers, case, change))

    for part in has:
        if PART_GRADIENTS.get(case.quantity) != part:
            yield layers("part ignored", f"{part} does not count", partial(_neutral, part))
        twice = "squared" if part in ("scale", "node-scale") else "doubled"
        yield layers("part applied twice", f"{part} counts {twice}", partial(_twice, part))
        if part in ("base", "scale"):
            text = f"{part} is read in another axis order than (Q, P)"
            yield layers("transposed part", text, partial(_transposed, part))
    if "scale" in has and "base" in has:
        text = "scale multiplies the base branch too"
        both = partial(_with_base, lambda spec: spec.part("base") * spec.part("scale"))
        yield layers("parts in another order", text, both)
    if {"node-scale", "bias"} <= set(has):
        text = "the bias is added before the factor of the node"
        yield layers("parts in another order", text, _bias_first)
    if {"node-scale", "base"} <= set(has):
        text = "the factor of the node does not reach the base branch"
        without = partial(_with_base, lambda spec: spec.part("base") / spec.part("node-scale")[:, None])
        yield layers("parts in another order", text, without)
    gain = specs[0].gain
    if case.quantity == "coefficient-gradients" and len(specs) == 1 and (gain != 1).any():
        text = "the factor of the splines is missing in the gradient"
        yield Hypothesis("part ignored", text, lambda: case.expected / gain[:, :, None])
        text = "the factor of the splines counts twice in the gradient"
        yield Hypothesis("part applied twice", text, lambda: case.expected * gain[:, :, None])
    node = specs[0].part("node-scale")
    if case.quantity in ("base-gradients", "scale-gradients") and len(specs) == 1 and (node != 1).any():
        text = "the factor of the node is missing in the gradient"
        yield Hypothesis("part ignored", text, lambda: case.expected / node[:, None])
    if "base" in has and case.quantity == "values" and len(specs) == 1:
        for name, (function, _) in BRANCHES.items():
            if name not in ("a bias", "SiLU of the inputs"):
                text = f"the base branch is {name} instead of SiLU"
                yield Hypothesis("other base function", text, partial(_other_base, case, function))


def _neutral(part: str, spec: LayerSpec) -> LayerSpec:
    kept = {attribute(part): None}
    return replace(spec, **kept)  # type: ignore[arg-type]


def _twice(part: str, spec: LayerSpec) -> LayerSpec:
    value = spec.part(part)
    more = value * value if part in ("scale", "node-scale") else 2 * value
    return _with(spec, part, more)


def _with(spec: LayerSpec, part: str, value: FloatArray) -> LayerSpec:
    changed = {attribute(part): value}
    return replace(spec, **changed)  # type: ignore[arg-type]


def _transposed(part: str, spec: LayerSpec) -> LayerSpec:
    value = spec.part(part)
    return _with(spec, part, value.reshape(value.shape[::-1]).T)


def _with_base(change: Callable[[LayerSpec], FloatArray], spec: LayerSpec) -> LayerSpec:
    return replace(spec, base=change(spec))


def _bias_first(spec: LayerSpec) -> LayerSpec:
    return replace(spec, bias=spec.part("bias") * spec.part("node-scale"))


def _other_base(case: Case, function: Callable[[FloatArray], FloatArray]) -> FloatArray:
    (spec,), x = case.setting.specs, case.setting.x
    rest = evaluate(case, specs=(replace(spec, base=None),))
    branch = spec.part("node-scale")[:, None] * spec.part("base")
    return np.asarray(rest + function(x) @ branch.T)


@of_case
def right_ends(case: Case) -> Iterator[Hypothesis]:
    """Another convention at x = b than the one declared, where that is not the closed end."""
    told = {
        "closed": "closes the last interval", "half-open": "leaves b to the interval beyond", "zero": "is zero at b",
    }  # fmt: skip
    if case.setting.right_end == "closed":
        return
    for name, text in told.items():
        if name != case.setting.right_end:
            text = f"the basis {text}; declared: {case.setting.right_end!r}"
            yield Hypothesis("other right end", text, partial(supposed, case, right_end=name))
