"""Functions of single nodes in cells, and the bounds that Lagrange multipliers make of them, against exact numbers."""

import flint
import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.enclosures.float_intervals import EPS, Intervals, concatenated
from refkan.analysis.exact.enclosures.network_intervals import LinearStep, interval_network
from refkan.analysis.exact.enclosures.subdivision import absolute
from refkan.analysis.exact.nodes import node_tables
from refkan.analysis.exact.nodes.multipliers import SmoothedBound, lagrangian_bound
from refkan.analysis.exact.nodes.node_subdivision import NodeBoxes, NodeSearch, bounded_boxes
from refkan.analysis.exact.nodes.node_tables import NodeFunctions, NodeTable, contracted, node_functions, tabulated
from tests.analysis.exact.oracles import draws
from tests.analysis.exact.oracles.attacks import BITS, Points, exact_number, fixed, jumps
from tests.analysis.exact.test_search_directions import nodes
from tests.shared.refusals import refused

pytestmark = pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value", "ignore:.*jump")

KINDS = {
    "splines": draws.POLYNOMIALS,
    "silu": ("silu", "spline"),
    "dense": ("dense", "spline"),
    "free": ("free", "spline"),
}


def drawn(kind, seed, wild=True):
    """A continuous network of one output, its layers of single nodes, and a box."""
    rng = np.random.default_rng([31, seed, *map(ord, kind)])
    while True:
        widths = [int(rng.integers(1, 4)) for _ in range(rng.integers(1, 4))] + [1]
        maps = ("none", "affine", "sigmoid", "mean-std", "min-max")
        net, theta = draws.network(rng, widths, maps, kinds=KINDS[kind], tame=not wild or rng.uniform() < 0.5)
        at_theta = fixed(net, theta)
        if at_theta is not None and not jumps(net):
            break
    return rng, net, theta, at_theta


