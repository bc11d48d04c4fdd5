r"""The declaration of a layer: functions of single inputs, raw coefficients, a chart and an activation.

    y = activation(u),    u_q = sum over blocks, slots p and functions i of  W[q, p, i] phi_{p,i}(x_p),

W (Q, P, dim) the raw coefficients of a block. The parameters of a layer are the raw coefficients, or a `Chart` maps
them to these. `layers.linearization` derives values and derivatives of every kind from the functions. A new basis is
a `Layer` that returns its functions as a `RowFunctions`.

`ParameterBlocks` holds the positions of the blocks of a layer's parameters in one flat vector.
"""

from collections.abc import Callable, Mapping
from functools import cache
from itertools import accumulate, pairwise
from math import prod
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from refkan.base import Array, FloatArray, Frozen, IntArray, lazy, numbers
from refkan.networks.layers.activations import Activation
from refkan.networks.layers.row_sums import LinearSums, RowSums, row_sums
from refkan.splines.sums.channels import Channels
from refkan.splines.sums.input_jet import InputJet
from refkan.splines.sums.sums import FunctionSums


class Features(Frozen):
    """The values of one block of functions at each sample.

    Attributes
    ----------
    start : array (N, P)
        Number of the first function of the window.
    values : array (N, P, width)
        values[s, p, i] = phi_{p, start + i}(x_p).
    slopes : array (N, P, width) or None
        Their derivatives in x_p; None for functions that are constant.
    dim : int
        Number of functions of a slot.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> layer = rk.SplineLayer((rk.SplineSpace.uniform(order=2, intervals=4),), n_outputs=1)
    >>> (functions,) = layer.linearize(np.zeros(5), np.array([[0.3]])).local_form().blocks
    >>> functions.start, functions.values.round(12), functions.dim  # functions 1 and 2 of 5 are not zero there
    (array([[1]]), array([[[0.8, 0.2]]]), 5)
    """

    start: IntArray
    values: FloatArray
    slopes: FloatArray | None
    dim: int

    @property
    def slots(self) -> int:
        """Number of slots P."""
        return self.values.shape[1]

    @property
    def width(self) -> int:
        """Number of functions in a window."""
        return self.values.shape[2]


class Motion(Protocol):
    """Functions with parameters of their own, the free knots s (P, n): tangents and cotangents of sums with s."""

    def pull_back(self, sums: FunctionSums, dy: FloatArray, inputs: bool) -> tuple[Array, Array, Array | None]:
        """Cotangents of C, of s and of the jet z."""

    def push_forward(self, sums: FunctionSums, dC: FloatArray, ds: FloatArray, dz: FloatArray | None) -> FloatArray:
        """Tangent along dC, ds and dz."""

    def fill_jacobian(self, sums: FunctionSums, G: FloatArray, out: FloatArray) -> None:
        """Write the columns of s into out (N, O, P, n)."""


class Functions(Protocol):
    """Functions phi_{p,i} of single inputs at some theta, dim of them for each of the slots P."""

    @property
    def slots(self) -> int:
        """Number P of slots."""

    @property
    def dim(self) -> int:
        """Number of functions of each slot."""

    @property
    def constant(self) -> bool:
        """Whether the functions do not depend on the inputs: a bias."""

    @property
    def moving(self) -> tuple[int, ...]:
        """Shape (P, n) of the parameters of the functions; () for fixed functions."""

    def sums(self, C: Array, at: InputJet, channels: Channels, back: bool) -> FunctionSums:
        """Sums with coefficients C (Q, P, dim) at a jet of inputs; with `back`, derivatives in z will be needed."""

    def motion(self, C: Array) -> Motion | None:
        """How the sums move with the parameters of the functions; None for fixed functions."""


class RowFunctions(Frozen):
    """Functions of any basis, given by values and derivatives of all functions at every sample.

    Attributes
    ----------
    rows : callable
        (x (N, P), derivatives) -> array (derivatives + 1, N, slots, dim).
    constant : bool
        Whether they do not depend on x: a bias.
    """

    rows: Callable[[Array, int], Array]
    slots: int
    dim: int
    constant: bool = False

    @property
    def moving(self) -> tuple[int, ...]:
        """Shape of the parameters of the functions: there are none."""
        return ()

    def motion(self, C: Array) -> Motion | None:
        """None: the functions are fixed."""
        return None

    def sums(self, C: Array, at: InputJet, channels: Channels, back: bool) -> RowSums:
        """Dense matrices and BLAS."""
        return row_sums(self, C, at, channels, back)


class Coordinates(RowFunctions):
    """The inputs themselves: a linear map."""

    def sums(self, C: Array, at: InputJet, channels: Channels, back: bool) -> RowSums:
        """One product: the jets of the inputs are the rows."""
        return LinearSums(self, C, at, channels, back)


