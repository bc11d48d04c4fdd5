"""Spectra: eigenpairs, rank and nullity, numerical and analytic, and the condition number."""

from dataclasses import field

import numpy as np

from refkan.base import FloatArray, Frozen, as_array, lazy

CLEAR_GAP = 1e3
"""Ratio of singular values (or eigenvalues) across the numerical rank that leaves no doubt about it."""


class Spectrum(Frozen):
    r"""Eigenvalues and eigenvectors of a symmetric matrix, or of C H with a preconditioner C.

    Attributes
    ----------
    values : ndarray (n,)
        By falling magnitude: values[:rank] is the numerical range, and values[0] the largest. For Gauss-Newton matrices
        all M, for tangent kernels the min(N Q, M) that need not be zero.
    vectors : ndarray (size, n)
        Columns, in the coordinates that `basis` names. Orthonormal, V^T V = I; under a preconditioner, C H V = V Lambda
        and V^T C^-1 V = I.
    dual_vectors : ndarray (size, n)
        W with W^T V = I: the amplitudes of a step d in the modes are W^T d. C^-1 V; V itself without preconditioner.
    size : int
        Number of rows of the matrix.
    which : str
        "gauss-newton", "hessian", "ntk" or "matrix".
    basis : str or None
        Coordinates of `vectors`.
    preconditioner : str or None
        Its name, or what kind of object it was.
    rank : int
        Numerical rank.
    analytic_nullity : int or None
        Number of independent null vectors known from the structure of the network, a lower bound of the nullity; None
        for matrices and foreign models, of which nothing is known.
    gap : float
        Of singular values of J or else of magnitudes of eigenvalues: smallest in the numerical range over
        largest outside it. Infinite if nothing but zeros lies outside, nan if it is not known.
    null_vectors : ndarray (size, analytic_nullity)
        The analytic null space, orthonormal; no columns for tangent kernels and matrices.
    notes : dict
        Doubts by name, each a sentence; see `flags`.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> spectrum = rk.spectrum(np.diag([4.0, 1.0, 0.0]))
    >>> spectrum.values, spectrum.rank, spectrum.nullity, spectrum.condition
    (array([4., 1., 0.]), 2, 1, 4.0)
    """

    values: FloatArray
    vectors: FloatArray = field(repr=False)
    dual_vectors: FloatArray = field(repr=False)
    size: int
    which: str
    basis: str | None
    preconditioner: str | None
    rank: int
    analytic_nullity: int | None
    gap: float
    null_vectors: FloatArray = field(repr=False)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def nullity(self) -> int:
        """Numerical nullity, size - rank."""
        return self.size - self.rank

    @property
    def n_range(self) -> int:
        """The number of `values` in the numerical range, from which the condition number is computed.

        The rank, but no more than the analytic null space leaves: eigenvalues beyond are rounding, however large.
        """
        bound = self.size - (self.analytic_nullity or 0)
        return min(self.rank, bound, self.values.size)

    @property
    def largest(self) -> float:
        """Largest magnitude; nan if there is no numerical range."""
        return self._magnitude(0)

    @property
    def smallest(self) -> float:
        """Smallest magnitude in the numerical range; nan if there is none."""
        return self._magnitude(self.n_range - 1)

    def _magnitude(self, k: int) -> float:
        if self.n_range == 0:
            return np.nan
        return abs(float(self.values[k]))

    @property
    def condition(self) -> float:
        """Condition number largest / smallest of the matrix (not of J) on its numerical range; nan if this is empty."""
        return self.largest / self.smallest

    @property
    def negative(self) -> int:
        """Number of negative eigenvalues in the numerical range."""
        return int(np.sum(self.values[: self.n_range] < 0))

    @property
    def flags(self) -> tuple[str, ...]:
        """Names of the flags, keys of `FLAGS`."""
        return tuple(self.notes)

    @property
    def message(self) -> str:
        """The flags in words; empty if there are none."""
        return "; ".join(self.notes.values())

    def amplitudes(self, steps: object) -> FloatArray:
        """Amplitudes (..., n) of steps (..., size) in the modes, W^T d; steps in the coordinates of `vectors`."""
        array = as_array("steps", steps)
        if array.ndim == 0 or array.shape[-1] != self.size:
            raise ValueError(f"steps must have a last axis of length {self.size}; got shape {array.shape}")
        amplitudes: FloatArray = array @ self.dual_vectors
        return amplitudes

    @lazy
    def table(self) -> str:
        """The figures, one a line."""
        matrix = [self.which]
        if self.preconditioner is not None:
            matrix.append(f"preconditioned by {self.preconditioner}")
        matrix.append(f"{self.size} x {self.size}")
        if self.basis:
            matrix.append(f"basis {self.basis}")
        known = "unknown"
        if self.analytic_nullity is not None:
            known = f"at least {self.analytic_nullity}"
        rows = {
            "matrix": ", ".join(matrix),
            "largest": f"{self.largest:.6e}",
            "smallest in range": f"{self.smallest:.6e}",
            "condition": f"{self.condition:.6e}",
            "numerical rank": str(self.rank),
            "numerical nullity": str(self.nullity),
            "analytic nullity": known,
            "gap": f"{self.gap:.3e}",
        }
        rows |= {f"flag: {name}": note for name, note in self.notes.items()}
        width = max(map(len, rows))
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())

    def __str__(self) -> str:
        return self.table


