r"""Steps of the recursion of Cox and de Boor that codes take in place of the right one: one line for each way.

    b_i = (x - t_i) / (t_(i+k-1) - t_i) b_i + (t_(i+k) - x) / (t_(i+k) - t_(i+1)) b_(i+1)

A line has other denominators or other numerators of the two terms, in all steps, in the last or in the first one.
"""

from collections.abc import Callable, Iterator

import numpy as np

from refkan.base import FloatArray, IntArray
from refkan.conformance.identification.knots_in_use import guarded

Pair = tuple[FloatArray, FloatArray]


def _span(t: FloatArray, k: int, first: int, length: int) -> FloatArray:
    """t[i + first + length] - t[i + first] for all functions i of order k, at the ends of t the last that there is."""
    i = np.arange(t.size - k) + first
    low, high = np.clip([i, i + length], 0, t.size - 1)
    return np.asarray(t[high] - t[low])


def _rising(t: FloatArray, k: int) -> FloatArray:
    return _span(t, k, 0, k - 1)


def _falling(t: FloatArray, k: int) -> FloatArray:
    return _span(t, k, 1, k - 1)


def _twice(t: FloatArray, k: int, spacing: float) -> Pair:
    length = np.full(t.size - k, (k - 1) * spacing)
    return length, length


DENOMINATORS: dict[str, Callable[[FloatArray, int], Pair]] = {
    "both denominators are t[i+k-1] - t[i]": lambda t, k: (_rising(t, k), _rising(t, k)),
    "both denominators are t[i+k] - t[i+1]": lambda t, k: (_falling(t, k), _falling(t, k)),
    "the two denominators are exchanged": lambda t, k: (_falling(t, k), _rising(t, k)),
    "both denominators are t[i+k] - t[i]": lambda t, k: (_span(t, k, 0, k), _span(t, k, 0, k)),
    "the left denominator is t[i+k] - t[i]": lambda t, k: (_span(t, k, 0, k), _falling(t, k)),
    "the right denominator is t[i+k] - t[i]": lambda t, k: (_rising(t, k), _span(t, k, 0, k)),
    "both denominators are k - 1 times the mean spacing": lambda t, k: _twice(t, k, np.diff(t).mean()),
    "both denominators are k - 1 times the first spacing": lambda t, k: _twice(t, k, t[1] - t[0]),
    "both denominators are single spacings": lambda t, k: (_span(t, k, 0, 1), _span(t, k, k - 1, 1)),
    "both denominators are one": lambda t, k: (np.ones(t.size - k), np.ones(t.size - k)),
    "both denominators are k - 1": lambda t, k: _twice(t, k, 1.0),
    "the left denominator ends one knot too early": lambda t, k: (_span(t, k, 0, max(k - 2, 1)), _falling(t, k)),
    "the right denominator ends one knot too early": lambda t, k: (_rising(t, k), _span(t, k, 1, max(k - 2, 1))),
    "the right denominator begins one knot too late": lambda t, k: (_rising(t, k), _span(t, k, 2, max(k - 2, 1))),
    "the left denominator begins one knot too late": lambda t, k: (_span(t, k, 1, max(k - 2, 1)), _falling(t, k)),
}
"""Denominators of the rising and of the falling weight of the functions of order k."""


NUMERATORS: dict[str, Callable[[FloatArray, FloatArray, IntArray, int], Pair]] = {
    "the right weight has the opposite sign": lambda x, t, i, k: (x - t[i], x - t[i + k]),
    "the left weight has the opposite sign": lambda x, t, i, k: (t[i] - x, t[i + k] - x),
    "the left weight is left out": lambda x, t, i, k: (0 * (x - t[i]), t[i + k] - x),
    "the right weight is left out": lambda x, t, i, k: (x - t[i], 0 * (t[i + k] - x)),
    "the left weight begins at t[i+1]": lambda x, t, i, k: (x - t[i + 1], t[i + k] - x),
    "the right weight ends at t[i+k-1]": lambda x, t, i, k: (x - t[i], t[i + k - 1] - x),
    "the two weights are exchanged": lambda x, t, i, k: (t[i + k] - x, x - t[i]),
    "both weights are the rising one": lambda x, t, i, k: (x - t[i], x - t[i]),
    "both weights are the falling one": lambda x, t, i, k: (t[i + k] - x, t[i + k] - x),
}
"""Numerators of the two weights, for points x (N, 1) and functions i."""

WEIGHTS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "both weights are squared": np.square,
    "both weights are square roots": lambda w: np.sqrt(np.maximum(w, 0.0)),
    "both weights are clipped to [0, 1]": lambda w: np.clip(w, 0.0, 1.0),
    "both weights w are replaced by w^2 (3 - 2 w)": lambda w: w * w * (3 - 2 * w),
    "both weights w are replaced by sin(pi w/2)^2": lambda w: np.sin(np.pi * w / 2) ** 2,
}
"""What the two weights go through."""

STEPS: dict[str, Callable[[int, int], bool]] = {
    "in the recursion": lambda k, order: True,
    "in the last step of the recursion": lambda k, order: k == order,
    "in the first step of the recursion": lambda k, order: k == 2,
}
"""Steps, by the order k of their functions."""


def recursions(t: FloatArray, order: int, x: FloatArray, m: IntArray) -> Iterator[tuple[str, FloatArray]]:
    """The functions (N, K - order) of each line, of the intervals m (N,), in words."""
    if order < 2:
        return
    for step, taken in STEPS.items():
        if order == 2 and step != "in the recursion":
            continue
        for words in (*DENOMINATORS, *NUMERATORS, *WEIGHTS):
            b = np.asarray(np.arange(t.size - 1) == m[:, None], np.float64)
            for k in range(2, order + 1):
                b = _lifted(words if taken(k, order) else "", b, x[:, None], t, k)
            yield f"{step} {words}", b


def _lifted(words: str, b: FloatArray, x: FloatArray, t: FloatArray, k: int) -> FloatArray:
    """Functions of order k from those of order k - 1 by a line of a table, "" for the right ones."""
    i = np.arange(t.size - k)
    left, right = _rising(t, k), _falling(t, k)
    rising, falling = x - t[i], t[i + k] - x
    if words in DENOMINATORS:
        left, right = DENOMINATORS[words](t, k)
    elif words in NUMERATORS:
        rising, falling = NUMERATORS[words](x, t, i, k)
    through = WEIGHTS.get(words, np.asarray)
    return through(guarded(rising, left)) * b[:, :-1] + through(guarded(falling, right)) * b[:, 1:]
