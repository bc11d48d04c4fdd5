"""Types of the arrays that cross module borders."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Array = NDArray[Any]
"""float64, or complex128 where a complex step passes through."""

RandomSource = np.random.Generator | np.random.BitGenerator | np.random.SeedSequence | int | Sequence[int]
"""What `numpy.random.default_rng` makes a generator of, the same one of the same seed; a generator stays itself."""
