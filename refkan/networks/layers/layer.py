r"""The interface of layers: parameters in named blocks, declared functions, and methods with defaults."""

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from refkan.base import Array, FloatArray, IntArray, ShortRepr, as_array, as_samples, as_vector, check_choice, lazy
from refkan.networks.layers.functions import Declared, ParameterBlocks
from refkan.networks.layers.linearization import Linearization
from refkan.splines.spaces import SplineSpace
from refkan.splines.sums.channels import Channels
from refkan.splines.sums.input_jet import InputJet

SCHEMES = ("linear", "normal", "gaussian")
"""How coefficients start: a random linear function plus noise on each edge, or Gaussian coefficients."""

BASES = ("spline", "relu", "scaled-relu")
"""The bases that coefficients of splines may refer to."""


class Layer(ShortRepr, ABC):
    """A map from P inputs to Q outputs, sample by sample, with its parameters as one flat vector.

    A kind of layer defines its parameters (`blocks`), the functions that they multiply (`declare`) and their initial
    values (`initialize`). Values and derivatives of all kinds are derived from that, see `linearize`. The other methods
    are used by networks and have defaults for a layer without knots.

    Attributes
    ----------
    n_inputs, n_outputs : int
    blocks : dict
        Name and shape of each parameter block, in the order in which they lie in the flat vector (C order).
    sums_to_one : bool
        Whether the functions are not negative on the domain and sum to one everywhere.
    linear : bool
        Whether the outputs are linear in the coefficients, without an activation.
    homogeneous : tuple of str
        Blocks in which the outputs are homogeneous: c > 0 times the blocks gives c^k times the outputs.
    degree_of_homogeneity : int or None
        This k; None if there is none.
    has_knots : bool
        Whether the layer is a `KnotLayer`, whose knots can be inserted, fixed and freed.
    intervals : int
        Number n of intervals of each knot vector; 0 without knots.
    free_knots : bool
        Whether knots are parameters.
    basis : str or None
        The basis of the spline coefficients; None without splines.
    outside : str or None
        Rule for inputs outside the domain; None for a layer without a domain.

    Examples
    --------
    >>> import refkan as rk
    >>> layer = rk.SplineLayer((rk.SplineSpace.uniform(order=2, intervals=4),) * 2, n_outputs=3)
    >>> isinstance(layer, rk.networks.layers.Layer), layer.n_inputs, layer.blocks, layer.n_params
    (True, 2, {'coefficients': (3, 2, 5)}, 30)
    """

    n_inputs: int
    n_outputs: int
    sums_to_one: bool = False
    linear: bool = True
    homogeneous: tuple[str, ...] = ("coefficients",)
    degree_of_homogeneity: int | None = 1
    has_knots: bool = False
    intervals: int = 0
    free_knots: bool = False
    basis: str | None = None
    outside: str | None = None

    # ------------------------------------------------------------ what it is

    @property
    @abstractmethod
    def blocks(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameter blocks."""

    @abstractmethod
    def declare(self, theta: Array) -> Declared:
        """Return the functions of single inputs, raw coefficients, activation and chart at theta (n_params,)."""

    @abstractmethod
    def initialize(self, rng: np.random.Generator, x: FloatArray, scheme: str = "linear") -> FloatArray:
        """Draw starting parameters; x (N, P) are the layer's inputs on the data, for schemes that match variances."""

    @lazy
    def parameters(self) -> ParameterBlocks:
        """The positions of the blocks in the flat vector."""
        return ParameterBlocks(self.blocks)

    @property
    def n_params(self) -> int:
        """Number of parameters."""
        return self.parameters.size

    def unpack(self, theta: Array) -> dict[str, Array]:
        """Return views of the blocks of theta by name."""
        return self.parameters.unpack(theta)

    def pack(self, **blocks: Array) -> Array:
        """Join blocks by name into a flat vector."""
        return self.parameters.pack(blocks)

    @property
    def domains(self) -> FloatArray:
        """Ends (a, b) of the domain of each input, (P, 2); the unit interval for a layer without domains."""
        return np.tile([0.0, 1.0], (self.n_inputs, 1))

    @property
    def window(self) -> int:
        """Number of functions that may be non-zero at an input."""
        return 1

    def describe(self) -> str:
        """Describe the layer in a few words."""
        return type(self).__name__

    # ---------------------------------------------------------- at a point

    def linearize(self, theta: Array, x: Array, slopes: bool = True, channels: Channels | None = None) -> Linearization:
        """Evaluate at theta (n_params,) and x (N, P), or at a jet (N, channels, P) of the inputs.

        Parameters
        ----------
        theta : array (n_params,)
        x : array (N, P), or (N, channels.count, P) with `channels`
        slopes : bool
            If False, the result has values and cotangents of theta only.
        channels : Channels, optional

        Raises
        ------
        ValueError, TypeError
            For arrays of wrong shapes or without numbers. The numbers need not be finite.
        OutsideDomainError
            For an input outside its domain under outside="error".
        """
        # Copies: later changes of the arguments must not affect the result.
        theta = as_vector("theta", theta, self.n_params, finite=False).copy()
        if channels is None:
            return self.at(theta, as_samples("x", x, self.n_inputs, finite=False).copy(), None, slopes)
        z = as_array("z", x, ndim=3, finite=False).copy()
        if z.shape[1:] != (channels.count, self.n_inputs):
            raise ValueError(f"z must have shape (N, {channels.count}, {self.n_inputs}); got {z.shape}")
        return self.at(theta, z, channels, slopes)

    def at(self, theta: Array, z: Array, channels: Channels | None, slopes: bool = True) -> Linearization:
        """Evaluate as `linearize` does, without checks and copies.

        theta and z must be arrays of the right shapes and types which do not change as long as the result is in use.
        """
        at = InputJet(z[:, None] if channels is None else z)
        return Linearization(self.declare(theta), self.parameters, at, channels, slopes)

    def matched_gaussian(self, rng: np.random.Generator, theta: FloatArray, x: FloatArray) -> FloatArray:
        """Draw independent N(0, sigma^2) coefficients that have, on average, the variance of the outputs at theta."""
        at = self.linearize(theta, x, slopes=False)
        shape = self.blocks["coefficients"]
        functions = at.local_form().blocks[0].values
        if not at.value.size:
            return rng.normal(0.0, 1.0, shape)
        per_unit = np.mean(np.sum(functions**2, axis=(1, 2)))
        return rng.normal(0.0, np.sqrt(np.mean(at.value**2) / per_unit), shape)

    def require_derivatives(self, order: int) -> str | None:
        """Raise ValueError if derivatives of this order in x do not exist; return a warning if they jump, else None."""
        return None

    def truth_form(self) -> dict[str, Any]:
        """Describe the layer by plain data for `refkan.truth`, see `truth.reading`."""
        raise TypeError(f"refkan.truth does not know {type(self).__name__} layers: give it a method truth_form()")

    # ------------------------------------------------------------ null space

    def constant_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> list[FloatArray]:
        """Return for each output the parameter vectors (count, n_params) that raise it, and no other, by one at x.

        With `translations`, only those independent of theta.
        """
        return [np.empty((0, self.n_params))] * self.n_outputs

    def scaling_vectors(self, theta: FloatArray) -> FloatArray:
        """Return Q rows (or none): row q changes output q by its own value, and no other output.

        If outputs are homogeneous of degree k in the blocks `homogeneous`, the rows are theta's blocks over k.
        """
        if self.degree_of_homogeneity is None:
            return np.empty((0, self.n_params))
        vectors = np.zeros((self.n_outputs, self.n_params))
        for q, row in enumerate(vectors):
            blocks = self.unpack(row)
            for name in self.homogeneous:
                blocks[name][q] = self.unpack(theta)[name][q] / self.degree_of_homogeneity
        return vectors

    def scaled_outputs(self, theta: FloatArray, exponents: IntArray) -> FloatArray:
        """Return theta with the blocks `homogeneous` of output q times 2^e_q: output q is then 2^(k e_q) times itself.

        k is `degree_of_homogeneity`. Not a bit of a mantissa changes: rows of which 2^e_q would take an entry out of
        the range of normal numbers keep their scale.
        """
        scaled = theta.copy()
        blocks = [self.unpack(scaled)[name].reshape(self.n_outputs, -1) for name in self.homogeneous]
        rows = np.concatenate(blocks, axis=1)
        there = np.ldexp(rows, exponents[:, None])
        exact = (np.ldexp(there, -exponents[:, None]) == rows).all(axis=1)
        kept = np.where(exact, exponents, 0)
        for block in blocks:
            block[...] = np.ldexp(block, kept[:, None])
        return scaled

    def input_scaling_vectors(self, theta: FloatArray) -> FloatArray:
        """Return P rows (or none): row p has the effect of a relative change of input p."""
        return np.empty((0, self.n_params))

    def null_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> FloatArray:
        """Return parameter vectors (count, n_params), not normalised, along which the values at x do not change.

        The difference of two vectors that raise the same output by one changes nothing. P edges give P - 1 such
        differences for each output.

        Parameters
        ----------
        theta : array (n_params,)
        x : array (N, P)
        translations : bool
            Only vectors independent of theta. The value is constant along the whole line, so that these vectors lie
            in the null space of second derivatives too.
        """
        vectors = self.constant_vectors(theta, x, translations)
        return np.concatenate([np.diff(rows, axis=0) for rows in vectors])

    # ------------------------------------------------ the same function elsewhere

    @property
    def refinable(self) -> bool:
        """Whether `refined` returns another layer."""
        return self.has_knots

    def refined(self, factor: int) -> Self:
        """Return the layer with every interval cut into `factor` equal ones; a layer without knots returns itself."""
        return self

    def on_domains(self, domains: FloatArray) -> "Layer":
        """Return the layer with other domains (P, 2) of its inputs.

        Raises
        ------
        ValueError
            For a layer without domains, and for knots that are not uniform, which another domain does not determine.
        """
        raise ValueError(f"domain_from_data needs a first layer with a domain; got a {type(self).__name__}")

    @property
    def bends_at_ends(self) -> bool:
        """Whether second derivatives jump at the ends of the domain but not at knots."""
        return self.outside == "linear"

    def spaces_at(self, theta: FloatArray) -> tuple[SplineSpace, ...]:
        """Return the spline spaces at theta, one for each input; none without knots."""
        return ()

    def with_fixed_knots(self, theta: FloatArray) -> Self:
        """Return the layer with its free knots fixed at their positions for theta."""
        return self

    def with_free_knots(self) -> Self:
        """Return the layer with free knots that start at its present knots."""
        return self

    def jumps(self) -> FloatArray:
        r"""Return the matrix that maps the coefficients of one output to the jumps on all its edges.

        With w the coefficients in the scaled ReLU basis ((x - t_j)_+/h)^(r-1), the derivative of order r - 1 jumps by
        ``(r-1)! w_j / h^(r-1)`` at the knot t_j. A row of the matrix yields w_j for one t_j in (a, b); for uniform
        knots it is the r-th difference of B-spline coefficients, divided by (r-1)!. Polynomials have no jumps.

        Returns
        -------
        ndarray (P (n-1), P dim)
            For the coefficients C[q] (P, dim), flat, in the layer's own basis.

        Raises
        ------
        ValueError
            If the layer has no splines with fixed knots.
        """
        raise ValueError(f"roughness needs splines with fixed knots; got {self}")

    def in_basis(self, basis: str) -> "Layer":
        """Return the layer of the same function space with its coefficients in `basis`, one of `BASES`.

        Raises
        ------
        ValueError
            If the layer has no such basis.
        """
        check_choice("basis", basis, BASES)
        if basis == self.basis:
            return self
        raise ValueError(f"basis {basis!r} is not available: {self._why_no_other_basis}")

    @property
    def _why_no_other_basis(self) -> str:
        return f"{type(self).__name__} has none"

    def change_basis(self, vector: Array, basis: str, way: str) -> Array:
        """Take parameters (n_params,), or a step, "to" coefficients in `basis` or "back", or a "gradient" to them."""
        self.in_basis(basis)
        return vector.copy()

    def convert(self, theta: FloatArray, target: "Layer", allow_inexact: bool = False) -> FloatArray:
        """Return parameters of `target` that make it the same function as this layer at theta.

        Raises
        ------
        KnotError, ValueError
            If there are none.
        """
        return theta.copy() if self == target else self.prolongation(target) @ theta

    def prolongation(self, target: "Layer") -> sp.csr_array:
        """Return the sparse matrix of `convert` for fixed knots and one basis."""
        if self == target:
            return sp.eye_array(self.n_params, format="csr")
        raise ValueError(f"cannot convert a {type(self).__name__} into a {type(target).__name__}")
