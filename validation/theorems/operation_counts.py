"""F3, O14: operations of B-splines, counted while formulas run.

F3   a layer by formulas (2) and (3) of [S26]
O14  the "linear complexity" of [MM26], beside the recursion of de Boor, Mansfield and Cox
"""

from collections.abc import Callable
from itertools import pairwise, product
from operator import add, mul, sub, truediv

from refkan.claims import Verdict
from validation.theorems.formula import Formula

CLAIMS = ("F3", "O14")


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    return [operations().verdict("F3"), linear_time().verdict("O14")]


class Counted:
    """A number that counts the operations done with it."""

    operations = 0

    def __init__(self, value: float) -> None:
        self.value = value

    @staticmethod
    def counting(operation: Callable[[float, float], float]) -> Callable[["Counted", "Counted"], "Counted"]:
        def counted(own: "Counted", other: "Counted") -> "Counted":
            Counted.operations += 1
            return Counted(operation(own.value, other.value))

        return counted

    __add__, __sub__, __mul__, __truediv__ = map(counting, (add, sub, mul, truediv))


def counted_bases(r: int, n: int) -> tuple[int, int]:
    """Operations for all functions of a basis at one point: formula (2), and (3) by repeated multiplication."""
    t = [Counted(float(k)) for k in range(1 - r, n + r)]
    x = Counted(0.5)
    Counted.operations = 0
    b = [Counted(float(low.value <= x.value < high.value)) for low, high in pairwise(t)]
    for k in range(2, r + 1):
        b = [
            (x - t[i]) / (t[i + k - 1] - t[i]) * b[i] + (t[i + k] - x) / (t[i + k] - t[i + 1]) * b[i + 1]
            for i in range(len(b) - 1)
        ]
    recursion, Counted.operations = Counted.operations, 0
    for knot in t[: n + r - 1]:
        power = positive = x - knot
        for _ in range(r - 2):
            power = power * positive
    return recursion, Counted.operations


def operations() -> Formula:
    """2.3: operation counts of a layer."""
    Q = 64
    ratios = {}
    for r, n in product(range(3, 7), (10, 40)):
        recursion, powers = counted_bases(r, n)
        contraction = 2 * Q * (n + r - 1)
        ratios[r, n] = (recursion / powers, (recursion + contraction) / (powers + contraction))

    def terms(r: int, n: int) -> int:
        return sum(n + 2 * r - 1 - k for k in range(2, r + 1))

    exact = all(counted_bases(r, n) == (9 * terms(r, n), (r - 1) * (n + r - 1)) for r, n in ratios)
    last = {r: ratios[r, 40][1] for r in range(3, 7)}
    return Formula(
        all(abs(ratio - (r - 1)) <= 0.25 * (r - 1) for (r, _), (_, ratio) in ratios.items()),
        "a layer of 64 x 64 edges, operations with (2) over those with (3), n = 40, r = 3..6: "
        + ", ".join(f"{v:.2f}" for v in last.values())
        + "; of the bases alone "
        + ", ".join(f"{ratios[r, 40][0]:.1f}" for r in last),
        {"the whole layer as the bases alone": all(abs(both[1] / both[0] - 1) <= 0.25 for both in ratios.values()),
         "8 operations a term": all(counted_bases(r, n)[0] == 8 * terms(r, n) for r, n in ratios)},
        exact and all(both[1] < 1.5 for both in ratios.values()),
        "evaluating the bases costs P (n r + r^2) by (2) and P (n + r) by (3); the sum over edges that follows costs"
        " P Q (n + r) in both",
        """2.3 counts O(P Q (n r + r^2)) operations for (2) against O(P Q (n + r)) for (3), a factor of
the degree. But a basis is evaluated once for an input, not for each of its Q edges: 9 sum_{k=2}^r (n + 2r - 1 - k)
operations by (2) and (r - 1)(n + r - 1) by (3), if powers are products; the contraction, 2 Q (n + r - 1) an input, is
the same. So the factor of a layer goes to one as Q grows, and that of the bases alone does not grow with r. The
change of basis costs O(n r) for each of the P Q edges, where it is applied to weights.""",
        {"ratios": {f"r = {r}, n = {n}": both for (r, n), both in ratios.items()}},
    )  # fmt: skip


def pieces_in_bernstein_form(r: int, n: int) -> int:
    """Operations for all functions at one point, from the Bernstein coefficients of their pieces, which are given.

    The Bernstein polynomials of degree r - 1 by their triangle, and for each function a sum of r products.
    """
    x, one, coefficient = (Counted(value) for value in (0.25, 1.0, 0.5))
    Counted.operations = 0
    y, row = one - x, [one]
    for _ in range(r - 1):
        row = [y * row[0], *(x * a + y * b for a, b in pairwise(row)), x * row[-1]]
    for _ in range(n + r - 1):
        total = coefficient * row[0]
        for b in row[1:]:
            total = total + coefficient * b
    return Counted.operations


def local_recursion(r: int) -> int:
    """Operations of de Boor's recursion for the r functions that are not zero at a point."""
    t, x = [Counted(float(k)) for k in range(2 * r)], Counted(r - 0.5)
    Counted.operations = 0
    row = [Counted(1.0)]
    for k in range(1, r):
        saved = Counted(0.0)
        for j in range(k):
            right, left = t[r + j], t[r + j - k]
            term = row[j] / (right - left)
            row[j], saved = saved + (right - x) * term, (x - left) * term
        row.append(saved)
    assert abs(sum(b.value for b in row) - 1) < 1e-12
    return Counted.operations


def linear_time() -> Formula:
    """[MM26]: linear complexity, in the number of intervals or in the order, against the recursion."""
    ways = {"recursion": lambda r, n: counted_bases(r, n)[0], "pieces": pieces_in_bernstein_form,
            "local recursion": lambda r, n: local_recursion(r)}  # fmt: skip
    in_size = {name: max(count(r, 256) / count(r, 128) for r in range(2, 9)) for name, count in ways.items()}
    in_order = {name: count(64, 128) / count(32, 128) for name, count in ways.items()}
    cost = {name: count(4, 5) for name, count in ways.items()}

    def linear(name: str) -> bool:
        return in_size[name] <= 2 and in_order[name] <= 2.2

    return Formula(
        linear("pieces") and not linear("recursion"),
        "operations for all functions at a point, growth as intervals double from 128 (as the order doubles from 32): "
        + ", ".join(f"{name} {in_size[name]:.3g} ({in_order[name]:.3g})" for name in ways)
        + "; on 5 intervals, order 4: "
        + ", ".join(f"{name} {number}" for name, number in cost.items()),
        {"the local recursion is linear in the order": linear("local recursion"),
         "the recursion grows as n^2": in_size["recursion"] >= 3.5},
        in_size["pieces"] <= 2 and in_size["recursion"] <= 2 and in_size["local recursion"] == 1,
        "linear in the number of functions, which the recursion over all knots is too, by a larger factor; de Boor's"
        " local recursion takes operations that do not grow with the grid at all",
        """Full text: the abstract alone was at hand; that pieces are kept in Bernstein form is taken from accounts of
the algorithm. Their coefficients depend on the knots alone and are not counted, evaluations are: all functions, as
layers of KAN codes form them. "Linear" in what is not said; the order is where a recursion is quadratic, and there the
pieces gain nothing: r coefficients for each function.""",
        {"growth": {"intervals": in_size, "order": in_order}, "operations": cost},
    )  # fmt: skip
