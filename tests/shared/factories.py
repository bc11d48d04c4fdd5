"""What laws are tested over: spline spaces of every kind of knots, points, networks, and exact values."""

import warnings
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

import numpy as np

import refkan as rk
from refkan import truth
from refkan.base.errors import OutsideDomainWarning
from refkan.splines.sums.channels import VALUES
from refkan.truth.bases.outside import interval
from refkan.truth.bases.relu_powers import truncated_powers

EPS = float(np.finfo(np.float64).eps)
STRICT = ("uniform", "random", "graded", "offset")
KINDS = (*STRICT, "clamped", "repeated")
ORDERS = tuple(range(1, 11))
POLICIES = ("linear", "polynomial", "natural")


@cache
def space(kind: str, order: int, intervals: int = 4) -> rk.SplineSpace:
    """Return a spline space with knots of the given kind."""
    rng = np.random.default_rng([order, intervals])
    size = intervals + 2 * order - 1
    if kind == "uniform":
        return rk.SplineSpace.uniform(order, intervals, (-1.0, 2.0))
    if kind == "random":
        return rk.SplineSpace(-0.7 + np.cumsum(rng.uniform(0.1, 1.9, size)), order)
    if kind == "graded":  # neighbouring gaps differ by a factor of three
        return rk.SplineSpace(np.cumsum(3.0 ** -np.arange(size)), order)
    if kind == "offset":  # the differences of knots have far fewer digits than the knots
        return rk.SplineSpace(1e4 + np.cumsum(rng.uniform(0.1, 1.9, size)), order)
    breakpoints = np.concatenate([[0.0], np.cumsum(rng.uniform(0.1, 1.9, intervals))])
    if kind == "repeated":  # one interior breakpoint with the highest multiplicity that leaves four intervals
        breakpoints = np.insert(breakpoints, 2, np.full(min(order - 1, 2), breakpoints[2]))
    return rk.SplineSpace.clamped(order, breakpoints)


def points(space: rk.SplineSpace, per_interval: int = 2, neighbours: bool = True) -> np.ndarray:
    """Return breakpoints, their floating-point neighbours on the domain, and points between."""
    a, b = space.domain
    t = np.unique(space.breakpoints)
    fractions = (np.arange(per_interval) + 0.29) / per_interval
    between = (t[:-1, None] + np.diff(t)[:, None] * fractions).ravel()
    near = np.concatenate([np.nextafter(t, np.inf), np.nextafter(t, -np.inf)]) if neighbours else t[:0]
    x = np.concatenate([t, between, near])
    return x[(x >= a) & (x <= b)]


def points_outside(space: rk.SplineSpace) -> np.ndarray:
    """Return points just outside, on exterior knots, between them and beyond them all."""
    a, b = space.domain
    t = space.knots
    length = b - a
    near = [np.nextafter(a, -np.inf), np.nextafter(b, np.inf), a - 0.13 * length, b + 0.17 * length]
    return np.array([*near, t[0] - length, t[-1] + length, *t[t < a], *t[t > b]])


def exact(values) -> list[Fraction]:
    """Return the rational numbers that floats are."""
    return [Fraction(float(v)) for v in values]


@cache
def exact_knots(space: rk.SplineSpace) -> tuple[Fraction, ...]:
    """Return the knots of a space as the rational numbers that they are."""
    return tuple(exact(space.knots))


@cache  # both engines and several laws are compared with the same exact values
def exact_bsplines(
    space: rk.SplineSpace, x: float, derivative: int = 0, outside: str = "error"
) -> tuple[Fraction, ...]:
    """Return all B-splines, or derivatives, at x exactly."""
    t, at = exact_knots(space), Fraction(float(x))
    row = truth.bsplines(t, space.order, at, derivative, outside)
    return tuple(row.get(i, Fraction(0)) for i in range(space.dim))


