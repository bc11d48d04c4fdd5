"""Where searches stop: at the tolerance and the budget exactly, between neighbouring floats, after steps of no gain."""

from fractions import Fraction

import flint
import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.certificates.leaves import cut_into_leaves
from refkan.analysis.exact.enclosures.float_intervals import Intervals, quiet
from refkan.analysis.exact.enclosures.network_intervals import LinearStep, interval_network
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.enclosures.subdivision import Evaluation, absolute, range_over
from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.nodes.extremes_over_boxes import layerwise_difference
from refkan.analysis.exact.nodes.node_subdivision import NodeBoxes, NodeSearch, bounded_boxes
from refkan.analysis.exact.nodes.node_tables import NodeFunctions, node_functions
from refkan.analysis.exact.ranks import ranks
from refkan.analysis.exact.spectra import orthogonal_certificates
from refkan.truth import UndecidedError
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


@pytest.mark.parametrize("budget", [1, 2, 3, 7, 600])
def test_leaves_are_as_many_as_the_budget_and_no_more(budget):
    """x is nowhere known to be 1/3 alone; what is written down has a point for each leaf."""
    third = 1 / 3, 1 / 3
    leaves = cut_into_leaves(
        lambda boxes: (boxes[:, 0], np.ones_like(boxes.lo)), UNIT, [UNIT[0]], lambda: third, budget
    )
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
        assert np.array_equal(np.isfinite(boxes.gaps), (lo < cuts) & (cuts < hi))
        assert not np.isfinite(boxes.gaps[:, :2][np.nextafter(lo, hi)[:, :2] >= hi[:, :2]]).any()


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


@pytest.mark.parametrize("extra", [{"theta": [1.0]}, {"basis": "relu"}, {"seconds": 1.0}])
def test_what_belongs_to_a_problem_is_refused_for_a_space(extra):
    space = rk.SplineSpace.uniform(2, 3)
    refused(lambda: rk.exact.certified_condition_number(space, **extra), f"^{next(iter(extra))} must be left out for a")
