r"""Networks with large rho(NTK_S)/rho(NTK_R): a node map couples their samples, or samples leave the domain.

Of [1, 1, 1] with a mean-std map and a steep second layer, the kernel is that of the first layer. Sample k sees the
first layer through g = dz_k/dy, y the activations of all samples: not one positive number, as without the coupling,
but a vector with entries of both signs. Its kernel is |g^T B|^2 in the spline basis, |g^T B A^-T|^2 in the ReLU basis.
"""

import numpy as np

import refkan as rk
from refkan.base import Frozen
from validation.descent.kernels.kernels_of_both_bases import kernel_ratio

STEEP = 1e12
"""Slope of the second layer: its own kernel is then below rounding."""


Sampled = tuple[rk.Network, np.ndarray, np.ndarray]
"""A network, its parameters and samples."""


def coupled(node_map: str, slope: float = 100.0, shift: float = 0.0) -> Sampled:
    """Return [1, 1, 1], r = 2, n = 8, inputs 2/8, 3/8, 4/8: first layer the identity, second slope x identity.

    Three equidistant activations: the map takes out mean and spread, g is a multiple of (1, -2, 1), and with the inputs
    at knots g^T B = (1, -2, 1), g^T B A^-T = (0, 0, 1): 6 against 1. The middle sample may be moved, 8 times as far.
    """
    x = np.array([[2.0], [3.0 + shift], [4.0]]) / 8.0
    net, _ = rk.kan([1, 1, 1], 2, 8, node_map=node_map).initialize(np.random.default_rng(0), x)
    greville = rk.SplineSpace.uniform(2, 8).greville  # the coefficients of the identity
    return net, np.concatenate([greville, slope * greville]), x


def single_sample(order: int, distance: float) -> Sampled:
    """Return a single layer [1, 1] and a single sample `distance` spacings left of the domain, linear tails."""
    net = rk.kan([1, 1], order, 8, outside="linear")
    return net, np.zeros(net.n_params), np.array([[-distance / 8.0]])


class Attained(Frozen, eq=True):
    """The ratio of a mean-std network against the largest that any Jacobian can have.

    `centred` is max |v|^2/|A^-1 v|^2 over v that sum to zero, as every g^T B does, `norm` that over all v, ||A||^2;
    `copies` of the samples are one, and `activations` the least and largest input of the second layer, within [0, 1].
    """

    order: int
    intervals: int
    ratio: float
    centred: float
    norm: float
    samples: int
    copies: int
    activations: tuple[float, float]


def attain(order: int, intervals: int) -> Attained:
    r"""Build a mean-std network [1, 1, 1] whose ratio is the largest possible for v that sum to zero.

    The samples are dim points x_j, B = (b_i(x_j)) invertible, with multiplicities m_j (sum N). With y the activations,
    normalised to sum m y = 0 and sum m y^2 = 1, the derivatives of z_k are proportional to

        g_j = delta_kj - m_j/N - m_j y_k y_j.

    For any e that sums to zero, e_k != 0, y_j proportional to (delta_kj - m_j/N - c e_j)/m_j with
    c = (e_k/m_k) / sum_j (e_j^2/m_j) gives g = c e. Take e = B^-T v for the best v (e sums to what v does, since
    B 1 = 1). The second layer is one B-spline at the right end, which sample k alone reaches: the others, where it is
    constant, have no gradient. More copies of k pull z_k back into the domain, which it would otherwise leave if
    N > 9 or so.
    """
    space = rk.SplineSpace.uniform(order, intervals)
    v, centred, norm = best_centred(space)
    x = np.linspace(*space.domain, space.dim)
    B = rk.bsplines.design_matrix(space, x).toarray()
    e = np.linalg.solve(B.T, v)
    k = int(np.argmax(np.abs(e)))
    for copies in range(1, 100):
        m = np.ones(space.dim)
        m[k] = copies
        y = activations(e, m, k)
        z = 0.5 + 0.2 * y * np.sqrt(m.sum())  # kappa = 2.5
        if z.min() >= 0.0 and z.max() <= 1.0:
            break
    others = np.delete(z, k).max()
    second = int(1.0 / (1.0 - others)) + 1  # 1 - 1/second > others: out of reach of the last B-spline
    inputs = np.repeat(x, m.astype(int))[:, None]
    net = rk.kan([1, 1, 1], order, [intervals, second], node_map="mean-std")
    net, _ = net.initialize(np.random.default_rng(0), inputs)
    bump = np.zeros(second + order - 1)
    bump[-1] = STEEP
    ratio = kernel_ratio(net, np.concatenate([np.linalg.solve(B, y), bump]), inputs)
    ends = (float(z.min()), float(z.max()))
    return Attained(order, intervals, ratio, centred, norm, inputs.shape[0], copies, ends)


def activations(e: np.ndarray, m: np.ndarray, k: int) -> np.ndarray:
    """The normalised activations under which dz_k/dy, summed over copies, is a multiple of e."""
    c = (e[k] / m[k]) / np.sum(e**2 / m)
    unit = np.zeros_like(e)
    unit[k] = 1.0
    y = (unit - m / m.sum() - c * e) / m
    return np.asarray(y / np.sqrt(np.sum(m * y**2)))


def best_centred(space: rk.SplineSpace) -> tuple[np.ndarray, float, float]:
    """The v with sum 0 and the largest |v|^2/|A^-1 v|^2, that ratio, and ||A||^2; scaled ReLU basis."""
    A = rk.ChangeOfBasis(space, scaled=True).dense()
    constraint = A.sum(axis=0)  # v = A y: the sum of v is constraint . y
    tangent = np.linalg.svd(constraint[None])[2][1:].T
    left, values, _ = np.linalg.svd(A @ tangent)
    return left[:, 0], float(values[0] ** 2), float(np.linalg.norm(A, 2) ** 2)
