r"""R6: what a printed mean and deviation say about the five runs behind them.

Let e_1, ..., e_n >= 0 have mean m and sample deviation s, (n - 1) s^2 = sum e_i^2 - n m^2. Let x be the largest and rho
= (sum of the others) / x, so that n m = (1 + rho) x. The squares of the others sum to at least rho^2 x^2/(n - 1), where
they are equal, and, since none exceeds x, to at most (k - 1 + f^2) x^2, k = floor(1 + rho), f = 1 + rho - k, where k -
1 of them equal x and one is f x: the sum is convex, and those are the vertices. With c = s/m

    1 + rho^2/(n - 1) <= (1 + rho)^2 ((n - 1) c^2 + n) / n^2 <= k + f^2.

Both bounds divided by (1 + rho)^2 fall with rho, rho < n - 1: the derivative of the first has the sign of rho/(n-1) -
1, that of the second of f (1 + rho) - k - f^2 = k (f - 1). So each c leaves room for an interval of rho, and digits
rounded to the last one printed, c between s_low/m_high and s_high/m_low, for its union: two bisections over the
rationals, whose ends are kept on the outer side. Then x = n m/(1 + rho), and the mean of the others is rho x/(n - 1).
Each run is at most s (n - 1)/sqrt(n) away from m, as (n - 1) s^2 >= (e - m)^2 n/(n - 1).

No c above sqrt(n) is possible: all of the sum is one run. If s were the root of the mean of squares, division by n in
place of n - 1, c <= sqrt(n - 1) = 2.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import isqrt

import numpy as np

from refkan.base import Frozen
from refkan.claims import Table, Verdict, judge
from validation.table_two.cells_of_table import PRINTED

CLAIMS = ("R6",)
RUNS = 5
Interval = tuple[Fraction, Fraction]


def rounded_from(digits: str) -> Interval:
    """Return the numbers that are rounded to these printed digits."""
    mantissa, exponent = digits.split("e")
    decimals = len(mantissa.partition(".")[2])
    half = Fraction(1, 2 * 10**decimals)
    return tuple((Fraction(mantissa) + side) * Fraction(10) ** int(exponent) for side in (-half, half))  # type: ignore[return-value]


class Shape(Frozen, eq=True):
    """What five runs can be: the sum of all but the largest over the largest, and bounds in the unit of the mean."""

    others_over_largest: Interval
    largest: Interval
    mean_of_others: Interval
    each: Interval

    @property
    def far_out(self) -> bool:
        """Whether the largest run must exceed the sum of the others."""
        return self.others_over_largest[1] < 1


def bisect(reached: Callable[[Fraction], bool], low: Fraction, high: Fraction, halvings: int = 40) -> Interval:
    """Return a small interval with `reached` false at its left and true at its right end, as it is at those given."""
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return low, high


def shape(mean: Interval, deviation: Interval, n: int = RUNS, divided_by: int = RUNS - 1) -> Shape | None:
    """Return what n runs can be, None if there are none: deviations divide the sum of squares by `divided_by`."""
    least, most = (
        n + divided_by * (s / m) ** 2 for s, m in zip(deviation, reversed(mean), strict=True)
    )  # n^2 times the sum of squares over the square of the sum
    if least > n**2:
        return None

    def below(total: Fraction, squares: Callable[[Fraction], Fraction]) -> Callable[[Fraction], bool]:
        return lambda rho: n**2 * squares(rho) <= total * (1 + rho) ** 2

    # Sums of squares of runs of which the largest is 1 and the others sum to rho: the least, and the largest.
    zero, equal = Fraction(0), Fraction(n - 1)
    low = zero if most >= n**2 else bisect(below(most, lambda rho: 1 + rho**2 / (n - 1)), zero, equal)[0]
    high = bisect(below(least, lambda rho: int(1 + rho) + (rho % 1) ** 2), zero, equal)[1]
    x = (n * mean[0] / (1 + high), n * mean[1] / (1 + low))
    others = (n * mean[0] * low / (1 + low) / (n - 1), n * mean[1] * high / (1 + high) / (n - 1))
    reach = divided_by * deviation[1] ** 2 * Fraction(n - 1, n)
    away = Fraction(isqrt(int(reach * 10**40)) + 1, 10**20)
    return Shape((low, high), x, others, (max(zero, mean[0] - away), min(mean[1] + away, x[1])))


def shapes(divided_by: int = RUNS - 1) -> dict[tuple[str, str], Shape | None]:
    """Return the shape of every cell of the table."""
    return {cell: shape(*map(rounded_from, digits), divided_by=divided_by) for cell, digits in PRINTED.items()}


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    return [verdict(shapes())]


def far_out(shapes_of_cells: dict[tuple[str, str], Shape | None], cells: Sequence[tuple[str, str]]) -> bool:
    """Whether one run of five is more than the sum of the others in each of these cells."""
    return all((made := shapes_of_cells[cell]) is not None and made.far_out for cell in cells)


FAR_OUT = (("spline", "fine"), ("spline", "multilevel"))


def typical_ratio(shapes_of_cells: dict[tuple[str, str], Shape | None]) -> Interval:
    """Bounds of the mean of four fine runs over that of four multilevel runs, the largest left out of each."""
    fine, multilevel = (shapes_of_cells[cell].mean_of_others for cell in FAR_OUT)  # type: ignore[union-attr]
    return fine[0] / multilevel[1], fine[1] / multilevel[0]


def verdict(shapes_of_cells: dict[tuple[str, str], Shape | None]) -> Verdict:
    ratio = typical_ratio(shapes_of_cells)
    fine, multilevel = (shapes_of_cells[cell] for cell in FAR_OUT)
    assert fine is not None
    assert multilevel is not None
    four = "; ".join(
        f"{cell[1]}: one run of {between(made.largest)}, four of mean {between(made.mean_of_others)}"
        for cell, made in zip(FAR_OUT, (fine, multilevel), strict=True)
    )
    others = [cell for cell in PRINTED if cell not in FAR_OUT]
    by_n = [" ".join(cell) for cell, made in shapes(divided_by=RUNS).items() if made is None]
    return Verdict(
        "R6",
        judge(far_out(shapes_of_cells, FAR_OUT) and ratio[1] < 10),
        f"{four}. Mean of the four fine runs over that of the four multilevel ones: {between(ratio)}",
        details=f"Deviations that divide by {RUNS} are impossible for {', '.join(by_n)}. Without its largest run, fine"
        " training in the spline basis is better than coarse training by two orders, so that what is said of its mean,"
        ' "at best a comparable accuracy to the coarse model", rests on one run of five.',
        data={
            " ".join(cell): made and {k: list(map(float, v)) for k, v in vars(made).items()}
            for cell, made in shapes_of_cells.items()
        },
        tables=(table(shapes_of_cells),),
        mutations={
            "a run that is far out in every other cell too": judge(far_out(shapes_of_cells, others)),
            "fine runs that are worse by an order": judge(ratio[0] >= 10),
            "a deviation of spline fine of 4.91e-3": judge(
                far_out(
                    {**shapes_of_cells, FAR_OUT[0]: shape(rounded_from("2.54e-3"), rounded_from("3.10e-3"))}, FAR_OUT
                )
            ),
        },
    )


def between(interval: Interval) -> str:
    """Write an interval with three digits, rounded outwards."""
    low, high = map(float, interval)
    return f"{outward(low, -1):.3g} to {outward(high, 1):.3g}"


def outward(value: float, side: int) -> float:
    """Return the next number of three digits in one direction."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (np.floor(np.log10(value)) - 2)
    return float((np.floor if side < 0 else np.ceil)(value / unit) * unit)


def table(shapes_of_cells: dict[tuple[str, str], Shape | None]) -> Table:
    rows = []
    for cell, made in shapes_of_cells.items():
        assert made is not None
        mean, deviation = PRINTED[cell]
        parts = (made.largest, made.mean_of_others, made.each)
        rows.append((" ".join(cell), f"{mean} ({deviation})", *map(between, parts), "yes" if made.far_out else ""))
    columns = ("cell", "printed", "largest run", "mean of the others", "every run", "largest exceeds all others")
    return Table("What five runs with the printed means and deviations are", columns, tuple(rows))
