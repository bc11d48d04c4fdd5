"""Models of pykan, efficient-kan and jaxkan: their arrays by name, written back whole or not at all, and checked."""

from typing import Any

from refkan.base import FloatArray
from refkan.interop.libraries import EFFICIENT_KAN, JAXKAN, PYKAN
from refkan.networks.network import Network


def state_of(model: Any) -> dict[str, Any]:
    """Return the arrays of a model by name, for `from_state` and for ``numpy.savez(file, **state)``.

    They do not contain the base function: `from_pykan` and its siblings inspect the model, `from_state` assumes SiLU.

    Examples
    --------
    >>> from refkan.interop import state_of
    >>> state_of([1.0, 2.0])
    Traceback (most recent call last):
    refkan.interop.kan_edges.ConversionError: not a model of pykan, efficient-kan or jaxkan: list has no layers
    """
    if hasattr(model, "state_dict"):
        return PYKAN.arrays(model)
    return JAXKAN.arrays(model)


def from_pykan(model: Any) -> tuple[Network, FloatArray]:
    """Return network and parameters of a `kan.KAN` (pykan 0.2.8).

    Parameters
    ----------
    model : kan.KAN

    Raises
    ------
    ConversionError
        For symbolic edges, multiplication nodes, removed inputs and base functions other than SiLU, and if the values
        of both differ, inside or outside the domain.

    Examples
    --------
    >>> from refkan.interop import from_pykan
    >>> from_pykan("model.pt")  # a file is read by `read_model`
    Traceback (most recent call last):
    refkan.interop.kan_edges.ConversionError: not a model of pykan: str has no act_fun
    """
    return PYKAN.taken(model)


def to_pykan(net: Network, theta: Any, model: Any) -> None:
    """Write a network into a `kan.KAN` of the same widths; grids may have another number of intervals.

    To train the model on with ``model.fit``, pass ``update_grid=False``: by default pykan first moves the grids to the
    quantiles of the samples, at steps 0, 5, ..., and fits new coefficients, so that the model is another function.

    Parameters
    ----------
    net, theta : Network, array (n_params,)
    model : kan.KAN
        Its arrays are overwritten. Values of both are compared then; if they differ, the old arrays are put back.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.interop import to_pykan
    >>> to_pykan(rk.kan([1, 1], 4, 5), [0.0] * 8, model="model.pt")  # `to_state` serves files
    Traceback (most recent call last):
    refkan.interop.kan_edges.ConversionError: not a model of pykan: str has no act_fun
    """
    PYKAN.written(net, theta, model)


def from_efficient_kan(model: Any) -> tuple[Network, FloatArray]:
    """Return network and parameters of an `efficient_kan.KAN` (7b6ce1c), or of a module of the same names.

    Parameters
    ----------
    model : efficient_kan.KAN

    Examples
    --------
    >>> from refkan.interop import from_efficient_kan
    >>> from_efficient_kan("model.pt")  # a file is read by `read_model`
    Traceback (most recent call last):
    refkan.interop.kan_edges.ConversionError: not a model of efficient-kan: str has no layers with spline_weight
    """
    return EFFICIENT_KAN.taken(model)


def to_efficient_kan(net: Network, theta: Any, model: Any) -> None:
    """Write a network into an `efficient_kan.KAN` of the same widths; grids may have more intervals.

    Parameters
    ----------
    net, theta : Network, array (n_params,)
    model : efficient_kan.KAN
        Its arrays are overwritten. Values of both are compared then; if they differ, the old arrays are put back.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.interop import to_efficient_kan
    >>> to_efficient_kan(rk.kan([1, 1], 4, 5), [0.0] * 8, model="model.pt")  # `to_state` serves files
    Traceback (most recent call last):
    refkan.interop.kan_edges.ConversionError: not a model of efficient-kan: str has no layers with spline_weight
    """
    EFFICIENT_KAN.written(net, theta, model)


def from_jaxkan(model: Any) -> tuple[Network, FloatArray]:
    """Return network and parameters of a `jaxkan.models.KAN.KAN` of spline or base layers (jaxkan 0.3.7).

    Parameters
    ----------
    model : jaxkan.models.KAN.KAN

    Examples
    --------
    >>> from refkan.interop import from_jaxkan
    >>> from_jaxkan("model.npz")  # a file is read by `read_model`
    Traceback (most recent call last):
    refkan.interop.kan_edges.ConversionError: not a model of pykan, efficient-kan or jaxkan: str has no layers
    """
    return JAXKAN.taken(model)


def to_jaxkan(net: Network, theta: Any, model: Any) -> None:
    """Write a network into a `jaxkan.models.KAN.KAN` of the same widths, under x64 in float64.

    Parameters
    ----------
    net, theta : Network, array (n_params,)
    model : jaxkan.models.KAN.KAN
        Its arrays are overwritten. Values of both are compared then; if they differ, the old arrays are put back.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.interop import to_jaxkan
    >>> to_jaxkan(rk.kan([1, 1], 4, 5), [0.0] * 8, model="model.npz")  # `to_state` serves files
    Traceback (most recent call last):
    refkan.interop.kan_edges.ConversionError: not a model of pykan, efficient-kan or jaxkan: str has no layers
    """
    JAXKAN.written(net, theta, model)
