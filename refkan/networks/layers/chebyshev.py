r"""Chebyshev layers: y_q = sum_p sum_k C[q, p, k] T_k(t_p), nested in their degree."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from refkan.base import Array, FloatArray, Frozen, check_annotated, check_choice, check_count, lazy
from refkan.networks.layers.functions import Declared, RowFunctions
from refkan.networks.layers.knot_layers.edges import NOISE
from refkan.networks.layers.layer import Layer
from refkan.splines.knots import check_domain
from refkan.splines.local_basis import require_inside
from refkan.splines.sums.spline_functions import SLACK

OUTSIDE = ("linear", "polynomial", "error")

MAX_DEGREE = 1000
"""Slopes at the ends grow like the square of the degree."""


class ChebyshevLayer(Layer, Frozen, eq=True):
    r"""A layer with a Chebyshev polynomial on every edge.

    ::

        y_q = sum_p sum_k C[q, p, k] T_k(t_p),    t_p = (2 x_p - a_p - b_p)/(b_p - a_p),    k = 0..degree

    The first functions of a layer of higher degree are those of one of lower degree, so that prolongation appends
    zeros (a nested basis in the sense of [S26] Lemma 6).

    Parameters
    ----------
    ends : sequence of pairs
        Domain (a, b) of each input.
    n_outputs : int
    degree : int
        At least 1.
    outside : {"linear", "polynomial", "error"}
        Rule for inputs outside the domain: the tangent at the end point, the polynomial itself, or an error.

    Raises
    ------
    ValueError
        For pairs that are not domains, counts that are not positive, or an unknown rule.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> layer = rk.ChebyshevLayer([(-1.0, 1.0)], n_outputs=1, degree=2)  # T_2 = 2 x^2 - 1, tangent 4 x - 3
    >>> layer.linearize(np.array([0.0, 0.0, 1.0]), np.array([[0.5], [1.0], [2.0]])).value
    array([[-0.5],
           [ 1. ],
           [ 5. ]])
    """

    ends: tuple[tuple[float, float], ...]
    n_outputs: int
    degree: int
    outside: str = "linear"

    def __post_init__(self) -> None:
        if not isinstance(self.ends, Sequence | np.ndarray):
            raise TypeError(f"ends must hold one pair for each input; got {self.ends!r}")
        if len(self.ends) == 0:
            raise ValueError("ends must hold one pair for each input; got none")
        ends = tuple(check_domain(pair, f"ends[{p}]") for p, pair in enumerate(self.ends))
        n_outputs = check_count("n_outputs", self.n_outputs, 1)
        degree = check_count("degree", self.degree, 1, MAX_DEGREE)
        vars(self).update(ends=ends, n_outputs=n_outputs, degree=degree)
        check_choice("outside", self.outside, OUTSIDE)

    @property
    def n_inputs(self) -> int:  # type: ignore[override]
        """Number of inputs P."""
        return len(self.ends)

    @property
    def dim(self) -> int:
        """Number of coefficients degree + 1 on each edge."""
        return self.degree + 1

    @property
    def blocks(self) -> dict[str, tuple[int, ...]]:
        """Coefficients (Q, P, degree + 1)."""
        return {"coefficients": (self.n_outputs, self.n_inputs, self.dim)}

    @lazy
    def domains(self) -> FloatArray:
        """Ends (a, b) of the domain of each input, shape (P, 2)."""
        return np.array(self.ends)

    def rows(self, x: Array, derivatives: int) -> Array:
        """Return T_k at the inputs x (N, P) and derivatives in x, shape (derivatives + 1, N, P, dim).

        The rule for inputs outside the domain is applied.
        """
        if self.outside == "error":
            require_inside(self.domains, x, SLACK)
        return chebyshev_rows(x, self.domains, self.degree, derivatives, self.outside == "linear")

    def declare(self, theta: Array) -> Declared:
        """Return the polynomials T_k."""
        return Declared(self.n_inputs, self.n_outputs, (self._polynomials,), theta)

    @lazy
    def _polynomials(self) -> RowFunctions:
        return RowFunctions(self.rows, self.n_inputs, self.dim)

    @property
    def window(self) -> int:
        """Number of functions that may be non-zero at an input: all polynomials."""
        return self.dim

    def describe(self) -> str:
        """Name the degree."""
        return f"Chebyshev of degree {self.degree}"

    def truth_form(self) -> dict[str, Any]:
        """Return domains (P, 2), degree, outside, n_outputs and margin."""
        return {
            "kind": "chebyshev",
            "domains": self.ends,
            "degree": self.degree,
            "outside": self.outside,
            "n_outputs": self.n_outputs,
            "margin": SLACK,
        }

    def initialize(self, rng: np.random.Generator, x: FloatArray, scheme: str = "linear") -> FloatArray:
        r"""Draw a random linear function on each edge plus noise, or Gaussian coefficients of the same output variance.

        c_1 = g/2 with g ~ N(0, 1/P), a slope g over the domain, and N(0, 0.1^2/(1 + k)^2) on every c_k, so that the
        noise is of size 0.1 whatever the degree. Under the scheme "normal" every c_k is N(0, 1).
        """
        check_annotated(ChebyshevLayer.initialize, locals())
        if scheme == "normal":
            return self.pack(coefficients=rng.normal(0.0, 1.0, self.blocks["coefficients"]))
        C = rng.normal(0.0, NOISE, self.blocks["coefficients"]) / np.arange(1, self.dim + 1)
        C[:, :, 1] += 0.5 * rng.normal(0.0, 1.0 / np.sqrt(self.n_inputs), C.shape[:2])
        theta: FloatArray = self.pack(coefficients=C)
        if scheme == "gaussian" and x.size:
            theta = self.pack(coefficients=self.matched_gaussian(rng, theta, x))
        return theta

    def constant_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> list[FloatArray]:
        """Return for each output P vectors: T_0 = 1 on one edge."""
        vectors = np.zeros((self.n_outputs, self.n_inputs, self.n_params))
        for q, p in np.ndindex(self.n_outputs, self.n_inputs):
            self.unpack(vectors[q, p])["coefficients"][q, p, 0] = 1.0
        return list(vectors)

    def on_domains(self, domains: FloatArray) -> Self:
        """Return the layer of polynomials on other domains."""
        return replace(self, ends=tuple((float(low), float(high)) for low, high in domains))

    _why_no_other_basis = "a Chebyshev layer has none"

    @property
    def refinable(self) -> bool:
        """Whether `refined` returns another layer: it returns one of higher degree."""
        return True

    def refined(self, factor: int) -> Self:
        """Return the layer of `factor` times the degree."""
        check_annotated(ChebyshevLayer.refined, locals())
        return type(self)(self.ends, self.n_outputs, self.degree * factor, self.outside)

    def prolongation(self, target: Layer) -> sp.csr_array:
        """Return the sparse matrix P (target.n_params, n_params) of zeros and ones.

        Raises
        ------
        ValueError
            If `target` has other inputs, outputs or rules, or a lower degree.
        """
        check_annotated(ChebyshevLayer.prolongation, locals())
        if not isinstance(target, ChebyshevLayer):
            return super().prolongation(target)
        if replace(self, degree=target.degree) != target:
            raise ValueError(f"other must have the same domains, outputs and outside rule as {self}; got {target}")
        if target.degree < self.degree:
            raise ValueError(f"other must have at least degree {self.degree}; got {target.degree}")
        edges = self.n_outputs * self.n_inputs
        return sp.kron(sp.eye_array(edges), sp.eye_array(target.dim, self.dim), format="csr")


def chebyshev_rows(x: Array, domains: Any, degree: int, derivatives: int, linear: bool) -> Array:
    r"""T_k(t(x)), k = 0..degree, and derivatives in x, with linear tails or the polynomials outside the domain.

    T_{k+1} = 2 t T_k - T_{k-1}, and from its m-th derivative T^(m)_{k+1} = 2 t T^(m)_k + 2 m T^(m-1)_k - T^(m)_{k-1}.

    Parameters
    ----------
    x : array (N, P)
    domains : array (P, 2)

    Returns
    -------
    array (derivatives + 1, N, P, degree + 1)
    """
    a, b = np.asarray(domains).T
    t = (2.0 * x - a - b) / (b - a)
    at = t
    if linear:
        at = np.where(t.real < -1.0, -1.0, np.where(t.real > 1.0, 1.0, t))
    rows = np.zeros((max(derivatives, 1) + 1, *x.shape, degree + 1), t.dtype)
    rows[0, ..., 0] = 1.0
    rows[0, ..., 1] = at
    rows[1, ..., 1] = 1.0
    for k in range(1, degree):
        rows[0, ..., k + 1] = 2.0 * at * rows[0, ..., k] - rows[0, ..., k - 1]
        for m in range(1, rows.shape[0]):
            rows[m, ..., k + 1] = 2.0 * (at * rows[m, ..., k] + m * rows[m - 1, ..., k]) - rows[m, ..., k - 1]
    if linear:
        beyond = (t - at)[..., None]
        rows[0] += beyond * rows[1]
        rows[2:] *= beyond == 0
    scale = (2.0 / (b - a))[:, None] ** np.arange(rows.shape[0])[:, None, None, None]
    scaled: Array = rows * scale
    return scaled[: derivatives + 1]
