r"""Stage 2: which output depends on which coefficient, through which input.

Unit coefficients E = e_(q,p,i), one at a time: the response y_q'(x) of a layer of splines is delta(q', q) b_i(x_p) on
the knots of p. The functions b_i are the layer's own, measured with layers of one input, so wrong functions do not
count as wrong wiring. All responses together are one array, explained by a rearrangement of its axes and factors along
them.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import permutations

import numpy as np

from refkan.base import Array, FloatArray, IntArray
from refkan.conformance.adapters.adapter import BSPLINES
from refkan.conformance.cases import FloatQuantities, LayerSpec, true_values
from refkan.conformance.identification.components.other_knots import OF_ALL_INPUTS
from refkan.conformance.identification.explanations import explain, sized
from refkan.conformance.identification.knots_in_use import recursion
from refkan.conformance.identification.known_maps import numbers
from refkan.conformance.identification.reported import Difference, Stage, close, largest, measured, only
from refkan.conformance.identification.subject import BLOCK, Subject

IN_ORDER = "output q depends on the coefficients (q, p, i) through input p only"

OTHERS = ((1, 0), (0, 0), (1, 1))
"""What may take the place of the two inputs."""

AXES = ("sample", "answer", "output", "input", "coefficient")
"""Axes of the responses to unit coefficients."""


def wiring(subject: Subject) -> tuple[Stage, Subject]:
    """Return how outputs depend on inputs and coefficients."""
    spec, x = subject.layer((3, 2), 2)
    turned = replace(spec, coefficients=spec.coefficients[:, :, ::-1])
    if subject.is_right(spec, x) and subject.is_right(turned, x):  # no two coefficients are alike
        return Stage("wiring", IN_ORDER), subject
    theirs = responses(subject, spec, x)
    room = subject.tolerance(float(np.nanmax(np.abs(theirs))))
    told = _rearranged(subject, spec, x, theirs, room)
    if told != []:
        told, subject = _against_truth(subject, spec, x, theirs, room, told)
    if told is not None:
        words = "; ".join(difference.name for difference in told) or IN_ORDER
        return Stage("wiring", words, _sized(subject, told)), subject
    how = permuted(theirs, own_responses(subject, spec, x), room)
    return _wired(subject, how) if how else _not_by_edges(subject, spec, x, np.abs(theirs).max(axis=(0, 4)) > room)


def _wired(subject: Subject, how: str) -> tuple[Stage, Subject]:
    told = measured("wired otherwise", what="coefficients of (output, input)", how=how)
    return Stage("wiring", how, told), subject


def _not_by_edges(subject: Subject, spec: LayerSpec, x: FloatArray, edges: Array) -> tuple[Stage, Subject]:
    """What makes functions of an input depend on other inputs; `edges` (answer, output, input) have an effect."""
    words = _knots_of_all(subject, spec, x)
    if words:  # the other stages ask with the same knots for all inputs
        told = Difference("other knots", {"how": words}, (spec.kind,))
        return Stage("wiring", words, (told,)), replace(subject, same_knots=True)
    words = _point_of_rows(subject)
    if words:
        return Stage("wiring", words, only("inputs act together", what=words)), replace(subject, depends=words)
    answers = (", ".join(f"({q}, {p})" for q, p in np.argwhere(of).tolist()) for of in edges)
    return _wired(subject, "; ".join(f"output {a} depends on {to}" for a, to in enumerate(answers)))


def _rearranged(
    subject: Subject, spec: LayerSpec, x: FloatArray, theirs: FloatArray, room: float
) -> list[Difference] | None:  # fmt: skip
    """How the layer's own functions are rearranged, in the fewest words; None if they are not."""
    best: list[Difference] | None = None
    other_rows = OTHERS if (spec.knots != spec.knots[0]).any() else ()
    for columns in ((0, 1), *OTHERS):
        for rows in ((0, 1), *other_rows):
            differences = explain(theirs, own_responses(subject, spec, x, columns, rows), AXES, room, "coefficients")
            if differences is None:
                continue
            named = [*_moved("inputs reordered", columns), *_moved("knots of another input", rows), *differences]
            if best is None or len(named) < len(best):
                best = named
        if best == []:
            break
    return best


