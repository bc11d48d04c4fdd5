"""Where searches stop: at the tolerance and the budget exactly, between neighbouring floats, after steps of no gain."""

from fractions import Fraction

import flint
import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.certificates.leaves import cut_into_leaves
from refkan.analysis.exact.enclosures import float_intervals
from refkan.analysis.exact.enclosures.float_intervals import MAX, Intervals, in_tasks, quiet
from refkan.analysis.exact.enclosures.network_intervals import LinearStep, interval_network
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.enclosures.subdivision import Evaluation, absolute, range_over
from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.nodes.extremes_over_boxes import layerwise_difference
from refkan.analysis.exact.nodes.node_subdivision import NodeBoxes, NodeSearch, bounded_boxes
from refkan.analysis.exact.nodes.node_tables import NodeFunctions, NodeTable, node_functions, tabulated
from refkan.analysis.exact.ranks import ranks
from refkan.analysis.exact.spectra import orthogonal_certificates, perron
from refkan.truth import UndecidedError
from tests.shared.elsewhere import Elsewhere
from tests.shared.refusals import refused

UNIT = np.array([[0.0, 1.0]])


@pytest.mark.parametrize(("tolerance", "reached"), [(0.5, True), (np.nextafter(0.5, 0.0), False)])
def test_bounds_that_exceed_what_is_attained_by_the_tolerance_exactly_are_within_it(tolerance, reached):
    """Of boxes of inputs, and of boxes of nodes; a bound one float further away is not."""

    def quantities(boxes):
        zero = np.zeros((len(boxes.lo), 1))
        return Evaluation(Intervals(zero - 0.5, zero + 0.5), Intervals.of(zero))

    def of_nodes(gap):
        class Scripted(NodeSearch):
            def evaluated(self, nodes, mu, parents):
                self.count += len(mu)
                none = np.zeros((len(mu), 1))
                return NodeBoxes(Intervals(none, none + 1.0), none[:, 0] + 0.5, none[:, :0], none + gap, none + 0.5)

        layers = [NodeFunctions((), LinearStep(np.ones((1, 1)), np.zeros(1)), 0)]
        search = Scripted(layers, lambda points: Intervals.of(np.zeros(1)), absolute(tolerance))
        return search.run(UNIT, 9, np.zeros((1, 1)), None)

    for bounds in (
        range_over(quantities, UNIT, absolute(tolerance), 9),
        range_over(quantities, UNIT, absolute(tolerance), 9, greatest=True),
        of_nodes(1.0),
    ):
        assert bounds.reached == reached
        assert (bounds.boxes == 1) == reached
    whole = of_nodes(-np.inf)  # a box that no float cuts
    assert (whole.reached, whole.boxes) == (reached, 1)


def leaves_around_a_third(box, budget, weights=1.0, p=0):
    """Leaves of a box that weigh so much along each input, wanted where x_p is 1/3 alone, which none of them knows."""
    over = lambda boxes: (boxes[:, p], np.full(boxes.lo.shape, weights))  # noqa: E731
    return cut_into_leaves(over, box, list(box), lambda: (1 / 3, 1 / 3), budget)


@pytest.mark.parametrize("budget", [1, 2, 3, 7, 600])
def test_leaves_are_as_many_as_the_budget_and_no_more(budget):
    """What is written down has a point for each leaf."""
    leaves = leaves_around_a_third(UNIT, budget)
    assert not leaves.reached
    assert leaves.parts == leaves.text.count(".") == budget
    assert leaves.text.count("a") == budget - 1


def test_nodes_are_cut_between_floats_or_not_at_all():
    """Of intervals of a few floats, and of one: a part that is the whole again would be cut without end."""
    rng = np.random.default_rng(0)
    net = rk.kan([2, 2, 1], 3, 3, node_map="none")
    layers = node_functions(interval_network(net, rng.normal(size=net.n_params)), 0, 1.0)
    for floats in (0, 1, 2, 4):
        x = rng.uniform(size=(4, 2))
        box = Intervals(*(np.hstack([x + k * 2.0**-53, 0 * x + far]) for k, far in ((0, -np.inf), (floats, np.inf))))
        with quiet():
            boxes, *_ = bounded_boxes(layers, -1e9, 1e-9, box, np.zeros((4, 2)), np.full(4, np.inf))
        lo, cuts, hi = boxes.nodes.lo, boxes.cuts, boxes.nodes.hi
        assert np.array_equal(boxes.gaps > -np.inf, (lo < cuts) & (cuts < hi))
        assert not np.isfinite(boxes.gaps[:, :2][np.nextafter(lo, hi)[:, :2] >= hi[:, :2]]).any()


