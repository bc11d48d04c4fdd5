r"""Eigenpairs of B^T J^T J B and B^T H B for a frame theta = B z, accurate at both ends of the spectrum.

Even an ill-conditioned B has B^-1, B^T, B^-T that are exact formulas (differences and cumulative sums for the change of
basis). So the numerical rank is decided where the matrix is well conditioned, in theta, and the spectrum in z is put
together from two decompositions. With J = U S V^T of numerical rank rho, V = [V_1, V_0]:

    F   = S_1 V_1^T B                              its large singular values are accurate to eps relative;
    F^+ = (I - P) B^-1 V_1 S_1^-1                  its large ones are the reciprocals of the small ones of F.

P projects onto the null space, spanned by B^-1 V_0. Where B scales some parameters by 1/eps against others, as the
ReLU-power basis does with inputs in units of their own, the errors eps of V_0 in the former exceed all of its columns
that live in the latter. So the directions that are known analytically, zero wherever their symmetry moves nothing, take
the place of V_0, made orthonormal by operations that keep their small entries. An estimate of the error in z of the
other directions becomes the note "resolution". To first order a singular value sigma of F has the relative error
eps cond(J) max(1, min(sigma_1/sigma, sigma/sigma_rho)): eps sqrt(cond F) on top in the middle, none at the ends, where
the condition number is read off. F alone is bound by eps sigma_1/sigma_rho at its lower end (and does better than its
bound, being graded), F^+ alone by the same at the upper one. Against 60 digits, two inputs, r = 8, n = 16, where
B^T H B has the condition number 3e27: both together are off by 4e-11 at worst, F alone by 2e-9, F^+ alone by 2e-4, and
the least singular value of J B, the rank not decided beforehand, by 6e-5.
"""

from contextlib import suppress
from typing import NamedTuple

import numpy as np
from scipy import linalg

from refkan.analysis.conditioning.coordinate_frames import IDENTITY, Frame
from refkan.analysis.conditioning.null_space import graded_orthonormal, orthonormal_in_turn
from refkan.base.array_types import FloatArray
from refkan.base.singular_values import svd

EPS = float(np.finfo(np.float64).eps)

UNRESOLVED = 1e-3
"""Relative error of a null direction beyond which small eigenvalues are doubtful."""


class Modes(NamedTuple):
    """Eigenpairs in the coordinates z of a frame, by falling magnitude.

    Attributes
    ----------
    values : ndarray (n,)
    vectors : ndarray (m, n)
        Orthonormal columns.
    rank : int
        Numerical rank.
    gap : float
        Ratio of the singular values (of J) or magnitudes of eigenvalues (of H) on both sides of the rank, in theta;
        infinite if nothing, or nothing but zeros, follows, nan if all are zero.
    noise : float
        What rounding makes of an eigenvalue 0; 0 where small eigenvalues come from an inverse.
    notes : dict
        Doubts of the method that computed them.
    """

    values: FloatArray
    vectors: FloatArray
    rank: int
    gap: float
    noise: float
    notes: dict[str, str]


def rounding_level(size: int) -> float:
    """Relative size below which singular values or eigenvalues of a matrix with `size` columns count as zero.

    Backward errors of QR, SVD and symmetric QR grow like sqrt(size) eps in practice, size eps in bounds; the entries of
    J itself are good to some 10 eps. 8 (size + 10) eps leaves room for both.
    """
    return 8 * (size + 10) * EPS


def numerical_rank(magnitudes: FloatArray, size: int) -> tuple[int, float]:
    """Rank and gap of falling magnitudes of a matrix with `size` columns."""
    if magnitudes.size == 0 or magnitudes[0] == 0:
        return 0, np.nan
    rank = int(np.sum(magnitudes > rounding_level(size) * magnitudes[0]))
    if rank == magnitudes.size or magnitudes[rank] == 0:
        return rank, np.inf
    return rank, float(magnitudes[rank - 1]) / float(magnitudes[rank])


def require_normal(modes: Modes) -> None:
    """Raise OverflowError where eigenvalues are too large for float64, or too small for all its digits."""
    smallest = np.abs(modes.values[: modes.rank]).min(initial=1.0)
    if not (np.isfinite(modes.values).all() and smallest >= np.finfo(np.float64).tiny):
        raise OverflowError(
            "the eigenvalues must be normal float64 numbers, which have full precision; some are too large or too "
            "small: use other units of the outputs, or other weights"
        )


