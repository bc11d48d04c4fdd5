r"""Derivatives of the layer's own outputs, and those of the layer asked for.

With values at m Chebyshev points around x, within its interval, the derivative of the interpolating polynomial is exact
for pieces of degree below m, and right to 1e-11 for SiLU and its like. Of B-splines b_i' = (r - 1) (L_i - R_i), where
L_i and R_i = L_(i+1) are functions of one order less over the lengths of their supports, which are told in
words.
"""

from collections.abc import Callable

import numpy as np

from refkan.base import Array, FloatArray, IntArray
from refkan.conformance.cases import LayerSpec
from refkan.conformance.identification.knots_in_use import guarded, intervals_of, recursion
from refkan.conformance.identification.reported import close, largest
from refkan.conformance.identification.subject import Subject

NODES = 9
"""Chebyshev points of a derivative."""

CHEBYSHEV = np.cos(np.pi * np.arange(NODES) / (NODES - 1))


def weights_at_zero(order: int, u: FloatArray) -> FloatArray:
    """The weights of values at points u whose sum is a derivative at 0, the first or second, of their interpolant."""
    return np.asarray(np.linalg.solve(np.vander(u, increasing=True).T, np.eye(u.size)[order] * order))


def derivatives(subject: Subject, spec: LayerSpec, x: FloatArray, order: int = 1) -> FloatArray:
    """Derivatives (N, Q, P) of the layer's own outputs in each input; NaN where two radii tell different ones."""
    model = subject.build(spec)

    def values(at: FloatArray) -> FloatArray:
        return subject.in_blocks(model, at, spec.n_outputs)

    along = np.eye(spec.n_inputs)
    return np.stack([derivatives_along(subject, spec, x, v + 0 * x, values, order) for v in along], axis=2)


def derivatives_along(
    subject: Subject, spec: LayerSpec, x: FloatArray, v: FloatArray, of: Callable[[FloatArray], FloatArray],
    order: int = 1,
) -> FloatArray:  # fmt: skip
    """Derivatives (N, ...) along directions v (N, P) of what `of` returns at points; NaN where two radii tell others.

    There a breakpoint that is none of the knots lies beside x, or at x: one of them has nodes to the right of x alone.
    """
    near = [np.abs(x[:, p, None] - np.unique(t)).min(axis=1) for p, t in enumerate(spec.knots)]
    room = np.minimum(np.stack(near, axis=1), np.ptp(spec.domains, axis=1) / 8)
    radius = (room / np.maximum(np.abs(v), 2.0**-40)).min(axis=1)

    def interpolated(u: FloatArray) -> FloatArray:
        weights, at = weights_at_zero(order, u), x[:, None] + (radius[:, None] * u)[:, :, None] * v[:, None]
        y = of(at.reshape(-1, x.shape[1]))
        y = y.reshape(len(x), NODES, *y.shape[1:])
        return np.asarray(np.moveaxis(np.tensordot(weights, y, axes=(0, 1)), 0, -1) / radius**order)

    wide, narrow = interpolated(0.9 * CHEBYSHEV), interpolated(0.9 / 8 * (1 + CHEBYSHEV))
    close = np.abs(wide - narrow) <= 2.0 ** (-26 + 8 * (order - 1)) * largest(wide) + 64 * subject.rough
    return np.asarray(np.moveaxis(np.where(close, wide, np.nan), -1, 0))


def true_jacobian(spec: LayerSpec, x: FloatArray) -> FloatArray:
    """What unit coefficients add to the outputs of the layer asked for: (N, Q, Q, P, dim)."""
    out = np.zeros((len(x), spec.n_outputs, *spec.coefficients.shape))
    for p, t in enumerate(spec.knots):
        out[:, :, :, p] = np.einsum("qo,si->sqoi", np.eye(spec.n_outputs), true_rows(t, spec.order, x[:, p]))
    return out


def places(spec: LayerSpec, x: FloatArray) -> IntArray:
    """Index into the knots of the interval of each sample and input."""
    return np.stack([intervals_of(x[:, p], t, spec.order) for p, t in enumerate(spec.knots)], axis=1)


def ends_of(spec: LayerSpec, m: IntArray) -> tuple[FloatArray, FloatArray]:
    """Both ends of the intervals m (N, P) of each input, the nearest ones that there are."""
    m = np.clip(m, 0, spec.knots.shape[1] - 2)
    low, high = (np.stack([t[m[:, p] + k] for p, t in enumerate(spec.knots)], axis=1) for k in (0, 1))
    return low, high


