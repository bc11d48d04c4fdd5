r"""The jet of a layer's inputs, with a cache of results that depend on this jet only.

The samples of a loss and the points of a differential equation are the same at every theta, and so are the windows,
the B-splines, the jets and the order by interval in the first layer. Each cached result belongs to fixed knots or
functions, its `owner`, and is released with them. Knots that move differ at each theta: nothing of them is cached.
"""

from collections.abc import Callable
from typing import Any, Self, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from refkan.base import Array, IntArray

T = TypeVar("T")

KEPT_BYTES = 2**27
"""Largest size of the cache for one array of samples, 128 MB; other results are computed again at every call."""


class InputJet:
    """A jet z (N, channels, P) of the inputs of a layer, not copied; a value is a jet of one channel.

    Attributes
    ----------
    z : array (N, channels, P)
        In C order, not to be written to while sums at it are in use.
    x : array (N, P)
        The values.
    fixed : bool
        Whether results are cached.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.splines.sums.input_jet import InputJet
    >>> InputJet(np.array([[[0.5, 2.0], [1.0, 0.0]]])).x  # the other channel says how it moves
    array([[0.5, 2. ]])
    """

    fixed = False

    def __init__(self, z: Array) -> None:
        self.z = packed(z)
        if z.shape[1] == 1:
            self.x: Array = self.z.reshape(z.shape[0], z.shape[2])
        else:
            self.x = packed(self.z[:, 0])

    @property
    def nbytes(self) -> int:
        """Bytes of z."""
        return self.z.nbytes

    def once(self, owner: Any, name: tuple[Any, ...], compute: Callable[[], T]) -> T:
        """Return compute(), whose result depends only on this jet, the owner and the name."""
        return compute()

    def __getitem__(self, rows: slice) -> "InputJet":
        """The jet of some of the samples."""
        return InputJet(self.z[rows])

    def reordered(self, order: IntArray) -> "InputJet":
        """The jet of the samples in another order."""
        return InputJet(self.z[order])


class FixedJet(InputJet):
    """A jet that never changes, a copy of z; results computed from it are cached, up to KEPT_BYTES.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.splines.sums.input_jet import FixedJet
    >>> x = np.random.default_rng(0).uniform(size=(100, 2))
    >>> net, theta = rk.kan([2, 5, 1], order=3, intervals=4).initialize(np.random.default_rng(1), x)
    >>> samples = FixedJet(x[:, None])
    >>> y, pullback = net.vjp(theta, samples, inputs=False)
    >>> samples.kept_bytes  # for each of 200 numbers which B-splines do not vanish, and their three values
    6400
    """

    fixed = True

    def __init__(self, z: Array, whole: "FixedJet | None" = None) -> None:
        if whole is None:
            z = np.array(z, order="C")
            whole = self
        super().__init__(z)
        self._whole = whole
        self._kept: WeakKeyDictionary[Any, dict[tuple[Any, ...], Any]] = WeakKeyDictionary()
        self._blocks: dict[tuple[int, int], FixedJet] = {}
        self.kept_bytes = 0

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.x, dtype)

    def __reduce__(self) -> tuple[type[Self], tuple[Array]]:
        return type(self), (self.z,)

    def once(self, owner: Any, name: tuple[Any, ...], compute: Callable[[], T]) -> T:
        """Return the cached result of compute() for this owner and name; compute it if it is not cached."""
        of_owner = self._kept.get(owner)
        if of_owner is None:
            of_owner = self._kept.setdefault(owner, {})
        if name not in of_owner:
            value, whole = compute(), self._whole
            size = bytes_of(value)
            if whole.kept_bytes + size > KEPT_BYTES:
                return value
            of_owner[name] = value
            whole.kept_bytes += size
        return of_owner[name]

    def __getitem__(self, rows: slice) -> "FixedJet":
        """The jet of some of the samples; equal slices return the same object."""
        low, high, _ = rows.indices(self.z.shape[0])
        if high - low == self.z.shape[0]:
            return self
        block = self._blocks.get((low, high))
        return block or self._blocks.setdefault((low, high), FixedJet(self.z[rows], self._whole))

    def reordered(self, order: IntArray) -> "FixedJet":
        """The jet of the samples in another order."""
        return FixedJet(self.z[order], self._whole)


def as_jet(samples: Array | InputJet) -> InputJet:
    """Return samples (N, P) as a jet of one channel; jets are returned unchanged."""
    if isinstance(samples, InputJet):
        return samples
    return InputJet(samples[:, None])


def bytes_of(value: Any) -> int:
    """Bytes of an array, of all arrays in a tuple, or of an object with an attribute `nbytes`."""
    if isinstance(value, tuple):
        return sum(map(bytes_of, value))
    return getattr(value, "nbytes", 0)


def packed(array: Array) -> Array:
    """Return the array in C order and writable.

    Read-only and strided arrays have other types in Numba, which would compile the kernels again.
    """
    if array.flags.carray:
        return array
    return np.require(array, requirements=["C", "A", "W"])