@pytest.mark.parametrize("ends", [(-1.0, 0.0), (0.0, 1.0), (-np.inf, 0.0), (0.0, np.inf)])
def test_leaves_that_are_out_at_one_end_alone_are_cut(ends):
    leaves = cut_into_leaves(
        lambda boxes: (Intervals(*(np.full(len(boxes.lo), end) for end in ends)), np.ones_like(boxes.lo)),
        UNIT, [UNIT[0]], lambda: (0.0, 0.0), 4,
    )  # fmt: skip
    assert (leaves.parts, leaves.reached, leaves.low, leaves.high) == (4, False, *ends)


def test_what_lies_within_its_bounds_exactly_is_not_cut():
    one = Intervals.of(np.ones(1))
    leaves = cut_into_leaves(lambda boxes: (one, np.ones_like(boxes.lo)), UNIT, [UNIT[0]], lambda: (1.0, 1.0), 9)
    assert (leaves.text, leaves.parts, leaves.reached) == (".", 1, True)


@pytest.mark.parametrize("weights", [(0.0, 0.0), (0.0, 1.0), (1.0, 2.0), (2.0, 1.0)])
@pytest.mark.parametrize("free", [0, 1])
def test_inputs_at_a_single_value_are_not_cut_whatever_they_weigh(free, weights):
    box = np.array([[0.5, 0.5]] * 2)
    box[free] = 0.0, 1.0
    leaves = leaves_around_a_third(box, 5, weights, free)
    assert (leaves.parts, leaves.text.count("ab"[free]), leaves.text.count("ba"[free])) == (5, 4, 0)


@pytest.mark.parametrize("start", [1.0, 1.0 + 2.0**-52])  # the middle is rounded to the lower end, to the upper one
def test_what_lies_between_two_floats_is_not_cut(start):
    leaves = leaves_around_a_third(np.array([[start, np.nextafter(start, 2.0)]]), 9)
    assert (leaves.parts, leaves.reached) == (1, False)


@pytest.mark.parametrize("point", [0.25, 0.5])
def test_a_node_at_a_single_point_is_no_empty_one(point):
    """x -> x/2 -> x/2: of the box [0, 1] the second node may be 1/4, and 1/2; the output is half of it."""
    half = interval_network(rk.kan([1, 1, 1], 2, 1, node_map="none"), np.array([0.0, 0.5, 0.0, 0.5]))
    box = Intervals(np.array([[0.0, point]]), np.array([[1.0, point]]))
    tables, possible, bounded, _ = tabulated(node_functions(half, 0, 1.0), box)
    assert possible[0]
    assert bounded[0]
    outputs = tables[-1].of_nodes()
    assert outputs.lo.min() <= point / 2 <= outputs.hi.max() <= point / 2 * (1 + 1e-14)


def test_rows_are_cut_into_parts_here_and_into_tasks_elsewhere(monkeypatch):
    executor, rows = Elsewhere(), np.arange(10.0)
    (whole,), parts = (in_tasks(np.copy, (rows,), 10, (10, 4), each) for each in (None, executor))
    assert whole.tolist() == rows.tolist()
    assert [part.tolist() for part in parts] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert executor.tasks == 3
    called = []
    monkeypatch.setattr(float_intervals, "require_rounding_to_nearest", lambda: called.append(True))
    sums = in_tasks(np.sum, (rows,), 10, (10, 4), executor)
    assert sums == [6.0, 22.0, 17.0]
    assert len(called) == 3  # each process, or thread, has a mode of its own


def scripted(widths):
    """Certified eigenvalues around 1 of one relative width after another; None where it is undecided."""
    left = iter(widths)

    def certified(flint, D, G):
        width = next(left)
        if width is None:
            raise UndecidedError
        return [Enclosure(Fraction(1), 1 + Fraction(width))]

    return certified, left


def test_eigenvalues_are_narrowed_until_three_steps_in_a_row_do_not_halve_them(monkeypatch):
    for widths, least, left in (
        ([1.0, 0.375, 0.25, 0.25, 0.0625, 0.0625, 0.0625, 0.0625, 0.0], 0.0625, 1),  # two are few enough
        ([1.0, 0.5, 0.5, 0.5, 0.0], 0.5, 1),  # a half is not less than half
        ([None, 1.0, None, None, None, 0.0], 1.0, 1),
        ([None, None, 0.25, 0.125, 0.0625, 0.0], 0.25, 0),  # a step that halves comes next
    ):
        certified, rest = scripted(widths)
        monkeypatch.setattr(orthogonal_certificates, "certified", certified)
        with precision(256):
            (value,) = orthogonal_certificates.enclosed_eigenvalues(flint, flint.arb_mat([[1]]))
        assert value.relative_width <= least
        assert len(list(rest)) == left


