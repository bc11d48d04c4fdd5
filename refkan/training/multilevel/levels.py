"""One problem on several networks."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from refkan.base import Frozen
from refkan.networks import Network


class Level(Frozen):
    """What a callback of a training on several levels is called with.

    Attributes
    ----------
    index : int
        0 is the coarsest.
    network : Network
    problem : LeastSquares, Collocation or similar
        On this network.

    Examples
    --------
    >>> import refkan as rk
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.5]], [[2.0]])
    >>> def show(level, state):
    ...     print(level.index, level.network.n_params)
    >>> result = rk.minimize_multilevel(problem, [0.0, 1.0, 4.0], [1, 1], "gd", learning_rate=0.1, callback=show)
    0 3
    1 5
    """

    index: int
    network: Network
    problem: Any


def on_network(problem: Any, net: Network) -> Any:
    """Return the same problem on another network: by its ``with_network(net)``, or as a dataclass with a field net.

    Raises
    ------
    TypeError
        If it has neither.
    """
    if hasattr(problem, "with_network"):
        return problem.with_network(net)
    if is_dataclass(problem) and not isinstance(problem, type) and any(f.name == "net" for f in fields(problem)):
        return replace(problem, net=net)
    raise TypeError(
        f"problem must offer with_network(net), or be a dataclass with a field net; got {type(problem).__name__}"
    )