def nodes_at(layers, x):
    """All nodes for inputs (N, P), in floats: those of points, narrow intervals."""
    rows, t = [x], Intervals.of(x)
    for layer in layers[:-1]:
        t = layer.enclose(t, 0)[0].value.sum(2)
        rows.append(t.middle)
    return np.concatenate(rows, axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_lagrangian_bounds_hold_for_all_multipliers(kind, monkeypatch):
    """Whatever they are, and few cells or many: F at points of the box, to 50 digits, is not above the bound."""
    false, count = [], 0
    for seed in draws.cases(12):
        rng, net, theta, at_theta = drawn(kind, seed)
        monkeypatch.setattr(node_tables, "CELLS", int(rng.choice([1, 2, 7, 32])))
        steps = interval_network(net, theta)
        sign = int(rng.choice([-1, 1]))
        layers = node_functions(steps, 0, float(sign))
        box = draws.box(rng, net)
        points = draws.points(rng, net, box, 4)
        hidden = sum(layer.n_nodes for layer in layers[1:])
        boxes = Intervals(
            *(
                np.concatenate([end, np.full(hidden, fill)])[None]
                for end, fill in zip(box.T, (-np.inf, np.inf), strict=True)
            )
        )
        tables, possible, bounded, smooth = tabulated(layers, boxes)
        assert possible[0]
        assert smooth
        if not bounded[0]:
            continue
        with flint.ctx.workprec(BITS):
            exact = [sign * Points(*at_theta)(x)[0].v for x in points]
            for scale in (0.0, 1e-3, 1.0, 1e3):
                mu = scale * rng.standard_normal((1, hidden))
                bound = float(lagrangian_bound(tables, mu)[0][0])
                count += len(exact)
                assert bound > -np.inf, seed
                if bound < np.inf:
                    false += [(seed, scale, bound, value) for value in exact if exact_number(bound) < value]
            if any(abs(value) > 2**1000 for value in exact):  # no float
                continue
            values = [float(value) for value in exact]
        if np.isfinite(max(values)):  # the highest point is never dropped
            kept, above = contracted(tables, np.array([np.nextafter(max(values), -np.inf)]))
            assert above[0], seed
            highest = points[int(np.argmax(values))]
            at = nodes_at(layers, np.array([[float(t) for t in highest]]))[0]
            ends = np.concatenate([[table.ends().lo[0], table.ends().hi[0]] for table in kept], axis=1)
            slack = 1e-9 * (np.abs(ends).max(axis=0) + 1e-300)
            assert np.all((ends[0] - slack <= at) & (at <= ends[1] + slack)), seed
    assert count > 100
    assert not false, f"{len(false)} of {count}: {false[:3]}"


@pytest.mark.parametrize("order", [2, 3, 4, 6])
def test_cells_hold_their_functions_and_errors_fall_with_the_cells(order, monkeypatch):
    """Chord, parabola and error on every cell; quadratic with kinks, of third order where f'' has slopes."""
    rng, errors = np.random.default_rng(order), []
    net, theta = rk.kan([2, 2], order, 4, edge="silu").initialize(rng, rng.uniform(size=(30, 2)))
    (layer,) = node_functions(interval_network(net, theta), 1, -1.0)
    for cells in (16, 64):
        monkeypatch.setattr(node_tables, "CELLS", cells)
        table, smooth = node_tables.node_table(layer, Intervals(np.array([[0.05, -0.5]]), np.array([[0.95, 1.5]])))
        assert smooth
        share = np.linspace(0.0, 1.0, 9)
        for k in range(cells):
            left, right = table.cuts[0, :, k], table.cuts[0, :, k + 1]
            t = left[:, None] + (right - left)[:, None] * share
            exact = layer.enclose(Intervals.of(t.T), 0)[0].value.middle[:, 0].T  # (P, n)
            chord = table.values[0, :, 0, k, None] * (1 - share) + table.values[0, :, 0, k + 1, None] * share
            about = chord + 4 * table.heights[0, :, 0, k, None] * share * (1 - share)
            room = table.errors[0, :, 0, k, None] + 1e-14
            assert np.all(np.abs(exact - about) <= room)
            hull = table.of_cells()
            assert np.all(hull.lo[0, :, 0, k, None] <= exact + 1e-14)
            assert np.all(hull.hi[0, :, 0, k, None] >= exact - 1e-14)
        errors.append(np.median(table.errors))
    assert errors[1] < errors[0] / (8 if order == 2 else 12)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_cells_hold_what_rises_or_falls_inside_them(sign, monkeypatch):
    """A hat in the middle of a cell, so steep that slopes say less than the range does."""
    monkeypatch.setattr(node_tables, "CELLS", 1)
    net = rk.kan([1, 1], 2, 10)
    (layer,) = node_functions(interval_network(net, np.eye(11)[5]), 0, sign)
    table, smooth = node_tables.node_table(layer, Intervals(np.array([[0.0]]), np.array([[1.0]])))
    assert smooth
    cells = table.of_cells()
    assert cells.lo.item() <= min(sign, 0.0) <= max(sign, 0.0) <= cells.hi.item()
    assert 1.0 <= table.errors.item() <= 1.0 + 1e-12


def test_newton_has_the_derivatives_of_the_smoothed_bound():
    rng = np.random.default_rng(5)
    net, theta = rk.kan([3, 2, 2, 1], 4, 3, edge="silu").initialize(rng, rng.uniform(size=(40, 3)))
    layers = node_functions(interval_network(net, theta), 0, 1.0)
    start = np.concatenate([np.zeros(3), np.full(4, -np.inf)]), np.concatenate([np.ones(3), np.full(4, np.inf)])
    tables, *_ = tabulated(layers, Intervals(*(np.repeat(end[None], 2, axis=0) for end in start)))
    bound, nu, tau = SmoothedBound(tables), rng.standard_normal((2, 4)), np.array([0.05, 0.2])
    state, step = bound.at(nu, tau), 1e-5
    for k in range(4):
        moved = [bound.at(nu + sign * step * np.eye(4)[k], tau) for sign in (1, -1)]
        assert state.slope[:, k] == pytest.approx((moved[0].value - moved[1].value) / (2 * step), rel=1e-6, abs=1e-8)
        expected = (moved[0].slope - moved[1].slope) / (2 * step)
        assert state.curvature[:, k] == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert np.all(np.linalg.eigvalsh(state.curvature) > -1e-12)
    sharp = bound.at(nu, np.full(2, 1e-9)).value
    mu = nu / bound.widths
    assert np.all(sharp <= lagrangian_bound(tables, mu)[0] + 1e-6)
    better, _ = bound.minimized(mu, -1e9, np.full(2, 0.1), 0.1)
    assert np.all(lagrangian_bound(tables, better)[0] < lagrangian_bound(tables, mu)[0])


def table(cuts, values, kept=None):
    """Functions of one node into one, straight in each cell."""
    return nodes([cuts], [[values]], True if kept is None else [kept])


def test_lagrangian_bounds_exceed_the_exact_ones_by_the_rounding_that_is_stated():
    """8 Q + 32 roundings of each of the sizes that make the sum, here over whole numbers."""
    tables = [table([0, 1, 2], [0, 1, 2], kept=[False, True]), table([0, 2**20, 2**21], [3, 1, 2])]
    bound, added = lagrangian_bound(tables, np.array([[5.0]]))
    rounding = 40 * EPS * (5 * 2 + 3 + 5 * 2**21)
    assert bound[0] - (5 * 2 + 3) == pytest.approx(rounding, rel=1e-6)
    assert np.array_equal(added, [[0.0, 0.0]])
    assert lagrangian_bound(tables, np.array([[0.0]]))[0][0] == pytest.approx(3 + 40 * EPS * 3, rel=1e-16)
    zero = np.zeros((1, 1, 3, 1))
    wide = NodeTable(np.array([[[0.0, 1.0]]]), np.full((1, 1, 3, 2), 2.0**30), zero, zero, np.ones((1, 1, 1), bool))
    after = NodeTable(*(np.repeat(part, 3, axis=1) for part in vars(table([0, 1], [0, 0])).values()))
    bound, _ = lagrangian_bound([wide, after], np.ones((1, 3)))
    summed = 4 * EPS * 3 * 2**30  # of four nodes
    assert bound[0] - 3 * 2**30 == pytest.approx((8 * 3 + 32) * EPS * 3 * 2**30 + summed, rel=0.03)


def test_contraction_keeps_every_point_that_reaches_the_least_output_and_nothing_above_all():
    """Over whole numbers, with large ones that cancel: room that is short by a rounding would lose a point."""
    rng = np.random.default_rng(0)
    for P, Q, K in rng.integers(1, 4, (150, 3)).tolist():
        first, at = rng.integers(-3, 4, (P, Q, K + 1)), rng.integers(0, K + 1, P)
        if P > 1:
            first[0] += 2**40
            first[1] -= 2**40
        z = first[np.arange(P), :, at].sum(axis=0)
        place = rng.integers(0, K + 1, Q)  # z is the cut of this number
        second = rng.integers(-3, 4, (Q, 1, K + 1)) + 2**41 * (np.arange(Q) - (Q - 1) // 2)[:, None, None]
        tables = [
            NodeTable(*made, *np.zeros((2, 1, *values.shape[:2], K)), np.ones((1, len(values), K), bool))
            for values, cuts in (
                (first, np.tile(np.arange(K + 1), (P, 1))), (second, z[:, None] + np.arange(K + 1) - place[:, None]),
            )
            for made in [(cuts[None].astype(float), values[None].astype(float))]
        ]  # fmt: skip
        output = second[np.arange(Q), 0, place].sum()
        kept, possible = contracted(tables, np.array([float(output)]))
        assert possible[0]
        for each, cut in zip(kept, (at, place), strict=True):
            for node, k in enumerate(cut):
                assert each.kept[0, node, max(k - 1, 0) : k + 1].all()
        assert not contracted(tables, np.array([float(second.max(axis=2).sum()) + 1.0]))[1][0]


def test_nodes_end_with_the_cells_that_are_kept():
    for kept, expected in (
        ([False, True, True, False], (1, 3)), ([True, False, False, False], (0, 1)), ([False] * 4, (0, 4)),
    ):  # fmt: skip
        ends = table(range(5), range(5), kept).ends()
        assert (ends.lo[0, 0], ends.hi[0, 0]) == expected


def test_a_box_that_cannot_be_cut_is_never_within_the_tolerance():
    """Of two boxes one has no float inside; the parts of the other have no gap."""

    class Scripted(NodeSearch):
        steps = iter([([2.0, 2.0], [-np.inf, 1.0]), ([0.0, 0.0], [1.0, 1.0])])

        def evaluated(self, nodes, mu, parents):
            bounds, gaps = map(np.array, next(self.steps))
            none = np.zeros((2, 1))
            return NodeBoxes(Intervals(none, none + 1.0), bounds, none[:, :0], gaps[:, None], none + 0.5)

    layers = [NodeFunctions((), LinearStep(np.ones((1, 1)), np.zeros(1)), 0)]
    search = Scripted(layers, lambda points: Intervals.of(np.zeros(1)), absolute(0.1))
    bounds = search.run(np.array([[0.0, 1.0]]), 10, np.zeros((1, 1)), None)
    assert (float(bounds.outer.hi[0]), bounds.reached) == (2.0, False)


def test_a_bound_below_a_value_that_is_attained_is_a_fault():
    class Scripted(NodeSearch):
        def evaluated(self, nodes, mu, parents):
            self.high = 1.0
            none = np.zeros((1, 1))
            return NodeBoxes(Intervals(none, none + 1.0), np.array([0.5]), none[:, :0], none, none + 0.5)

    search = Scripted([NodeFunctions((), LinearStep(np.ones((1, 1)), np.zeros(1)), 0)], None, absolute(0.1))
    search.see = lambda points: setattr(search, "low", 0.0)
    disjoint = "ArithmeticError: two enclosures of the same number are disjoint"
    refused(lambda: search.run(np.array([[0.0, 1.0]]), 10, np.zeros((1, 1)), None), disjoint)


def test_points_that_are_given_count():
    """A greatest value at a point that no box of a small budget comes near."""
    rng = np.random.default_rng(3)
    net, theta = rk.kan([2, 2, 1], 4, 4).initialize(rng, rng.uniform(size=(40, 2)))
    steps, box = interval_network(net, theta), np.array([[0.0, 1.0]] * 2)
    x = rng.uniform(size=(4000, 2))
    at = np.argmax(net(theta, x))
    search = NodeSearch(node_functions(steps, 0, 1.0), lambda points: steps.at(points)[:, 0], absolute(1e-9))
    bounds = search.run(box, 1, x[at : at + 1], None)
    assert bounds.boxes == 1
    assert bounds.inner.hi[0] >= net(theta, x)[at, 0] - 1e-12
    assert bounds.inner.lo[0] <= bounds.inner.hi[0]


def network(widths, order, intervals, seed, **options):
    rng = np.random.default_rng(seed)
    net, theta = rk.kan(widths, order, intervals, **options).initialize(rng, rng.uniform(size=(60, widths[0])))
    return rng, net, theta + 0.3 * rng.standard_normal(theta.size)


@pytest.mark.parametrize(
    ("widths", "order", "intervals", "seed", "most"),
    [([2, 3, 1], 4, 3, 0, 34), ([2, 2, 2, 1], 3, 4, 2, 18), ([6, 2, 1], 3, 2, 5, 8), ([3, 3, 1], 2, 5, 8, 22)],
)
def test_many_inputs_and_deep_networks_take_few_boxes(widths, order, intervals, seed, most):
    """Extremes to 1e-4 of the range: halving boxes of inputs takes thousands; worse multipliers or cuts take more."""
    rng, net, theta = network(widths, order, intervals, seed)
    proven = rk.exact.extrema(net, theta, [[0.0, 1.0]] * widths[0], tolerance=1e-4, budget=2 * most)
    y = net(theta, rng.uniform(size=(5000, widths[0])))
    minima, maxima = proven
    assert proven.reached
    assert proven.boxes <= most
    assert minima[0, 0] <= y.min()
    assert maxima[0, 1] >= y.max()


def test_parts_of_a_box_have_its_own_bound(monkeypatch):
    """Where a greatest value is looked for, no part starts with the bound of another box."""
    known, evaluated = [], NodeSearch.evaluated

    def noted(search, nodes, mu, parents):
        for lo, hi, bound in zip(nodes.lo, nodes.hi, parents, strict=True):
            within = [each for low, high, each in known if np.all(low <= lo) and np.all(hi <= high)]
            assert bound in within or not known
        made = evaluated(search, nodes, mu, parents)
        known.extend(zip(made.nodes.lo, made.nodes.hi, made.bound, strict=True))
        return made

    monkeypatch.setattr(NodeSearch, "evaluated", noted)
    rng, net, theta = network([2, 3, 1], 4, 3, 0)
    steps, x = interval_network(net, theta), rng.uniform(size=(5, 2))
    search = NodeSearch(node_functions(steps, 0, 1.0), lambda points: steps.at(points)[:, 0], absolute(1e-6))
    assert search.run(np.array([[0.0, 1.0]] * 2), 40, x, None).boxes > 10
    assert len({bound for *_, bound in known}) > 5


def in_box(layers, box):
    """All nodes, of which those of the inputs lie in a box (P, 2)."""
    hidden = np.full(sum(layer.n_nodes for layer in layers[1:]), np.inf)
    return Intervals(*(np.concatenate([end, sign * hidden])[None] for end, sign in zip(box.T, (-1, 1), strict=True)))


def test_multipliers_of_secants_are_the_best_of_linear_networks():
    _, net, theta = network([2, 2, 2, 1], 2, 1, 1, node_map="none")
    layers, corners = node_functions(interval_network(net, theta), 0, 1.0), [[a, b] for a in (0, 1) for b in (0, 1)]
    tables, *_ = tabulated(layers, in_box(layers, np.array([[0.0, 1.0]] * 2)))
    bound, _ = lagrangian_bound(tables, SmoothedBound(tables).by_secants())
    greatest = net(theta, np.array(corners, float)).max()
    assert greatest <= bound[0] <= greatest + 1e-12


@pytest.mark.parametrize("high", [-1e9, 0.2])
def test_boxes_are_bounded_each_for_itself(high):
    """Beside others that are small, overflow, hold nothing, or have multipliers that do."""
    rng, net, theta = network([2, 3, 1], 4, 3, 0, edge="silu")
    layers = node_functions(interval_network(net, theta), 0, 1.0)
    boxes = [np.sort(rng.uniform(size=(2, 2)), axis=1) for _ in range(5)] + [np.array([[-1e308, 1e308]] * 2)]
    rows = [in_box(layers, box) for box in boxes]
    rows[1].lo[0, 2:], rows[1].hi[0, 2:] = 0.1, 0.2
    mu, parents = rng.standard_normal((6, 3)), np.array([np.inf, np.inf, 0.5, np.inf, np.inf, np.inf])
    mu[3] = 1e308
    whole, points, _ = bounded_boxes(layers, high, 1e-3, concatenated(rows), mu, parents)
    alone = [
        bounded_boxes(layers, high, 1e-3, *given) for given in zip(rows, mu[:, None], parents[:, None], strict=True)
    ]
    each = NodeBoxes.joined([boxes for boxes, *_ in alone])
    assert np.array_equal(points, np.concatenate([at for _, at, _ in alone]))
    for name in ("bound", "mu", "cuts", "gaps"):
        np.testing.assert_allclose(getattr(whole, name), getattr(each, name), rtol=1e-12, atol=1e-12)


def test_nodes_keep_their_intervals_where_tables_say_nothing():
    """Half of the box overflows in the hidden node; the other half holds the points below."""
    layers = (
        rk.SiluLayer(rk.SplineLayer((rk.SplineSpace.uniform(4, 3, (-1, 1)),) * 2, 1)),
        rk.SplineLayer((rk.SplineSpace.uniform(3, 1, (-1, 1)),), 1),
    )
    net = rk.Network(layers, (rk.networks.node_maps.NODE_MAPS["none"],))
    first = [-1, 0.75, 0.5, 0.75, 0, 0.75, -0.5, 0, 0.75, -0.75, -0.5, -0.75, 0, 1, 0, -0.25]
    theta, rng = np.array([*first, -0.25, 1, -0.75]), np.random.default_rng(1)
    minima, maxima = rk.exact.extrema(net, theta, [[-2e200, 2e200], [0.1, 3.0]], tolerance=1e-2, budget=60)
    values = net(theta, rng.uniform([-4.0, 0.1], [4.0, 3.0], (200, 2)))
    assert minima[0, 0] <= values.min()
    assert values.max() <= maxima[0, 1]
