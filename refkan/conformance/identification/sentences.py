"""The sentences of a report: one for each name of a difference, filled with its evidence."""

from collections.abc import Mapping, Sequence
from typing import Any

AXES = {
    "outputs": "are zero", "inputs": "have no effect", "coefficients": "have no effect", "samples": "are zero",
    "rows": "are zero", "columns": "are zero", "points": "are zero", "knots": "are zero",
}  # fmt: skip
"""Axes of arrays, and the effect if slices are left out."""

FORMATS = ("float32", "float16", "float16 or TF32", "bfloat16", "float8")

WHAT = (
    "NaN from repeated knots", "equal spacing assumed", "inputs act together", "network", "other functions",
    "other right end", "right end open", "samples mixed", "shifted denominators", "stale cache", "wrong denominators",
)  # fmt: skip
"""Differences whose evidence is a sentence."""

ALIKE = {
    "{what}": WHAT,
    "{how}": ("coefficients mapped", "models share state", "other knots", "parts in another order"),
    "{what} are zero": ("zero outputs", "detached gradient"),
    "{what} are {how}": ("gradient clipped", "stale gradient"),
    "{what}: {how}": ("finite differences", "gradients accumulate", "wired otherwise", "wrong derivative"),
    "after {change}: {what}": ("no longer a spline", "stored coefficients", "stored knots"),
    "{count} of {samples} samples are wrong, from row {row} on ({where}): they are {how}":
        ("incomplete block", "rows by position"),
    "under the rule {asked!r} {does}": ("only outside the domain", "outside the domain"),
    "by {left:.1e} of its size{detail}": ("function changed by refine", "function changed by update"),
}  # fmt: skip
"""Sentences of several differences."""

SLICES = {
    "one input": "input",
    "one output": "output",
    "one coefficient": "coefficient",
    "a block of samples": "samples",
}
"""What may have a factor of its own, and the axis that names its place."""

