"""D1, L6: refined networks are the same functions of every x (properly nested), for splines and for any nested basis.

The criterion: over points on the samples and off them, many of them outside the domain, no value changes by more than
1e-14 of its sum of absolute contributions (`contributions` below); for trained networks, whose hidden activations leave
their domains.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

import refkan as rk
from refkan.base import Frozen
from refkan.claims import Verdict
from refkan.networks import chebyshev_kan
from refkan.networks.node_maps import NODE_MAPS
from validation.multilevel.nested_bases import appended, nestings, properly_nested
from validation.rationals import Matrix
from validation.statements import Progress, by_criterion, each, silent

CLAIMS = ("D1", "L6")
TOLERANCE = 1e-14

REACH = 0.3
"""How far points off the samples lie outside the unit square."""


class Case(Frozen, eq=True):
    """A network [2, 5, 1] or another, and how it is refined; `edge` is a basis, "silu" or "chebyshev"."""

    edge: str
    node_map: str
    outside: str
    order: int = 3
    widths: tuple[int, ...] = (2, 5, 1)
    insertion: bool = False
    seed: int = 0
    intervals: int | tuple[int, ...] = 3

    @property
    def name(self) -> str:
        how = "insertion" if self.insertion else "refinement"
        return f"{self.edge}, r = {self.order}, {self.node_map}, {self.outside}, {how}, {list(self.widths)}"

    def build(self) -> rk.Network:
        if self.edge == "chebyshev":
            return chebyshev_kan(self.widths, self.order, node_map=self.node_map, outside=self.outside)
        kind = {"edge": "silu"} if self.edge == "silu" else {"basis": self.edge}
        options = {"node_map": self.node_map, "outside": self.outside, **kind}
        return rk.kan(self.widths, self.order, self.intervals, **options)  # type: ignore[arg-type]

    def refined(self, net: rk.Network) -> rk.Network:
        """The fine network: every interval halved (or the degree doubled), or three knots inserted into every layer."""
        if not self.insertion:
            return net.refine()
        for k in range(len(net.layers)):
            net = net.insert(k, [0.1, 0.45, 0.8])
        return net


def target(x: np.ndarray) -> np.ndarray:
    """A smooth function of two variables that takes activations some way."""
    return np.asarray(2 * np.cos(7 * x[:, :1]) + 3 * np.sin(5 * x[:, 1:]) * x[:, :1])


def measure(case: Case, n_samples: int, steps: int) -> dict[str, Any]:
    """Train, refine, compare; the loss of the refined network over that before, too."""
    rng = np.random.default_rng([case.seed, n_samples])
    x = rng.uniform(size=(n_samples, 2))
    off = rng.uniform(-REACH, 1 + REACH, (2000, 2))
    net, theta = case.build().initialize(rng, x)
    problem = rk.LeastSquares(net, x, target(x))
    theta = rk.minimize(problem, theta, "levenberg-marquardt", steps=steps).theta
    fine = case.refined(net)
    theta_fine = net.convert(theta, fine, allow_inexact=True)
    change = relative_change(net, theta, fine, theta_fine, x), relative_change(net, theta, fine, theta_fine, off)
    inside = rk.Network(net.layers[:1], ())(theta[net.slices[0]], x)
    z = net.freeze(theta).node_maps[0].value(inside)  # type: ignore[attr-defined]
    return asdict(case) | {
        "name": case.name,
        "on samples": change[0],
        "off samples": change[1],
        "loss after over before": rk.LeastSquares(fine, x, problem.y).value(theta_fine) / problem.value(theta),
        "activations outside": float(np.mean((z < 0) | (z > 1))),
    }


def relative_change(
    net: rk.Network, theta: np.ndarray, fine: rk.Network, theta_fine: np.ndarray, x: np.ndarray
) -> tuple[float, float]:
    """Largest change of a value, relative to its contributions and to the largest value."""
    y = net(theta, x)
    change = np.abs(fine(theta_fine, x) - y)
    scale = contributions(net, theta, x)  # 0 beyond the outermost knots of natural tails: there no change is small
    relative = np.divide(change, scale, out=np.where(change > 0, np.inf, 0.0), where=scale > 0)
    return float(relative.max()), float(change.max() / np.abs(y).max())


def contributions(net: rk.Network, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Sums of absolute contributions to every value (N, Q), those to earlier layers carried through their slopes.

    A layer adds sum |coefficient| |basis function|; what it receives grows by its slopes in absolute value and those
    of the node map, which adds the size of its values. Statistics that move as well at most triple what a sample has.
    """
    frozen, z = net.freeze(theta), x
    total = np.abs(x)
    for k, (layer, where) in enumerate(zip(frozen.layers, frozen.slices, strict=True)):
        at, units = layer.linearize(theta[where], z), np.tile(np.eye(layer.n_outputs), (z.shape[0], 1, 1))
        rows = np.zeros((*at.value.shape, layer.n_params))
        at.fill_jacobian(units, rows)
        total = np.einsum("sqp,sp->sq", np.abs(at.pullback_inputs(units)), total) + np.abs(rows) @ np.abs(theta[where])
        z = at.value
        if k < len(frozen.node_maps):
            node_map = frozen.node_maps[k]
            slope = np.abs(node_map.slope(z))  # type: ignore[attr-defined]
            total = (
                3 * slope * np.maximum(total, total.max(axis=0)) if net.node_maps[k].uses_statistics else slope * total
            )
            z = node_map.value(z)  # type: ignore[attr-defined]
            total = total + np.abs(z)
    return total


