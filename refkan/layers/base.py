r"""What a layer is: parameters in named blocks, a value, and its linearisation at a point."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import accumulate, pairwise
from math import prod

import numpy as np

from refkan.arguments import as_array, as_samples, as_shape, as_vector
from refkan.array_types import Array, FloatArray
from refkan.layers.jets import Channels, JetLinearization
from refkan.layers.local_forms import LocalForm
from refkan.lazy import lazy

SCHEMES = ("linear", "gaussian")
"""How coefficients start: a random linear function plus noise on each edge, or Gaussian coefficients."""


class Linearization(ABC):
    """A layer at (theta, x): its value and its derivative as a linear map, forward, backward and explicitly.

    Attributes
    ----------
    layer : Layer
    value : array (N, Q)

    Raises
    ------
    ValueError, TypeError
        By methods: for tangents and cotangents of other shapes than stated, or that are not numbers. They need not be
        finite.
    """

    layer: Layer
    value: Array

    # Kernels do not look where an array ends: these checks stand in front of all of them.

    def _cotangent(self, dy: FloatArray) -> FloatArray:
        return as_shape("dy", dy, self.value.shape, finite=False)

    def _cotangents(self, G: FloatArray) -> FloatArray:
        G = as_array("G", G, ndim=3, finite=False)
        n_samples, n_outputs = self.value.shape
        if G.shape[::2] != self.value.shape:
            raise ValueError(f"G must have shape ({n_samples}, O, {n_outputs}); got {G.shape}")
        return G

    def _tangents(self, dtheta: FloatArray, dx: FloatArray) -> tuple[FloatArray, FloatArray]:
        dtheta = as_vector("dtheta", dtheta, self.layer.n_params, finite=False)
        return dtheta, as_shape("dx", dx, (self.value.shape[0], self.layer.n_inputs), finite=False)

    @abstractmethod
    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents (dtheta, dx) of a cotangent dy (N, Q); dx is None when `inputs` is false."""

    def pullback_apart(self, dy: FloatArray) -> FloatArray:
        """Cotangents of theta from each column of dy (N, Q) alone: (Q, n_params)."""
        layer, apart = self.layer, np.zeros((dy.shape[1], self.layer.n_params))
        blocks = layer.unpack(self.pullback(dy, inputs=False)[0])
        for q, row in enumerate(apart):
            mine = layer.unpack(row)
            for name, block in blocks.items():
                if name not in layer.shared_blocks:
                    mine[name][q] = block[q]
        if layer.shared_blocks:
            G = dy[:, None, :] * np.eye(dy.shape[1])
            for row, whole in zip(apart, self.pullback_several(G), strict=True):
                mine, found = layer.unpack(row), layer.unpack(whole)
                for name in layer.shared_blocks:
                    mine[name][...] = found[name]
        return apart

    def pullback_several(self, G: FloatArray) -> FloatArray:
        """Cotangents of theta from several cotangents G (N, O, Q) of the value: (O, n_params)."""
        rows = [self.pullback(np.ascontiguousarray(dy), inputs=False)[0] for dy in np.moveaxis(G, 1, 0)]
        return np.array(rows).reshape(G.shape[1], self.layer.n_params)

    @abstractmethod
    def pushforward(self, dtheta: FloatArray, dx: FloatArray) -> FloatArray:
        """Tangent of the value (N, Q) along the tangents dtheta and dx (N, P)."""

    @abstractmethod
    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """Pull several cotangents G (N, O, Q) back to the inputs at once: (N, O, P)."""

    @abstractmethod
    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Write sum_q G[s, o, q] dy[s, q]/dtheta into out (N, O, n_params), which is zero on entry."""

    @abstractmethod
    def hessian_product(self, dtheta: FloatArray, dx: FloatArray, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Hessian of sum dy . y in (theta, x), times the tangent (dtheta, dx): the derivative of `pullback`.

        Knots are fixed. Shapes as for `pullback`: the result is the tangent of its cotangents while dy is held. At a
        kink of a ReLU power the second derivative is that of the piece to the right, as for the first one.
        """

    @abstractmethod
    def local_form(self, curved: bool = False) -> LocalForm:
        """Return the layer as fixed functions of single inputs times coefficients; `curved` with derivatives in x."""