def test_a_diagonal_entry_of_unknown_sign_certifies_nothing():
    for entry in (flint.arb(0), flint.arb(0, 1e-9), flint.arb(1, 2), flint.arb("nan")):
        for D in ([[entry]], [[entry, 0], [0, 1]], [[1, 0], [0, entry]], [[entry, 0], [0, entry]]):
            unit = orthogonal_certificates.unit(flint, len(D))
            with precision(128), pytest.raises(UndecidedError):
                orthogonal_certificates.certified(flint, flint.arb_mat(D), unit)


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.2, 1.3, 2.0])
@pytest.mark.parametrize("coupling", [0.0, 0.3, 0.6, 1.5])
def test_vectors_that_are_far_from_orthonormal_or_from_the_right_ones_certify_nothing(scale, coupling):
    """|V^T V - I| = |scale^2 - 1| sqrt 2 of unit vectors times a scale; two rows couple by a part of their diagonal."""
    with precision(128):
        H = flint.arb_mat([[2, 0], [0, 2]]) + coupling * flint.arb_mat([[0, 2], [2, 0]])
        D, G = orthogonal_certificates.products(H, scale * orthogonal_certificates.unit(flint, 2))
        apart = 2**0.5 * max(abs(scale**2 - 1), coupling)
        if apart >= 0.5:
            with pytest.raises(UndecidedError):
                orthogonal_certificates.certified(flint, D, G)
        else:
            low, high = orthogonal_certificates.certified(flint, D, G)
            assert low.low <= 2 * (1 - coupling) <= low.high
            assert high.low <= 2 * (1 + coupling) <= high.high


