"""Libraries of plain B-splines, y = s(x), and that of SciPy: layers are sums of splines, made and added up here."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from refkan.conformance.adapters.adapter import DEGREES, Adapter, Capabilities
from refkan.conformance.adapters.answers import as_real, checked
from refkan.conformance.cases import KNOTS, LayerSpec, as_specs

Spline = Callable[[Any, int], Any]


class SplineAdapter(Adapter):
    """An adapter of single splines: implement `spline`.

    Derivatives in the inputs are declared by "inputs" (first) and "second". Those in coefficients are not asked for:
    they are values of basis functions, which have cases of their own.

    Examples
    --------
    >>> from scipy.interpolate import BSpline
    >>> from refkan.conformance import Capabilities, Judge, SplineAdapter, catalogue
    >>> class Scipy(SplineAdapter):
    ...     capabilities = Capabilities(degrees=(1, 2, 3), derivatives=("inputs",))
    ...     def spline(self, knots, coefficients, degree, spec):
    ...         return lambda x, d: BSpline(knots, coefficients, degree)(x, nu=d)
    >>> cases = catalogue(["float64"], select=["basis/degree-3/uniform/interior"])
    >>> [finding.status for finding in Judge(Scipy()).run(cases)]
    ['passed', 'passed', 'not applicable', 'not applicable']
    """

    capabilities = Capabilities(derivatives=("inputs",))

    @abstractmethod
    def spline(self, knots: Any, coefficients: Any, degree: int, spec: LayerSpec) -> Spline:
        """Return s, where s(x (N,), d) is the derivative of order d (0, 1, 2) of the spline on knots (K,), (N,).

        `coefficients` (dim,) belong to the B-splines from the left; `spec` says the rest: domain, rule outside, format.
        """

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Make the spline of each output q and input p: a list over p for each q; one layer."""
        (single,) = as_specs(spec)
        return [
            [self.spline(t.copy(), C.copy(), single.degree, single) for t, C in zip(single.knots, row, strict=True)]
            for row in single.coefficients
        ]

    def _each(self, model: Any, x: Any, derivative: int) -> Any:
        """s_qp or a derivative of it at x (N, P): (N, Q, P)."""
        return np.stack(
            [np.stack([self._at(s, x[:, p].copy(), derivative) for p, s in enumerate(row)], axis=-1) for row in model],
            axis=1,
        )

    @staticmethod
    def _at(s: Spline, x: Any, derivative: int) -> Any:
        values = s(x, derivative)
        checked("spline", values, x.shape, "float64" if str(getattr(values, "dtype", "")) == "float64" else "")
        return as_real("spline", values)

    def forward(self, model: Any, x: Any) -> Any:
        """Return the sums over the inputs."""
        return self._each(model, x, 0).sum(axis=2)

    def vjp(self, model: Any, x: Any, dy: Any) -> Mapping[str, Any]:
        """Return the gradients in the inputs."""
        return {"inputs": (dy[:, :, None] * self._each(model, x, 1)).sum(axis=1)}

    def second(self, model: Any, x: Any, dy: Any, direction: Any) -> Any:
        """Return the second derivatives times the direction."""
        return (dy[:, :, None] * self._each(model, x, 2)).sum(axis=1) * direction


class ScipyBSpline(SplineAdapter):
    """`scipy.interpolate.BSpline`, which continues its end pieces."""

    name = "scipy BSpline"
    capabilities = Capabilities(
        DEGREES, KNOTS, outside=("polynomial",), derivatives=("inputs", "second"), promotes=True
    )

    def spline(self, knots: Any, coefficients: Any, degree: int, spec: LayerSpec) -> Spline:
        """Evaluate by its own derivatives."""
        from scipy.interpolate import BSpline  # a fifth of the time of importing this package

        made = BSpline(knots, coefficients, degree, extrapolate=True)
        return lambda x, derivative: made(x, derivative)