@cache
def exact_powers(
    space: rk.SplineSpace, x: float, derivative: int = 0, outside: str = "error", scaled: bool = False
) -> tuple[Fraction, ...]:
    """Return all ReLU powers, or derivatives, at x exactly; h is the float that the library divides by."""
    t, at = exact_knots(space), Fraction(float(x))
    h = Fraction(space.mean_spacing) if scaled else Fraction(1)
    row = truncated_powers(t, space.order, at, derivative, h, outside)
    return tuple(row.get(i, Fraction(0)) for i in range(space.dim))


def errors(computed, exact_values) -> np.ndarray:
    """Return |computed - exact|, the difference taken in rational arithmetic."""
    pairs = zip(np.asarray(computed, dtype=float).ravel(), exact_values, strict=True)
    return np.array([abs(float(Fraction(float(c)) - e)) for c, e in pairs])


@cache
def contributions(space: rk.SplineSpace, x: float, derivative: int = 0, outside: str = "error") -> np.ndarray:
    """Return for each B-spline the sum of the absolute values of all terms of its recursion at x.

    On the domain it is the value itself for derivative 0, since no term is negative there.
    """
    t, r = space.knots, space.order
    a, b = space.domain
    m = interval(exact_knots(space), r, Fraction(float(x)), outside)

    def ratio(numerator, denominator):
        return 0.0 if denominator == 0 else abs(numerator) / denominator

    def piece(at, k):
        @cache
        def value(order, i, k):
            if order == 1:
                return float(i == m and k == 0)
            left, right = t[i + order - 1] - t[i], t[i + order] - t[i + 1]
            if k == 0:
                rise, fall = ratio(at - t[i], left), ratio(t[i + order] - at, right)
                return rise * value(order - 1, i, 0) + fall * value(order - 1, i + 1, 0)
            down = value(order - 1, i, k - 1), value(order - 1, i + 1, k - 1)
            return (order - 1) * (ratio(down[0], left) + ratio(down[1], right))

        return np.array([value(r, i, k) for i in range(space.dim)])

    if outside == "linear" and not a <= x <= b:
        end = a if x < a else b
        if derivative > 1:
            return np.zeros(space.dim)
        slope = piece(end, 1)
        return slope if derivative else piece(end, 0) + abs(x - end) * slope
    return piece(x, derivative)


def complex_gradient(value, theta: np.ndarray, step: float = 1e-30) -> np.ndarray:
    """Return the gradient of a real-valued function by complex steps, exact up to rounding."""
    g = np.empty(theta.shape)
    for index in np.ndindex(theta.shape):
        moved = theta.astype(complex)
        moved[index] += 1j * step
        g[index] = value(moved).imag / step
    return g


def complex_slopes(value, net, theta: np.ndarray, count: int = 4, step: float = 1e-30):
    """Return directions V and the derivatives of `value` along them by complex steps.

    Directions are those of a few parameters of each block, drawn at random, and one that moves all parameters: a wrong
    block is wrong in either, at a third of the evaluations that `complex_gradient` takes for a small network.
    """
    rng, numbers = np.random.default_rng(net.n_params), net.unpack(np.arange(net.n_params, dtype=float))
    blocks = [block.ravel().astype(int) for layer in numbers for block in layer.values()]
    some = np.concatenate([rng.permutation(block)[:count] for block in blocks])
    V = np.vstack([np.eye(theta.size)[some], rng.standard_normal(theta.size)])
    return V, np.stack([value(theta + 1j * step * v).imag / step for v in V])