@cache
def coordinates(n_inputs: int) -> RowFunctions:
    """The inputs themselves: a linear map."""

    def rows(x: Array, derivatives: int) -> Array:
        out = np.zeros((derivatives + 1, *x.shape, 1), x.dtype)
        out[0, :, :, 0] = x
        out[1:2] = 1.0
        return out

    return Coordinates(rows, n_inputs, 1)


@cache
def constant_one() -> RowFunctions:
    """The function 1: a bias."""

    def rows(x: Array, derivatives: int) -> Array:
        out = np.zeros((derivatives + 1, x.shape[0], 1, 1))
        out[0] = 1.0
        return out

    return RowFunctions(rows, 1, 1, constant=True)


class Chart(Protocol):
    """How raw coefficients W depend on the parameters theta.

    Attributes
    ----------
    raw : array (n_raw,)
        W(theta).
    jacobian : csr_array (n_raw, n_params)
        dW/dtheta.
    """

    raw: Array

    @property
    def jacobian(self) -> sp.csr_array:
        """dW/dtheta."""

    def pull_back(self, dW: FloatArray) -> FloatArray:
        """Cotangent of theta from that of W (n_raw,)."""

    def push_forward(self, dtheta: FloatArray) -> FloatArray:
        """Tangent of W along dtheta."""

    def fill_columns(self, out: FloatArray) -> None:
        """Turn the columns of W, the first n_raw of out (N, O, n_params), into those of theta, in place."""

    def hessian(self, dW: FloatArray) -> sp.csr_array:
        """Hessian of <dW, W(theta)>, csr_array (n_params, n_params)."""


class Declared(Frozen):
    """The declaration of a layer at theta: functions, raw coefficients, activation and chart.

    Attributes
    ----------
    n_inputs, n_outputs : int
    functions : tuple of Functions
        In the order of the raw coefficients, each (Q, P, dim) in C order, followed by the parameters of the functions.
    raw : array (n_raw,)
    activation : Activation or None
        None if y = u.
    chart : Chart or None
        None if the parameters are the raw coefficients.
    """

    n_inputs: int
    n_outputs: int
    functions: tuple[Functions, ...]
    raw: Array
    activation: Activation | None = None
    chart: Chart | None = None


class LocalForm(Frozen):
    """The functions and coefficients of a layer at (theta, x), for matrices that are sums over samples.

    Attributes
    ----------
    blocks : tuple of Features
        In the order of the raw coefficients, each (Q, P, dim) in C order.
    n_outputs : int
    activation : pair of arrays (N, Q), or None
        First and second derivative of the activation at u; None if y = u.
    slopes : array (N, Q, P), or None
        du_q/dx_p; None unless curved.
    curvatures : callable, or None
        Cotangent of u (N, Q) -> sum_q du_q d^2 u_q/dx_p^2, shape (N, P); mixed derivatives vanish, since every
        function has a single input. None unless curved.
    chart : Chart, or None

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> layer = rk.SplineLayer((rk.SplineSpace.uniform(order=2, intervals=4),), n_outputs=3)
    >>> form = layer.linearize(np.zeros(15), np.array([[0.3]])).local_form()
    >>> form.n_outputs, len(form.blocks), form.activation
    (3, 1, None)
    """

    blocks: tuple[Features, ...]
    n_outputs: int
    activation: tuple[FloatArray, FloatArray] | None = None
    slopes: FloatArray | None = None
    curvatures: Callable[[FloatArray], FloatArray] | None = None
    chart: Chart | None = None


class ParameterBlocks(Frozen):
    """Names and shapes of the blocks of a flat vector, in their order (C order).

    Attributes
    ----------
    shapes : dict
    """

    shapes: Mapping[str, tuple[int, ...]]

    @lazy
    def size(self) -> int:
        """Number of parameters."""
        return sum(map(prod, self.shapes.values()))

    @lazy
    def _places(self) -> list[tuple[str, tuple[int, ...], int, int]]:
        """Name, shape, start and end of each block in the flat vector."""
        ends = list(accumulate(map(prod, self.shapes.values()), initial=0))
        return [(*block, *place) for block, place in zip(self.shapes.items(), pairwise(ends), strict=True)]

    def unpack(self, theta: Array) -> dict[str, Array]:
        """Views of the blocks of theta by name."""
        return {name: theta[start:end].reshape(shape) for name, shape, start, end in self._places}

    def pack(self, blocks: Mapping[str, Array]) -> Array:
        """Join blocks by name into a flat vector.

        Other names are ignored.

        Raises
        ------
        ValueError, TypeError
            If a block is missing, has another shape, or does not hold numbers.
        """
        parts = []
        for name, shape, _, _ in self._places:
            if name not in blocks:
                wanted, got = (", ".join(map(repr, names)) or "none" for names in (self.shapes, blocks))
                raise ValueError(f"blocks must be {wanted}, each by its name; got {got}")
            block = numbers(name, blocks[name])
            if block.shape != shape:
                raise ValueError(f"{name} must have shape {shape}; got {block.shape}")
            parts.append(block.ravel())
        return np.concatenate(parts)
