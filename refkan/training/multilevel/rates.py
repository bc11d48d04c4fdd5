"""Ramps: learning rates that start low on every level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from refkan.base.arguments import check_count
from refkan.training.optimizers.method_options import check_non_negative

DEFAULT_RATE = 1e-3
"""Adam's, where neither learning_rate nor schedule is given."""


def with_ramp(method: Any, options: Mapping[str, Any], ramp: tuple[int, float] | None) -> dict[str, Any]:
    """Return options of Adam in which the first steps of a level rise linearly to the rate there.

    ``rate_k = start + (rate - start) k / steps`` for k < steps, for ``ramp = (steps, start)``; rate is the learning
    rate, or what the schedule says in step k.

    Examples
    --------
    >>> options = with_ramp("adam", {"learning_rate": 1e-2}, (10, 1e-4))
    >>> [round(options["schedule"](k), 6) for k in (0, 5, 10, 11)]
    [0.0001, 0.00505, 0.01, 0.01]
    """
    if ramp is None:
        return dict(options)
    if method != "adam":
        raise ValueError(f"ramp is for method 'adam', which has a learning rate schedule; got method {method!r}")
    try:
        count, first = ramp
    except (TypeError, ValueError):
        raise TypeError(f"ramp must be a pair (steps, first rate); got {ramp!r}") from None
    steps, start = check_count("ramp[0]", count, minimum=1), check_non_negative("ramp[1]", first)
    rest = {name: value for name, value in options.items() if name not in ("learning_rate", "schedule")}
    schedule = options.get("schedule")
    if schedule is not None and "learning_rate" in options:
        raise ValueError("learning_rate must be left out when schedule is given: it sets the rate")
    given = options.get("learning_rate", DEFAULT_RATE) if schedule is None else schedule
    rate: Callable[[int], float] = given if callable(given) else (lambda k: check_non_negative("rate", given))

    def ramped(k: int) -> float:
        full = rate(k)
        return full if k >= steps else start + (full - start) * k / steps

    return rest | {"schedule": ramped}
