r"""Stage 1: whether the layer is linear in its coefficients, and in which arithmetic.

With z = f(0) and g(C) = f(C) - z a layer of splines has g(a) + g(b) = g(a + b) for any knots, points and basis
functions. The inputs of the sums are exact, so the residual, relative to the size of the sums, is the rounding of the
arithmetic that forms them: a few 2^-53 in float64, 2^-24 in float32, 2^-11 in float16 and TF32, 2^-8 in bfloat16; no
condition number enters. Rounding of floating-point numbers leaves the same relative residual with s a and s b, s = 2^k.
A residual that grows with s, or is much larger, is not rounding: see `nonlinear`.

Rounded coefficients: if one coefficient c of each edge grows, results do not change before c + d; there they jump by a
step h. It is 2^-m c at c = 1/2 and at c = 1/32 if m bits are kept; the same at both if coefficients are rounded to
multiples of h; and twice as large if the largest coefficient is, if h is a share of that.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.adapters.answers import as_real
from refkan.conformance.cases import LARGEST_ROUNDING, FloatQuantities, is_exact, round_to
from refkan.conformance.identification.known_maps import Map, lower_formats, step_of
from refkan.conformance.identification.nonlinear import in_other_sizes, nonlinear
from refkan.conformance.identification.reported import Difference, Stage, bisected, close, largest, measured, only
from refkan.conformance.identification.stages.models_alive import same_rows
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

FORMATS = (("float32", -20.0), ("float16 or TF32", -9.5), ("bfloat16", -6.5))
"""The arithmetic that leaves a residual up to this power of two."""

ROUNDED = 64
"""In eps, the residual of sums of a few dozen terms."""

SCALES = (1.0, 2.0**10, 2.0**-10)
"""Scales of coefficients: some maps show only at large values, others only at small ones."""

ALIKE = 16
"""Factor between the residuals that rounding may leave at two scales."""

SHIFTS = (64.0, 1024.0)
"""Of the domain."""

BISECTIONS = 44
"""Of the distance to the next coefficient that makes a difference."""


def arithmetic(subject: Subject) -> tuple[Stage, Subject]:
    """Return how the layer depends on its coefficients."""
    spec, x = subject.layer((3, 2))
    a = spec.coefficients

    def f(C: FloatArray) -> FloatArray:
        return subject.values(subject.spec((3, 2), C), x)

    zero = f(0 * a)
    ya = f(a) - zero
    if not np.isfinite(ya).all():
        raise NoAnswerError("results are not finite")
    subject = replace(subject, offset=largest(zero))
    if not ya.any():
        return _the_same_for_all(zero), subject
    left = [left_of_sums(f, s * a, zero) for s in SCALES[: 1 if subject.noise else 3]]  # noise has a size of its own
    q, p, i = np.indices(a.shape)
    sizes = 2.0 ** -(4.0 * (a.shape[1] * q + p) + i % 3)  # no two edges alike
    left += [_residual(f, sizes * a, (1 - sizes) * a, zero)] * (not subject.noise)
    allowed = max(ROUNDED * subject.eps, subject.noise)
    if max(left) <= allowed:
        words = f"linear in its coefficients, up to {max(left):.1e} of the largest output"
        return Stage("arithmetic", words), subject
    most = min(LARGEST_ROUNDING, ALIKE * min(max(residue, allowed) for residue in left))
    first = next((k for k, residue in enumerate(left) if residue > most), len(left) - 1)
    outputs = _rounded_outputs(subject, f(a), left[0]) if first == 0 or _is_rounded(subject, x, f(a)) else []
    kept = None if outputs else _steps(subject, f)
    if outputs or kept:
        subject = replace(subject, noise=max(left))
        rounded = outputs or _rounded_coefficients(subject, f, a, kept or 0, allowed)
        what = "outputs" if outputs else "coefficients"
        return Stage("arithmetic", f"linear except for rounded {what}", rounded), subject
    if left[first] > most:
        odd = (*SCALES, 1.0)[first] * a
        if left[0] > allowed:
            return nonlinear(subject, f, odd, left[first])
        differences, subject = in_other_sizes(subject, f, odd, left[first])  # others than those of later stages
        return Stage("arithmetic", "; ".join(map(str, differences)), differences), subject
    subject = replace(subject, noise=max(left))
    told = f"linear in its coefficients, except for {left[0]:.1e} of the largest output (2^{np.log2(left[0]):.0f})"
    return Stage("arithmetic", told, _rounded(subject, left[0])), subject


def _the_same_for_all(zero: FloatArray) -> Stage:
    """The result for a layer whose outputs do not depend on its coefficients."""
    if not zero.any():
        return Stage("arithmetic", "all outputs are zero", only("zero outputs", what="all outputs"))
    sentence = "outputs are the same for any coefficients, as if those of an earlier model were kept"
    return Stage("arithmetic", sentence, only("stale cache", what=sentence))


def left_of_sums(f: Map, a: FloatArray, zero: FloatArray | None = None) -> float:
    """The residual of superposition, relative to the largest output; f(0) may be given."""
    return _residual(f, 0.5 * a, -0.25 * a[:, :, ::-1], f(0 * a) if zero is None else zero)


def _residual(f: Map, a: FloatArray, b: FloatArray, zero: FloatArray) -> float:
    """The size of f(a) + f(b) - f(a + b) - f(0), relative to the largest output."""
    ya, yb, together = f(a) - zero, f(b) - zero, f(a + b) - zero
    left = largest(ya + yb - together)
    size = largest([ya, yb, together, ya + zero])
    return left / size if size > 0 and left < np.inf else 1.0


def _rounded_outputs(subject: Subject, y: FloatArray, left: float) -> list[Difference]:
    """Outputs that a lower format holds exactly, or that are multiples of a step."""
    for name in [f for f in lower_formats(y) if f != subject.dtype]:
        if name != "float32" or left <= 2.0 ** FORMATS[0][1]:
            sentence = f"all outputs are {name} numbers"
            return only(f"{_plain(name)} arithmetic", format=name, left=left, what=sentence)
    step = step_of(y.ravel())
    if step and left * largest(y) <= 4 * step:
        return only("extra map", map=f"steps of {step:.6g}", what="outputs are rounded to them")
    return []


def _is_rounded(subject: Subject, x: FloatArray, y: FloatArray) -> bool:
    """Whether outputs are the right ones, rounded to a lower format at the end."""
    right = FloatQuantities((subject.spec((3, 2)),), x).values
    return any(np.mean(round_to(name, right) == y) > 0.9 for name in lower_formats(y))


def _rounded(subject: Subject, left: float) -> list[Difference]:
    name = next((name for name, power in FORMATS if left <= 2.0**power), FORMATS[-1][0])
    if left <= 2.0**-30 and subject.dtype == "float64":
        return measured("rounding errors", left=left, place=_far_from_zero(subject))
    what = f"what is left of f(a) + f(b) - f(a + b) is {left:.1e}"
    return measured(f"{name} arithmetic", format=name, left=left, what=what)


def _far_from_zero(subject: Subject) -> str:
    """How errors grow with the distance of the domain from 0, in words; "" if like those of the recursion."""
    if subject.declared.domain is not None or subject.degree < 2:
        return ""
    specs = [replace(spec, knots=spec.knots + shift) for spec in [subject.spec((2, 1))] for shift in SHIFTS]
    off = [largest(subject.errors(spec, subject.samples(spec, BLOCK)[:, 0])) for spec in specs]
    power = float(np.log(max(off[1], 1e-300) / max(off[0], 1e-300)) / np.log(SHIFTS[1] / SHIFTS[0]))
    if abs(power - subject.degree) > 0.5:
        return ""
    return f"; errors grow to {off[1]:.1e} on a domain {SHIFTS[1]:g} away from 0, as with powers of x"


def _plain(name: str) -> str:
    return "float16 or TF32" if name == "float16" else name


def _of_bits(bits: int) -> str:
    return "float32" if bits > 12 else "float16 or TF32" if bits > 8 else "bfloat16" if bits > 4 else "float8"


def _rounded_coefficients(subject: Subject, f: Map, a: FloatArray, kept: str | int, allowed: float) -> list[Difference]:
    """Rounded coefficients; their factors are rounded, too, if units or numbers of few bits show it."""
    if isinstance(kept, str):
        return only("coefficients mapped", how=f"they are rounded to steps of {kept}")
    left = left_of_sums(f, np.rint(6 * a / largest(a)))
    spec, x = subject.layer((2, 1))
    off = largest(subject.errors(spec, x[:, 0]))
    if left <= allowed and not 2.0 ** -(kept + 5) < off < 2.0 ** -(kept - 2):
        return only(f"{_of_bits(kept)} coefficients", bits=kept)
    what = f"coefficients and what they are multiplied by are rounded to {kept} bits"
    return measured(f"{_of_bits(kept)} arithmetic", left=left, what=what)


def _steps(subject: Subject, f: Map) -> str | int | None:
    """The number of bits kept of coefficients, or the step to which they are rounded in words; None if neither."""
    (half, _), (small, still) = (_step(subject, f, c, 1.0) for c in (0.5, 2.0**-5))
    if not half or not small or not still:
        return None
    if half > 8 * small:
        return int(np.rint(-np.log2(2 * half)))
    double, _ = _step(subject, f, 0.5, 2.0)
    return f"1/{1 / half:.6g} of the largest" if double > 1.5 * half else f"{half:.6g}"


def _step(subject: Subject, f: Map, c: float, largest: float) -> tuple[float, bool]:
    """The step to the next coefficient above c that makes a difference, and whether results are constant before it."""
    shape = subject.spec((3, 2)).coefficients.shape
    first = np.arange(shape[2]) == 0

    def with_others(v: float) -> FloatArray:
        return f(round_to(subject.dtype, np.where(first, largest, np.full(shape, v))))

    start = with_others(c)
    unit = float(np.median(with_others(largest) - with_others(0.0))) / largest
    if unit == 0 or not (with_others(c + 0.5) != start).any():
        return 0.0, False
    high = bisected(0.0, 0.5, lambda v: bool(np.median(with_others(c + v) != start)), BISECTIONS)
    step = float(np.median(with_others(c + high) - start)) / unit
    return (step, True) if step > max(8 * subject.eps * c, 2.0**-40) and high < 0.5 else (0.0, False)


def not_widened(subject: Subject) -> tuple[str, list[Difference]]:
    """Samples in a lower format must give the results of the same numbers in the layer's format."""
    if subject.dtype not in ("float64", "float32"):
        return "", []
    spec, x = subject.layer((3, 2))
    model = subject.build(spec)
    x = x[: subject.rows or None]
    for name in [f for f in ("float32", "float16", "int64") if f != subject.dtype]:
        low = np.rint(x) if name == "int64" else round_to(name, x + 2.0**-9 / 3)
        y = subject.raw(model, low, 3)
        z = subject.asked("forward", model, low.astype(name), read=partial(as_real, "forward"))
        if z.shape != y.shape or same_rows(subject, y, z).all():
            continue
        how = "not those of the same numbers widened"
        if name == "int64":
            how = "rounded to whole numbers" if np.array_equal(z, np.trunc(z)) else how
        elif np.array_equal(z, round_to(name, y)):
            how = f"rounded to {name}"
        elif is_exact(name, z) and close(y, z, 2.0**-6 * largest(y)):
            how = f"computed in {name}"
        for lower in ("float16", "bfloat16"):
            if same_rows(subject, subject.raw(model, round_to(lower, low), 3), z).all():
                how = f"those of samples rounded to {lower}"
        return "", only("samples not widened", given=name, how=how)
    return "", []