def nested(results: Sequence[dict[str, Any]]) -> bool:
    return worst(results) <= TOLERANCE


def worst(results: Sequence[dict[str, Any]], of: int = 0) -> float:
    """Largest change, relative to contributions (0) or to the largest value (1)."""
    return max(max(result["on samples"][of], result["off samples"][of]) for result in results)


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    n_samples, steps, seeds = (200, 12, 1) if quick else (1000, 30, 2)

    def results(cases: Iterable[Case]) -> list[dict[str, Any]]:
        places = each(progress, "{0.name}, seed {1}", cases, range(seeds))
        return [measure(replace(case, seed=seed), n_samples, steps) for case, seed in places]

    orders, edges = ((3,), ("spline",)) if quick else ((1, 2, 3, 4, 5), ("spline", "silu"))
    deep = [Case("spline", node_map, "linear", 3, (2, 4, 4, 1)) for node_map in ("mean-std", "affine")]
    tails, degrees = ("linear", "polynomial"), (3,) if quick else (2, 3, 6)
    shallow = [Case(e, m, outside, r) for outside, r, e, m in product(tails, orders, edges, NODE_MAPS)]
    natural = results(Case(e, m, "natural", r) for r, e, m in product(orders, edges, NODE_MAPS) if r > 1)
    by_insertion = results(Case(e, m, "natural", 3, insertion=True) for e, m in product(edges, NODE_MAPS))
    invariant = results([*shallow, *deep])
    chebyshev = results(Case("chebyshev", m, outside, d) for d, m, outside in product(degrees, NODE_MAPS, tails))
    return [splines_verdict(invariant, natural, by_insertion), any_basis_verdict(chebyshev, range(2 if quick else 25))]


def splines_verdict(
    invariant: list[dict[str, Any]], natural: list[dict[str, Any]], by_insertion: list[dict[str, Any]]
) -> Verdict:
    """As printed: whatever the tails. As corrected: tails that do not depend on exterior knots, or insertion."""
    leaving = [result for result in natural if result["activations outside"] > 0]
    factors = np.array([result["loss after over before"] for result in leaving])
    outside = np.median([result["activations outside"] for result in invariant if result["node_map"] != "sigmoid"])
    linear, polynomial = ([r for r in invariant if r["outside"] == kind] for kind in ("linear", "polynomial"))
    altered = {
        "natural tails and uniform refinement": nested(natural),
        "with the printed factor 2^-r": nested([spoilt(lambda v: v / 2)]),
        "coefficients shifted by one": nested([spoilt(lambda v: np.roll(v, 1))]),
        "refitted by least squares at the samples": nested([refitted()]),
    }
    return by_criterion(
        "D1",
        nested([*invariant, *natural, *by_insertion]),
        f"linear and polynomial tails: {len(invariant)} trained networks, every node map, largest change on and off the"
        f" samples {worst(invariant):.1e} of the sum of absolute contributions; of the largest value,"
        f" {worst(linear, 1):.1e} under linear, {worst(polynomial, 1):.1e} under polynomial tails ({outside:.0%} of"
        f" hidden activations outside, median). Natural tails: knots inserted, {worst(by_insertion):.1e}; uniformly"
        f" refined, {worst(natural):.1e}, and the loss becomes {factors.min():.2g} to {factors.max():.2g} times what it"
        f" was (median {np.median(factors):.2g}) where activations leave the domain on the samples ({len(leaving)} of"
        f" {len(natural)} networks)",
        altered,
        nested([*invariant, *by_insertion]),
        corrected="refined KANs are properly nested under linear or polynomial tails, and under natural ones if the "
        "exterior knots stay",
        details=D1_DETAILS,
        data={"invariant tails": invariant, "natural, refined": natural, "natural, inserted": by_insertion},
    )


