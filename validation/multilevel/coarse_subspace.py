r"""P1 (Proposition 1): optimisation of the coarse network is optimisation of the fine one on a subspace.

The criterion has two parts. Over the rationals, in both bases, gradients g_c = P^T g_f and Gauss-Newton matrices
H_c = P^T H_f P are equal exactly: that is the proposition. In float64, at trained coarse networks and their
prolongations, they agree to 1e-12, relative to sums of absolute contributions: that is what an implementation can show.

The scale of the second part. A computed residual is off by some eps times E = |y| + sum |w_j phi_j|, the absolute terms
of the last layer; a computed P^T J_f^T by some eps times K^T, K = |J_f| |P|. To first order both gradients are
therefore off by at most some eps times K^T E / N, the Gauss-Newton matrices by K^T K / N. (The complete bound also
carries the rounding of hidden activations, through the slopes of the second layer, and is larger.) It bounds single
entries only where no basis function is near a zero of its own, which the rounding of an activation moves; hence the
largest difference of a layer, or pair of layers, over the largest sum there.
"""

from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import scipy.sparse as sp

import refkan as rk
from refkan import truth
from refkan.base import Frozen
from refkan.claims import Verdict
from refkan.networks.node_maps import NODE_MAPS, AffineMap
from refkan.truth.bases.change_of_basis import change_of_basis_inverse
from validation.multilevel.nested_hierarchies import Case, target
from validation.rationals import ZERO, Matrix, apply, multiply, random_rationals, transpose
from validation.statements import Progress, by_criterion, each, silent

CLAIMS = ("P1",)
SAMPLES = 7

INTERVALS, FACTORS = (2, 4), (2, 4)
"""Coarse intervals of the two layers, and by what they are refined: all knots are dyadic."""

MAP = AffineMap(np.array([0.375, -0.375]), np.array([0.5, 0.375]))


def prolongation(coarse: rk.Network, fine: rk.Network, basis: str, order: int) -> Matrix:
    """Prolong the parameters edge by edge: by blossoms; in the ReLU basis w_f = A_f^T P A_c^-T w_c."""
    blocks: list[Matrix] = []
    for layers in zip(coarse.layers, fine.layers, strict=True):
        t, finer = ([Fraction(knot) for knot in layer.spaces[0].knots.tolist()] for layer in layers)  # type: ignore[attr-defined]
        P = truth.bases.prolongation.prolongation(t, finer, order)
        if basis == "relu":
            back = transpose(change_of_basis_inverse(t, order))
            P = multiply(transpose(truth.change_of_basis(finer, order)), P, back)
        blocks += [P] * (layers[0].n_inputs * layers[0].n_outputs)
    rows: Matrix = []
    for k, block in enumerate(blocks):
        left, right = (sum(len(other[0]) for other in others) for others in (blocks[:k], blocks[k + 1 :]))
        rows += [[*[ZERO] * left, *row, *[ZERO] * right] for row in block]
    return rows


def equal(
    basis: str, order: int, outside: str, seed: int, change: Callable[[Matrix], Matrix] = lambda P: P
) -> tuple[bool, bool, int]:
    """Whether g_c = R^T g_f, and whether H_c = R^T H_f R, R = change(P); and how many activations lie outside."""
    rng = np.random.default_rng([seed, order])
    layers = rk.kan([2, 2, 1], order, INTERVALS, basis=basis, outside=outside).layers  # type: ignore[arg-type]
    coarse = rk.Network(layers, (MAP,))
    fine = coarse.refine(FACTORS)
    P = prolongation(coarse, fine, basis, order)
    R = change(P)
    theta = random_rationals(rng, coarse.n_params)
    x = [[Fraction(int(k), 64) for k in rng.integers(0, 65, 2)] for _ in range(SAMPLES)]
    y = [[value] for value in random_rationals(rng, SAMPLES)]
    below = truth.of(coarse, theta, x).least_squares(y)
    above = truth.of(fine, apply(P, theta), x).least_squares(y)
    hidden = truth.of(rk.Network(layers[:1], ()), theta[coarse.slices[0]], x).value
    z = np.array(hidden) * [Fraction(s) for s in MAP.scale.tolist()] + [Fraction(s) for s in MAP.shift.tolist()]  # type: ignore[union-attr]
    same = apply(transpose(R), above.gradient()) == below.gradient()
    galerkin = multiply(transpose(R), above.gauss_newton(), R) == below.gauss_newton()
    return same, galerkin, int(np.count_nonzero((z < 0) | (z > 1)))


TOLERANCE = 1e-12
STEPS = 25


