r"""Stage 1: linear in the coefficients or not, and in which arithmetic.

With z = f(0) and g(C) = f(C) - z a layer of splines has g(a) + g(b) = g(a + b) for any knots, points and basis
functions. The inputs of the sums are exact, so that what is left, relative to the size of the sums, is the rounding of
the arithmetic that forms them: a few 2^-53 in float64, 2^-24 in float32, 2^-11 in float16 and TF32, 2^-8 in bfloat16;
no condition number enters. Rounding of floating-point numbers leaves the same with s a and s b, s = 2^k: what leaves
more there, or is larger by far, is none: see `nonlinear`.

Coefficients alone: of all but one on each edge, c, results do not change before c + d; there they jump by a step h. It
is 2^-m c at c = 1/2 and at c = 1/32 if m bits are kept; the same at both if coefficients are rounded to multiples of
h; and twice as much beside twice as large a coefficient if h is a share of the largest.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.adapters.answers import as_real
from refkan.conformance.cases.truths.precision import LARGEST_ROUNDING, is_exact, round_to
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.known_maps import lower_formats, step_of
from refkan.conformance.identification.nonlinear import in_other_sizes, nonlinear
from refkan.conformance.identification.rows.other_rows import same_rows
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

FORMATS = (("float32", -20.0), ("float16 or TF32", -9.5), ("bfloat16", -6.5))
"""What arithmetic leaves a residual up to this power of two."""

ROUNDED = 64
"""Of eps, what sums of a few dozen terms leave."""

SCALES = (1.0, 2.0**10, 2.0**-10)
"""Of coefficients: some maps show at large values alone, others at small ones."""

ALIKE = 16
"""Times what rounding leaves at one scale, it may leave at others."""

SHIFTS = (64.0, 1024.0)
"""Of the domain."""

BISECTIONS = 44
"""Of the distance to the next coefficient that makes a difference."""


def arithmetic(subject: Subject) -> Stage:
    """Return what the layer is as a function of its coefficients."""
    spec = subject.spec((3, 2))
    x = subject.samples(spec, BLOCK)
    a = spec.coefficients

    def f(C: FloatArray) -> FloatArray:
        return subject.values(subject.spec((3, 2), C), x)

    zero = f(0 * a)
    ya = f(a) - zero
    if not np.isfinite(ya).all():
        raise NoAnswerError("results are not finite")
    subject.offset = float(np.abs(zero).max())
    if not ya.any() and not zero.any():
        return Stage("arithmetic", "all outputs are zero", (Difference("zero outputs", {"what": "all outputs"}),))
    if not ya.any():
        sentence = "outputs are the same with any coefficients, as if those of an earlier model were kept"
        return Stage("arithmetic", sentence, (Difference("stale cache", {"what": sentence}),))
    left = [_left(f, s * a, zero) for s in SCALES[: 1 if subject.noise else 3]]  # noise has a size of its own
    q, p, i = np.indices(a.shape)
    sizes = 2.0 ** -(4.0 * (a.shape[1] * q + p) + i % 3)  # no two edges alike
    left += [_residual(f, sizes * a, (1 - sizes) * a, zero)] * (not subject.noise)
    allowed = max(ROUNDED * subject.eps, subject.noise)
    if max(left) <= allowed:
        return Stage("arithmetic", f"linear in its coefficients, to {max(left):.1e} of the largest output")
    first = next(
        k
        for k, residue in enumerate(left)
        if residue > min(LARGEST_ROUNDING, ALIKE * min(max(residue, allowed) for residue in left)) or k + 1 == len(left)
    )
    outputs = _rounded_outputs(subject, f(a), left[0]) if first == 0 or _is_rounded(subject, x, f(a)) else None
    kept = None if outputs else _steps(subject, f)
    if outputs or kept:
        subject.noise = max(left)
        rounded = outputs or _rounded_coefficients(subject, f, a, kept or 0, allowed)
        return Stage("arithmetic", f"linear but for rounded {'outputs' if outputs else 'coefficients'}", (rounded,))
    if left[first] > min(LARGEST_ROUNDING, ALIKE * min(max(residue, allowed) for residue in left)):
        odd = (*SCALES, 1.0)[first] * a
        if left[0] <= allowed:  # at these sizes alone: the other stages ask with others
            differences = in_other_sizes(subject, f, odd, left[first])
            return Stage("arithmetic", "; ".join(map(str, differences)), tuple(differences))
        return nonlinear(subject, f, odd, left[first])
    subject.noise = max(left)
    told = f"linear in its coefficients, but for {left[0]:.1e} of the largest output (2^{np.log2(left[0]):.0f})"
    return Stage("arithmetic", told, (_rounded(subject, left[0]),))


def _left(f: Callable[[FloatArray], FloatArray], a: FloatArray, zero: FloatArray) -> float:
    """What is left of superposition, relative to the largest output."""
    return _residual(f, 0.5 * a, -0.25 * a[:, :, ::-1], zero)


def _residual(f: Callable[[FloatArray], FloatArray], a: FloatArray, b: FloatArray, zero: FloatArray) -> float:
    """What is left of f(a) + f(b) - f(a + b) - f(0), relative to the largest output."""
    ya, yb, together = f(a) - zero, f(b) - zero, f(a + b) - zero
    left, size = float(np.abs(ya + yb - together).max()), float(np.abs([ya, yb, together, ya + zero]).max())
    return left / size if size > 0 and left < np.inf else 1.0


def _rounded_outputs(subject: Subject, y: FloatArray, left: float) -> Difference | None:
    """Outputs that are numbers of a lower format, or multiples of a step."""
    for name in [f for f in lower_formats(y) if f != subject.dtype]:
        if name != "float32" or left <= 2.0 ** FORMATS[0][1]:
            sentence = f"all outputs are numbers of {name}"
            return Difference(f"{_plain(name)} arithmetic", {"format": name, "left": left, "what": sentence})
    if (step := step_of(y.ravel())) and left * np.abs(y).max() <= 4 * step:
        return Difference("extra map", {"map": f"steps of {step:.6g}", "what": "outputs are rounded to them"})
    return None


def _is_rounded(subject: Subject, x: FloatArray, y: FloatArray) -> bool:
    """Whether outputs are the right ones, rounded to a lower format at the end."""
    right = FloatQuantities((subject.spec((3, 2)),), x).values
    return any(np.mean(round_to(name, right) == y) > 0.9 for name in lower_formats(y))


def _rounded(subject: Subject, left: float) -> Difference:
    name = next((name for name, power in FORMATS if left <= 2.0**power), FORMATS[-1][0])
    if left <= 2.0**-30 and subject.dtype == "float64":
        return Difference("rounding errors", {"left": left, "place": _far_from_zero(subject)}, sure="measured")
    evidence = {"format": name, "left": left, "what": f"what is left of f(a) + f(b) - f(a + b) is {left:.1e}"}
    return Difference(f"{name} arithmetic", evidence, sure="measured")


def _far_from_zero(subject: Subject) -> str:
    """How errors grow with the distance of the domain from 0, in words; "" if as those of the recursion do."""
    if subject.declared.domain is not None or subject.degree < 2:
        return ""
    off = []
    for shift in SHIFTS:
        spec = subject.spec((2, 1))
        spec = replace(spec, knots=spec.knots + shift)
        x = subject.samples(spec, BLOCK)
        off.append(float(np.abs(subject.basis(spec, x[:, 0]) - subject.asked_for(spec, x[:, 0])[0]).max()))
    power = float(np.log(max(off[1], 1e-300) / max(off[0], 1e-300)) / np.log(SHIFTS[1] / SHIFTS[0]))
    if abs(power - subject.degree) > 0.5:
        return ""
    return f"; errors grow to {off[1]:.1e} on a domain {SHIFTS[1]:g} away from 0, as those of powers of x do"


def _plain(name: str) -> str:
    return "float16 or TF32" if name == "float16" else name


def _of_bits(bits: int) -> str:
    return "float32" if bits > 12 else "float16 or TF32" if bits > 8 else "bfloat16" if bits > 4 else "float8"


def _rounded_coefficients(
    subject: Subject, f: Callable[[FloatArray], FloatArray], a: FloatArray, kept: str | int, allowed: float
) -> Difference:  # fmt: skip
    """Rounded coefficients; what they are multiplied by is rounded, too, if units or numbers of few bits show it."""
    if isinstance(kept, str):
        return Difference("coefficients mapped", {"how": f"they are rounded to steps of {kept}"})
    short = np.rint(6 * a / np.abs(a).max())
    left, spec = _left(f, short, f(0 * a)), subject.spec((2, 1))
    at = subject.samples(spec, BLOCK)
    off = float(np.abs(subject.basis(spec, at[:, 0]) - subject.asked_for(spec, at[:, 0])[0]).max())
    if left <= allowed and not 2.0 ** -(kept + 5) < off < 2.0 ** -(kept - 2):
        return Difference(f"{_of_bits(kept)} coefficients", {"bits": kept})
    evidence = {"left": left, "what": f"coefficients and what they are multiplied by are rounded to {kept} bits"}
    return Difference(f"{_of_bits(kept)} arithmetic", evidence, sure="measured")


def _steps(subject: Subject, f: Callable[[FloatArray], FloatArray]) -> str | int | None:
    """Bits of coefficients that are kept, or the step to which they are rounded in words; None if neither."""
    (half, _), (small, still) = (_step(subject, f, c, 1.0) for c in (0.5, 2.0**-5))
    if not half or not small or not still:
        return None
    if half > 8 * small:
        return int(np.rint(-np.log2(2 * half)))
    double, _ = _step(subject, f, 0.5, 2.0)
    return f"1/{1 / half:.6g} of the largest" if double > 1.5 * half else f"{half:.6g}"


def _step(
    subject: Subject, f: Callable[[FloatArray], FloatArray], c: float, largest: float
) -> tuple[float, bool]:  # fmt: skip
    """The step to the next coefficient above c that makes a difference, and whether results stand still before it."""
    shape = subject.spec((3, 2)).coefficients.shape
    first = np.arange(shape[2]) == 0

    def with_others(v: float) -> FloatArray:
        return f(round_to(subject.dtype, np.where(first, largest, np.full(shape, v))))

    start = with_others(c)
    unit = float(np.median(with_others(largest) - with_others(0.0))) / largest
    low, high = 0.0, 0.5
    if unit == 0 or not (with_others(c + high) != start).any():
        return 0.0, False
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if np.median(with_others(c + middle) != start) else (middle, high)
    step = float(np.median(with_others(c + high) - start)) / unit
    return (step, True) if step > max(8 * subject.eps * c, 2.0**-40) and high < 0.5 else (0.0, False)


def not_widened(subject: Subject) -> tuple[str, list[Difference]]:
    """Samples of a lower format, which are widened: results are those of the same numbers in the layer's format."""
    if subject.dtype not in ("float64", "float32"):
        return "", []
    spec = subject.spec((3, 2))
    model, x = subject.build(spec), subject.samples(spec, BLOCK)[: subject.rows or None]
    for name in [f for f in ("float32", "float16", "int64") if f != subject.dtype]:
        low = np.rint(x) if name == "int64" else round_to(name, x + 2.0**-9 / 3)
        y = subject.raw(model, low, 3)
        z = as_real("forward", subject.asked("forward", subject.adapter.forward, model, low.astype(name)))
        if z.shape != y.shape or same_rows(subject, y, z).all():
            continue
        how = "others than those of the same numbers widened"
        if name == "int64":
            how = "rounded to whole numbers" if np.array_equal(z, np.trunc(z)) else how
        elif np.array_equal(z, round_to(name, y)):
            how = f"rounded to {name}"
        elif is_exact(name, z) and np.abs(y - z).max() <= 2.0**-6 * np.abs(y).max():
            how = f"computed in {name}"
        for lower in ("float16", "bfloat16"):
            if same_rows(subject, subject.raw(model, round_to(lower, low), 3), z).all():
                how = f"those of samples rounded to {lower}"
        return "", [Difference("samples not widened", {"given": name, "how": how})]
    return "", []