SENTENCES = {
    **{name: sentence for sentence, names in ALIKE.items() for name in names},
    **{f"factor on {of}": f"{{what}} of {axis} {{indices}} of {{size}} are multiplied by {{factor:.6g}}"
       for of, axis in SLICES.items()},
    **{f"{name} knots": f"knots in use differ from those given by up to {{off:.1e}}: they are {name} numbers"
       for name in ("float32", "float16", "bfloat16")},
    **{f"{axis} mixed up": "{what}: {how}" for axis in AXES},
    **{f"{axis} left out": f"{{what}} of {axis} {{indices}} of {{size}} {words}" for axis, words in AXES.items()},
    **{f"factors by {axis[:-1]}": f"{{what}} of {axis} are multiplied by {{factors}}" for axis in AXES},
    **{f"{name} arithmetic": "{what}" for name in FORMATS},
    **{f"{name} coefficients": "{bits} bits of coefficients are kept" for name in FORMATS},
    **{f"{name} inputs": f"x is rounded to {name}" for name in FORMATS},
    **{f"{name} gradients": "{what} are off by {left:.1e} of the largest; {how}" for name in FORMATS},
    # calls
    "call fails": "{method} fails {how}: {reason}{line}",
    "process ended": "in the stage {stage!r}: {how}",
    "inputs overwritten": "{method} changes an array of the caller: work on a copy",
    "results overwritten": "the result of {method} is changed by the next call: return a copy",
    "changed by a call": "{method} changes the model: {how}",
    "setting refused": "{reason}",
    "not deterministic": "{count} of {total} outputs of {of} differ, by up to {size:.1e} of the largest",
    "samples reordered": "{count} of {total} rows are those of other samples of the batch",
    "samples and inputs confused": "rows differ with {samples} samples, as many as inputs or outputs",
    "batch refused": "{samples} samples are refused: {reason}",
    "mode matters": "{count} of {total} rows differ in {mode} mode",
    "state kept between calls": "{count} of {total} results depend on the batch of the call before",
    "samples not widened": "results of samples in {given} are {how}",
    "strides ignored": "{what} change if the same {layout} in memory",
    # arithmetic
    "rounding errors": "results are off by {left:.1e}, more than the rounding errors of a correct algorithm",
    "extra map": "{map}: {what}",
    "not linear": "{how} (f(a) + f(b) - f(a + b) is {left:.1e} of the largest output)",
    # wiring, and gradients by the same rearrangements
    "transposed coefficients": "{what}: (output, input) is read as (input, output)",
    "reversed outputs": "{what} are in reverse order of outputs",
    "inputs reordered": "{what} of input {p} are functions of input {other}",
    "knots of another input": "{what} of input {p} use the knots of input {other}",
    "reversed coefficients": "{what} are counted from the right",
    "shifted index": "{what} are shifted by {step:+d}{how}",
    "input left out": "{what} of input {indices} of {size} have no effect",
    "end coefficient unused": "{what} of coefficients {indices} of {size} have no effect",
    "sign": "{what} have the opposite sign",
    "constant factor": "{what} are multiplied by {factor:.9g}{size}",
    "factors by edge": "{what} are multiplied by factors along {axis}: {factors}",
    "not finite": "{count} of {total} {what} are not finite",
    "flushed to zero": "{what} below {below:.3g} are zero",
    "counted twice at knots": "at knots the functions of both sides are added",
    "gradient not linear": "{what} are not linear in dy: {how}",
    "empty batch": "no samples are refused: {reason}",
    # functions
    "degree fixed": "splines have degree {used} instead of {asked}",
    "basis not normalised": "function i is multiplied by {by}",
    "values mapped": "{what} go through {map}",
    "left limit at knots": "points at knots belong to the interval on their left",
    "left end open": "all basis functions are zero at x = a",
    "intervals left out": "{what} are zero in intervals {indices}",
    "end interval unused": "in interval {interval} of {intervals} the piece of interval {used} is used",
    "interval rounded": "pieces change at the middle of intervals: (x - a)/h is rounded to the nearest integer",
    "interval search": "{count} of {total} points are assigned to the wrong interval: {how}",
    "knots pulled apart": "repeated knots are pulled apart by {off:.3g}",
    "knots rounded": "knots in use are rounded to {digits} decimals",
    "exterior knots": "knots outside the domain are {used} instead of {asked}",
    "number of intervals": "{used} intervals instead of {asked}",
    "fixed domain": "knots lie on {used} instead of {asked}",
    "lookup table": "functions are linear between the points of a table, {step:.3g} apart",
    "cancellation of truncated powers": "errors of up to {left:.1e} grow to the right, as with truncated powers",
    # points
    "point clamped": "x is clipped {how}; the domain is [{a:.9g}, {b:.9g}]",
    "point quantised": "x is rounded to steps of {step:.6g}",
    "point snapped": "x within {near:.3g} of a knot is replaced by the knot",
    "inputs mapped": "functions are evaluated at {map} instead of x",
    # parts
    "extra branch": "besides the splines there is {what}",
    "other activation": "the part {part!r} multiplies {what} instead of silu",
    "part applied twice": "the part {part!r} enters squared",
    "part not linear": "outputs are not linear in the part {part!r}: {how}",
    "part in another form": "{part}: {how}",
    "other outputs": "{what} are off by {left:.1e} of the largest",
    "part ignored": "the part {part!r} has no effect",
    # gradients
    "cotangent ignored": "{what} are not a linear function of dy: {how}",
    "contributions lost": "{what} of a batch are not the sums over its samples: {how}",
    "gradients mixed": "{what} for the cotangent of one sample are those for another",
    "zero at ends": "{what} are zero at {ends}",
    "zero at knots": "{what} are zero at knots",
    "gradient is another": "{what} differ from those of the layer's own function by {left:.1e} of the largest",
}  # fmt: skip


def worded(name: str, evidence: Mapping[str, Any], where: Sequence[str] = ()) -> str:
    """Return a difference in words.

    Examples
    --------
    >>> worded("constant factor", {"what": "outputs", "factor": 0.5, "size": "1 over the number of inputs"})
    'constant factor: outputs are multiplied by 0.5, 1 over the number of inputs'
    """
    size = evidence.get("size", "")
    shown = {**evidence, "size": f", {size}" if size and name == "constant factor" else size}
    shown = {key: _listed(value) if isinstance(value, list | tuple) else value for key, value in shown.items()}
    text = SENTENCES[name].format(**shown)
    alike = evidence.get("alike", ())
    places = [*_places([word for word in where if word not in alike]), *(f"alike in {word}" for word in _places(alike))]
    return f"{name}: {text}{evidence.get('place', '')}" + (f" ({'; '.join(places)})" if where else "")


def _places(where: Sequence[str]) -> list[str]:
    """Degrees in order, then other settings."""
    degrees = sorted({int(word[-1]) for word in where if word.startswith("degree-")})
    others = [word for word in where if not word.startswith("degree-")]
    span = f"degree {degrees[0]}" if len(degrees) == 1 else f"degrees {', '.join(map(str, degrees))}"
    return [span] * bool(degrees) + [", ".join(others)] * bool(others)


def _listed(values: Sequence[Any]) -> str:
    """Numbers in words, shortened if there are many."""
    if (
        len(values) > 8
        and isinstance(values[0], int)
        and list(values) == list(range(values[0], values[0] + len(values)))
    ):
        return f"{values[0]} to {values[-1]}"
    shown = [f"{v:.6g}" if isinstance(v, float) else str(v) for v in values]
    return ", ".join(shown if len(shown) <= 8 else [*shown[:4], "...", *shown[-2:]])