class Layer(ABC):
    """A map from P inputs to Q outputs, sample by sample, with its parameters as one flat vector.

    Attributes
    ----------
    n_inputs, n_outputs : int
    blocks : dict
        Name and shape of each parameter block, in the order in which they lie in the flat vector (C order).
    shared_blocks : tuple of str
        The blocks that every output depends on; all others have the outputs as their first axis.
    sums_to_one : bool
        Whether coefficients multiply functions that are not negative on the domain and sum to one everywhere.
    """

    n_inputs: int
    n_outputs: int
    shared_blocks: tuple[str, ...] = ()
    sums_to_one: bool = False

    @property
    @abstractmethod
    def blocks(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameter blocks."""

    @abstractmethod
    def linearize(self, theta: Array, x: Array, slopes: bool = True) -> Linearization:
        """Evaluate at theta (n_params,) and x (N, P); without `slopes` only the value of the result is valid.

        Raises
        ------
        ValueError, TypeError
            For arrays of other shapes, or that do not hold numbers. They need not be finite.
        OutsideDomainError
            For an input outside its domain under outside="error".
        """

    def _point(self, theta: Array, x: Array) -> tuple[Array, Array]:
        """Copies of theta and x: what is computed later is at this point, whatever becomes of the arguments."""
        theta = as_vector("theta", theta, self.n_params, finite=False)
        return theta.copy(), as_samples("x", x, self.n_inputs, finite=False).copy()

    def linearize_jets(self, theta: Array, z: Array, channels: Channels) -> JetLinearization:
        """Evaluate at theta and a jet z (N, channels, P): values with derivatives along directions, see `jets`."""
        raise TypeError(f"derivatives in x need a layer that offers its jets; got {type(self).__name__}")

    def require_derivatives(self, order: int) -> str | None:
        """Raise ValueError where derivatives of that order in x are of no use; say what is wrong with them, or None."""
        return None

    @abstractmethod
    def initialize(self, rng: np.random.Generator, x: FloatArray, scheme: str = "linear") -> FloatArray:
        """Draw starting parameters; x (N, P) are the layer's inputs on the data, for schemes that match variances."""

    def constant_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> list[FloatArray]:
        """For each output the parameter vectors (count, n_params) that raise it by one, and no other, at the inputs x.

        With `translations` those alone that do not depend on theta.
        """
        return [np.empty((0, self.n_params))] * self.n_outputs

    def scaling_vectors(self, theta: FloatArray) -> FloatArray:
        """Row q (of Q, or of none) changes output q by its own value and no other output."""
        return np.empty((0, self.n_params))

    def input_scaling_vectors(self, theta: FloatArray) -> FloatArray:
        """Row p (of P, or of none) changes the outputs as a relative change of input p does."""
        return np.empty((0, self.n_params))

    def null_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> FloatArray:
        """Parameter vectors (count, n_params), not normalised, along which the values at x do not change.

        Whatever raises one output by one in two ways: (P - 1) Q differences for one function on each edge.

        Parameters
        ----------
        theta : array (n_params,)
        x : array (N, P)
        translations : bool
            Only vectors that do not depend on theta: the value is constant along a line, so that these lie in the
            null space of second derivatives too.
        """
        return np.concatenate([np.diff(rows, axis=0) for rows in self.constant_vectors(theta, x, translations)])

    @lazy
    def n_params(self) -> int:
        """Number of parameters."""
        return sum(prod(shape) for shape in self.blocks.values())

    def unpack(self, theta: Array) -> dict[str, Array]:
        """Views of the blocks of theta by name."""
        return {name: theta[start:end].reshape(shape) for name, shape, start, end in self._places}

    @lazy
    def _places(self) -> list[tuple[str, tuple[int, ...], int, int]]:
        """Name, shape, start and end of each block in the flat vector."""
        ends = list(accumulate(map(prod, self.blocks.values()), initial=0))
        return [(*block, *place) for block, place in zip(self.blocks.items(), pairwise(ends), strict=True)]

    def pack(self, **blocks: Array) -> Array:
        """Join blocks by name into a flat vector."""
        parts = []
        for name, shape, _, _ in self._places:
            block = blocks[name]
            if block.shape != shape:
                raise ValueError(f"{name} must have shape {shape}; got {block.shape}")
            parts.append(block.ravel())
        return np.concatenate(parts)


def flat(array: Array) -> Array:
    """Join the last two axes."""
    return array.reshape(array.shape[0], array.shape[1] * array.shape[2])