@np.errstate(over="ignore", invalid="ignore")
def factor_modes(
    J: FloatArray, frame: Frame = IDENTITY, known: FloatArray | None = None, kernel: bool = False
) -> Modes:
    """Eigenpairs of B^T J^T J B for J (any, M), all M of them, by singular values of J B.

    Of the kernel J B B^T J^T, with kernel=True, those that need not be zero.

    known (M, count): independent null vectors of J, exact but for the rounding of each entry by itself.
    """
    M = J.shape[1]
    U, s, right = svd(J, full_matrices=not kernel)
    rank, gap = numerical_rank(s, M)
    size, vectors, complement = M, right.T, right
    if kernel:
        size, vectors = s.size, U
    if frame is IDENTITY or rank == 0:
        noise = float(np.square(_noise(s, M)))
        return Modes(_padded(s**2, size), vectors, rank, gap, noise, {})
    if kernel:  # of right there are only s.size rows
        complement = svd(right[:rank], full_matrices=True)[2]
    null, notes = _null_space(s[:rank], right[:rank].T, complement[rank:].T, frame, known)
    sigma, in_range, left = _transformed(s[:rank], right[:rank].T, null, frame)
    vectors = np.hstack([in_range, null])
    if kernel:
        vectors = np.hstack([U[:, :rank] @ left, U[:, rank:]])
    notes |= _middle(sigma, 2, s[0] / s[rank - 1])
    return Modes(_padded(sigma**2, size), vectors, rank, gap, 0.0, notes)


@np.errstate(over="ignore", invalid="ignore")
def symmetric_modes(H: FloatArray, frame: Frame = IDENTITY, known: FloatArray | None = None) -> Modes:
    """Eigenpairs of B^T H B for symmetric H (M, M), definite or not; as for J, by a congruence and its inverse."""
    M = H.shape[0]
    values, V = linalg.eigh(H, check_finite=False)
    values, V = _by_magnitude(values, V)
    magnitudes = np.abs(values)
    rank, gap = numerical_rank(magnitudes, M)
    if frame is IDENTITY or rank == 0:
        return Modes(values, V, rank, gap, _noise(magnitudes, M), {})
    values, V, complement = values[:rank], V[:, :rank], V[:, rank:]
    X, R = linalg.qr(frame.gradient(V), mode="economic", check_finite=False)
    direct, D = _eigenpairs((R * values) @ R.T)
    null, notes = _null_space(magnitudes[:rank], V, complement, frame, known)
    Y, S = linalg.qr(_projected(frame.to(V), null), mode="economic", check_finite=False)
    reciprocal, E = _eigenpairs((S / values) @ S.T)
    inverse, E = 1.0 / reciprocal[::-1], E[:, ::-1]
    cut = _cut(np.abs(direct), np.abs(inverse))
    merged = np.concatenate([direct[:cut], inverse[cut:]])
    both = np.hstack([X @ D[:, :cut], Y @ E[:, cut:]])
    in_range = _orthonormal(_projected(both, null), np.abs(merged))
    notes |= _middle(np.abs(merged), 1, np.abs(values[0] / values[-1]))
    return Modes(_padded(merged, M), np.hstack([in_range, null]), rank, gap, 0.0, notes)


def _null_space(
    s: FloatArray, V: FloatArray, null_space: FloatArray, frame: Frame, known: FloatArray | None
) -> tuple[FloatArray, dict[str, str]]:
    r"""Return an orthonormal basis of the null space in z, and what rounding makes of it in the note "resolution".

    The known directions come first, then what they leave of the singular vectors V_0. V_0 has errors
    eps s_1/s_rho V_1 C with |C| of order 1; in z they are eps s_1/s_rho |B^-1 V_1|, against the distance of each
    direction from those before it. Rounding of B^-1 V_0 itself counts alike: of directions that share entries of 1/eps,
    what distinguishes them is lost. Where knots nearly coincide, columns of B^-1 V_1 lie in the null space but for eps.
    """
    nullity = null_space.shape[1]
    if known is None or known.shape[1] > nullity:  # rounding hides some: those that are left are not known
        known = null_space[:, :0]
    K = graded_orthonormal(frame.to(known))
    unknown = nullity - known.shape[1]
    if not unknown:
        return K, {}
    others = null_space
    if unknown < nullity:
        in_theta = linalg.qr(known, mode="economic", check_finite=False)[0]
        others = svd(_projected(null_space, in_theta))[0][:, :unknown]
    there = _projected(frame.to(others), K)
    Q, R = linalg.qr(there, mode="economic", check_finite=False)
    Q = np.hstack([K, linalg.qr(_projected(Q, K), mode="economic", check_finite=False)[0]])
    inverse = frame.to(V)
    of_vectors = s[0] / s[-1] * np.linalg.norm(inverse)
    of_coordinates = np.linalg.norm(there, axis=0).max()
    error = max(of_vectors, of_coordinates) * EPS / np.abs(np.diag(R)).min()
    left = np.linalg.norm(_projected(inverse, Q), axis=0)
    lost = np.linalg.norm(inverse, axis=0) / left
    error = max(error, EPS * lost.max(initial=0.0))
    if error < UNRESOLVED:
        return Q, {}
    text = (
        f"{unknown} null directions are known from singular values alone, and in this basis rounding "
        f"changes them by {error:.2g} of themselves: eigenvalues may be wrong, small ones above all; take inputs of "
        "comparable units or the basis 'scaled-relu'"
    )
    return Q, {"resolution": text}


