r"""Stage 1: linear in the coefficients or not, and in which arithmetic.

With z = f(0) and g(C) = f(C) - z a layer of splines has g(a) + g(b) = g(a + b) for any knots, points and basis
functions. The inputs of the sums are exact, so that what is left, relative to the size of the sums, is the rounding of
the arithmetic that forms them: a few 2^-53 in float64, 2^-24 in float32, 2^-11 in float16 and TF32, 2^-8 in bfloat16;
no condition number enters. What is larger by far is no rounding: see `nonlinear`.

Coefficients alone: all of them 1, and all of them 1 + 2^-k. With functions that sum to s, results differ by s 2^-k
if k bits are kept.
"""

from __future__ import annotations

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.families import UNITS
from refkan.conformance.cases.truths.precision import is_exact, round_to
from refkan.conformance.identification.nonlinear import nonlinear
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

FORMATS = (("float32", -20.0), ("float16 or TF32", -9.5), ("bfloat16", -6.5))
"""What arithmetic leaves a residual up to this power of two."""

ROUNDED = 64
"""Of eps, what sums of a few dozen terms leave."""

LINEAR = 2.0**-6.5
"""Residuals above this are no rounding of any format."""

FAINT = 2.0**-12
"""Coefficients that every format has."""


def arithmetic(subject: Subject) -> Stage:
    """Return what the layer is as a function of its coefficients."""
    spec = subject.spec((3, 2))
    x = subject.samples(spec, BLOCK)
    a, b = (spec.coefficients * scale for scale in (0.5, -0.25))
    b = b[:, :, ::-1]

    def f(C: FloatArray) -> FloatArray:
        return subject.values(subject.spec((3, 2), C), x)

    zero = f(0 * a)
    ya, yb, together = f(a) - zero, f(b) - zero, f(a + b) - zero
    if not np.isfinite([ya, yb, together]).all():
        raise NoAnswerError("results are not finite")
    size = max(float(np.abs([ya, yb, together]).max()), float(np.abs(zero).max()))
    subject.offset = float(np.abs(zero).max())
    if size == 0:
        return Stage("arithmetic", "all outputs are zero", (Difference("zero outputs", {"what": "all outputs"}),))
    if not np.abs([ya, yb]).any():
        what = "outputs are the same with any coefficients, as if those of an earlier model were kept"
        return Stage("arithmetic", what, (Difference("stale cache", {"what": what}),))
    left = float(np.abs(ya + yb - together).max()) / size
    if left <= max(ROUNDED * subject.eps, subject.noise):
        return Stage("arithmetic", f"linear in its coefficients, to {left:.1e} of the largest output")
    kept = _bits(subject, x)
    if left > LINEAR or (kept is not None and not f(0 * a + FAINT).any()):  # no floating-point format loses these
        return nonlinear(subject, f, a, left)
    subject.noise = left
    told = f"linear in its coefficients, but for {left:.1e} of the largest output (2^{np.log2(left):.0f})"
    return Stage("arithmetic", told, (_rounded(subject, left, together + zero, kept),))


def _rounded(subject: Subject, left: float, y: FloatArray, kept: int | None) -> Difference:
    name = next((name for name, power in FORMATS if left <= 2.0**power), FORMATS[-1][0])
    outputs = [f for f in ("bfloat16", "float16", "float32") if is_exact(f, y) and f != subject.dtype]
    if outputs and (outputs[0] != "float32" or left <= 2.0 ** FORMATS[0][1]):
        evidence = {"format": outputs[0], "left": left, "what": f"all outputs are numbers of {outputs[0]}"}
        return Difference(f"{_plain(outputs[0])} arithmetic", evidence)
    if kept is not None:
        return Difference(f"{_of_bits(kept)} coefficients", {"bits": kept})
    if left <= 2.0**-30 and subject.dtype == "float64":
        return Difference("rounding errors", {"left": left}, sure="measured")
    evidence = {"format": name, "left": left, "what": f"what is left of f(a) + f(b) - f(a + b) is {left:.1e}"}
    return Difference(f"{name} arithmetic", evidence, sure="measured")


def _plain(name: str) -> str:
    return "float16 or TF32" if name == "float16" else name


def _of_bits(bits: int) -> str:
    return "float32" if bits > 12 else "float16 or TF32" if bits > 8 else "bfloat16"


def _bits(subject: Subject, x: FloatArray) -> int | None:
    """Bits of coefficients that are kept, of those that formats have; None if all that this one has."""
    spec = subject.spec((3, 2))
    ones = np.ones(spec.coefficients.shape)
    plain = subject.values(subject.spec((3, 2), ones), x)
    fine = int(-np.log2(UNITS[subject.dtype].coefficient))
    for k in (8, 11, 24):
        if k >= fine:
            return None
        C = round_to(subject.dtype, ones * (1 + 2.0**-k))
        moved = subject.values(subject.spec((3, 2), C), x) - plain
        if not moved.any():
            return k - 1
    return None
