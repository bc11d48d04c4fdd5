r"""Stages 2 and 3: which output answers to which coefficient, through which input.

Unit coefficients E = e_(q,p,i), one at a time: the response y_q'(x) of a layer of splines is delta(q', q) b_i(x_p) on
the knots of p. The functions b_i are the layer's own, asked of layers of one input, so that wrong functions are no
wrong wiring. All responses together are one array, which is explained by a rearrangement of its axes and factors along
them. Larger layers are asked one input at a time, with random coefficients that differ from each other.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations, product

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.adapters.adapter import BSPLINES
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.identification.explanations import explain, placed, sizes_of
from refkan.conformance.identification.gradients.slopes import true_jacobian
from refkan.conformance.identification.known_maps import beside
from refkan.conformance.identification.matrix_shapes import place_of
from refkan.conformance.identification.nonlinear import in_other_sizes
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import BLOCK, Subject

IN_ORDER = "output q answers to the coefficients (q, p, i) through input p alone"

ORDERS = ((0, 1), (1, 0), (0, 0), (1, 1))
"""What the two inputs may be, or be exchanged for."""

LARGER = (
    (3, 3, 3), (2, 2, 2), (1, 2, BLOCK), (5, 7, BLOCK), (7, 5, BLOCK), (17, 9, BLOCK), (2, 300, BLOCK), (300, 2, BLOCK),
)  # fmt: skip
"""Outputs, inputs and samples of larger and of square layers."""


OF_FEW = {"samples and inputs confused", "incomplete block", "rows by position"}
"""Differences that few samples show, whatever the sizes of layers."""

UNITS = 128
"""Coefficients of layers that are asked one by one, at most."""

AXES = ("sample", "answer", "output", "input", "coefficient")
"""Axes of the responses to unit coefficients."""


def wiring(subject: Subject) -> Stage:
    """Return how outputs, inputs and coefficients belong together."""
    spec = subject.spec((3, 2))
    x = subject.samples(spec, BLOCK, 2)
    turned = replace(spec, coefficients=spec.coefficients[:, :, ::-1])
    if subject.is_right(spec, x) and subject.is_right(turned, x):  # no two coefficients are alike
        return Stage("wiring", IN_ORDER)
    theirs = responses(subject, spec, x)
    room = subject.tolerance(float(np.nanmax(np.abs(theirs))))
    told: list[Difference] | None = None
    for columns, rows in product(ORDERS, ORDERS if spec.kind == "arbitrary" else ORDERS[:1]):
        differences = explain(theirs, own_responses(subject, spec, x, columns, rows), AXES, room, "coefficients")
        if differences is not None and told != []:
            named = [*_moved("inputs reordered", columns), *_moved("knots of another input", rows), *differences]
            told = named if told is None or len(named) < len(told) else told
    if told != []:
        told = _against_truth(subject, spec, x, theirs, room, told)
    if told is not None:

        def again(spec: LayerSpec, x: FloatArray) -> tuple[FloatArray, FloatArray]:
            zero = subject.values(replace(spec, coefficients=0 * spec.coefficients), x)
            return subject.values(spec, x) - zero, subject.edges(spec, x).sum(axis=2)

        words = "; ".join(difference.name for difference in told) or IN_ORDER
        return Stage("wiring", words, tuple(with_size(subject, told, again)))
    how = _permuted(theirs, own_responses(subject, spec, x), room)
    if not how and (together := _of_other_inputs(subject, spec, x)):
        return Stage("wiring", str(together), (together,))
    evidence = {"what": "coefficients of (output, input)", "how": how}
    if not how:
        place = place_of(np.abs(theirs - own_responses(subject, spec, x)) > room, AXES)
        how = f"it is no rearrangement of what they add in layers of one input{place}"
        evidence = {"what": "what coefficients add", "how": how}
    return Stage("wiring", how, (Difference("wired otherwise", evidence, sure="measured"),))


def _against_truth(
    subject: Subject, spec: LayerSpec, x: FloatArray, theirs: FloatArray, room: float,
    else_told: list[Difference] | None,
) -> list[Difference] | None:  # fmt: skip
    """What is done to the functions asked for, if those of some edge are right: the others are asked for there."""
    if subject.declared.basis != BSPLINES or spec.kind not in ("uniform", "arbitrary"):
        return else_told
    ours = true_jacobian(spec, x)
    told = explain(theirs, ours, AXES, room, "coefficients")
    right = np.asarray((np.abs(theirs - ours) <= room).all(axis=(0, 4)))  # (answer, output, input)
    own = np.stack([right[q, q] for q in range(len(right))])
    if told is None or (else_told is not None and (len(told) > len(else_told) or not own.any())):
        return else_told
    subject.position, subject.apart = tuple(np.argwhere(own)[-1].tolist()) if own.any() else None, not own.any()
    return told


def _of_other_inputs(subject: Subject, spec: LayerSpec, x: FloatArray) -> Difference | None:
    """Whether the functions of input 0 are others if the samples, or the knots, of input 1 are: later stages know."""
    alone = replace(spec, coefficients=spec.coefficients * np.array([[1.0], [0.0]]))
    still = np.stack([x[:, 0], np.full(len(x), x[:, 1].mean() / 4)], axis=1)
    before = subject.values(alone, still)
    room, words = subject.tolerance(max(float(np.abs(before).max()), 1.0)), "functions of an input depend on the"
    if np.abs(subject.values(alone, x) - before).max() > room:
        subject.depends = f"{words} samples of others"
        return Difference("inputs act together", {"what": subject.depends})
    moved = replace(alone, knots=spec.knots * np.array([[1.0], [0.75]]))
    of_knots = spec.kind == "arbitrary" and subject.declared.domain is None
    if of_knots and np.abs(subject.values(moved, still) - before).max() > room:
        subject.same_knots = True  # with which the other stages ask
        return Difference("other knots", {"how": f"{words} knots of others"}, (spec.kind,))
    return None


def _permuted(theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """Which coefficient each place (output, input, index) has, if each has one or none, in words."""
    shape = ours.shape[2:]
    A, B = (v.reshape(ours.shape[0] * ours.shape[1], -1) for v in (ours, theirs))
    M = np.rint(np.linalg.lstsq(A, B, rcond=1e-10)[0]).astype(int)  # up to sums that are those of other inputs
    if np.abs(A @ M - B).max() > 16 * room or M.min() < 0 or M.sum(axis=1).max() > 1:
        return ""
    source, flat = np.where(M.any(axis=1), M.argmax(axis=1), -1), np.arange(len(M))
    for axes in list(permutations(range(3)))[1:]:
        order = ", ".join(("output", "input", "index")[axis] for axis in axes)
        as_read = flat.reshape([shape[axis] for axis in axes]).transpose(np.argsort(axes))
        if np.array_equal(as_read.ravel(), source):
            return f"coefficients are read from memory as if they were laid out ({order})"
        if np.array_equal(flat.reshape(shape).transpose(axes).ravel(), source):
            return f"coefficients are laid out in memory as ({order}) and read as (output, input, index)"
    moved = np.flatnonzero(source != flat)
    places = [[str(tuple(map(int, np.unravel_index(k, shape)))) if k >= 0 else "none" for k in (u, source[u])]
              for u in moved[:4]]  # fmt: skip
    pairs = ", ".join(f"{place} has {other}" for place, other in places)
    return f"{moved.size} of {source.size} places (output, input, index) have coefficients of others: {pairs}"


def larger(subject: Subject) -> Stage:
    """Return how larger and square layers are wired, where the small one is right."""
    if "wiring" in subject.differing or subject.nonlinear or subject.apart or "not linear" in subject.names:
        return Stage("sizes", unknown="not asked where small layers differ")
    for Q, P, n in LARGER:
        spec = subject.spec((Q, P), kind="uniform" if "uniform" in subject.kinds else "")
        spec = replace(spec, knots=np.repeat(spec.knots[:1], P, axis=0))
        x = subject.samples(spec, n, 3)
        if subject.is_right(spec, x) or (n < BLOCK and OF_FEW & subject.names):
            continue
        zero = subject.values(replace(spec, coefficients=0 * spec.coefficients), x)
        where, ours = (f"{Q} output{'s' * (Q > 1)}, {P} inputs, {n} samples",), subject.edges(spec, x)
        room = subject.tolerance(float(np.abs(ours).max()) * max(1.0, P / 8))
        if (np.abs(zero) > room).any() and not subject.offset:
            at = subject.samples(spec, BLOCK, 3)
            y = subject.values(replace(spec, coefficients=0 * spec.coefficients), at)
            what = beside(at, y, subject.tolerance(max(float(np.abs(y).max()), 1.0)))
            return Stage("sizes", "", (Difference("extra branch", {"what": what}, where),))
        if (np.abs(subject.values(spec, x) - zero - ours.sum(axis=2)) <= room).all():
            continue
        same_input = np.arange(P)[:, None, None, None] == np.arange(P)[:, None]
        parts = [subject.values(replace(spec, coefficients=spec.coefficients * only), x) - zero for only in same_input]
        theirs = np.stack(parts, axis=2)
        differences = explain(theirs, ours, ("sample", "output", "input"), room, "splines")
        if not differences and (told := _not_linear(subject, spec, x, zero, theirs)):
            return Stage("sizes", "", tuple(placed(told, where=where)))
        if not differences:
            differences = _by_coefficients(subject, spec, x)
        if differences:
            return Stage("sizes", "", tuple(placed(differences, where=where)))
    return Stage(
        "sizes", "the same in layers of 2 x 2 to 17 x 9, with as many samples as inputs, of 300 inputs and outputs"
    )


def _not_linear(
    subject: Subject, spec: LayerSpec, x: FloatArray, zero: FloatArray, theirs: FloatArray
) -> list[Difference]:  # fmt: skip
    """What a layer is that is linear in other sizes, if results do not add up over inputs, or over coefficients."""

    def f(C: FloatArray) -> FloatArray:
        return subject.values(replace(spec, coefficients=C), x)

    a = spec.coefficients
    y, (half, two) = f(a) - zero, (f(C) - zero for C in (a / 2, a / 2 * (np.arange(spec.dim) % 2)))
    rest = f(a - a / 2 * (np.arange(spec.dim) % 2)) - zero
    left = max(float(np.abs(other - y).max()) for other in (theirs.sum(axis=2), 2 * half, two + rest))
    size = float(np.abs(y).max(initial=0.0))
    return in_other_sizes(subject, f, a, left / size) if left > 16 * subject.tolerance(size) else []


def _by_coefficients(subject: Subject, spec: LayerSpec, x: FloatArray) -> list[Difference]:
    """Edges that have the coefficients of others, of which those of one input at a time are not zero."""
    how = f"some of {spec.n_outputs} outputs are others"
    if spec.coefficients.size <= UNITS:
        every = tuple(range(spec.n_inputs))
        units, own = responses(subject, spec, x), own_responses(subject, spec, x, every, every)
        room = subject.tolerance(float(np.abs(own).max()))
        if said := explain(units, own, AXES, room, "coefficients"):
            return said
        how = _permuted(units, own, room) or how
    return [Difference("wired otherwise", {"what": "coefficients of (output, input)", "how": how})]


def responses(subject: Subject, spec: LayerSpec, x: FloatArray) -> FloatArray:
    """What each unit coefficient adds to the outputs: (N, answer, Q, P, dim)."""
    shape = spec.coefficients.shape
    zero = subject.values(replace(spec, coefficients=np.zeros(shape)), x)
    out = np.zeros((len(x), shape[0], *shape))
    for u in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[u] = subject.unit
        out[(slice(None), slice(None), *u)] = (
            subject.values(replace(spec, coefficients=unit), x) - zero
        ) / subject.unit
    return out


def own_responses(
    subject: Subject, spec: LayerSpec, x: FloatArray, columns: tuple[int, ...] = (0, 1), rows: tuple[int, ...] = (0, 1)
) -> FloatArray:  # fmt: skip
    """The same by the layer's own functions, if input p reads the samples of columns[p] on the knots of rows[p]."""
    out = np.zeros((len(x), spec.n_outputs, *spec.coefficients.shape))
    for p, (column, row) in enumerate(zip(columns, rows, strict=True)):
        functions = subject.basis(spec, x[:, column], row)
        for q in range(spec.n_outputs):
            out[:, q, q, p] = functions
    return out


def _moved(name: str, order: tuple[int, ...]) -> list[Difference]:
    return [Difference(name, {"what": "splines", "p": p, "other": k}) for p, k in enumerate(order) if p != k][:1]


def with_size(
    subject: Subject, told: list[Difference], again: Callable[[LayerSpec, FloatArray], tuple[FloatArray, FloatArray]]
) -> list[Difference]:  # fmt: skip
    """Differences; of a constant factor it is asked again, in another shape, which size it is."""
    factor = next((difference.evidence["factor"] for difference in told if difference.name == "constant factor"), None)
    if factor is None:
        return told
    spec = subject.spec((5, 4))
    theirs, ours = again(spec, subject.samples(spec, BLOCK, 2))
    other = abs(ratio_of(theirs, ours))
    sizes = [{"inputs": 2, "outputs": 3, "edges": 6}, {"inputs": 4, "outputs": 5, "edges": 20}]
    return placed(told, size=sizes_of([factor, other], sizes))


def ratio_of(y: FloatArray, z: FloatArray) -> float:
    """The factor k of y = k z, by least squares."""
    return float((y * z).sum() / max(float((z * z).sum()), 1e-300))
