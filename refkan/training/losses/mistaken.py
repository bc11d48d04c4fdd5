"""Arguments given by mistake instead of a loss, and the remedy for each."""

from typing import Any

from refkan.base import check_type
from refkan.networks import Network


def network_of(problem: Any) -> Network:
    """Return the network of a problem; TypeError, with the remedy, where there is none."""
    refuse_what_is_no_loss("problem", problem)
    if not hasattr(problem, "net"):
        came = type(problem).__name__
        raise TypeError(f"problem must offer net, its network; got {came}: pass a LeastSquares or a Collocation")
    net: Network = problem.net
    check_type("problem.net", net, Network)
    return net


def refuse_what_is_no_loss(name: str, value: Any, *methods: str) -> None:
    """Raise TypeError, with the remedy, for a network and for anything that does not offer the methods.

    Parameters
    ----------
    name : str
        Of the argument.
    value : object
    *methods : str
        Names of the methods that a loss must have here.

    Examples
    --------
    >>> import refkan as rk
    >>> refuse_what_is_no_loss("problem", rk.kan([1, 1], order=2, intervals=2))
    Traceback (most recent call last):
    TypeError: problem must be a loss, not a network: pass a LeastSquares: rk.LeastSquares(net, x, y)
    """
    if isinstance(value, Network):
        raise TypeError(f"{name} must be a loss, not a network: pass a LeastSquares: rk.LeastSquares(net, x, y)")
    missing = [method for method in methods if not callable(getattr(value, method, None))]
    if missing:
        raise TypeError(
            f"{name} must be a loss that offers {', '.join(f'{method}(theta)' for method in missing)}; got "
            f"{type(value).__name__}: pass a LeastSquares: rk.LeastSquares(net, x, y)"
        )
