r"""Boxes cut into leaves on which an enclosure suffices, and the cuts written down.

A string describes them: a letter cuts along that input, its lower part described next and then its upper part, and a
point ends a part. The cut is at the knot of the first layer inside that is next to the middle, or at the middle. Who
reads it cuts at the same floats, whatever arithmetic is used, and covers the box whatever the string says.
"""

from collections.abc import Callable
from string import ascii_lowercase
from typing import NamedTuple

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals, concatenated, quiet
from refkan.base.array_types import FloatArray

ROUND = 512
"""Parts cut before the worst are chosen again."""

LEAF = "."
INPUTS = ascii_lowercase
"""Letters of the inputs."""

Enclosed = Callable[[Intervals], tuple[Intervals, FloatArray]]
"""Boxes (B, P) -> a quantity over each (B,), and how much it moves along each input there (B, P), any scale."""


class Leaves(NamedTuple):
    """Leaves of a box.

    Attributes
    ----------
    text : str
        The cuts.
    low, high : float
        The quantity lies between them on every leaf.
    parts : int
    reached : bool
        Whether every leaf keeps to the bounds asked for.
    """

    text: str
    low: float
    high: float
    parts: int
    reached: bool


@quiet()
def cut_into_leaves(
    enclosed: Enclosed,
    box: FloatArray,
    knots: list[FloatArray],
    wanted: Callable[[], tuple[float, float]],
    budget: int,
) -> Leaves:
    """Cut a box (P, 2) until a quantity keeps within bounds on every leaf, the leaves that miss them most first.

    Parameters
    ----------
    enclosed : callable
    box : array (P, 2)
    knots : list of array
        Where each input is cut first.
    wanted : callable
        The bounds; asked again after each round, as points met in it may widen them.
    budget : int
        Leaves, at most.
    """
    boxes = Intervals(box[None, :, 0], box[None, :, 1])
    over, weights = enclosed(boxes)
    cut: dict[str, int] = {}  # the input cut along, by the sides of the cuts that lead to a part
    leaf = [""]
    while True:
        low, high = wanted()
        missed = np.fmax(low - over.lo, over.hi - high)
        missed = np.where(np.isnan(missed), np.inf, missed)
        rows = np.argsort(-missed, kind="stable")[: min(ROUND, budget - len(leaf))]
        cuts = [(row, *_cut(boxes[row], weights[row], knots)) for row in rows[missed[rows] > 0].tolist()]
        cuts = [(row, p, at) for row, p, at in cuts if boxes.lo[row, p] < at < boxes.hi[row, p]]
        if not cuts:
            break
        chosen, inputs, ends = (np.array(column) for column in zip(*cuts, strict=True))
        parts = boxes[np.repeat(chosen, 2)]
        parts.hi[0::2][np.arange(chosen.size), inputs] = ends
        parts.lo[1::2][np.arange(chosen.size), inputs] = ends
        cut |= {leaf[row]: p for row, p, _ in cuts}
        more, more_weights = enclosed(parts)
        kept = np.setdiff1d(np.arange(len(leaf)), chosen)
        boxes, over = concatenated([boxes[kept], parts]), concatenated([over[kept], more])
        weights = np.concatenate([weights[kept], more_weights])
        leaf = [leaf[row] for row in kept] + [leaf[row] + side for row in chosen for side in "01"]
    return Leaves(_text(cut), float(over.lo.min()), float(over.hi.max()), len(leaf), bool((missed <= 0).all()))


def _cut(part: Intervals, weights: FloatArray, knots: list[FloatArray]) -> tuple[int, float]:
    """The input that moves the quantity most, and where it is cut."""
    widths = part.hi - part.lo
    if not weights[widths > 0].any():
        weights = widths
    p = int(np.argmax(np.where(widths > 0, weights, -1.0)))
    middle = float(part.middle[p])
    inside = knots[p][(part.lo[p] < knots[p]) & (knots[p] < part.hi[p])]
    if not inside.size:
        return p, middle
    return p, float(inside[np.argmin(np.abs(inside - middle))])


def _text(cut: dict[str, int]) -> str:
    letters, waiting = [], [""]
    while waiting:
        part = waiting.pop()
        letters.append(INPUTS[cut[part]] if part in cut else LEAF)
        waiting += [part + "1", part + "0"] * (part in cut)
    return "".join(letters)
