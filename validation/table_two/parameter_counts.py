r"""R7: which networks have the printed numbers of parameters.

Widths are printed, and the numbers of parameters on the coarsest and the finest level of Tables 2 and 3, and on four
levels in figure 5. A spline layer from P to Q nodes of order r on n intervals has P Q (n + r - 1) parameters, a linear
one P Q, or P Q + Q with biases. Each refinement doubles every n. All whole numbers are tried:

    splines throughout, the same n in every layer;
    splines throughout, an n for each layer;
    a linear first layer, without or with biases, and splines of the same n after it.

The levels leave few: between two levels L refinements apart the number grows by (2^L - 1) sum_l P_l Q_l n_l.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product

from refkan.base import Frozen
from refkan.claims import Table, Verdict, judge

CLAIMS = ("R7",)
ORDERS = range(1, 9)


class Printed(Frozen, eq=True):
    """Widths, and the number of parameters after so many refinements."""

    where: str
    widths: tuple[int, ...]
    counts: tuple[tuple[int, int], ...]

    @property
    def edges(self) -> list[int]:
        return [P * Q for P, Q in pairwise(self.widths)]


KANS = (
    Printed("Table 2", (2, 5, 1), ((0, 55), (3, 230))),
    Printed("Table 3", (2, 20, 20, 1), ((0, 3400), (2, 9700))),
    Printed("figure 5", (3, 5, 1), ((0, 140), (1, 220), (2, 380), (3, 700))),
)

MLPS = (((2, 5, 1), 20), ((2, 30, 1), 120), ((2, 20, 20, 1), 500), ((2, 56, 56, 1), 3416), ((3, 16, 16, 1), 352))

Network = tuple[str, int, tuple[int, ...]]
"""A family, the order, and the intervals of each spline layer on the coarsest level."""


def fitting(fixed: int, edges: Sequence[int], order: int, counts: Sequence[tuple[int, int]]) -> int | None:
    """Return sum_l edges_l n_l of the coarsest level if the counts have one, None otherwise."""
    base = counts[0][1] - fixed - sum(edges) * (order - 1)
    grown = all(fixed + sum(edges) * (order - 1) + 2**level * base == count for level, count in counts)
    return base if grown and base > 0 else None


def splits(total: int, edges: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield all positive n_l with sum_l edges_l n_l = total."""
    if len(edges) == 1:
        if total > 0 and total % edges[0] == 0:
            yield (total // edges[0],)
        return
    for n in range(1, total // edges[0] + 1):
        for others in splits(total - n * edges[0], edges[1:]):
            yield (n, *others)


def networks(printed: Printed) -> list[Network]:
    first, hidden = printed.edges[0], printed.widths[1]
    families: list[tuple[str, int, list[int], bool]] = [
        ("splines throughout, equal intervals", 0, printed.edges, True),
        ("splines throughout, intervals of each layer", 0, printed.edges, False),
        ("linear first layer", first, printed.edges[1:], True),
        ("linear first layer with biases", first + hidden, printed.edges[1:], True),
    ]
    made = []
    for (name, fixed, edges, equal), order in product(families, ORDERS):
        total = fitting(fixed, edges, order, printed.counts)
        if total is None:
            continue
        if equal:
            made += [(name, order, (total // sum(edges),))] if total % sum(edges) == 0 else []
        else:
            made += [(name, order, n) for n in splits(total, edges) if len(set(n)) > 1]
    return made


def mlp_parameters(widths: Sequence[int], last_bias: bool) -> int:
    """Weights, and biases of the hidden nodes, of the outputs too if so wanted."""
    weights = sum(P * Q for P, Q in pairwise(widths))
    return weights + sum(widths[1:-1]) + (widths[-1] if last_bias else 0)


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    return [verdict({printed.where: networks(printed) for printed in KANS})]


def linear_in_both(made: dict[str, list[Network]]) -> bool:
    """Whether Table 3 has networks with a linear first layer alone, and Table 2 one."""
    first, second = ([name.startswith("linear") for name, _, _ in made[f"Table {k}"]] for k in (2, 3))
    return any(first) and bool(second) and all(second)


def verdict(made: dict[str, list[Network]]) -> Verdict:
    both = [{name for name, _, _ in made[where]} for where in ("Table 2", "Table 3")]
    mlps = [all(mlp_parameters(widths, bias) == count for widths, count in MLPS) for bias in (False, True)]
    moved = {p.where: networks(Printed(p.where, p.widths, tuple((k, c + 1) for k, c in p.counts))) for p in KANS}
    rows = tuple(
        (where, name, str(order), ", ".join(map(str, n))) for where, nets in made.items() for name, order, n in nets
    )
    alone = [name for name in both[0] if name not in both[1]]
    return Verdict(
        "R7",
        judge(linear_in_both(made) and mlps[0]),
        "networks with the printed numbers: "
        + ", ".join(f"{len(nets)} of {where}" for where, nets in made.items())
        + f". Families that have some of both tables: {', '.join(sorted(both[0] & both[1])) or 'none'}; of Table 2"
        f" alone: {', '.join(sorted(alone)) or 'none'}. The numbers of MLPs count biases of hidden nodes alone",
        data={where: [list(map(str, network)) for network in nets] for where, nets in made.items()},
        tables=(Table("Networks with the printed numbers of parameters", ("where", "network", "order", "n"), rows),),
        mutations={
            "splines throughout": judge(any("throughout" in name for name, _, _ in made["Table 3"])),
            "with one parameter more": judge(linear_in_both(moved)),
            "MLPs with a bias of the output": judge(mlps[1]),
        },
    )