def _against_truth(
    subject: Subject, spec: LayerSpec, x: FloatArray, theirs: FloatArray, room: float,
    else_told: list[Difference] | None,
) -> tuple[list[Difference] | None, Subject]:  # fmt: skip
    """How the requested functions are rearranged, if some edge is right; the next stage then tests that edge."""
    if subject.declared.basis != BSPLINES or spec.kind not in ("uniform", "arbitrary"):
        return else_told, subject
    ours = np.stack([rows for (rows,) in FloatQuantities((spec,), x).jacobian()], axis=1).reshape(theirs.shape)
    told = explain(theirs, ours, AXES, room, "coefficients")
    right = np.asarray((np.abs(theirs - ours) <= room).all(axis=(0, 4)))  # (answer, output, input)
    own = np.stack([right[q, q] for q in range(len(right))])
    if told is None and else_told is None and own.any() and right.sum() - own.sum() == right.size - own.size:
        words = _listed_knots(subject, spec, x)
        if words:
            return only("other knots", how=f"knots in use are {words}"), replace(subject, same_knots=True)
        words = _point_of_rows(subject)
        if words:
            return only("inputs act together", what=words), replace(subject, depends=words)
        return [], _other_functions(subject, own)
    if told is None or (else_told is not None and (len(told) > len(else_told) or not own.any())):
        return else_told, subject
    if not own.any():
        return told, replace(subject, position=None, apart=True)
    return told, replace(subject, position=tuple(np.argwhere(own)[-1].tolist()), apart=False)


def _listed_knots(subject: Subject, spec: LayerSpec, x: FloatArray) -> str:
    """The line of the table of knots that depend on other inputs which gives the outputs, in words; "" if none does."""
    fits = _knots_that_fit(subject, spec, x)
    if not fits or subject.declared.domain is not None:
        return next(iter(fits), "")
    other = subject.spec((2, 3))  # whose domains do not lie in each other
    moved = np.ptp(other.domains[0]) * np.array([[0.125], [0.5], [-0.25]])
    other = replace(other, knots=other.knots + moved)
    return next(iter(_knots_that_fit(subject, other, subject.samples(other, BLOCK, 2), fits)), "")


def _knots_that_fit(
    subject: Subject, spec: LayerSpec, x: FloatArray, lines: Iterable[str] = tuple(OF_ALL_INPUTS)
) -> list[str]:  # fmt: skip
    """The lines that give the outputs of a layer."""
    y = subject.values(spec, x)
    room = subject.tolerance(16.0 * largest(y))
    return [words for words in lines
            if close(true_values(replace(spec, knots=OF_ALL_INPUTS[words](spec)), x), y, room)]  # fmt: skip


def _other_functions(subject: Subject, right: Array) -> Subject:
    """The layer, whose edges (Q, P) have wrong functions in part: the next stage tests one of those."""
    wrong = np.argwhere(~right)
    outputs, inputs = (np.unique(wrong[:, k]) for k in (0, 1))
    place = f"edges {', '.join(map(str, map(tuple, wrong.tolist())))} of (output, input)"
    if not right[:, inputs].any():
        place = f"input {numbers(inputs.tolist())}"
    elif not right[outputs].any():
        place = f"output {numbers(outputs.tolist())}"
    return replace(subject, position=tuple(wrong[-1].tolist()), place=f"{place} only")


