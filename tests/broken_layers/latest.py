"""Functions of layers that are asked again and again at the same points on the same knots, of other coefficients."""

from collections.abc import Callable
from typing import Any

LATEST: dict[tuple[Any, ...], Any] = {}
LATEST_KEPT = 5000


def latest(layer: Any, steps: tuple[str, ...], key: tuple[Any, ...], compute: Callable[..., Any], *given: Any) -> Any:
    """Return compute(*given), or what was computed last for the same key.

    Classes with `steps` of their own are computed every time: theirs may depend on more than the key.
    """
    own = next(kind for kind in reversed(type(layer).__mro__) if steps[-1] in vars(kind))
    if not all(getattr(type(layer), step) is getattr(own, step) for step in steps):
        return compute(*given)
    key = (own, *key)
    if key not in LATEST:
        if len(LATEST) == LATEST_KEPT:
            del LATEST[next(iter(LATEST))]
        LATEST[key] = compute(*given)
    return LATEST[key]