def far_out(x):
    """One sample of a network that is silu(x) there, its splines zero: J J^T = silu(x)^2."""
    net = rk.kan([1, 1], 2, 1, edge="silu", domain=(-1.0, 1.0), outside="natural")
    return rk.LeastSquares(net, [[x]], [[0.0]]), [0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("which", ["ntk", "gauss-newton"])
def test_eigenvalues_far_below_all_floats_are_exact_and_those_that_fill_the_memory_refused(which):
    (value,) = rk.exact.certified_spectrum(*far_out(-1e5), which=which).values
    with precision(256):
        square = (flint.arb(-1e5) / (1 + flint.arb(1e5).exp())) ** 2
        low, high = (flint.arb(flint.fmpq(end.numerator, end.denominator)) for end in (value.low, value.high))
        assert low < square < high < low * (1 + 1e-9)
    assert value.floats() == (0.0, 5e-324)
    for x in (-1e8, -1e20, -1e154):
        refused(
            lambda x=x: rk.exact.certified_spectrum(*far_out(x), which=which),
            r"ConvergenceError: a number is smaller than 2\^-16777216, .*: take units",
        )


def test_minors_of_all_sizes_are_sought_at_the_last_precision(monkeypatch):
    """Nine rows of ten are independent, of which eight bits show none and twelve bits five."""
    rng = np.random.default_rng(3)
    x = rng.uniform(size=(10, 2))
    net, theta = rk.kan([2, 2, 1], 3, [2, 3], node_map="mean-std").initialize(rng, x)
    problem = rk.LeastSquares(net, x[[*range(9), 0]], x[[*range(9), 0], :1])
    monkeypatch.setattr(ranks, "BITS", (8, 12, 128))
    bounds = rk.exact.certified_rank(problem, theta)
    assert (bounds.low, bounds.high) == (9, 10)


@pytest.mark.parametrize(("order", "difference"), [(1, np.inf), (2, 0.0)])
def test_kinks_do_not_keep_domains_with_different_ends_from_being_compared(order, difference):
    """One function of [0, 1] and of [0, 2]: a step, of which the end of a domain is no piece, or a ramp."""
    nets = [rk.kan([1, 1], order, 2 * end, domain=(0.0, end), outside="linear") for end in (1, 2)]
    left, right = (interval_network(net, np.arange(net.n_params) > 0) for net in nets)
    assert layerwise_difference(left, right, np.array([[-1.0, 3.0]])) == difference


@pytest.mark.parametrize("bits", [8, 53, 200])
def test_norms_are_bounded_from_above(bits):
    """Of (1, 1), and of a ball of radius 1/2 around 1: the square roots of 2 and of 9/4."""
    with precision(bits) as module:
        norm = orthogonal_certificates.greatest_norm(module, [module.arb(1), module.arb(1)])
        assert norm.is_exact()
        assert Enclosure.between(norm, norm).low ** 2 >= 2
        assert orthogonal_certificates.greatest_norm(module, [module.arb(1, 0.5)]) >= 1.5


@pytest.mark.parametrize("entry", [-1.0, 0.0])
@pytest.mark.parametrize("end", ["smallest", "largest"])
def test_quotients_bound_eigenvalues_for_positive_vectors_alone(entry, end, monkeypatch):
    """Inverse iteration that rounds its way to another one decides nothing."""
    sign = -1 if end == "largest" else 1
    monkeypatch.setattr(perron, "NARROW", np.inf)
    monkeypatch.setattr(perron, "solve_dense", lambda M, shift, z: [flint.arb(sign), flint.arb(sign * entry)])
    with pytest.raises(UndecidedError):
        perron.extreme_eigenvalue(flint, flint.fmpq_mat([[2, 1], [1, 3]]), 1, end, False)


def test_what_nodes_attain_is_told_from_the_least_to_the_greatest():
    identity = node_functions(interval_network(rk.kan([1, 1], 2, 1), np.array([0.0, 1.0])), 0, 1.0)
    search = NodeSearch(identity, lambda points: Intervals.of(points[:, 0]), absolute(1e-6))
    bounds = search.run(UNIT, 100, np.array([[0.25], [0.75]]), None)
    assert 0 <= bounds.inner.lo[0] <= 0.25
    assert 1 - 1e-6 <= bounds.inner.hi[0] <= 1 <= bounds.outer.hi[0] <= 1 + 2e-6


def test_functions_range_over_the_cells_that_are_kept():
    """Values 0, 1, 5, 2 at four cuts; of no cell at all nothing is known."""
    cuts, values = np.arange(4.0)[None, None], np.array([[[[0.0, 1.0, 5.0, 2.0]]]])
    none = np.zeros((1, 1, 1, 3))
    for kept, low, high in (([1, 1, 1], 0, 5), ([1, 0, 0], 0, 1), ([0, 0, 1], 2, 5), ([0, 0, 0], -np.inf, np.inf)):
        table = NodeTable(cuts, values, none, none, np.array([[kept]], dtype=bool))
        ends = table.of_nodes()
        assert (float(ends.lo[0, 0, 0]), float(ends.hi[0, 0, 0])) == pytest.approx((low, high), rel=1e-15, abs=1e-300)


@pytest.mark.parametrize("far", [1e300, 1.5e308, np.inf])
def test_nodes_wider_than_all_floats_are_not_tabulated(far):
    identity = node_functions(interval_network(rk.kan([1, 1], 2, 1), np.array([0.0, 1.0])), 0, 1.0)
    _, possible, bounded, _ = tabulated(identity, Intervals(np.array([[-far]]), np.array([[far]])))
    assert (bool(possible[0]), bool(bounded[0])) == (True, far == 1e300)


@pytest.mark.parametrize("far", [1.0, 100.0])
def test_cells_whose_values_overflow_say_nothing(far):
    """Of 1e307 x, finite at the end of [0, 1] and not at 100."""
    steep = node_functions(interval_network(rk.kan([1, 1], 2, 1), np.array([0.0, 1e307])), 0, 1.0)
    table = tabulated(steep, Intervals(np.zeros((1, 1)), np.full((1, 1), far)))[0][-1]
    cells = table.of_cells()
    assert np.isfinite(table.values).all()
    for x in np.linspace(0.0, far, 41):
        k = min(int(np.searchsorted(table.cuts[0, 0], x, "right")) - 1, cells.lo.shape[-1] - 1)
        assert cells.lo[0, 0, 0, k] <= Fraction(x) * 10**307 * (1 + Fraction(1, 10**9))
        assert Fraction(x) * 10**307 * (1 - Fraction(1, 10**9)) <= cells.hi[0, 0, 0, k]


def test_numbers_beside_infinite_ones_stay_what_they_are():
    made = Intervals.of(np.array([1.0, np.inf, -np.inf, np.nan]))
    assert (made.lo[0], made.hi[0]) == (1.0, 1.0)
    assert (made.lo[1:].tolist(), made.hi[1:].tolist()) == ([MAX, -np.inf, -np.inf], [np.inf, -MAX, np.inf])
