r"""Stage 1: linear in the coefficients or not, and in which arithmetic.

With z = f(0) and g(C) = f(C) - z a layer of splines has g(a) + g(b) = g(a + b) for any knots, points and basis
functions. The inputs of the sums are exact, so that what is left, relative to the size of the sums, is the rounding of
the arithmetic that forms them: a few 2^-53 in float64, 2^-24 in float32, 2^-11 in float16 and TF32, 2^-8 in bfloat16;
no condition number enters. Rounding of floating-point numbers leaves the same with s a and s b, s = 2^k: what leaves
more there, or is larger by far, is none: see `nonlinear`.

Coefficients alone: results are bit by bit those of coefficients that are rounded before.
"""

from collections.abc import Callable
from itertools import product

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.adapters.answers import as_real
from refkan.conformance.cases.truths.precision import LARGEST_ROUNDING, is_exact, round_to
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

BITS = {3: "float8", 7: "bfloat16", 10: "float16 or TF32", 23: "float32"}
"""Bits of formats behind the leading one."""

STEPS = {f"{h:.6g}": h for h in (*(2.0**-k for k in range(3, 17)), *(10.0**-k for k in range(1, 7)))}
"""To which coefficients are rounded that are kept in fixed point, or to some decimals."""


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
    left = [left_of_sums(f, s * a) for s in SCALES[: 1 if subject.noise else 3]]  # noise has a size of its own
    q, p, i = np.indices(a.shape)
    sizes = 2.0 ** -(4.0 * (a.shape[1] * q + p) + i % 3)  # no two edges alike
    left += [_residual(f, sizes * a, (1 - sizes) * a, zero)] * (not subject.noise)
    allowed = max(ROUNDED * subject.eps, subject.noise)
    if max(left) <= allowed:
        return Stage("arithmetic", f"linear in its coefficients, to {max(left):.1e} of the largest output")
    rounding = min(LARGEST_ROUNDING, ALIKE * max(min(left), allowed))
    first = next((k for k, residue in enumerate(left) if residue > rounding), len(left) - 1)
    outputs = _rounded_outputs(subject, f(a), left[0])
    if rounded := outputs or _rounded_coefficients(subject, f, a, allowed):
        subject.noise = max(left)
        return Stage("arithmetic", f"linear but for rounded {'outputs' if outputs else 'coefficients'}", (rounded,))
    if left[first] > rounding:
        odd = (*SCALES, 1.0)[first] * a
        if left[0] <= allowed:  # at these sizes alone: the other stages ask with others
            differences = in_other_sizes(subject, f, odd, left[first])
            return Stage("arithmetic", "; ".join(map(str, differences)), tuple(differences))
        return nonlinear(subject, f, odd, left[first])
    subject.noise = max(left)
    told = f"linear in its coefficients, but for {left[0]:.1e} of the largest output (2^{np.log2(left[0]):.0f})"
    return Stage("arithmetic", told, (_rounded(subject, left[0]),))


def left_of_sums(f: Callable[[FloatArray], FloatArray], a: FloatArray) -> float:
    """What is left of superposition, relative to the largest output."""
    return _residual(f, 0.5 * a, -0.25 * a[:, :, ::-1], f(0 * a))


def _residual(f: Callable[[FloatArray], FloatArray], a: FloatArray, b: FloatArray, zero: FloatArray) -> float:
    """What is left of f(a) + f(b) - f(a + b) - f(0), relative to the largest output."""
    ya, yb, together = f(a) - zero, f(b) - zero, f(a + b) - zero
    left, size = float(np.abs(ya + yb - together).max()), float(np.abs([ya, yb, together, ya + zero]).max())
    return left / size if size > 0 and left < np.inf else 1.0


def _rounded_outputs(subject: Subject, y: FloatArray, left: float) -> Difference | None:
    """Outputs that are numbers of a lower format, or multiples of a step."""
    small = left <= 2.0 ** FORMATS[0][1]
    for name in [f for f in lower_formats(y) if f != subject.dtype and (f != "float32" or small)]:
        plain = "float16 or TF32" if name == "float16" else name
        what = f"all outputs are numbers of {name}"
        return Difference(f"{plain} arithmetic", {"format": name, "left": left, "what": what})
    step = step_of(y.ravel())
    steps = {"map": f"steps of {step:.6g}", "what": "outputs are rounded to them"}
    return Difference("extra map", steps) if step and left * np.abs(y).max() <= 4 * step else None


def _rounded_coefficients(
    subject: Subject, f: Callable[[FloatArray], FloatArray], a: FloatArray, allowed: float
) -> Difference | None:  # fmt: skip
    """Coefficients that are rounded: results are those of the rounded ones, of the coarsest rounding that leaves them.

    What they are multiplied by is rounded, too, if numbers of few bits show it, or basis functions.
    """
    y, (m, e), size, fits = f(a), np.frexp(a), np.abs(a), [(0.0, "", 0)]
    steps = {"1/127 of the largest": size.max() / 127, "1/7 of the largest": size.max() / 7,
             "1/127 of the largest of an output": size.max(axis=(1, 2), keepdims=True) / 127,
             "1/127 of the largest of an edge": size.max(axis=2, keepdims=True) / 127, **STEPS}  # fmt: skip
    rounded = [(words, 0, np.rint(a / step) * step) for words, step in steps.items()]
    for bits, nearest in product(BITS, (np.rint, np.trunc)):
        rounded.append((BITS[bits], bits, np.ldexp(nearest(np.ldexp(m, bits + 1)), e - bits - 1)))
    for words, bits, C in rounded:
        if np.abs(f(C) - y).max() <= allowed * np.abs(y).max() * (not bits):
            fits.append((float(np.abs(C - a).max()), words, bits))
    off, words, bits = max(fits)
    if not off:
        return None
    if not bits:
        return Difference("coefficients mapped", {"how": f"they are rounded to steps of {words}"})
    left, spec = left_of_sums(f, np.rint(6 * a / size.max())), subject.spec((2, 1))
    at = subject.samples(spec, BLOCK)[:, 0]
    off = float(np.abs(subject.basis(spec, at) - subject.asked_for(spec, at)[0]).max())
    if left <= allowed and not 2.0 ** -(bits + 5) < off < 2.0 ** -(bits - 2):
        return Difference(f"{words} coefficients", {"bits": bits})
    evidence = {"left": left, "what": f"coefficients and what they are multiplied by are rounded to {bits} bits"}
    return Difference(f"{words} arithmetic", evidence, sure="measured")


def _rounded(subject: Subject, left: float) -> Difference:
    name = next((name for name, power in FORMATS if left <= 2.0**power), FORMATS[-1][0])
    if left <= 2.0**-30 and subject.dtype == "float64":
        return Difference("rounding errors", {"left": left}, sure="measured")
    evidence = {"format": name, "left": left, "what": f"what is left of f(a) + f(b) - f(a + b) is {left:.1e}"}
    return Difference(f"{name} arithmetic", evidence, sure="measured")


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
        if name != "int64" and is_exact(name, z) and np.abs(y - z).max() <= 2.0**-6 * np.abs(y).max():
            how = f"rounded to {name}" if np.array_equal(z, round_to(name, y)) else f"computed in {name}"
        return "", [Difference("samples not widened", {"given": name, "how": how})]
    return "", []
