"""Jacobians, Gauss-Newton matrices and Hessians of least squares, from jets of the network at its samples."""

from fractions import Fraction

import mpmath
import numpy as np

import refkan as rk
from refkan.analysis.conditioning.null_space import null_vectors
from refkan.analysis.exact.ranks.network_rows import checked
from refkan.analysis.exact.ranks.null_directions import known_null_vectors
from tests.analysis.exact.oracles import draws, matrices
from tests.analysis.exact.oracles.jets import Digits, Exact, to_mp
from tests.analysis.exact.oracles.networks import OracleNetwork


def misfit_and_derivatives(problem, theta, arithmetic, second=False):
    """Rows e, dF/dtheta and the Hessians of F for samples and outputs in turn, with the weight w_s / N of each."""
    jets = OracleNetwork(problem.net, theta, arithmetic).in_parameters(problem.x, second)
    N = len(problem.x)
    weights = [Fraction(1)] * N if problem.weights is None else [Fraction(float(w)) for w in problem.weights]
    rows = []
    for row, targets, weight in zip(jets, problem.y, weights, strict=False):
        for y, target in zip(row, targets, strict=False):
            rows.append((y.v - arithmetic.number(float(target)), y.g, y.h, weight / N))
    return rows


def rational_jacobian(problem, theta):
    """dF/dtheta over Fractions, rows of samples with a weight."""
    return [list(g) for _, g, _, w in misfit_and_derivatives(problem, theta, Exact) if w]


def curvature(problem, theta, which, basis=None):
    """The matrix J^T J or the Hessian over mpmath, in another basis of the coefficients of splines if asked."""
    rows = misfit_and_derivatives(problem, theta, Digits, which == "hessian")
    weights = [to_mp(w) for *_, w in rows]
    J = np.array([g for _, g, _, _ in rows], object)
    H = (J * np.array(weights, object)[:, None]).T @ J
    if which == "hessian":
        for (e, _, h, _), w in zip(rows, weights, strict=False):
            H = H + w * e * h
    return in_basis(problem.net, H, basis) if basis else H


def in_basis(net, H, basis):
    """A^-1 H A^-T with the A of every edge: the matrix of coefficients w = A^T u."""
    H = np.array(H, object)
    for layer, place in zip(net.layers, net.slices, strict=False):
        Q, inputs, dim = layer.blocks["coefficients"]
        for k in range(Q * inputs):
            space = layer.spaces[k % inputs]
            A = matrices.change_of_basis(space.knots, layer.order, basis == "scaled-relu")
            A = [[to_mp(a) for a in row] for row in A]
            rows = slice(place.start + k * dim, place.start + (k + 1) * dim)
            H[rows, :] = np.array(matrices.solved(A, H[rows, :].tolist()), object)
            H[:, rows] = np.array(matrices.solved(A, H[:, rows].T.tolist()), object).T
    return H


KINDS = ("splines", "splines", "natural", "relu", "scaled-relu", "chebyshev", "dense", "silu", "tanh", "free")
UNITS = (1.0, 1.0, 1.0, 1e-150, 1e150, 1e-12, 1e9)


