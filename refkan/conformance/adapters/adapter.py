r"""What a backend declares and implements to be judged.

An adapter builds a model from a `LayerSpec` and evaluates it; models are whatever the backend wants them to be. It
implements what it has and declares it: a capability that is not declared is not applicable, never a failure.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from refkan.base import check_annotated, check_type
from refkan.base.plain_text import printable
from refkan.conformance.cases import CONSTANT, DTYPES, FORMS, KNOTS, PARTS, RIGHT_ENDS, RULES, Frame, LayerSpec

if TYPE_CHECKING:
    from refkan.conformance.cases.cases import Case

DEGREES = (0, 1, 2, 3, 4, 5)
SEVERAL: Mapping[str, Sequence[Any]] = {
    "degrees": DEGREES, "knots": KNOTS, "outside": (*RULES, CONSTANT), "dtypes": DTYPES,
    "derivatives": ("inputs", "coefficients", "knots", "second", "gauss-newton"), "refine": ("nested", "any"),
    "parts": PARTS,
}  # fmt: skip
"""Names that capabilities may hold several of."""

ONE_OF = {"form": FORMS, "right_end": RIGHT_ENDS}
"""Names of which capabilities are one."""

BSPLINES = "B-splines"

LIMITS = {"shared_knots": "knots that differ between inputs", "equal_spacing": "clamped knots of unequal spacing"}
"""Names of capabilities that exclude cases, and what they exclude."""


@dataclass(frozen=True)
class Capabilities:
    """What a backend claims to do; only this is judged.

    Attributes
    ----------
    degrees : sequence of int
        Of the splines, 0 to 5.
    knots : sequence of {"uniform", "arbitrary", "clamped", "repeated"}
        Kinds of knot vectors that `build` accepts.
    outside : sequence of {"natural", "linear", "polynomial", "constant"}
        Rules outside the domain that `build` follows; empty if none is claimed.
    dtypes : sequence of {"float64", "float32", "tf32", "bfloat16", "float16"}
        Formats in which the layer can be built and evaluated.
    derivatives : sequence of {"inputs", "coefficients", "knots", "second", "gauss-newton"}
        Entries of what `vjp` returns, and the methods `second` and `gauss_newton`.
    refine : sequence of {"nested", "any"}
        "nested": to a multiple of the number of intervals; "any": to any number.
    update : bool
        Whether `update` moves knots to fit samples.
    network : bool
        Whether `build` accepts a sequence of layers, applied one after another.
    promotes : bool
        Whether samples in a lower format, or integers, are widened to the format of the layer.
    state : bool
        Whether `state` returns the knots and coefficients that a model has.
    form : {"local", "truncated powers"}
        How splines are summed: truncated powers cancel, and their results are allowed the error that follows.
    right_end : {"closed", "half-open", "zero"}
        What holds at x = b under the rule "natural": the basis sums to one; b counts to the interval beyond, as every
        knot does; all basis functions are zero.
    intervals : int, optional
        The number of intervals, if there can be no other: cases are made with it.
    domain : (float, float), optional
        The domain [a, b], if there can be no other: cases are made on it.
    shared_knots : bool
        Whether all inputs of a layer can have one knot vector only: cases are made with it.
    equal_spacing : bool
        Whether clamped knots can be equally spaced only: cases are made with such breakpoints.
    basis : str
        What the functions on edges are sums of, in words: with other functions than B-splines no case is judged, and
        the layer is identified alone.
    parts : sequence of {"base", "scale", "node-scale", "bias"}
        What layers have beside their splines and `build` takes from the spec: weights of SiLU, factors of splines,
        an affine map of each output. Their gradients are asked for with those in the coefficients; networks of them
        are networks with affine maps.

    Examples
    --------
    >>> from refkan.conformance import Capabilities
    >>> Capabilities(degrees=(3,), knots=("unifrom",)).problems()
    ["capability knots has the unknown name 'unifrom'; known: 'uniform', 'arbitrary', 'clamped', 'repeated'"]
    """

    degrees: Sequence[int] = (1, 2, 3, 4, 5)
    knots: Sequence[str] = ("uniform",)
    outside: Sequence[str] = ()
    dtypes: Sequence[str] = ("float64",)
    derivatives: Sequence[str] = ("inputs", "coefficients")
    refine: Sequence[str] = ()
    update: bool = False
    network: bool = False
    promotes: bool = False
    state: bool = False
    form: str = "local"
    right_end: str = "closed"
    intervals: int | None = None
    domain: tuple[float, float] | None = None
    parts: Sequence[str] = ()
    shared_knots: bool = False
    equal_spacing: bool = False
    basis: str = BSPLINES

    def problems(self) -> list[str]:
        """Return a sentence for each unknown name, which no case needs and which would otherwise never be judged."""
        lines = self.frame.problems()
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if name in SEVERAL:
                if isinstance(value, str) or not isinstance(value, Iterable):
                    lines.append(f"capability {name} must be a sequence of names; got {value!r}")
                    continue
                known = ", ".join(map(repr, SEVERAL[name]))
                unknown = [item for item in value if item not in SEVERAL[name]]
                lines += [f"capability {name} has the unknown name {item!r}; known: {known}" for item in unknown]
            elif name in ONE_OF and value not in ONE_OF[name]:
                lines.append(f"capability {name} must be one of {', '.join(map(repr, ONE_OF[name]))}; got {value!r}")
            elif name == "basis" and not (isinstance(value, str) and value):
                lines.append(f"capability basis must say in words what the functions are; got {value!r}")
            elif isinstance(field.default, bool) and not isinstance(value, bool):
                lines.append(f"capability {name} must be True or False; got {value!r}")
        return lines

    @property
    def frame(self) -> Frame:
        """The frame for which cases are made: `catalogue(frame=capabilities.frame)`."""
        return Frame(self.intervals, self.domain, self.shared_knots, self.equal_spacing)

    def missing(self, needs: Mapping[str, Any]) -> str:
        """Return what of `needs` (capability and value) is not declared, "" if nothing is missing."""
        check_annotated(Capabilities.missing, locals())
        if self.basis != BSPLINES:
            return f"{BSPLINES}: another basis, {self.basis}"
        for name, value in needs.items():
            declared = getattr(self, name)
            if name in LIMITS:
                if declared and not value:
                    return f"{LIMITS[name]}"
            elif name in ("intervals", "domain"):
                if not self.frame.fits(name, value):
                    return f"other {name} than {declared}"
            elif name == "parts":
                if lacking := [part for part in value if part not in declared]:
                    return f"parts {lacking[0]}"
            elif isinstance(declared, bool):
                if not declared:
                    return name
            elif isinstance(declared, str) or not isinstance(declared, Iterable) or value not in declared:
                return f"{name} {value}"
        return ""


class InputsOverwrittenError(Exception):
    """A backend changed an array that it was given."""


class Adapter(ABC):
    """A backend to be judged: its capabilities, and a method for each of them.

    Input arrays are float64, with entries that are representable in `spec.dtype`. Results may be anything that
    `numpy.asarray` accepts, and must have been computed in that format.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.conformance import Adapter, Capabilities, Judge, catalogue
    >>> class Mine(Adapter):
    ...     capabilities = Capabilities(degrees=(1, 2, 3), derivatives=())
    ...     def build(self, spec):
    ...         spaces = tuple(rk.SplineSpace(row, spec.order) for row in spec.knots)
    ...         return rk.SplineLayer(spaces, spec.n_outputs, outside="natural"), spec.coefficients.ravel()
    ...     def forward(self, model, x):
    ...         layer, theta = model
    ...         return layer.linearize(theta, x).value
    >>> (case,) = catalogue(["float64"], select=["basis/degree-2/uniform/interior/values"])
    >>> Judge(Mine())(case).status
    'passed'
    """

    name: str = ""
    capabilities: Capabilities = Capabilities()

    @abstractmethod
    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Return a model of a layer, or of a network for a tuple, which comes only if the capability is declared."""

    def built(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Build a model, after `remember`; the judge calls this."""
        self.remember(spec)
        return self.build(spec)

    def remember(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> LayerSpec:
        """Store what later calls need from a spec, such as its format; return the (first) layer.

        The judge calls this before `build`. The method given here keeps nothing; override it if your adapter needs to.
        """
        return spec[0] if isinstance(spec, tuple) else spec

    def values_alone(self) -> AbstractContextManager[None]:
        """Return a context for computing values without gradients, as `identify` does.

        It does nothing here; override it if values take less work then.
        """
        return nullcontext()

    @abstractmethod
    def forward(self, model: Any, x: Any) -> Any:
        """Return the outputs (N, Q) at x (N, P)."""

    def in_mode(self, model: Any, training: bool) -> Any:
        """Return the model in training or evaluation mode; a model without modes is returned unchanged.

        What a layer computes must not depend on it.
        """
        return model

    def declines(self, case: "Case") -> str:
        """Return the reason not to judge a case, or "" to judge it: for limits that no capability describes.

        `case.key`, `case.quantity` and `case.setting.specs` say what would be asked. Declined cases are listed with
        their reasons and do not count as passed.
        """
        return ""

    def declined(self, case: "Case") -> str:
        """Return why a case is not judged; the judge calls this."""
        return self.declines(case)

    def vjp(self, model: Any, x: Any, dy: Any) -> Mapping[str, Any]:
        """Return the declared gradients of sum dy * y, by name.

        They are "inputs" (N, P), "coefficients" (Q, P, dim) and "knots" (P, n-1).

        With "coefficients" come those in declared parts that the spec has, "base" and "scale" (Q, P), "node-scale" and
        "bias" (Q,). For a network "coefficients" and parts are sequences, one array for each layer that has them.
        """
        raise NotImplementedError("derivatives are declared but vjp is not implemented")

    def second(self, model: Any, x: Any, dy: Any, direction: Any) -> Any:
        """Return the derivative (N, P) of the input gradient of sum dy * y along a direction (N, P)."""
        raise NotImplementedError("second derivatives are declared but second is not implemented")

    def gauss_newton(self, model: Any, x: Any) -> Any:
        """Return J^T J / N in all coefficients, (M, M); by default from the rows that `vjp` returns."""
        shape = np.shape(self.forward(model, x))
        rows = []
        for k in range(shape[0] * shape[1]):
            dy = np.zeros(shape)
            dy.flat[k] = 1.0
            gradient = self.vjp(model, x, dy)["coefficients"]
            parts = gradient if isinstance(gradient, list | tuple) else [gradient]
            rows.append(np.concatenate([np.ravel(part) for part in parts]))
        J = np.array(rows, np.float64)
        return J.T @ J / shape[0]

    def refine(self, model: Any, intervals: int, x: Any) -> Any:
        """Return the model with that many intervals; samples x (N, P) may be used."""
        raise NotImplementedError("refine is declared but not implemented")

    def update(self, model: Any, x: Any) -> Any:
        """Return the model with knots fitted to samples x (N, P)."""
        raise NotImplementedError("update is declared but not implemented")

    def state(self, model: Any) -> tuple[Any, Any]:
        """Return the current knots (P, K) and coefficients (Q, P, dim) of a layer."""
        raise NotImplementedError("state is declared but not implemented")

    @property
    def title(self) -> str:
        """The name in reports."""
        return " ".join(printable(self.name or type(self).__name__).split())


def check_adapter(adapter: object) -> None:
    """Raise TypeError unless `adapter` is an Adapter that declares Capabilities; what they say is judged later."""
    check_type("adapter", adapter, Adapter)
    check_type("capabilities of the adapter", adapter.capabilities, Capabilities)  # type: ignore[attr-defined]