@dataclass(frozen=True)
class NetworkCase:
    """One way to build a small network; `outside` and `free_knots` as for `rk.kan`."""

    kind: str
    node_map: str = "affine"
    outside: str = "linear"
    free_knots: bool = False
    widths: tuple[int, ...] = (2, 3, 2)
    order: int = 3
    intervals: tuple[int, ...] = (3, 2)

    def __str__(self) -> str:
        return "-".join([self.kind, self.node_map, self.outside, *["free"] * self.free_knots])

    @property
    def couples_samples(self) -> bool:
        """Whether a node map takes statistics of a batch."""
        return self.node_map in ("mean-std", "min-max")

    def build(self) -> rk.Network:
        """Build the network, node maps not yet bound."""
        if self.kind in ("mlp-relu", "mlp-relu3", "mlp-tanh"):
            return rk.mlp(list(self.widths), self.kind.removeprefix("mlp-"))
        if self.kind == "chebyshev":  # of as many functions as splines of this order on one interval
            options = {"node_map": self.node_map, "outside": self.outside}
            return rk.chebyshev_kan(list(self.widths), max(self.order - 1, 1), **options)
        return rk.kan(
            list(self.widths),
            self.order,
            list(self.intervals),
            basis=self.kind if "relu" in self.kind else "spline",
            edge="silu" if self.kind == "silu" else "spline",
            node_map=self.node_map,
            outside=self.outside,
            free_knots=self.free_knots,
        )

    def start(self, x, seed: int = 7, statistics=None, noise: float = 0.05):
        """Return the network bound to x, and parameters some way off the starting ones."""
        rng = np.random.default_rng(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OutsideDomainWarning)  # laws hold outside the domain as well
            net, theta = self.build().initialize(rng, x, statistics=statistics)
        return net, theta + noise * np.abs(theta).mean() * rng.standard_normal(theta.size)


EDGE_KINDS = ("spline", "relu", "scaled-relu", "silu")
MLP_KINDS = ("mlp-relu", "mlp-relu3", "mlp-tanh")
NODE_MAPS = ("affine", "mean-std", "min-max", "sigmoid", "none")

EVERY_NETWORK = tuple(
    NetworkCase(kind, node_map, outside, free)
    for kind in EDGE_KINDS
    for node_map in NODE_MAPS
    for outside in POLICIES
    for free in (False, True)
    if not (free and outside == "natural")
) + tuple(NetworkCase(kind, "none", widths=(2, 3, 4, 2)) for kind in MLP_KINDS)

CHEBYSHEV_NETWORKS = tuple(
    NetworkCase("chebyshev", node_map, outside, order=5) for node_map in NODE_MAPS for outside in POLICIES[:2]
)

SOME_NETWORKS = (
    NetworkCase("spline"),
    NetworkCase("spline", "mean-std", "polynomial"),
    NetworkCase("spline", "mean-std", free_knots=True),
    NetworkCase("relu", "sigmoid", free_knots=True),
    NetworkCase("scaled-relu", "min-max"),
    NetworkCase("silu", "none", "natural"),
    NetworkCase("spline", order=1),
    NetworkCase("spline", "mean-std", order=4),
    NetworkCase("mlp-tanh", "none"),
)


def name(case) -> str:
    """Return the id of a case for pytest."""
    return f"{case}-r{case.order}" if case.kind not in MLP_KINDS else case.kind


def samples(n: int, columns: int = 2, seed: int = 3, reach: float = 0.0) -> np.ndarray:
    """Return random samples on the unit interval, extended by `reach` on both sides."""
    return np.random.default_rng([seed, n]).uniform(-reach, 1 + reach, (n, columns))


def gauss_newton_paths(net: rk.Network) -> tuple[str, ...]:
    """Return the paths to a Gauss-Newton matrix: sums need fixed knots, and B-splines before maps with statistics."""
    summed = all(net.layers[k].sums_to_one for k in net.statistics_maps)
    fixed = not any(layer.free_knots for layer in net.layers)
    return ("dense", "sparse") if fixed and summed else ("dense",)


def with_layers(net: rk.Network, layers) -> rk.Network:
    """Return a network with other layers."""
    return replace(net, layers=tuple(layers))