def case_of(edge: str, node_map: str, outside: str, order: int = 3, seed: int = 0, n: tuple[int, int] = (3, 4)) -> Case:
    """Return a network [2, 4, 1]; `edge` is a basis, "silu" or "chebyshev"."""
    return Case(edge, node_map, outside, order, (2, 4, 1), seed=seed, intervals=n)


class Pair(Frozen):
    """A least-squares problem on two levels, the prolongation between them, and a coarse point."""

    coarse: rk.LeastSquares
    fine: rk.LeastSquares
    P: sp.csr_array
    theta: np.ndarray

    @classmethod
    def of(cls, case: Case, n_samples: int) -> "Pair":
        """Train in the spline basis, where that is fast, and refine."""
        rng = np.random.default_rng([case.seed, n_samples])
        x = rng.uniform(size=(n_samples, 2))
        net, theta = case.build().initialize(rng, x)
        trained = net.to_basis("spline") if "relu" in case.edge else net
        theta = net.convert(theta, trained)
        theta = rk.minimize(rk.LeastSquares(trained, x, target(x)), theta, "levenberg-marquardt", steps=8).theta
        theta, fine = trained.convert(theta, net), net.refine((2, 3))
        return cls(
            rk.LeastSquares(net, x, target(x)), rk.LeastSquares(fine, x, target(x)), net.prolongation(fine), theta
        )

    def differences(self, restrict: Callable[[sp.csr_array], sp.csr_array] = lambda P: P) -> dict[str, float]:
        """Both comparisons, relative, with P for prolongation and `restrict(P)` transposed for restriction."""
        at, R = self.P @ self.theta, restrict(self.P)
        g, g_fine = self.coarse.gradient(self.theta), self.fine.gradient(at)
        H, H_fine = self.coarse.gauss_newton(self.theta), self.fine.gauss_newton(at)
        J, J_fine = (
            np.abs(problem.net.jacobian(v, problem.x)) for problem, v in ((self.coarse, self.theta), (self.fine, at))
        )
        last, layers, N = self.fine.net.slices[-1], self.coarse.net.slices, self.coarse.x.shape[0]
        e = np.abs(self.coarse.misfit(self.theta)).ravel()
        terms = np.abs(self.fine.y).ravel() + J_fine[:, last] @ np.abs(at[last])
        through = J_fine @ np.abs(self.P)  # at least J, where the entries of P have two signs
        rows, blocks = [(part,) for part in layers], list(product(layers, layers))
        return {
            "gradient": relative(R.T @ g_fine - g, through.T @ terms / N, rows),
            "gradient over results": relative(R.T @ g_fine - g, J.T @ e / N, rows),
            "Gauss-Newton": relative(R.T @ H_fine @ R - H, through.T @ through / N, blocks),
            "Gauss-Newton over results": relative(R.T @ H_fine @ R - H, J.T @ J / N, blocks),
            "sums over gradient": float((through.T @ terms / N).max() / (J.T @ e / N).max()),
        }

    def trajectories(self) -> float:
        """Gradient descent on the coarse level against descent on the fine one along range(P), u_f -= eta P P^T g_f.

        Largest difference u_f - P u_c after all steps, over the length of the way.
        """
        step = 0.5 / float(np.linalg.eigvalsh(self.coarse.gauss_newton(self.theta))[-1])
        u, v = self.theta.copy(), self.P @ self.theta
        for _ in range(STEPS):
            u = u - step * self.coarse.gradient(u)
            v = v - step * (self.P @ (self.P.T @ self.fine.gradient(v)))
        return float(np.abs(v - self.P @ u).max() / np.abs(u - self.theta).max())


def relative(difference: np.ndarray, contributions: np.ndarray, blocks: list[tuple[slice, ...]]) -> float:
    """Largest difference in each block over the largest sum of absolute contributions there; the worst block."""
    return float(max(np.abs(difference[block]).max() / contributions[block].max() for block in blocks))


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    n_samples, seeds = (150, 1) if quick else (2000, 5)
    exact: list[dict[str, Any]] = []
    tails, names = ("linear", "polynomial"), ("basis", "order", "outside", "seed")
    places = ("spline", "relu"), (2, 3, 4), tails, range(seeds)
    for place in each(progress, "P1 over the rationals: {}, r = {}, {}, seed {}", *places):
        same_g, same_matrix, leaving = equal(*place)
        exact.append(dict(zip(names, place, strict=True)))
        exact[-1] |= {"gradient": same_g, "Gauss-Newton": same_matrix, "activations outside": leaving}
    results = []
    edges, orders = ("spline", "relu", "scaled-relu", "silu", "chebyshev"), (3,) if quick else (2, 3, 4)
    for place in each(progress, "P1: {}, {}, {}, order {}, seed {}", edges, NODE_MAPS, tails, orders, range(seeds)):
        case = case_of(*place)
        pair = Pair.of(case, n_samples)
        results.append(asdict(case) | pair.differences())
        if case.edge == "spline":
            results[-1]["trajectories"] = pair.trajectories()
    return [verdict(results, exact)]