def problem(rng, kind=None, maps=None, size=40):
    """A small least-squares problem in any unit, with samples at adversarial places, and its parameters."""
    kind = kind or str(rng.choice(KINDS))
    node_map = str(rng.choice(maps or ("affine", "affine", "none", "mean-std", "min-max", "sigmoid")))
    unit = float(rng.choice(UNITS)) if kind in ("splines", "natural", "scaled-relu") else 1.0
    while True:
        hidden = [] if rng.uniform() < 0.2 else [int(rng.integers(1, 4))]
        widths = [int(rng.integers(1, 3)), *hidden, int(rng.integers(1, 3))]
        order, n = int(rng.choice([1, 2, 2, 3, 3, 4])), int(rng.integers(1, 4))
        outside = str(rng.choice(["linear", "polynomial", "natural"]))
        if kind in ("dense", "tanh"):
            net = rk.mlp(widths, "tanh" if kind == "tanh" else str(rng.choice(["relu", "relu3"])))
        elif kind == "chebyshev":
            net = rk.chebyshev_kan(widths, max(order - 1, 1), node_map=node_map)
        else:
            options = {"silu": {"edge": "silu"}, "free": {"free_knots": True}}.get(kind, {})
            options |= {"basis": kind} if "relu" in kind else {}
            outside = "natural" if kind == "natural" else outside
            order, n = (max(order, 2), max(n, 2)) if kind == "free" else (order, n)
            outside = "linear" if kind == "free" else outside
            net = rk.kan(widths, order, n, (0.0, unit), node_map=node_map, outside=outside, **options)
        if net.n_params <= size:
            break
    count = int(rng.integers(max(net.n_params // 2, 1), net.n_params + 5))
    x = rng.uniform(size=(count, widths[0]))
    places = rng.choice(["random", "knots", "ulps", "repeated", "dyadic", "outside"])
    if places in ("knots", "ulps"):
        marks = rng.choice([0.0, 1.0, *(np.arange(1, n) / n)], x.shape)
        if places == "ulps":
            beside = np.nextafter(marks, rng.choice([-1.0, 2.0], x.shape))
            marks = np.where(marks == 0, np.spacing(1.0), beside)  # 5e-324 would need 2,000 digits of eigenvalues
        x = np.where(rng.uniform(size=x.shape) < 0.5, marks, x)
    elif places == "repeated":
        x = x[rng.integers(0, max(count // 3, 1), count)]
    elif places == "dyadic":
        x = rng.integers(0, 9, x.shape) / 8
    elif places == "outside":
        x = x * 1.5 - 0.25
    x = x * unit
    batch = x if len(np.unique(x[:, 0])) > 2 else rng.uniform(size=x.shape) * unit
    net, theta = net.initialize(rng, batch)
    if kind == "natural" and node_map == "affine" and unit == 1 and rng.uniform() < 0.5:
        net = draws.without_margin(net)
    if rng.uniform() < 0.4:
        theta = rng.integers(-4, 5, theta.shape) / 4
    elif rng.uniform() < 0.2 and is_rational(net):
        theta = theta * 10.0 ** float(rng.choice([-100, 100]))
    weights = None if rng.uniform() < 0.6 else rng.choice([0.0, 0.5, 1.0, 3.0], count)
    if weights is not None and not weights.any():
        weights = None
    return rk.LeastSquares(net, x, rng.normal(size=(count, widths[-1])), weights), theta


def is_rational(net):
    """Whether values over Fractions exist."""
    rational = all(m.name in ("none", "affine", "min-max") for m in net.node_maps)
    return rational and not any(
        isinstance(layer, rk.SiluLayer) or getattr(layer, "activation", "") == "tanh" or moves(layer)
        for layer in net.layers
    )


def moves(layer):
    """Whether the knots of a layer are parameters."""
    return getattr(layer, "free_knots", False)


def attack_rank(problem, theta, counts):
    """`certified_rank` against elimination over Fractions, or eigenvalues of 160 digits; and its null vectors."""
    certificate, out = counts.certificate("rank", rk.exact.certified_rank, problem, theta)
    if certificate is None:
        return out
    net, M = problem.net, problem.net.n_params
    if is_rational(net):
        J = rational_jacobian(problem, theta)
        rank = matrices.rank_modulo(J)
        null = [list(map(Fraction, row)) for row in certificate.null_vectors]
        if null and any(map(any, matrices.product(J, matrices.transposed(null)))):
            out.append(f"rank: J Z is not zero ({net})")
        if null and matrices.rank_modulo(null) != certificate.nullity:
            out.append(f"rank: the null vectors are not independent ({net})")
    else:
        with mpmath.workdps(160):
            values = matrices.eigenvalues(curvature(problem, theta, "gauss-newton").tolist())
            rank = sum(v > max(values) * mpmath.mpf(10) ** -100 for v in values)
    if not certificate.low <= rank <= certificate.high or (certificate.rank_by == "exact" and certificate.rank != rank):
        out.append(f"rank: in [{certificate.low}, {certificate.high}]; exact rank {rank} of {M} ({net})")
    in_floats = null_vectors(net, theta, problem.x).shape[1]
    if not in_floats <= certificate.analytic_nullity <= M - rank:
        analytic = f"analytic nullity {in_floats} in floats, {certificate.analytic_nullity} in fractions"
        out.append(f"rank: {analytic}, exact nullity {M - rank} ({net})")
    return out


def attack_spectrum(problem, theta, which, basis, counts):
    """`certified_spectrum` and `certified_gauss_newton_condition` against eigenvalues of 200 digits."""
    net = problem.net
    nullities = {"theory": known_null_vectors(checked(problem, theta), which == "hessian").ncols()}
    with np.errstate(all="ignore"):
        nullities["spectrum"] = rk.spectrum(problem, theta, which=which).analytic_nullity
    ordinary = all(1e-20 < size < 1e20 for size in (abs(problem.x).max(), abs(theta).max() or 1.0))
    with mpmath.workdps(200 if ordinary else 1200):  # units of 1e150 make eigenvalues of 1e-700 of the largest
        values = matrices.eigenvalues(curvature(problem, theta, which, basis).tolist())
        smallest = max(map(abs, values)) * mpmath.mpf(10) ** (70 - mpmath.mp.dps)
        exact = sorted((v for v in values if abs(v) > smallest), reverse=True)
        for name, nullity in nullities.items():
            if nullity > len(values) - len(exact):
                return [f"{which}: nullity {nullity} by {name}, exact {len(values) - len(exact)} ({net})"]
        arguments = {"basis": basis, "which": which}
        certified, out = counts.certificate(which, rk.exact.certified_spectrum, problem, theta, **arguments)
        if certified is None:
            return out
        if len(exact) != certified.rank:
            return [f"{which}, {basis}: rank {certified.rank}, exact {len(exact)} ({net})"]
        if certified.negative != sum(v < 0 for v in exact):
            out.append(f"{which}, {basis}: {certified.negative} negative eigenvalues ({net})")
        for v, bound in zip(exact, sorted(certified.values, key=lambda e: -e.low), strict=False):
            low, high, slack = to_mp(bound.low), to_mp(bound.high), abs(v) * mpmath.mpf(10) ** -60
            if not low - slack <= v <= high + slack:
                out.append(f"{which}, {basis}: {mpmath.nstr(v, 25)} is not in {bound.floats()} ({net})")
            if high - low > abs(v) * mpmath.mpf(1.0001e-10):
                out.append(f"{which}, {basis}: {bound.floats()} is wide ({net})")
        sizes = [abs(v) for v in exact]
        if sizes and not to_mp(certified.condition.low) <= max(sizes) / min(sizes) <= to_mp(certified.condition.high):
            out.append(f"{which}, {basis}: condition {mpmath.nstr(max(sizes) / min(sizes), 20)} ({net})")
        if which == "gauss-newton" and exact:
            condition, more = counts.certificate(
                "condition", rk.exact.certified_gauss_newton_condition, problem, theta, basis=basis
            )
            out += more
            if condition and not condition[0] <= exact[0] / exact[-1] <= condition[1]:
                out.append(f"condition, {basis}: {mpmath.nstr(exact[0] / exact[-1], 20)} is not in {condition} ({net})")
    return out