def _transformed(
    s: FloatArray, V: FloatArray, null: FloatArray, frame: Frame
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Singular values of S V^T B with their right and left vectors; `null`: orthonormal basis of the null space."""
    W, sigma, U = svd(frame.gradient(V) * s)  # (S V^T B)^T = W sigma U
    G = _projected(frame.to(V) / s, null)
    X, inverse, Y = svd(G)
    reciprocal = 1.0 / inverse[::-1]
    cut = _cut(sigma, reciprocal)
    merged = np.concatenate([sigma[:cut], reciprocal[cut:]])
    right = np.hstack([W[:, :cut], X[:, ::-1][:, cut:]])
    left = np.hstack([U.T[:, :cut], Y.T[:, ::-1][:, cut:]])
    return merged, _orthonormal(_projected(right, null), merged), _orthonormal(left, merged)


def _eigenpairs(H: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues of H + H^T over 2, by falling magnitude, and their vectors."""
    values, V = linalg.eigh(0.5 * (H + H.T), check_finite=False)
    return _by_magnitude(values, V)


def _by_magnitude(values: FloatArray, V: FloatArray) -> tuple[FloatArray, FloatArray]:
    order = np.argsort(-np.abs(values), kind="stable")
    return values[order], V[:, order]


def _cut(direct: FloatArray, reciprocal: FloatArray) -> int:
    """How many to take from the first of two falling lists: those above the geometric mean of the extremes.

    Values below the rounding of the largest of the first list are not taken from it: if both lists end in the middle,
    the note "middle" says so. The largest value is always of the first list, even if doubtful null vectors spoil the
    second.
    """
    middle = int(np.sum(direct >= np.sqrt(direct[0]) * np.sqrt(reciprocal[-1])))
    resolved = int(np.sum(direct > rounding_level(direct.size) * direct[0]))
    return max(1, min(middle, resolved))


def _middle(magnitudes: FloatArray, power: int, condition: float) -> dict[str, str]:
    """Note where the error bound at the head of this module exceeds `UNRESOLVED`; `condition` is that in theta."""
    level = EPS * condition / UNRESOLVED
    low, high = magnitudes.min() / level, magnitudes.max() * level
    count = int(np.sum((low < magnitudes) & (magnitudes < high)))
    if not count:
        return {}
    text = (
        f"{count} eigenvalues between {low**power:.2g} and {high**power:.2g} may be wrong: both ends are too far away"
    )
    return {"middle": text}


def _orthonormal(vectors: FloatArray, magnitudes: FloatArray) -> FloatArray:
    """Vectors of both decompositions made orthogonal, those that are least accurate, in the middle, to the others.

    Where some in the middle are dependent, and flagged, all are left as they are.
    """
    logs = np.log(magnitudes)
    order = np.argsort(-np.abs(logs - 0.5 * (logs.max() + logs.min())), kind="stable")
    out = vectors.copy()
    with suppress(linalg.LinAlgError):
        out[:, order] = orthonormal_in_turn(vectors[:, order])
    return out


def _projected(vectors: FloatArray, null: FloatArray) -> FloatArray:
    """Columns without their part in the null space; twice, since once leaves eps times what it removed."""
    for _ in range(2):
        vectors = vectors - null @ (null.T @ vectors)
    return vectors


def _padded(values: FloatArray, size: int) -> FloatArray:
    return np.pad(values, (0, size - values.size))


def _noise(falling: FloatArray, size: int) -> float:
    return rounding_level(size) * float(falling[0]) if falling.size else 0.0
