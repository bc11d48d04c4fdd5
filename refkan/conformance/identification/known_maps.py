"""Scalar maps that layers have beside, before, behind or between splines; others are told by their values."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
from scipy.special import erf, expit

from refkan.base import FloatArray
from refkan.conformance.cases import is_exact
from refkan.conformance.identification.reported import close, fitted, largest

Map = Callable[[FloatArray], FloatArray]

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

INVERSES: dict[str, Map] = {
    "tanh": np.arctanh,
    "sigmoid": lambda y: np.log(y / (1 - y)),
    "softplus": lambda y: np.log(np.expm1(y)),
    "arcsinh": np.sinh,
    "softsign": lambda y: y / (1 - np.abs(y)),
    "exponential": np.log,
}


def lower_formats(values: FloatArray) -> list[str]:
    """Formats below float64 of which all values are numbers, the shortest first."""
    return [name for name in ("bfloat16", "float16", "float32") if is_exact(name, values)]


def lowered(theirs: FloatArray, ours: FloatArray) -> list[str]:
    """Formats of which all of theirs are numbers, and ours are not."""
    return [name for name in lower_formats(theirs) if not is_exact(name, ours)]


def beside(x: FloatArray, y: FloatArray, tolerance: float) -> str:
    """What y (N, Q) is as a function of x (N, P), in words."""
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
    """Return what map takes x to y: a known one, a cut, a dead zone, steps, or examples.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1.0, 2.0, 9)
    >>> in_words(x, np.clip(x, -0.5, 3.0), 1e-12)
    'a cut below at -0.5'
    """
    order = np.argsort(x, kind="stable")
    if (np.abs(np.diff(y[order]))[np.diff(x[order]) == 0] > 4 * tolerance).any():
        return "an unknown map: none of these values alone"
    if (mapped := map_of(x, y, tolerance)) is not None:
        name, k, c = mapped
        return name + (f", times {k:.6g}" if abs(k - 1) > 1e-6 else "") + (f", plus {c:.6g}" if abs(c) > 1e-6 else "")
    same, low, high = np.abs(y - x) <= tolerance, float(y.min()), float(y.max())
    if same.any() and close(np.clip(x, low, high), y, tolerance):
        cut = [f"below at {low:.9g}"] * bool(x.min() < low - tolerance)
        cut += [f"above at {high:.9g}"] * bool(x.max() > high + tolerance)
        return f"a cut {' and '.join(cut)}" if cut else "identity"
    zero = np.abs(y) <= tolerance
    if np.ptp(y) <= tolerance:
        return f"a constant {y[0]:.6g}"
    if zero.any() and (same | zero).all() and largest(x[zero]) <= np.abs(x[~zero]).min(initial=np.inf):
        return f"zero for sizes below {np.abs(x[~zero]).min():.3g}"
    shift = float(np.median((np.abs(x) - np.abs(y))[~zero])) if not zero.all() else 0.0
    if zero.any() and close(np.sign(x) * np.maximum(np.abs(x) - shift, 0), y, tolerance):
        return f"a shift towards zero by {shift:.6g}"
    if (step := step_of(y)) and close(y, x, 1.01 * step):
        return f"steps of {step:.6g}"
    for degree in (2, 3):
        size = largest(x)
        powers = np.polynomial.polynomial.polyfit(x / size, y, degree) / size ** np.arange(degree + 1.0)
        if close(np.polynomial.polynomial.polyval(x, powers), y, tolerance):
            return "+".join(f"{v:.6g} x^{k}" for k, v in enumerate(powers) if abs(v) * size**k > tolerance)
    chosen = np.argsort(x)[np.linspace(0, x.size - 1, 3).astype(int)]
    return "an unknown map: " + ", ".join(f"{v:.4g} of {w:.4g}" for v, w in zip(y[chosen], x[chosen], strict=True))


def step_of(y: FloatArray) -> float:
    """The largest number of which all distances are multiples, by Euclid's algorithm; 0 if it is rounding."""
    gaps, h = np.diff(np.unique(np.round(y, 12))), 0.0
    for gap in gaps[gaps > 1e-9]:
        while gap > 1e-6 * gaps.max():
            h, gap = gap, h % gap if h else 0.0
            gap = 0.0 if abs(gap - h) < 1e-6 * gaps.max() else gap
    return float(h) if h > 2.0**-20 else 0.0


def _plain(k: float) -> float:
    """A number without its rounding."""
    return float(f"{k:.9g}") if abs(k) > 1e-11 else 0.0
