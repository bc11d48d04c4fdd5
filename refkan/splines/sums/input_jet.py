r"""The jet of a layer's inputs, and what is computed of it alone: kept where it does not change between calls.

The samples of a loss and the points of a differential equation are the same at every theta, and so are the windows, the
B-splines, the jets and the order by interval of their first layer. What is kept belongs to fixed knots or functions,
its `owner`, and goes with them. Knots that move are others at each theta: nothing of theirs is kept.
"""

from collections.abc import Callable
from typing import Any, Self, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from refkan.base import Array, IntArray

T = TypeVar("T")

KEPT_BYTES = 2**27
"""Bytes that are kept for one array of samples, 128 MB; what does not fit is computed again at every call."""


class InputJet:
    """A jet z (N, channels, P) of the inputs of a layer; a value is a jet of one channel. It is not copied.

    Attributes
    ----------
    z : array (N, channels, P)
        In C order, not to be written to while sums at it are in use.
    x : array (N, P)
        The values.
    fixed : bool
        Whether anything is kept.

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
        self.x: Array = self.z.reshape(z.shape[0], z.shape[2]) if z.shape[1] == 1 else packed(self.z[:, 0])

    @property
    def nbytes(self) -> int:
        """Bytes of z."""
        return self.z.nbytes

    def once(self, owner: Any, name: tuple[Any, ...], compute: Callable[[], T]) -> T:
        """Return compute(), which depends only on this jet, the owner and the name."""
        return compute()

    def __getitem__(self, rows: slice) -> "InputJet":
        """The jet of some of the samples."""
        return InputJet(self.z[rows])

    def reordered(self, order: IntArray) -> "InputJet":
        """The jet of the samples in another order, which follows from this one."""
        return InputJet(self.z[order])


class FixedJet(InputJet):
    """A jet that never changes, a copy of z; results computed from it are kept, up to KEPT_BYTES.

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
        super().__init__(np.array(z, order="C") if whole is None else z)
        self._whole = self if whole is None else whole
        self._kept: WeakKeyDictionary[Any, dict[tuple[Any, ...], Any]] = WeakKeyDictionary()
        self._blocks: dict[tuple[int, int], FixedJet] = {}
        self.kept_bytes = 0

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.x, dtype)

    def __reduce__(self) -> tuple[type[Self], tuple[Array]]:
        return type(self), (self.z,)

    def once(self, owner: Any, name: tuple[Any, ...], compute: Callable[[], T]) -> T:
        """Return the result of the first compute() for this owner and name, if there was room to keep it."""
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
        """The jet of some of the samples, the same object whenever it is asked for."""
        low, high, _ = rows.indices(self.z.shape[0])
        if high - low == self.z.shape[0]:
            return self
        block = self._blocks.get((low, high))
        return block or self._blocks.setdefault((low, high), FixedJet(self.z[rows], self._whole))

    def reordered(self, order: IntArray) -> "FixedJet":
        """The jet of the samples in another order."""
        return FixedJet(self.z[order], self._whole)


def bytes_of(value: Any) -> int:
    """Bytes of an array, of all arrays in a tuple, or what an object says of itself."""
    return sum(map(bytes_of, value)) if isinstance(value, tuple) else getattr(value, "nbytes", 0)


def packed(array: Array) -> Array:
    """The array in C order and writable: read-only and strided arrays are other types, for which kernels compile."""
    return array if array.flags.carray else np.require(array, requirements=["C", "A", "W"])