@dataclass(frozen=True)
class LayerCase:
    """One way to build a layer of three inputs with knots and domains of their own, and two outputs."""

    kind: str
    order: int = 3
    outside: str = "linear"
    free_knots: bool = False
    intervals: int = 3

    def __str__(self) -> str:
        return "-".join([self.kind, f"r{self.order}", self.outside, *["free"] * self.free_knots, str(self.intervals)])

    def build(self, n_outputs: int = 2) -> rk.SplineLayer | rk.ReluLayer | rk.SiluLayer:
        """Build the layer."""
        breakpoints = [[0.0, 0.3, 0.4, 1.0], [-2.0, -1.0, 1.5, 2.0], [5.0, 5.2, 5.4, 5.6]]
        if self.intervals == 1:
            breakpoints = [[t[0], t[-1]] for t in breakpoints]
        spaces = tuple(rk.SplineSpace.from_breakpoints(self.order, t) for t in breakpoints)
        shared = (spaces, n_outputs, self.outside, self.free_knots)
        if self.kind == "spline":
            return rk.SplineLayer(*shared)
        if self.kind == "silu":
            return rk.SiluLayer(rk.SplineLayer(*shared))
        return rk.ReluLayer(*shared, scaled=self.kind == "scaled-relu")

    def samples(self, n: int = 5, seed: int = 1) -> np.ndarray:
        """Return samples of which about a third lie outside the domains, none on a starting knot."""
        rng = np.random.default_rng([seed, n])
        a, b = np.array([[0.0, 1.0], [-2.0, 2.0], [5.0, 5.6]]).T
        return a + (b - a) * rng.uniform(-0.2, 1.2, (n, 3))


EVERY_LAYER = tuple(
    LayerCase(kind, order, outside, free)
    for kind in EDGE_KINDS
    for outside in POLICIES
    for free in (False, True)
    for order in ((2, 3, 4) if outside == "linear" else (3,))
    if not (free and outside == "natural")
)
EVERY_LAYER += tuple(LayerCase(kind, 1, outside) for kind in EDGE_KINDS for outside in POLICIES)
EVERY_LAYER += tuple(LayerCase(kind, free_knots=True, intervals=1) for kind in EDGE_KINDS)


def running_error(net: rk.Network, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return by how many units of eps rounding may move the values of a network of edge layers, shape (N, Q).

    In each layer the sum of absolute contributions of its basis, and what earlier errors grow to through the slopes
    of the layer and the scale of the node map. Statistics that err too at most triple what a sample itself has.
    """
    net, z = net.freeze(theta), x
    error = np.abs(x)
    for k, (layer, where) in enumerate(zip(net.layers, net.slices, strict=True)):
        at = layer.linearize(theta[where], z)
        edge = layer.spline if isinstance(layer, rk.SiluLayer) else layer
        blocks = layer.unpack(theta[where])
        c = np.abs(blocks["coefficients"] * blocks.get("w_s", np.ones((1, 1)))[:, :, None])
        terms = np.zeros(at.value.shape)
        for p, S in enumerate(edge.spaces_at(theta[where][: edge.n_params])):
            column = z[:, p].copy()
            if edge.basis == "spline":
                rows = rk.bsplines.design_matrix(S, column, 0, edge.outside).toarray()
            else:
                rows = rk.relu_powers.design_matrix(S, column, 0, edge.outside, edge.basis == "scaled-relu")
            terms += np.abs(rows) @ c[:, p].T
        slopes = np.abs(at.pullback_inputs(np.tile(np.eye(layer.n_outputs), (x.shape[0], 1, 1))))
        error = np.einsum("sqp,sp->sq", slopes, error) + terms
        z = at.value
        if k < len(net.node_maps):
            slope = net.node_maps[k].at(z[:, None], VALUES).slope
            error = 3 * np.abs(slope) * np.maximum(error, error.max(axis=0, initial=0.0))
            z = mapped(net.node_maps[k], z)
            error = error + np.abs(z) + 1
    return error


def mapped(node_map, y, constants=None):
    """Values of a node map at activations y (N, Q); `constants` of a map that takes statistics."""
    return node_map.at(y[:, None], VALUES, constants).value[:, 0]


TINY = 1e-300  # underflow, next to a knot at 0


def value_tolerance(order):
    """Each of the r - 1 steps of the recursion rounds six times, by eps/2: 3 eps r < 1e-15 r for values up to one."""
    return 1e-15 * order