def permuted(theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """Which coefficient each place (output, input, index) uses, if one or none, in words."""
    shape = ours.shape[2:]
    A, B = (v.reshape(ours.shape[0] * ours.shape[1], -1) for v in (ours, theirs))
    M = np.rint(np.linalg.lstsq(A, B, rcond=1e-10)[0]).astype(int)  # up to sums that are those of other inputs
    if largest(A @ M - B) > 16 * room or M.min() < 0 or M.sum(axis=1).max() > 1:
        return ""
    source = np.where(M.any(axis=1), M.argmax(axis=1), -1)
    order = _order_of_axes(source, shape)
    if order:
        return order
    moved = [(u, v) for u, v in enumerate(source.tolist()) if u != v]
    pairs = ", ".join(f"{_index(u, shape)} has {_index(v, shape) if v >= 0 else 'none'}" for u, v in moved[:4])
    P, dim = shape[1:]
    step = int(source[dim] - source[0]) if P > 1 else dim
    q, p, i = np.indices(shape)
    strided = step != dim and np.array_equal(((q * P * dim + p * step + i) % source.size).ravel(), source)
    stride = f", as with a stride of {step} between inputs instead of {dim}" * strided
    return f"{len(moved)} of {source.size} places (output, input, index) have coefficients of others{stride}: {pairs}"


AXIS = ("output", "input", "index")


def _order_of_axes(source: IntArray, shape: tuple[int, ...]) -> str:
    """The order of axes in which coefficients are read, if there is one, in words."""
    flat = np.arange(source.size)
    for axes in list(permutations(range(3)))[1:]:
        order = ", ".join(AXIS[axis] for axis in axes)
        as_read = flat.reshape([shape[axis] for axis in axes]).transpose(np.argsort(axes))
        if np.array_equal(as_read.ravel(), source):
            return f"coefficients are read from memory as if they were laid out ({order})"
        if np.array_equal(flat.reshape(shape).transpose(axes).ravel(), source):
            return f"coefficients are laid out in memory as ({order}) and read as ({', '.join(AXIS)})"
    return ""


def _index(flat: int, shape: tuple[int, ...]) -> str:
    return str(tuple(int(k) for k in np.unravel_index(flat, shape)))


def responses(subject: Subject, spec: LayerSpec, x: FloatArray) -> FloatArray:
    """What each unit coefficient adds to the outputs: (N, answer, Q, P, dim)."""
    shape = spec.coefficients.shape
    out = np.zeros((len(x), shape[0], *shape))
    zero = subject.without_splines(spec, x)
    for u in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[u] = subject.unit
        y = subject.values(replace(spec, coefficients=unit), x)
        out[(slice(None), slice(None), *u)] = (y - zero) / subject.unit
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
    moved = [(p, k) for p, k in enumerate(order) if p != k]
    return only(name, what="splines", p=moved[0][0], other=moved[0][1]) if moved else []


def _sized(subject: Subject, told: list[Difference]) -> list[Difference]:
    """Differences; another shape shows which size a constant factor is."""

    def again() -> tuple[FloatArray, FloatArray]:
        spec, x = subject.layer((5, 4), 2)
        return subject.values(spec, x) - subject.without_splines(spec, x), subject.edges(spec, x).sum(axis=2)

    return sized(told, [{"inputs": 2, "outputs": 3, "edges": 6}, {"inputs": 4, "outputs": 5, "edges": 20}], again)


def _knots_of_all(subject: Subject, spec: LayerSpec, x: FloatArray) -> str:
    """The knots in use if those of one input change the functions of another at the same samples; else ""."""
    if spec.kind.startswith("uniform") or not spec.degree or subject.declared.domain is not None:
        return ""
    alone = replace(spec, coefficients=spec.coefficients * np.array([[1.0], [0.0]]))
    moved = replace(alone, knots=spec.knots * np.array([[1.0], [0.75]]))
    still, room = x.copy(), subject.tolerance(largest(x))
    still[:, 1] = x[:, 1].mean() / 4
    before, after = (subject.values(layer, still) for layer in (alone, moved))
    if largest(before - subject.values(alone, x)) > room or close(before, after, room):
        return ""
    theirs = responses(subject, spec, still)[:, 0, 0, 0]
    if close(theirs, recursion(spec.knots.mean(axis=0), spec.order, x[:, 0]), subject.tolerance(64.0)):
        return "knots in use are the mean of the knots of all inputs"
    return "functions of an input depend on the knots of others"


ROWS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "inputs less their mean": lambda x: x - x.mean(axis=1, keepdims=True),
    "inputs less their mean, over their deviation": lambda x: (
        (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    ),
    "sums of the inputs up to their own": lambda x: np.cumsum(x, axis=1),
    "sums of the inputs from their own on": lambda x: np.cumsum(x[:, ::-1], axis=1)[:, ::-1],
    "differences from the input before": lambda x: x - np.pad(x, ((0, 0), (1, 0)))[:, :-1],
    "inputs over their norm": lambda x: x / np.sqrt((x * x).sum(axis=1, keepdims=True)),
    "softmax of the inputs": lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True),
}
"""Points that depend on all inputs of a sample."""


def _moves_with_others(subject: Subject, spec: LayerSpec, x: FloatArray) -> bool:
    """Whether the spline of one input changes if the other inputs of a sample do."""
    for p, alone in enumerate(subject.by_inputs(spec)):
        others = x[::-1].copy()
        others[:, p] = x[:, p]
        before, after = (subject.values(alone, at) for at in (x, others))
        if not close(after, before, subject.tolerance(largest(before))):
            return True
    return False


def _point_of_rows(subject: Subject) -> str:
    """Where functions are evaluated if the point of one input depends on the others, by splines s(x) = x; else ""."""
    spec, x = subject.layer((1, 3), 2)
    low, high = spec.domains.T
    if not spec.degree or not _moves_with_others(subject, spec, x):
        return ""
    at = subject.points(spec, x)
    inside = ((at > low + 1e-3) & (at < high - 1e-3)).all(axis=1)
    alone = np.stack([np.polyval(np.polyfit(x[:, p], at[:, p], 5), x[:, p]) for p in range(3)], axis=1)
    if inside.sum() < 8 or np.abs(alone - at)[inside].max() <= 1e-3:
        return ""
    for words, row in ROWS.items():
        shown = ((row(x) > low) & (row(x) < high)).all(axis=1)
        if shown.sum() >= 8 and close(row(x)[shown], at[shown], 1e-4):
            return f"functions are evaluated at {words}"
    return "functions of an input are evaluated at points that depend on others"
