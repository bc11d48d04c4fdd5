r"""A network as tables of numbers: on each piece an edge is a polynomial in t = (z - knot) 2^shift.

An affine map behind a layer is multiplied into the coefficients of the layer:

    m_q sum_p s_qp(z_p) + b_q  =  start_q + sum_p (m_q s_qp)(z_p).

Edges that are constant on the range of their input are added to `start`, and edges that are straight there get a table
of one piece. Constant and straight mean: up to a few units of rounding. Any table would do for the bound of an error,
which compares it with the exact network; this one makes the error small.
"""

import math
from fractions import Fraction
from typing import Any

from check_certificate import Fixed, at, distance_to_edge, shifted, silu_series
from refkan.interop.c_code.code_numbers import NumberType, nearest_number, unit_of

UNITS = 4
"""Units of rounding by which an edge may differ from a straight one that takes its place."""

ROOM = Fraction(1, 16)
"""Share of its length by which a range is widened on each side: computed values of nodes leave the exact range."""

SILU_WIDTH = Fraction(1, 8)
SILU_SHIFT = 3
"""Pieces of the table of SiLU; in fixed point t = 8 (z - knot)."""

MOST_SHIFT = 15

Range = tuple[Fraction, Fraction]
Table = dict[str, Any]


def code_tables(network: Any, box: list[Range], kind: NumberType) -> Table:
    """Return the layers and the table of SiLU of a network, `Network` of the checker, on a box of inputs."""
    exact, *hidden = network.sweep(tuple(box))[3]
    ranges = [exact, *([widened(x) for x in inputs] for inputs in hidden)]
    layers = []
    for k, (layer, inputs) in enumerate(zip(network.layers, ranges, strict=True)):
        scale, shift = [Fraction(1)] * layer.Q, [Fraction(0)] * layer.Q
        if k < len(network.maps):
            scale, shift = network.maps[k].scale, network.maps[k].shift
        layers.append(layer_table(layer, scale, shift, inputs, kind))
    of_silu = [x for layer, inputs in zip(network.layers, ranges, strict=True) if layer.silu for x in inputs]
    silu = None
    if of_silu:
        silu = silu_table(min(low for low, _ in of_silu), max(high for _, high in of_silu), kind)
    return {"layers": layers, "silu": silu}


def widened(x: Range) -> Range:
    """A range with room on both sides."""
    room = ROOM * (x[1] - x[0])
    return x[0] - room, x[1] + room


def layer_table(
    layer: Any, scale: list[Fraction], shift: list[Fraction], ranges: list[Range], kind: NumberType
) -> Table:
    """The numbers of a layer, `Layer` of the checker, and of the affine map behind it."""
    start, tables = list(shift), []
    for p, x in enumerate(ranges):
        curved, straight = [], {}
        for q in range(layer.Q):
            line = straight_line(layer.edge(q, p), scale[q], x, kind)
            if line is None:
                curved.append(q)
            elif line[1]:
                straight[q] = line
            else:
                start[q] += line[0]
        if curved:
            tables.append(curved_table(layer, p, curved, scale, x, kind))
        if straight:
            tables.append(table(p, [*straight], [x[0]], [0], [[[*line] for line in straight.values()]], kind))
    weights = None
    if layer.silu:
        weights = [[scale[q] * layer.edge(q, p).base for p in range(layer.P)] for q in range(layer.Q)]
        weights = [[written(w, kind) for w in row] for row in weights]
    return {"start": [written(c, kind) for c in start], "tables": tables, "weights": weights}


def straight_line(edge: Any, factor: Fraction, x: Range, kind: NumberType) -> tuple[Fraction, Fraction] | None:
    """Value at the lower end of a range, rounded, and slope of a line that equals an edge there; None if none does."""
    low, high = (factor * value_at(edge, z) for z in x)
    origin = nearest_number(kind, x[0])
    distance = distance_to_edge(edge, factor)
    slack = UNITS * unit_of(kind, max(abs(low), abs(high)))
    if distance([low], origin, 1, x) <= slack:
        return low, Fraction(0)
    slope = (high - low) / (x[1] - x[0])
    start = low + slope * (origin - x[0])
    if distance([start, slope], origin, 1, x) <= slack:
        return start, slope
    return None