def true_rows(
    t: FloatArray, order: int, x: FloatArray, derivative: int = 0, at: FloatArray | None = None
) -> FloatArray:  # fmt: skip
    """Values of B-splines or of a derivative, (N, K - order): of the pieces in force at other points, if given."""
    if derivative == 0:
        return recursion(t, order, x, intervals_of(x if at is None else at, t, order))
    left, right = terms(t, order, x, derivative, at)
    return left - right


def terms(
    t: FloatArray, order: int, x: FloatArray, derivative: int, at: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """The two terms (r - 1) L and (r - 1) R of a derivative of B-splines."""
    if derivative >= order:
        return (np.zeros((x.size, t.size - order)),) * 2
    m = intervals_of(x if at is None else at, t, order)
    below = recursion(t, order - derivative, x, m)
    for r in range(order - derivative + 1, order + 1):
        share = (r - 1) * guarded(below, t[r - 1 :] - t[: t.size - r + 1])
        below = share[:, :-1] - share[:, 1:]
    return share[:, :-1], share[:, 1:]


def true_derivatives(spec: LayerSpec, x: FloatArray, order: int, at: FloatArray | None = None) -> FloatArray:
    """Derivatives (N, Q, P) of the edges of the layer asked for; its values with order 0."""
    at = x if at is None else at
    rows = [true_rows(t, spec.order, x[:, p], order, at[:, p]) for p, t in enumerate(spec.knots)]
    return np.stack([row @ spec.coefficients[:, p].T for p, row in enumerate(rows)], axis=2)


def difference_of_knots(
    t: FloatArray, lengths: list[tuple[int, float]], asked: tuple[int, int]
) -> tuple[int, int] | None:
    """Offsets (k, l) with lengths t[i+k] - t[i+l] for all i, those asked for first."""
    span = range(-1, max(asked) + 2)
    for k, l in [asked, *((k, l) for k in span for l in span if k > l)]:
        shown = [(t[i + k] - t[i + l], h) for i, h in lengths if i + l >= 0 and i + k < t.size]
        if len(shown) > 1 and all(abs(h - right) <= 2.0**-24 * abs(h) for right, h in shown):
            return k, l
    return None


def lengths_of_inputs(spec: LayerSpec) -> dict[str, FloatArray]:
    """Lengths (P,) that the variables of other codes are x over: of the domain, of its half, of intervals."""
    domain, t, r = np.ptp(spec.domains, axis=1), spec.knots, spec.order
    return {
        "the mean spacing (b - a)/n of each input": domain / spec.intervals,
        "the first spacing of each input": t[:, r] - t[:, r - 1],
        "half the length of the domain, (b - a)/2, of each input": domain / 2,
        "the length of the domain, b - a, of each input": domain,
        "the span of all knots of each input": t[:, -1] - t[:, 0],
    }


def one_length(spec: LayerSpec, lengths: list[tuple[int, float]]) -> str:
    """The one length of all intervals that all terms are divided by, times r - 1, in words; "" if there is none."""
    h = np.array([length for _, length in lengths]) / (spec.order - 1)
    known = ((words, length) for words, (length, *_) in lengths_of_inputs(spec).items())
    words = next((words for words, length in known if close(h, length, 2.0**-24 * length)), "")
    return words and f"r - 1 times {words.removesuffix(' of each input')}"


def length_in_words(used: tuple[int, int]) -> str:
    """Return a difference of knots in words."""
    k, l = (f"t[i{v:+d}]" if v else "t[i]" for v in used)
    return f"{k} - {l}"


def part_of_domain(x: FloatArray, wrong: Array) -> str:
    """The part of the domain in which entries (N, P) are wrong, in words."""
    told = []
    for p in np.flatnonzero(wrong.any(axis=0)):
        bad, good = x[wrong[:, p], p], x[~wrong[:, p], p]
        low, high = float(good.min(initial=np.inf)), float(good.max(initial=-np.inf))
        if not good.size:
            where = "everywhere"
        elif bad.min() > high:
            where = f"where x > {high:.4g}"
        elif bad.max() < low:
            where = f"where x < {low:.4g}"
        elif not ((bad > low) & (bad < high)).any():
            where = f"outside [{low:.4g}, {high:.4g}]"
        elif not ((good > bad.min()) & (good < bad.max())).any():
            where = f"in [{bad.min():.4g}, {bad.max():.4g}]"
        else:
            where = f"at {bad.size} of {len(x)} points"
        told.append(f"{where} (input {p})")
    return ", ".join(told)
