"""Maps with a name: scalar ones, and matrices M in theirs_i = sum_j M_ij ours_j along an axis of arrays."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import erf, expit

from refkan.base import Array, FloatArray, IntArray
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


def shape_of(
    name: str, rows: IntArray, n: int, sources: IntArray, k: FloatArray, near: float
) -> tuple[float, list[Named]]:  # fmt: skip
    """A matrix with one entry per row: zeros, an order, factors."""
    zero = np.abs(k) <= 1e-12
    kept, order = rows[~zero], sources[~zero]
    told: list[Named] = []
    step = np.unique(kept - order)
    beyond = step.size == 1 and ((rows[zero] < step[0]) | (rows[zero] >= n + step[0])).all()
    if step.any() and (beyond or np.unique(order).size < order.size):
        zero = np.zeros(0, bool)  # some stand in for others, or a shift ends there
    if zero.any():
        told.append((left_out(name, rows[zero], n), {"axis": name, "indices": rows[zero].tolist(), "size": n}))
    plain = 0.5 * len(told)
    if not np.array_equal(order, kept):
        told.append(ordered(name, order, kept, n))
        plain += 2.0 + (told[-1][0].endswith("mixed up") and "order" in told[-1][1]["how"])
    factors = _factors(name, kept, n, k[np.abs(k) > 1e-12], near)
    vague = any(label.startswith("factors") for label, _ in factors)
    return plain + len(factors) + vague, told + factors


def left_out(name: str, indices: IntArray, n: int) -> str:
    """The name of slices that are zero."""
    if name == "coefficient":
        return "end coefficient unused" if set(indices) <= {0, n - 1} else "coefficients left out"
    return f"{name if indices.size == 1 and name == 'input' else PLURAL[name]} left out"


def ordered(name: str, order: IntArray, rows: IntArray | None = None, n: int = 0) -> Named:
    """Slices that are those of other indices."""
    rows, n = np.arange(order.size) if rows is None else rows, n or order.size
    step = rows - order
    evidence: dict[str, Any] = {"axis": name, "loose": False}
    if rows.size >= n - n % 2 and np.array_equal(order, n - 1 - rows):
        if name in ("output", "answer", "coefficient"):
            return ("reversed coefficients" if name == "coefficient" else "reversed outputs"), evidence
        how = "in the opposite order"
    elif np.unique(order).size == 1:
        how = f"all are those of number {order[0]}" if rows.size > 1 else f"{rows[0]} is that of number {order[0]}"
    elif np.unique(step % n).size == 1 < rows.size >= n - min(step[0] % n, -step[0] % n):  # round the ends, or not
        shift = int(step[rows.size // 2])
        if name == "coefficient":
            round_ends = ", round the ends" if np.unique(step).size > 1 else ""
            return "shifted index", {**evidence, "step": shift, "how": round_ends}
        how = f"shifted by {shift:+d}"
    elif rows.size == 2:
        how = f"{rows[0]} and {rows[1]} are exchanged"
    elif np.array_equal(order, rows - step) and (np.abs(step) == 1).all() and (step[::2] + step[1::2] == 0).all():
        how = f"neighbours are exchanged: {rows[0]} and {rows[1]}, {rows[2]} and {rows[3]}, ..."
    else:
        how = f"{numbers(rows.tolist())} are in the order {', '.join(map(str, order.tolist()[:12]))}"
    return f"{PLURAL[name]} mixed up", {**evidence, "how": how}


def _factors(name: str, rows: IntArray, n: int, k: FloatArray, near: float) -> list[Named]:
    """One factor for all, for some, or one for each; `near` is how exactly they are known."""
    if not k.size or close(k, 1, near):
        return []
    all_of_them = rows.size == n
    if np.ptp(k) <= near * largest(k):
        if all_of_them or name in SAMPLES:
            return constant(float(np.median(k)))
        return [on_some(name, rows, n, float(k[0]))]
    typical = float(np.median(k))
    odd = np.abs(k - typical) > near * max(abs(typical), 1)
    if all_of_them and odd.sum() <= k.size / 2 and np.ptp(k[odd]) <= near:
        return [on_some(name, rows[odd], n, float(k[odd][0] / typical)), *constant(typical)]
    axis = "output" if name == "answer" else name
    return [(f"factors by {axis}", {"axis": name, "factors": k.tolist()})]


def on_some(name: str, rows: IntArray, n: int, factor: float) -> Named:
    """One factor for some of the slices."""
    block = {"sample": "a block of samples", "input": "one input", "coefficient": "one coefficient"}
    evidence = {"axis": name, "indices": rows.tolist(), "size": n, "factor": factor}
    return f"factor on {block.get(name, 'one output')}", evidence


def constant(k: float) -> list[Named]:
    """A constant factor: its sign and its size."""
    names: list[Named] = [("sign", {})] if k < 0 else []
    return names + ([("constant factor", {"factor": abs(k)})] if abs(abs(k) - 1) > EXACT else [])


def combination(name: str, M: FloatArray, rows: IntArray, n: int) -> Named | None:
    """A matrix with several entries per row, `loose` if its shape has no name; None if it takes too many words."""
    M = np.where(np.abs(M) <= 2.0**-24, 0.0, M)
    for step in (1, -1):
        if rows.size == n > 3 and np.abs(M - np.eye(n, k=-step))[1:-1].max() < 2.0**-22:  # the last one adds up
            return ordered(name, np.arange(n) - step, np.arange(n), n)
    how = _shape(M, rows, n)
    told = how or _by_rows(M, rows, n)
    return (f"{PLURAL[name]} mixed up", {"axis": name, "how": told, "loose": not how}) if told else None


def _shape(M: FloatArray, rows: IntArray, n: int) -> str:
    """The shape of a matrix in words, "" if it has none."""
    room = 2.0**-22 * max(1.0, largest(M))
    own = np.eye(n)[rows]
    each = "each" if rows.size > 1 else f"number {rows[0]}"
    first = float(M[0, rows[0] - 1 if rows[0] else -1])  # beside its own
    j, i = np.arange(n)[None], rows[:, None]
    shapes: dict[str, Any] = {"": own}
    if first:
        shapes[f"{each} is {_times(first, n)} of all"] = first
        shapes[f"{_times(-first, n)} of all is subtracted from {each}"] = own + first
    shapes |= {"each is the sum of those up to its own": j <= i, "each is the sum of those from its own on": j >= i}
    told = next((words for words, C in shapes.items() if close(M, 1.0 * C, room)), None)
    if told is not None:
        return told
    if rows.size == n > 3:
        named = {"itself": own, "that counted from the other end": np.eye(n)[::-1], "each": np.ones((n, n))}
        w = fitted(np.stack([C.ravel() for C in named.values()], axis=1), M.ravel(), room)
        if w is not None:
            terms = (f"{v:+.6g} times {name}" for name, v in zip(named, w, strict=True) if abs(v) > 1e-9)
            return "each is " + " ".join(terms)
    return _gathered(M, rows, n) or ""


def _gathered(M: FloatArray, rows: IntArray, n: int) -> str | None:
    """Which place takes its entry from which other one; None if some entry comes from several."""
    whole = np.eye(n)
    whole[rows] = M
    if ((np.abs(whole) > 0).sum(axis=0) > 1).any() or largest(whole[whole != 0] - 1) > 2.0**-22:
        return None
    source = np.where(whole.any(axis=0), np.abs(whole).argmax(axis=0), -1)
    moved = np.flatnonzero(source != np.arange(n))
    if (source[moved] < 0).any() or (moved.size > n // 2 and np.unique(source[moved]).size > 1):
        return None
    if moved.size == 1:
        return f"number {moved[0]} has that of number {source[moved][0]} instead of its own"
    return f"numbers {numbers(moved.tolist())} have those of {numbers(source[moved].tolist())} instead of their own"


def _by_rows(M: FloatArray, rows: IntArray, n: int) -> str:
    """A few rows, in words."""
    odd = np.flatnonzero(np.abs(M - np.eye(n)[rows]).max(axis=1) > 0)
    if n <= 4 or (odd.size <= 3 and (M[odd] != 0).sum() <= 4 * odd.size):
        return "; ".join(f"{rows[i]} is {_sum_of(M[i])}" for i in odd)
    if rows.size == n and np.abs(np.diagonal(M)).min() > 0 and (M != 0).sum() <= 3 * n:
        return "each is a combination of itself and its neighbours, number 1 being " + _sum_of(M[1])
    return ""


def _sum_of(row: FloatArray) -> str:
    """A combination of slices in words."""
    terms = [(j, k) for j, k in enumerate(row.tolist()) if k]
    if not terms:
        return "zero"
    (first, factor), *others = terms
    start = f"number {first}" if abs(factor - 1) < EXACT else f"{factor:.6g} times number {first}"
    return " ".join([start, *(f"{k:+.6g} times number {j}" for j, k in others)])


def _times(k: float, n: int) -> str:
    return "the sum" if abs(k - 1) < 1e-6 else "the mean" if abs(k * n - 1) < 1e-6 else f"{k:.6g} times the sum"
