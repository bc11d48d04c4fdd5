"""The library's own exceptions."""

from collections.abc import Iterator
from contextlib import contextmanager


class KnotError(ValueError):
    """A knot vector does not meet a requirement: order, multiplicity, length, nesting or domain.

    Examples
    --------
    >>> import refkan as rk
    >>> rk.SplineSpace([0.0, 1.0, 0.5, 2.0], order=2)
    Traceback (most recent call last):
    refkan.base.errors.KnotError: knots must be in ascending order; got knots[2]=0.5 after knots[1]=1.0
    """


class DegenerateNodeError(ValueError):
    """The activations of a node are constant on the data, so that no node map can take them onto a domain.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> net = rk.kan([1, 2, 1], order=2, intervals=2, node_map="mean-std")
    >>> net.initialize(np.random.default_rng(0), [[0.5], [0.5]])
    Traceback (most recent call last):
    refkan.base.errors.DegenerateNodeError: node 0 after layer 0 has standard deviation 0 on the data: its
        activations are constant, so that no map takes them onto the next domain
    """


class OutsideDomainError(ValueError):
    """A point lies outside its domain under the policy outside="error".

    Examples
    --------
    >>> import refkan as rk
    >>> rk.bsplines.design_matrix(rk.SplineSpace.uniform(order=2, intervals=2), [1.5], outside="error")
    Traceback (most recent call last):
    refkan.base.errors.OutsideDomainError: x must lie in the domain under outside='error'; got x[0, 0] = 1.5 outside
        [0.0, 1.0]
    """


class OutsideDomainWarning(UserWarning):
    """Many of the samples that a network starts on lie outside the domain of its first layer."""


class NarrowInputWarning(UserWarning):
    """An input of a network covers so little of the domain of the first layer that hardly a knot lies in between.

    Examples
    --------
    >>> import warnings, numpy as np, refkan as rk
    >>> x = np.random.default_rng(0).uniform(size=(100, 2)) * [1e-3, 1.0]
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     net, theta = rk.kan([2, 3, 1], order=3, intervals=4).initialize(np.random.default_rng(1), x)
    >>> seen[0].category.__name__
    'NarrowInputWarning'
    """


class DiscontinuousLossWarning(UserWarning):
    """Second derivatives jump where activations of a collocation problem lie: its loss is not continuous in theta."""


class ConvergenceError(RuntimeError):
    """An iteration or a reference solution did not reach the accuracy that it promises.

    Examples
    --------
    >>> import refkan as rk
    >>> try:
    ...     rk.problems.burgers.solution([[0.01, 1.0]], nodes=12)
    ... except rk.ConvergenceError as error:
    ...     print(str(error)[:53])
    u must agree to 1.0e-10 between two numbers of nodes;
    """


@contextmanager
def located(place: str, kind: type[Exception] | tuple[type[Exception], ...] = ValueError) -> Iterator[None]:
    """Put the place, if it has a name, in front of the messages of errors of a kind that are raised within."""
    try:
        yield
    except kind as error:
        message = str(error)
        if place:
            message = f"{place}: {message}"
        raise type(error)(message) from None