def holds(results: list[dict[str, Any]], key: str) -> bool:
    """Whether a comparison meets the tolerance in every case."""
    return all(result[key] <= TOLERANCE for result in results)


def exactly(cases: list[dict[str, Any]]) -> bool:
    """Whether all cases over the rationals are equal, some of them with activations outside the domain."""
    same = all(case["gradient"] and case["Gauss-Newton"] for case in cases)
    return same and any(case["activations outside"] for case in cases)


def verdict(results: list[dict[str, Any]], exact: list[dict[str, Any]]) -> Verdict:
    worst = {key: max(result[key] for result in results) for key in ("gradient", "Gauss-Newton")}

    def over_results(relu: bool) -> str:
        chosen = [result for result in results if ("relu" in result["edge"]) == relu]
        return " and ".join(f"{max(result[f'{key} over results'] for result in chosen):.1e}" for key in worst)

    ways = [result["trajectories"] for result in results if "trajectories" in result]
    pairs = [Pair.of(case_of(edge, "affine", "linear"), 150) for edge in ("spline", "relu")]

    def restricted(restrict: Callable[[sp.csr_array], sp.csr_array], key: str = "gradient") -> bool:
        return any(pair.differences(restrict)[key] <= TOLERANCE for pair in pairs)

    def exactly_by(
        change: Callable[[Matrix], Matrix], outside: str = "linear", bases: Any = ("spline", "relu")
    ) -> bool:
        return any(any(equal(basis, 4, outside, 0, change)[:2]) for basis in bases)

    excess = {
        name: np.median([r["sums over gradient"] for r in results if ("relu" in r["edge"]) == relu])
        for name, relu in (("other edges", False), ("the ReLU bases", True))
    }

    altered = {
        "over the rationals, by the printed factor 2^-r": exactly_by(lambda P: [[w / 2 for w in row] for row in P]),
        "over the rationals, with natural tails": exactly_by(lambda P: P, "natural", ("spline",)),
        "restriction by the printed factor 2^-r": restricted(lambda P: P * 0.5),
        "restriction by injection, every weight 1": restricted(lambda P: P.astype(bool).astype(float)),
        "restriction by P (P^T P)^-1": restricted(
            lambda P: sp.csr_array(P.toarray() @ np.linalg.inv((P.T @ P).toarray()))
        ),
        "the Galerkin product with rows of P shifted by one": restricted(
            lambda P: sp.csr_array(np.roll(P.toarray(), 1, axis=0)), "Gauss-Newton"
        ),
    }
    return by_criterion(
        "P1",
        exactly(exact) and holds(results, "gradient") and holds(results, "Gauss-Newton"),
        f"over the rationals {sum(case['gradient'] and case['Gauss-Newton'] for case in exact)} of {len(exact)}"
        " networks (both bases, r = 2 to 4, linear and polynomial tails, activations outside) have equal gradients and"
        f" Gauss-Newton matrices. Float64: {len(results)} trained networks (both bases, SiLU edges, Chebyshev"
        f" polynomials; every node map, linear and polynomial tails): P^T g_f against g_c to {worst['gradient']:.1e},"
        f" P^T H_f P against H_c to {worst['Gauss-Newton']:.1e}, relative to the sums of absolute contributions; to"
        f" those of the coarse results alone: {over_results(False)}, in the ReLU bases {over_results(True)}. {STEPS}"
        f" steps of descent along range(P) on the fine level stay within {max(ways):.1e} of the prolonged coarse ones"
        " (spline edges)",
        altered,
        details="With F_c(u) = F_f(P u) for every u and x the chain rule gives J_c = J_f P: gradients are restricted "
        "by P^T, Gauss-Newton matrices are Galerkin products, and a coarse step d is the fine step P d. The two "
        "layers are refined by 2 and by 3. The largest sum of absolute contributions over the largest of |J_c|^T |e| "
        "/ N, median: " + ", ".join(f"{value:.2g} for {name}" for name, value in excess.items()) + ".",
        data={"cases": results, "over the rationals": exact},
    )