FLAGS = {
    "nullity": "the numerical nullity differs from the analytic one",
    "gap": "the singular values show no clear rank",
    "resolution": "the smallest eigenvalue is near the rounding error of the method",
    "middle": "eigenvalues far from both ends of the spectrum are of the size of rounding errors there",
    "indefinite": "there are negative eigenvalues: the condition number is one of magnitudes",
    "zero": "the matrix is zero",
    "evaluated": "the Jacobian was evaluated in the ReLU basis, which loses digits",
}
"""What may be doubtful about a spectrum, by the name of its flag."""

AMID = "middle"
"""The flag that does not concern the ends of the spectrum, and so not the condition number."""


def doubts(
    values: FloatArray,
    size: int,
    rank: int,
    analytic: int | None,
    gap: float,
    noise: float,
    rows: int | None,
) -> dict[str, str]:
    """Notes of a complete spectrum; `rows` is the number of rows of J, None if there is no J."""
    if rank == 0:
        return {"zero": "the matrix is zero: there is no condition number"}
    notes: dict[str, str] = {}
    nullity = size - rank
    if analytic is not None and nullity != analytic:
        cause = _cause(nullity - analytic, size - analytic, rows)
        notes["nullity"] = f"numerical nullity {nullity}, analytic lower bound {analytic}: {cause}"
    if gap < CLEAR_GAP:
        notes["gap"] = f"no clear gap at the numerical rank: neighbours differ by {gap:.3g} only"
    counted = min(rank, size - (analytic or 0))
    smallest = values[counted - 1]
    if noise > 0 and abs(smallest) < CLEAR_GAP * noise:
        notes["resolution"] = (
            f"the smallest eigenvalue, {smallest:.3g}, is near the rounding error {noise:.3g} of this method"
        )
    negative = int(np.sum(values[:counted] < 0))
    if negative:
        notes["indefinite"] = f"{negative} negative eigenvalues: the condition number is one of magnitudes"
    return notes


def _cause(more: int, at_most: int, rows: int | None) -> str:
    """Say why the nullity exceeds the analytic one by `more`; J has `rows` rows, and at most `at_most` could count."""
    if more < 0:
        return f"rounding hides {-more} of the known null directions"
    short = ""
    if rows is not None and rows < at_most:
        short = f", {at_most - rows} of them because J has {rows} rows only"
    return f"on top of it {more} from the data and the sizes{short}, or hidden by rounding"
