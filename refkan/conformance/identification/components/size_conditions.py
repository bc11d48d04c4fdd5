"""Conditions on sizes: in which layers a difference shows, told from those in which it does not."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple


class Sizes(NamedTuple):
    """Numbers of outputs, inputs, samples and coefficients of an edge."""

    outputs: int
    inputs: int
    samples: int
    coefficients: int


BOUNDS = (2, 3, 4, 5, 8, 16)
"""Numbers of inputs and outputs beyond which something may change."""


def _more_than(axis: str, n: int, sizes: Sizes) -> bool:
    return int(getattr(sizes, axis)) > n


CONDITIONS: dict[str, Callable[[Sizes], bool]] = {
    "as many inputs as outputs": lambda s: s.inputs == s.outputs,
    "as many inputs as outputs, above one": lambda s: s.inputs == s.outputs > 1,
    "as many samples as inputs": lambda s: s.samples == s.inputs,
    "as many samples as outputs": lambda s: s.samples == s.outputs,
    "as many inputs as coefficients of an edge": lambda s: s.inputs == s.coefficients,
    "as many outputs as coefficients of an edge": lambda s: s.outputs == s.coefficients,
    "as many samples as coefficients of an edge": lambda s: s.samples == s.coefficients,
    "an odd number of inputs": lambda s: s.inputs % 2 == 1,
    "an odd number of inputs above one": lambda s: s.inputs % 2 == 1 and s.inputs > 1,
    "an even number of inputs": lambda s: s.inputs % 2 == 0,
    "an odd number of outputs": lambda s: s.outputs % 2 == 1,
    "an odd number of outputs above one": lambda s: s.outputs % 2 == 1 and s.outputs > 1,
    "an even number of outputs": lambda s: s.outputs % 2 == 0,
    "an odd number of samples": lambda s: s.samples % 2 == 1,
    "one input": lambda s: s.inputs == 1,
    "one output": lambda s: s.outputs == 1,
    "one sample": lambda s: s.samples == 1,
    "more inputs than outputs": lambda s: s.inputs > s.outputs,
    "fewer inputs than outputs": lambda s: s.inputs < s.outputs,
    **{f"more than {n} {axis}": partial(_more_than, axis, n) for axis in ("inputs", "outputs") for n in BOUNDS},
}
"""What may tell layers with a difference from those without: adding a condition is adding a line."""

FEWEST = 2
"""Layers with a difference, and without, that a condition must tell apart."""


def condition(wrong: Iterable[Sizes], right: Iterable[Sizes]) -> str:
    """Return the only condition that holds in all layers with a difference and in no other; "" if there is none.

    Examples
    --------
    >>> condition([Sizes(3, 3, 64, 9), Sizes(5, 5, 9, 9)], [Sizes(3, 2, 64, 9), Sizes(1, 2, 5, 9)])
    'as many inputs as outputs'
    """
    wrong, right = list(wrong), list(right)
    if min(len(wrong), len(right)) < FEWEST:
        return ""
    fits = [words for words, holds in CONDITIONS.items() if all(map(holds, wrong)) and not any(map(holds, right))]
    return fits[0] if fits else ""