D1_DETAILS = """\
Networks [2, 5, 1] and [2, 4, 4, 1], trained by Levenberg-Marquardt so that hidden activations leave their domains, then
every interval halved. Points: the samples, and 2,000 on the square extended by 0.3 on every side. Relative to the sum
of absolute contributions, carried through the layers: what rounding of either network may do is a few eps of it.

Under "natural" tails, the basis functions' own values, what most KAN codes use, a function decays to zero towards its
outermost knots. Uniform refinement moves those from (r-1) h to (r-1) h/2 outside, and the function there with them."""


def spoilt(change: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    """A refinement of an untrained network whose fine parameters are altered."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(200, 2))
    net, theta = rk.kan([2, 5, 1], 3, 3).initialize(rng, x)
    fine = net.refine()
    size = relative_change(net, theta, fine, change(net.convert(theta, fine)), x)
    return {"on samples": size, "off samples": size}


def refitted() -> dict[str, Any]:
    """Every edge refitted at its inputs, in place of the prolongation."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(200, 2))
    net, theta = rk.kan([2, 5, 1], 3, 3, node_map="sigmoid").initialize(rng, x)
    fine = net.refine()
    z, parts = x, []
    for k, (layer, finer) in enumerate(zip(net.layers, fine.layers, strict=True)):
        assert isinstance(layer, rk.SplineLayer)
        assert isinstance(finer, rk.SplineLayer)
        u = net.unpack(theta)[k]["coefficients"]
        columns = [
            rk.splines.transfer.least_squares_transfer(layer.spaces[p], finer.spaces[p], u[:, p], z[:, p])[0]
            for p in range(layer.n_inputs)
        ]
        parts.append(np.stack(columns, axis=1).ravel())
        if k == 0:
            z = net.node_maps[0].value(layer.linearize(theta[net.slices[0]], z).value)  # type: ignore[attr-defined]
    places = {"on samples": x, "off samples": rng.uniform(-REACH, 1 + REACH, (2000, 2))}
    theta_fine = np.concatenate(parts)
    return {name: relative_change(net, theta, fine, theta_fine, at) for name, at in places.items()}


def any_basis_verdict(results: list[dict[str, Any]], seeds: Sequence[int]) -> Verdict:
    exact = {(name, seed): properly_nested(n, seed) for seed in seeds for name, n in nestings(seed).items()}
    names = list(dict.fromkeys(name for name, _ in exact))
    outside = np.median([result["activations outside"] for result in results if result["node_map"] != "sigmoid"])

    def changed_by(change: Callable[[Matrix], Matrix]) -> bool:
        return all(properly_nested(n, 0, change(n.embedding)) for n in nestings(0).values())

    padded = properly_nested(nestings(0)["Bernstein polynomials"], 0, appended(4, 6))
    altered = {
        "one entry of E off by 1/1000": changed_by(lambda E: [[E[0][0] + Fraction(1, 1000), *E[0][1:]], *E[1:]]),
        "rows of E in reverse": changed_by(lambda E: E[::-1]),
        "zeros appended in the Bernstein basis": padded,
    }
    return by_criterion(
        "L6",
        all(exact.values()) and nested(results),
        f"over the rationals, {sum(exact.values())} of {len(exact)} networks [2, 2, 1] over {len(names)} nested bases"
        f" ({', '.join(names)}) are the fine networks with weights W E, where phi = E phi'. Float64: {len(results)}"
        f" trained networks of Chebyshev polynomials, every node map, linear and polynomial tails, degree doubled,"
        f" largest change on and off the samples {worst(results):.1e} of the sum of absolute contributions"
        f" ({outside:.0%} of hidden activations outside, median)",
        altered,
        details="Each row of E holds the coefficients of a coarse function in the fine ones: they exist because the"
        " spaces are nested, and every edge is then the same function, so that the networks are. Polynomials of degree"
        " 3 in those of degree 5 in four bases, of which one is in general position; quadratic splines and ReLU powers"
        " with two knots inserted; Haar wavelets of two levels in three. Set-up and criterion in float64 as for D1.",
        data={"cases": results, "exact": {f"{name}, seed {seed}": same for (name, seed), same in exact.items()}},
    )
