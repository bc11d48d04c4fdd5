"""Geometries of descent: in which coordinates the gradient is taken, and in which the step is made."""

from typing import Any

from refkan.base import FloatArray, Frozen, check_choice
from refkan.networks.same_function import Coordinates

_NAMES = ("spline", "relu", "scaled-relu")


class Geometry(Frozen, eq=True):
    r"""The coordinates in which a method computes its gradient and takes its step.

    A method may see the gradient in one basis (B-splines, say) and step in another (ReLU powers); each combination is a
    row of Table 1 of [S26].

    With v the coordinates of the step and z those of the gradient, a method with preconditioner P does ::

        v <- v - eta P grad_z,    that is    theta <- theta + back_v(-eta P gradient_z(grad_theta)).

    If both are the same, this is descent in the inner product of v. If not, and a layer has more than one input, the
    step with P = I follows the gradient of no function, and need not descend.

    Attributes
    ----------
    step_coordinates, gradient_coordinates : Coordinates or None
        v and z; None for the network's own parameters.
    mixed : bool
        Whether they differ.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.optimizers.geometry import Geometry
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.5]], [[1.0]])
    >>> Geometry.of(problem, "relu", "spline").mixed
    True
    >>> geometry = Geometry.of(problem, "relu", None)  # theta = T v, v the coefficients of ReLU powers
    >>> T = np.array([geometry.displacement(v) for v in np.eye(3)]).T
    >>> bool(np.allclose(np.linalg.inv(T.T), rk.ChangeOfBasis(problem.net.layers[0].spaces[0]).dense()))
    True
    """

    step_coordinates: Coordinates | None
    gradient_coordinates: Coordinates | None
    mixed: bool

    @classmethod
    def of(cls, problem: Any, geometry: str | None, gradient: str | None) -> "Geometry":
        """Look the coordinates up by name: "spline", "relu" or None.

        None means the network's own parameters for `geometry`, and the same as the geometry for `gradient`.
        """
        for argument, name in (("geometry", geometry), ("gradient", gradient)):
            if name is not None:
                check_choice(argument, name, _NAMES)
        step = None if geometry is None else problem.net.coordinates(geometry)
        if gradient is None or gradient == geometry:
            return cls(step, step, mixed=False)
        # "spline" on a spline network is what None is there.
        own = problem.net.basis
        mixed = gradient != (own if geometry is None else geometry)
        return cls(step, problem.net.coordinates(gradient), mixed)

    def gradient(self, g_theta: FloatArray) -> FloatArray:
        """Return the gradient with respect to z, which the method uses."""
        return g_theta if self.gradient_coordinates is None else self.gradient_coordinates.gradient(g_theta)

    def displacement(self, step: FloatArray) -> FloatArray:
        """Return the change of theta that a step of v makes."""
        return step if self.step_coordinates is None else self.step_coordinates.back(step)

    def refuse_mixed(self, method: str) -> None:
        """Raise ValueError unless gradient and step have the same coordinates."""
        if self.mixed:
            raise ValueError(
                f"gradient must be the same as geometry for method {method!r}, which needs the gradient "
                "with respect to the coordinates it steps in; only 'gd' and 'adam' allow them to differ"
            )
