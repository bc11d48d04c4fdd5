"""Maps with a name: scalar ones, and matrices M in theirs_i = sum_j M_ij ours_j along an axis of arrays."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import erf, expit

from refkan.base import Array, FloatArray
from refkan.conformance.cases import is_exact
from refkan.conformance.identification.reported import close, fitted, largest

Map = Callable[[FloatArray], FloatArray]

Named = tuple[str, dict[str, Any]]
"""A name and its evidence."""

EXACT = 1e-9
"""Relative distance of factors that count as equal."""

SAMPLES = ("sample", "point")

PLURAL = {
    "answer": "outputs", "output": "outputs", "input": "inputs", "coefficient": "coefficients", "sample": "samples",
    "point": "points", "row": "rows", "column": "columns", "knot": "knots",
}  # fmt: skip

MAPS: dict[str, Map] = {
    "silu": lambda x: x * expit(x),
    "gelu": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "gelu by tanh": lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
    "sigmoid": expit,
    "sine": np.sin,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "clip to [-1, 1]": lambda x: np.clip(x, -1.0, 1.0),
    "clip to [0, 1]": lambda x: np.clip(x, 0.0, 1.0),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "mish": lambda x: x * np.tanh(np.logaddexp(0.0, x)),
    "hard swish": lambda x: x * np.clip(x + 3, 0.0, 6.0) / 6,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0.0))),
    "hard sigmoid": lambda x: np.clip(x + 3, 0.0, 6.0) / 6,
    "cosine": np.cos,
    "arcsinh": np.arcsinh,
    "exponential": np.exp,
    "square": np.square,
    "absolute value": np.abs,
}  # fmt: skip

FACTORS: dict[str, Map] = {
    "x": lambda x: x,
    "the sign of x": np.sign,
    "1/x": lambda x: 1 / x,
    "tanh'(x) = 1 - tanh(x)^2": lambda x: 1 - np.tanh(x) ** 2,
    "silu'(x)": lambda x: expit(x) * (1 + x * expit(-x)),
    "sigmoid'(x)": lambda x: expit(x) * expit(-x),
    "gelu'(x)": lambda x: (1 + erf(x / np.sqrt(2))) / 2 + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi),
    "exp(-x)": lambda x: np.exp(-x),
    "exp(-x^2)": lambda x: np.exp(-x * x),
    "1/(1 + x)": lambda x: 1 / (1 + x),
    "1/(1 + x^2)": lambda x: 1 / (1 + x * x),
    "1/(1 + |x|)^2": lambda x: 1 / (1 + np.abs(x)) ** 2,
    **{f"{name} of x": of for name, of in MAPS.items()},
}
"""Functions by which numbers may be multiplied."""


def factor_in_words(x: FloatArray, k: FloatArray) -> str:
    """Return the function k of x by which numbers are multiplied, in words; "" if it is none of those known.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1.0, 2.0, 9)
    >>> factor_in_words(x, 3 - 2 * np.tanh(x) ** 2)
    "tanh'(x) = 1 - tanh(x)^2, times 2, plus 1"
    """
    if x.size < 4 or not np.isfinite(k).all():
        return ""
    room = FITTED * largest(k)
    fits = []
    for name, function in FACTORS.items():
        with np.errstate(all="ignore"):  # of functions that are not finite at some of these points
            v = function(x)
        if not np.isfinite(v).all() or np.ptp(v) == 0:
            continue
        w = fitted(np.stack([v, np.ones_like(v)], axis=1), k, room)
        if w is not None and abs(w[0]) * np.ptp(v) > 64 * room:
            times, plus = _plain(w[0]), _plain(w[1])
            fits.append((abs(plus) > room, abs(times - 1) > EXACT, name, times, plus))
    if not fits:
        return ""
    *_, name, times, plus = min(fits, key=lambda fit: fit[:2])
    return times_plus(name, times, plus, room)


def times_plus(name: str, times: float, plus: float, near: float) -> str:
    """A function, times a number, plus a number, in words; `near` is what counts as 1 or 0."""
    words = f"{name}, times {times:.6g}" if abs(times - 1) > near else name
    return f"{words}, plus {plus:.6g}" if abs(plus) > near else words


FITTED = 2.0**-28
"""Relative to the largest factor, what a known function may leave."""

INVERSES: dict[str, Map] = {
    "tanh": np.arctanh,
    "sigmoid": lambda y: np.log(y / (1 - y)),
    "softplus": lambda y: np.log(np.expm1(y)),
    "arcsinh": np.sinh,
    "softsign": lambda y: y / (1 - np.abs(y)),
    "exponential": np.log,
}


def lower_formats(values: FloatArray) -> list[str]:
    """Formats below float64 that hold all values exactly, the shortest first."""
    return [name for name in ("bfloat16", "float16", "float32") if is_exact(name, values)]


def lowered(theirs: FloatArray, ours: FloatArray) -> list[str]:
    """Formats that hold all of theirs exactly, but not ours."""
    return [name for name in lower_formats(theirs) if not is_exact(name, ours)]


def beside(x: FloatArray, y: FloatArray, tolerance: float) -> str:
    """The function y (N, Q) of x (N, P) in words."""
    known: dict[str, Map] = {"identity": lambda x: x, **MAPS}
    for names in (*combinations(known, 1), *combinations(known, 2)):
        k = fitted(np.concatenate([*(known[name](x) for name in names), np.ones((len(x), 1))], axis=1), y, tolerance)
        if k is not None:
            return _fitted(names, k, x.shape[1])
    return f"a function that is none of those known, from {y.min():.4g} to {y.max():.4g}"


def _fitted(names: tuple[str, ...], k: FloatArray, P: int) -> str:
    out = []
    for j, name in enumerate(names):
        weights = k[j * P : (j + 1) * P]
        if weights.shape[0] == weights.shape[1] > 1 and largest(weights - weights[0, 0] * np.eye(P)) < 1e-9:
            out.append(f"{name} of each input times {weights[0, 0]:.6g}, at the output of the same number")
            continue
        if largest(weights) > 1e-9:
            same = np.ptp(weights) < 1e-9
            times = f"{weights.mean():.6g}" if same else f"{weights.min():.4g} .. {weights.max():.4g}"
            out.append(f"{name} of x times {times}")
    if largest(k[-1]) > 1e-9:
        out.append(f"a constant {k[-1, 0]:.6g}" if np.ptp(k[-1]) < 1e-9 else "a constant for each output")
    return " and ".join(out)


def map_of(x: FloatArray, y: FloatArray, tolerance: float) -> tuple[str, float, float] | None:
    """Return (name, factor, constant) with y = factor * map(x) + constant, None if no known map fits.

    Factor and constant are those of least squares; the identity comes first.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1.0, 2.0, 9)
    >>> map_of(x, 0.5 * np.tanh(x), 1e-12)
    ('tanh', 0.5, 0.0)
    """
    for name, function in {"identity": lambda x: x, **MAPS}.items():
        A = np.stack([function(x), np.ones_like(x)], axis=1)
        w = fitted(A, y, tolerance) if np.isfinite(A).all() else None
        if w is not None and abs(w[0]) > tolerance:
            return name, _plain(w[0]), _plain(w[1])
    w = fitted(np.stack([np.maximum(x, 0.0), np.minimum(x, 0.0), np.ones_like(x)], axis=1), y, tolerance)
    if w is not None and abs(w[0]) > tolerance:
        return f"leaky relu of slope {_plain(w[1] / w[0])}", _plain(w[0]), _plain(w[2])
    return None


def in_words(x: FloatArray, y: FloatArray, tolerance: float) -> str:
    """Return the map from x to y in words: a known one, clipping, a dead zone, steps, or examples.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1.0, 2.0, 9)
    >>> in_words(x, np.clip(x, -0.5, 3.0), 1e-12)
    'clipping below at -0.5'
    """
    order = np.argsort(x, kind="stable")
    if (np.abs(np.diff(y[order]))[np.diff(x[order]) == 0] > 4 * tolerance).any():
        return "an unknown map, not of single values"
    mapped = map_of(x, y, tolerance)
    if mapped is not None:
        name, k, c = mapped
        return times_plus(name, k, c, 1e-6)
    same, low, high = np.abs(y - x) <= tolerance, float(y.min()), float(y.max())
    if same.any() and close(np.clip(x, low, high), y, tolerance):
        cut = [f"below at {low:.9g}"] * bool(x.min() < low - tolerance)
        cut += [f"above at {high:.9g}"] * bool(x.max() > high + tolerance)
        return f"clipping {' and '.join(cut)}" if cut else "identity"
    zero = np.abs(y) <= tolerance
    if np.ptp(y) <= tolerance:
        return f"a constant {y[0]:.6g}"
    if zero.any() and (same | zero).all() and largest(x[zero]) <= np.abs(x[~zero]).min(initial=np.inf):
        return f"zero for sizes below {np.abs(x[~zero]).min():.3g}"
    shift = float(np.median((np.abs(x) - np.abs(y))[~zero])) if not zero.all() else 0.0
    if zero.any() and close(np.sign(x) * np.maximum(np.abs(x) - shift, 0), y, tolerance):
        return f"a shift towards zero by {shift:.6g}"
    step = step_of(y)
    if step and close(y, x, 1.01 * step):
        return f"steps of {step:.6g}"
    for degree in (2, 3):
        size = largest(x)
        powers = np.polynomial.polynomial.polyfit(x / size, y, degree) / size ** np.arange(degree + 1.0)
        if close(np.polynomial.polynomial.polyval(x, powers), y, tolerance):
            return "+".join(f"{v:.6g} x^{k}" for k, v in enumerate(powers) if abs(v) * size**k > tolerance)
    chosen = np.argsort(x)[np.linspace(0, x.size - 1, 3).astype(int)]
    return "an unknown map: " + ", ".join(f"{v:.4g} of {w:.4g}" for v, w in zip(y[chosen], x[chosen], strict=True))


def step_of(y: FloatArray) -> float:
    """The largest number that divides all distances, by Euclid's algorithm; 0 if it is no larger than rounding."""
    gaps, h = np.diff(np.unique(np.round(y, 12))), 0.0
    for gap in gaps[gaps > 1e-9]:
        while gap > 1e-6 * gaps.max():
            h, gap = gap, h % gap if h else 0.0
            gap = 0.0 if abs(gap - h) < 1e-6 * gaps.max() else gap
    return float(h) if h > 2.0**-20 else 0.0


def _plain(k: float) -> float:
    """A number without its rounding error."""
    return float(f"{k:.9g}") if abs(k) > 1e-11 else 0.0


def numbers(values: Sequence[int]) -> str:
    """Whole numbers in words, shortened if there are many."""
    if len(values) > 2 and (np.diff(values) == 1).all():
        return f"{values[0]} to {values[-1]}"
    return ", ".join(map(str, values if len(values) <= 8 else [*values[:4], "...", *values[-2:]]))


def counted(n: int, word: str) -> str:
    """A number and its noun, in the plural if needed."""
    return f"{n} {word}{'s' * (n > 1)}"


def place_of(wrong: Array, axes: Sequence[str]) -> str:
    """The slices of an array with wrong entries in words, "" if every slice has some."""
    told = []
    for axis, name in enumerate(axes):
        index = np.flatnonzero(wrong.any(axis=tuple(b for b in range(wrong.ndim) if b != axis)))
        if 0 < index.size < wrong.shape[axis]:
            told.append(f"{name if index.size == 1 else PLURAL[name]} {numbers(index.tolist())} of {wrong.shape[axis]}")
    return f" ({', '.join(told)} only)" if told else ""
