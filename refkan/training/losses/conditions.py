r"""Terms that many problems share: prescribed values, periodicity, and fluxes across an interface."""

from collections.abc import Callable
from typing import Any

import numpy as np

from refkan.base import Array, as_array, as_columns, as_samples, as_vector, check_annotated, real
from refkan.training.losses.sides import Side
from refkan.training.losses.terms import Term


def prescribed(name: str, points: Any, target: Callable[[Array], Any] | Any, weight: float = 1.0) -> Term:
    """Return the term of u = target at points: boundary and initial values of a network with one output.

    Parameters
    ----------
    name : str
    points : array (N, P)
    target : callable, number or array (N,) or (N, 1)
        A function of the points (N, P), or its values.
    weight : float

    Raises
    ------
    ValueError, TypeError
        For a target that is neither one number nor one a point, or not finite; without points; as `Term` and `Side`.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> term = rk.prescribed("initial", [[0.0], [0.5]], lambda x: np.sin(x[:, 0]))
    >>> term.n_residuals
    2
    """
    side = Side(points)
    count = side.points.shape[0]
    values = real("target", as_array("target", target(side.points) if callable(target) else target))
    if values.shape not in ((), (count,), (count, 1)):
        raise ValueError(f"target of term {name!r} must be a number or have shape ({count},); got {values.shape}")
    values = np.broadcast_to(values.reshape(-1), (count,))
    return Term(name, (side,), lambda x, u, data: u - data, lambda x, u, data: (1.0,), weight, data=values)


def periodicity(name: str, left: Any, right: Any, direction: Any, weight: float = 1.0) -> Term:
    """Return the term of u = v and du/dd = dv/dd, u at points on the left, v at their partners on the right.

    Parameters
    ----------
    name : str
    left, right : array (N, P)
    direction : array (P,)
        d, the same at all points.
    weight : float

    Raises
    ------
    ValueError, TypeError
        For different numbers of points, none, or a direction of another length.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> term = rk.periodicity("ends", [[0.0]], [[1.0]], direction=[1.0])
    >>> net = rk.kan([1, 1], order=3, intervals=2)
    >>> problem = rk.Collocation(net, [term])
    >>> problem.value([1.0, 0.0, 0.0, 1.0]) > 0, problem.value([1.0, 2.0, 1.0, 2.0])
    (True, 0.0)
    """
    left = as_columns("left", left)
    right = as_samples("right", right, left.shape[1])
    first = real("direction", as_vector("direction", direction, left.shape[1]))[None]
    if not first.any():
        raise ValueError("direction must not be zero; got only zeros: along it every derivative is zero")
    sides = Side(left, first, orders=1), Side(right, first, orders=1)

    def residual(x: Array, u: Array, u_d: Array, v: Array, v_d: Array) -> Array:
        return np.stack([u - v, u_d - v_d], axis=1)

    value, slope = np.array([1.0, 0.0])[:, None], np.array([0.0, 1.0])[:, None]

    def partials(x: Array, u: Array, u_d: Array, v: Array, v_d: Array) -> tuple[Array, ...]:
        return value, slope, -value, -slope

    return Term(name, sides, residual, partials, weight, components=2)


def flux_jump(
    name: str,
    left: Side,
    right: Side,
    coefficients: tuple[float, float],
    weight: float = 1.0,
) -> Term:
    """Return the term of a continuous flux a du/dn = b dv/dn across an interface, u from the left and v from the right.

    Parameters
    ----------
    name : str
    left, right : Side
        The same points of the interface, each with its own derivative of the inputs along the one direction, the
        normal, of order 1: a level set |x| has -1 on the left and +1 on the right.
    coefficients : pair of float
        a and b.
    weight : float

    Raises
    ------
    ValueError, TypeError
        For coefficients that are not two finite numbers, sides of other derivatives or numbers of points.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> interface = [[0.0, 0.25], [0.0, 0.75]]  # x = 0, with the level set |x| as the first input
    >>> left, right = (rk.Side(interface, first=[[normal, 0.0]], orders=1) for normal in (-1.0, 1.0))
    >>> term = rk.flux_jump("flux", left, right, coefficients=(1.0, 0.5))
    >>> net, theta = rk.kan([2, 1], order=3, intervals=2).initialize(np.random.default_rng(0), np.eye(2))
    >>> problem = rk.Collocation(net, [term])
    >>> du = net.jet(theta, interface, first=[[1.0, 0.0]], orders=1).first[:, 0, 0]
    >>> bool(np.allclose(problem.misfit(theta)["flux"], -du - 0.5 * du))
    True
    """
    check_annotated(flux_jump, {"left": left, "right": right})
    a, b = map(float, real("coefficients", as_vector("coefficients", coefficients, 2)))
    for side in (left, right):
        if side.seeds.orders != (1,):
            orders = side.seeds.orders
            raise ValueError(f"the sides of an interface must have one direction of order 1; got orders {orders}")

    def residual(x: Array, u: Array, u_n: Array, v: Array, v_n: Array) -> Array:
        return a * u_n - b * v_n

    return Term(name, (left, right), residual, lambda *_: (0.0, a, 0.0, -b), weight)
