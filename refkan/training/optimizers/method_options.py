"""Checks of the numbers that methods take as options."""

from __future__ import annotations

import numpy as np


def check_non_negative(name: str, value: object) -> float:
    """Return `value` as a float if it is a finite number >= 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number; got {value!r}")
    number = float(value)
    if not (np.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be finite and not negative; got {number}")
    return number


def check_decay(name: str, value: object) -> float:
    """Return `value` as a float if it lies in [0, 1)."""
    number = check_non_negative(name, value)
    if number >= 1:
        raise ValueError(f"{name} must be less than 1; got {number}")
    return number