def value_at(edge: Any, z: Fraction) -> Fraction:
    """The spline of an edge at a point."""
    return next(Fraction(at(p, z)) for _, right, p, _ in edge.pieces if right is None or z <= right)


def curved_table(layer: Any, p: int, outputs: list[int], scale: list[Fraction], x: Range, kind: NumberType) -> Table:
    """All pieces of some edges of an input on a range, in powers of the distance from the knot where a piece begins."""
    knots: list[Fraction] = []
    shifts, rows = [], []
    for k, (left, right, *_) in enumerate(layer.edge(outputs[0], p).pieces):
        low, high = ends_within(left, right, x)
        if low >= high:
            continue
        knot = nearest_number(kind, low)
        if knots and knot <= knots[-1]:  # a piece so short that the type does not tell its ends apart
            continue
        knots.append(knot)
        shifts.append(shift_for(high - knot, kind))
        units = 1 << shifts[-1]
        local = [shifted(layer.edge(q, p).pieces[k][2], knot) for q in outputs]
        degree = max(map(len, local)) - 1
        local = [c + [Fraction(0)] * (degree + 1 - len(c)) for c in local]
        rows.append([[scale[q] * a / units**i for i, a in enumerate(c)] for q, c in zip(outputs, local, strict=True)])
    degree = max(len(row[0]) for row in rows)
    rows = [[c + [Fraction(0)] * (degree - len(c)) for c in row] for row in rows]
    return table(p, outputs, knots, shifts, rows, kind)


def ends_within(left: Fraction | None, right: Fraction | None, x: Range) -> Range:
    """The part of a range that a piece covers; None is no end."""
    low, high = x
    if left is not None:
        low = max(low, left)
    if right is not None:
        high = min(high, right)
    return low, high


def shift_for(width: Fraction, kind: NumberType) -> int:
    """Doublings of t until it fills the numbers up to 1: of fixed point, whose digits end; floats need none."""
    shift = 0
    if isinstance(kind, Fixed):
        while shift < MOST_SHIFT and width * (2 << shift) <= 1:
            shift += 1
    return shift


def silu_table(low: Fraction, high: Fraction, kind: NumberType) -> Table:
    """SiLU by its series at the beginning of each piece; 0 far on the left, and z far on the right."""
    far = 8
    while far * math.exp(-far) > unit_of(kind) / 16:
        far += 1
    first = max(math.floor(low / SILU_WIDTH), math.ceil(-far / SILU_WIDTH))
    last = min(math.ceil(high / SILU_WIDTH), math.floor(far / SILU_WIDTH))
    degree = 1
    while (far + 3) / 0.14 * float(SILU_WIDTH / 3) ** (degree + 1) > unit_of(kind) / 16:
        degree += 1
    knots = [k * SILU_WIDTH for k in range(first, max(last, first + 1))]
    shift, rows = 0, []
    if isinstance(kind, Fixed):
        shift = SILU_SHIFT
    for knot in knots:
        series = [(a + b) / 2 for a, b in silu_series(knot, degree)]
        rows.append([[a / (1 << shift * i) for i, a in enumerate(series)]])
    shifts = [shift] * len(knots)
    if low < knots[0]:
        knots, shifts = [knots[0] - 1, *knots], [0, *shifts]
        rows = [[[Fraction(0)] * (degree + 1)], *rows]
    if high > last * SILU_WIDTH:
        knots, shifts = [*knots, last * SILU_WIDTH], [*shifts, 0]
        rows = [*rows, [[last * SILU_WIDTH, Fraction(1), *[Fraction(0)] * (degree - 1)]]]
    return table(0, [0], knots, shifts, rows, kind)


def table(
    p: int, outputs: list[int], knots: list[Fraction], shifts: list[int], pieces: list[Any], kind: NumberType
) -> Table:
    """A table as data, its numbers rounded to the type and written exactly."""
    rows = [[[written(a, kind) for a in c] for c in piece] for piece in pieces]
    ends = [written(knot, kind) for knot in knots]
    return {"input": p, "outputs": outputs, "knots": ends, "shifts": shifts, "pieces": rows}


def written(x: Fraction, kind: NumberType) -> str:
    """A number of the type next to a rational one, as exact text."""
    return float(nearest_number(kind, x)).hex()
