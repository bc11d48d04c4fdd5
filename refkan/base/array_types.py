"""Types of the arrays that cross module borders."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Array = NDArray[Any]
"""float64, or complex128 where a complex step passes through."""
