"""Hypotheses on blocks of coefficients: an input takes those of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise, permutations

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis, Supposed, supposed
from refkan.conformance.judging.diagnosis.of_results.kept import of_case

WAYS = (
    "each input uses the coefficients of the input before it, the first those of the last",
    "each input uses the coefficients of the input after it, the last those of the first",
    "inputs use the coefficients of inputs in the opposite order",
    "all inputs use the coefficients of the first",
    "all inputs use the coefficients of the last",
    "each input uses the coefficients of the input before it, the first its own",
    "each input uses the coefficients of the input after it, the last its own",
)


def _sources(P: int) -> dict[str, tuple[int, ...]]:
    """For each way, whose coefficients each of P inputs uses."""
    own = tuple(range(P))
    ways = (
        own[-1:] + own[:-1], own[1:] + own[:1], own[::-1], own[:1] * P, own[-1:] * P, own[:1] + own[:-1],
        own[1:] + own[-1:],
    )  # fmt: skip
    return dict(zip(WAYS, ways, strict=True))


@of_case
def mixed(case: Case) -> Iterator[Hypothesis]:
    """Inputs that use coefficients of other inputs, in each layer of a network."""
    inputs = [spec.n_inputs for spec in case.setting.specs]
    if max(inputs) < 2 or case.quantity in ("gauss-newton", "knot-gradients"):
        return
    tried = {tuple(tuple(range(P)) for P in inputs)}
    for text in WAYS:
        sources = tuple(_sources(P)[text] for P in inputs)
        if sources in tried:
            continue
        tried.add(sources)
        if max(inputs) == 2 and text == WAYS[0]:  # those before and after it are one
            text = "two inputs use each other's coefficients"
        yield Hypothesis("inputs mixed up", text, partial(_with_blocks, case, sources))
        if case.quantity == "coefficient-gradients" and len(inputs) > 1:  # written by hand, each block in its place
            yield Hypothesis("inputs mixed up", text, partial(_with_blocks, case, sources, False))
    if inputs == [3]:
        for order in permutations(range(3)):
            if (order,) not in tried:
                text = f"inputs 0, 1, 2 use the coefficients of inputs {', '.join(map(str, order))}"
                yield Hypothesis("inputs mixed up", text, partial(_with_blocks, case, (order,)))


def _with_blocks(case: Case, sources: tuple[tuple[int, ...], ...], moved: bool = True) -> FloatArray | Supposed:
    """Results where input p of a layer uses the coefficients of input sources[p], whose gradient (`moved`) that is."""
    specs = tuple(map(_taken, case.setting.specs, sources))
    found = supposed(case, specs=specs)
    if case.quantity != "coefficient-gradients" or not moved:
        return found
    gradient = found.expected.ravel()
    ends = np.cumsum([0, *(spec.coefficients.size for spec in specs)])
    parts = []
    for spec, taken, (low, high) in zip(specs, sources, pairwise(ends), strict=True):
        part = np.zeros(spec.coefficients.shape)
        np.add.at(part.swapaxes(0, 1), np.array(taken), gradient[low:high].reshape(part.shape).swapaxes(0, 1))
        parts.append(part.ravel())
    return np.concatenate(parts).reshape(case.expected.shape)


def _taken(spec: LayerSpec, taken: tuple[int, ...]) -> LayerSpec:
    return replace(spec, coefficients=spec.coefficients[:, list(taken)])
