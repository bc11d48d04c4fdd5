"""What decides Table 2: medians of its cells under every reading, and sentences that compare readings of one size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from refkan.claims.verdicts import Table
from validation.multilevel.table_two import BASES, FIDELITIES, GRID, OPEN, PUBLISHED
from validation.multilevel.table_two_comparisons import Under

BASE = GRID.reading()

CELLS = tuple((basis, fidelity) for basis in BASES for fidelity in FIDELITIES)


def differences(reading: Mapping[str, str]) -> str:
    """Write in which factors a reading differs from the base reading."""
    return ", ".join(f"{name}={value}" for name, value in reading.items() if value != BASE[name]) or "base reading"


def median(runs: Under, basis: str, fidelity: str) -> float | None:
    """Return the median error of a cell, None where it was not run."""
    values = list(runs.errors(basis, fidelity).values())
    return float(np.median(values)) if values else None


def screening(under: Sequence[Under]) -> Table:
    """Return the medians of the six cells of both bases, reading by reading, below the published means."""

    def written(value: float | None) -> str:
        return "" if value is None else f"{value:.2e}"

    rows = [("published means", "20000", "5", *(f"{PUBLISHED[cell][0]:.2e}" for cell in CELLS))]
    for runs in under:
        seeds = str(len(runs.errors("spline", "multilevel")))
        medians = (written(median(runs, *cell)) for cell in CELLS)
        rows.append((differences(runs.reading), runs.size["samples"], seeds, *medians))
    base = ", ".join(f"{name}={value}" for name, value in BASE.items())
    columns = ("reading", "samples", "seeds", *(f"{basis} {fidelity}" for basis, fidelity in CELLS))
    return Table(f"Medians of mean square errors over the squared range. Base reading: {base}", columns, tuple(rows))


def pairs(under: Sequence[Under], **changes: str) -> Iterable[tuple[Under, Under]]:
    """Yield the base reading with the one that differs from it in `changes`, at each size that has both."""
    for base in under:
        if dict(base.reading) == BASE:
            for other in under:
                if dict(other.reading) == BASE | changes and other.size == base.size:
                    yield base, other


Cells = Sequence[tuple[str, str]]


def medians(a: Under, b: Under, cells: Cells) -> tuple[list[float], list[float], str]:
    """Return the median errors of cells in two runs over the seeds that both have of all of them, and how many."""
    errors = [[runs.errors(*cell) for cell in cells] for runs in (a, b)]
    seeds = set.intersection(*(set(found) for part in errors for found in part))
    size = f"{a.size['samples']} points, {len(seeds)} seeds"
    if not seeds:
        return [], [], size
    first, second = ([float(np.median([found[s] for s in seeds])) for found in part] for part in errors)
    return first, second, size


def why_fine_fails(under: Sequence[Under]) -> str:
    """Compare fine training from coefficients of its own with fine training from the coarse start."""
    parts = []
    for own, prolonged in pairs(under, fine="prolonged"):
        a, b, size = medians(own, prolonged, (("ReLU", "fine"), ("spline", "fine")))
        if a:
            parts.append(
                f"Fine training in the ReLU basis ends at {a[0]:.2g} from coefficients drawn on the finest level and at"
                f" {b[0]:.2g} from the coarse start, prolonged; in the spline basis at {a[1]:.2g} and {b[1]:.2g}"
                f" ({size})."
            )
    return " ".join(parts)


def when_multilevel_wins(under: Sequence[Under]) -> str:
    """Compare the gains of multilevel training from N(0, 1) coefficients and from a linear start."""
    parts = []
    for normal, linear in pairs(under, start="linear"):
        a, b, size = medians(normal, linear, tuple(("spline", fidelity) for fidelity in FIDELITIES))
        if a:
            parts.append(_gains(a, b, size))
    return " ".join(parts)


def _gains(a: Sequence[float], b: Sequence[float], size: str) -> str:
    of = [dict(zip(FIDELITIES, values, strict=True)) for values in (a, b)]
    coarse, fine = ([f"{m[name] / m['multilevel']:.2g}" for m in of] for name in ("coarse", "fine"))
    return (
        "In the spline basis the median errors of coarse and fine training are"
        f" {coarse[0]} and {fine[0]} times those of multilevel training from N(0, 1) coefficients,"
        f" {coarse[1]} and {fine[1]} times from a linear start ({size})."
    )


def what_gains_need(under: Sequence[Under]) -> str:
    """Compare the gain of multilevel over coarse training in the ReLU basis between readings."""
    parts = []
    for factor in OPEN:
        for value in factor.values[1:]:
            for base, other in pairs(under, **{factor.name: value}):
                a, b, size = medians(base, other, (("ReLU", "coarse"), ("ReLU", "multilevel")))
                if a:
                    gains = f"{a[0] / a[1]:.2g} under the base reading, {b[0] / b[1]:.2g}"
                    parts.append(f"{gains} with {factor.name}={value} ({size})")
    return f"Ratio of the ReLU medians, coarse over multilevel: {'; '.join(parts)}." if parts else ""


PUBLISHED_RUNS = 5


def largest_median(mean: float, deviation: float, count: int = PUBLISHED_RUNS) -> float:
    """Return an upper bound of the median of an odd number of nonnegative values with this mean and sample deviation.

    Let the largest value lie d above the mean m_o of the n - 1 others. Then m = m_o + d/n, and with the sum V of
    squares of the others about m_o, (n-1) s^2 = d^2 (n-1)/n + V, where V <= (n-2)(n-1) m_o^2, which it is if one of
    them is all of their sum. Hence s^2 <= n (m - m_o)^2 + (n-2) m_o^2: for s^2 > (n-2) m^2 this bounds m_o by the
    smaller root of (2n-2) m_o^2 - 2 n m m_o + n m^2 - s^2 = 0. From the median on there are (n-1)/2 values beside the
    largest, whose sum is at most (n-1) m_o: the median is at most 2 m_o. In any case (n+1)/2 values are at least the
    median, so that it is at most 2 n m/(n+1).
    """
    n, m, s = count, mean, deviation
    trivial = 2 * m * n / (n + 1)
    if s**2 <= (n - 2) * m**2:
        return trivial
    others = (n * m - math.sqrt(max((n * m) ** 2 - (2 * n - 2) * (n * m**2 - s**2), 0.0))) / (2 * n - 2)
    return min(trivial, max(2 * others, 0.0))


def largest_published_median(model: str, fidelity: str) -> float:
    """Return the largest median that a published mean and deviation, rounded as they are, leave room for."""
    mean, deviation = PUBLISHED[model, fidelity]
    half = [0.5 * 10.0 ** (math.floor(math.log10(value)) - digits) for value, digits in ((mean, 2), (deviation, 1))]
    return largest_median(mean + half[0], deviation - half[1])


def what_published_spreads_imply(under: Sequence[Under]) -> str:
    """Compare our medians with the largest ones that the published means and deviations leave room for.

    A deviation of twice the mean says that one run of five is nearly all of it: such a mean is not what runs are like.
    """
    parts = []
    for fidelity in ("fine", "multilevel"):
        bound = largest_published_median("spline", fidelity)
        mean, deviation = PUBLISHED["spline", fidelity]
        ours = median(under[0], "spline", fidelity) if under else None
        if ours is not None and bound < mean:
            parts.append(
                f"{fidelity}: published mean {mean:.2e} and deviation {deviation:.1e}, so a median of at most"
                f" {bound:.1e}; our median is {ours:.1e}"
            )
    if not parts:
        return ""
    return (
        "Five nonnegative errors whose deviation is about twice their mean are one large and four small ones. In the"
        f" spline basis, {'; '.join(parts)}."
    )
