"""A backend asked, with arrays of its own: what it returns is read, or refused in words that say what to return."""

import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.base.extras import how_to_install
from refkan.base.plain_text import printable
from refkan.conformance.adapters.adapter import Adapter, InputsOverwrittenError
from refkan.conformance.cases import QUANTITIES, VECTORS, Case, Setting


class BadResultError(Exception):
    """A backend returned something of a wrong shape or type."""


class UnansweredError(Exception):
    """A question that a backend was not given, so that it has no answer: unknown, but not a failure."""


LONGEST = 400
"""Characters of a message in a report; tracebacks hold all of it."""


def one_line(text: object) -> str:
    r"""Return a text as one printable line of at most `LONGEST` characters.

    Examples
    --------
    >>> one_line("shape mismatch:\n  (3, 2)\n\n  (2, 3)")
    'shape mismatch: (3, 2); (2, 3)'
    """
    lines = [line.strip() for line in printable(text).splitlines()]
    joined = "; ".join(filter(None, lines)).replace(":; ", ": ")
    if len(joined) <= LONGEST:
        return joined
    return joined[:LONGEST] + " ..."


def describe(error: BaseException) -> str:
    """Return an exception as one line of a report."""
    try:
        text = one_line(error)
    except Exception as another:
        text = f"its text raises {type(another).__name__}"
    if isinstance(error, BadResultError):
        return text
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        remedy = how_to_install(package, package)
        return f"needs the package {package}, which is not installed: {remedy}"
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def frames_of_adapter(error: BaseException) -> traceback.StackSummary:
    """Return the frames of a traceback from where the exception left the judge."""
    walked = traceback.walk_tb(error.__traceback__)
    modules = [frame.f_globals.get("__name__", "") for frame, _ in walked]
    of_judge = [name.startswith(JUDGE) and not name.startswith(ADAPTERS) for name in modules]
    first = [*of_judge, False].index(False)
    return traceback.StackSummary.from_list(traceback.extract_tb(error.__traceback__)[first:])


def where_raised(error: BaseException) -> str:
    """Return the traceback of an exception, as far as it concerns the adapter."""
    lines = frames_of_adapter(error).format()
    lines += traceback.format_exception_only(error)
    return "".join(lines).rstrip()


def line_raised(error: BaseException) -> str:
    """Return the line of the adapter from which an exception came, "" if it came from the judge."""
    frames = [(frame.filename, frame.lineno) for frame in frames_of_adapter(error)]
    return line_of_adapter(frames) if frames else ""


def line_of_adapter(frames: Sequence[tuple[str, object]]) -> str:
    """Return the first of some lines (file, number) that lies in no base of adapters or framework, or the first."""
    file, number = next((frame for frame in frames if BETWEEN.search(frame[0]) is None), frames[0])
    return f"line {number} of {Path(file).name}"


BETWEEN = re.compile(r"conformance.adapters.bases.|site-packages.(torch|jax|jaxlib|flax|tensorflow|keras|numpy)\W")
"""Files of the code through which adapters and layers are called."""


JUDGE = f"{__name__.rpartition('.adapters')[0]}."
"""What calls adapters: all modules of the judge but those that are adapters themselves."""

ADAPTERS = (f"{JUDGE}adapters.backends.", f"{JUDGE}adapters.bases.", f"{JUDGE}broken_layers")


def own_copy(value: Any) -> Any:
    """A copy of an array or tensor that a backend may write over in its next call; other things as they are."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) is dict:
        return {name: own_copy(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(own_copy(part) for part in value) if type(value) in (list, tuple) else value
    return value.clone() if hasattr(value, "clone") and hasattr(value, "detach") else value


def as_real(name: str, value: Any) -> FloatArray:
    """Return what a backend returned as an array of float64."""
    if value is None:
        raise BadResultError(f"{name} returned None: return an array")
    if np.ma.is_masked(value):
        raise BadResultError(f"{name} returned an array with masked entries: return numbers for all")
    try:
        array = np.asarray(value)
    except Exception as error:
        told = describe(error)
        raise BadResultError(f"{name} returned what numpy cannot read ({told}): return an array") from error
    if array.dtype.kind not in "biuf":
        raise BadResultError(f"{name} returned dtype {array.dtype}: return real numbers")
    return array.astype(np.float64)


def checked(name: str, value: Any, shape: tuple[int, ...], dtype: str, advice: str = "") -> FloatArray:
    """Return it if its shape is right, and its format not lower than that of the case; `advice` is for a layout."""
    array = as_real(name, value)
    given = getattr(value, "dtype", None)
    if dtype == "float64" and str(given) in ("float32", "float16", "bfloat16"):
        raise BadResultError(
            f"{name} returned {given} in a case of float64: build and compute in the format of the spec, or do not "
            "declare float64"
        )
    if array.shape != shape:
        text = f"{name} returned shape {array.shape}; expected {shape}"
        if shape == (*array.shape, 1):
            text += ": keep the axis of the one output or input"
        turned = array.size == np.prod(shape, dtype=int)  # as many numbers, in another layout
        raise BadResultError(f"{text}: {advice}" if advice and turned else text)
    return array


def as_mapping(answer: Any, name: str) -> Mapping[str, Any]:
    """Return what vjp returned if it is a mapping that has a gradient of that name."""
    if not isinstance(answer, Mapping) or name not in answer:
        have = sorted(answer) if isinstance(answer, Mapping) else type(answer).__name__
        raise BadResultError(f"vjp returned {have}; expected a mapping with {name!r}")
    return answer


def entry(answers: Any, name: str, shape: tuple[int, ...], dtype: str, advice: str = "") -> FloatArray:
    """Return one of the gradients that vjp returned; None means that the outputs do not depend on it: zeros."""
    value = as_mapping(answers, name)[name]
    if value is None:
        return np.zeros(shape)
    if isinstance(value, list | tuple):  # a network: layer by layer
        parts = [np.zeros(0) if part is None else as_real(f"vjp ({name})", part).ravel() for part in value]
        value = np.concatenate(parts)
    return checked(f"vjp ({name})", value, shape, dtype, advice)


def as_state(answer: Any) -> tuple[FloatArray, FloatArray]:
    """Return the knots and coefficients that `state` returned."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise BadResultError(f"state returned {type(answer).__name__}: return a pair of knots and coefficients")
    knots, coefficients = answer
    return as_real("state (knots)", knots), as_real("state (coefficients)", coefficients)


KEPT = 8
"""Models kept at a time: cases that share them follow one another."""


class Backend:
    """An adapter that is asked for models and results.

    Parameters
    ----------
    adapter : Adapter
    """

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.model = lru_cache(KEPT)(self._model)  # by settings, which are equal to themselves alone
        self._gradients: tuple[Setting | None, Any] = None, None

    def _model(self, setting: Setting) -> Any:
        """Build the model of a setting, with its state change."""
        change = setting.change
        if change is None:
            return self._used(setting)
        model = self.build(setting)
        # Many backends fill buffers when they are first evaluated: a change must not leave those behind.
        self.adapter.forward(model, setting.laid_out())
        if change.kind == "refine":
            refined = self.adapter.refine(model, change.intervals, change.x)
        else:
            refined = self.adapter.update(model, change.x)
        if refined is None:
            raise BadResultError(f"{change.kind} returned None: return the model")
        return refined

    def build(self, setting: Setting) -> Any:
        """Build a model that nobody has used."""
        return self.adapter.built(setting.specs if len(setting.specs) > 1 else setting.spec)

    def _used(self, setting: Setting) -> Any:
        """Build a model and evaluate it at other samples of the same shape: nothing kept from that may show later."""
        model = self.build(setting)
        if setting.manner.endswith("-mode"):
            model = self.adapter.in_mode(model, setting.manner == "train-mode")
        with suppress(Exception, SystemExit):  # what is raised will be raised again, in a case
            self.adapter.forward(model, setting.laid_out(setting.before))
            if setting.manner == "second-backward":
                self.adapter.vjp(model, setting.laid_out(setting.before), np.roll(setting.dy, 1, axis=0))
        return model

    def result(self, case: Case, model: Any) -> FloatArray:
        """Ask the backend for the quantity of a case and check its shape."""
        s, quantity, shape = case.setting, QUANTITIES[case.quantity], case.expected.shape
        if quantity.method == "vjp":
            if self._gradients[0] is not s:
                self._gradients = s, own_copy(self._asked(self.adapter.vjp, model, s, s.dy))
            return entry(self._gradients[1], quantity.entry, shape, s.dtype, self._advice(quantity.entry))
        vectors = (s.dy, s.direction)[: VECTORS[quantity.method]]
        answer = self._asked(getattr(self.adapter, quantity.method), model, s, *vectors)
        return checked(quantity.method, answer, shape, s.dtype)

    def _advice(self, name: str) -> str:
        """What to do about a gradient in another layout: layers have their own, which adapters turn."""
        if name != "coefficients":
            return ""
        advice = "to_papers must turn the layout into" if hasattr(self.adapter, "to_papers") else "its layout must be"
        return f"{advice} (Q, P, dim); this is an error of the adapter, not of the layer"

    def _asked(self, method: Callable[..., Any], model: Any, setting: Setting, *vectors: FloatArray) -> Any:
        """Call a method of the adapter with arrays of its own, which must be the same afterwards."""
        given = [setting.laid_out(), *(v.copy() if k else setting.cotangents() for k, v in enumerate(vectors))]
        answer = method(model, *given)
        for name, array, kept in zip(("x", "dy", "direction"), given, (setting.x, *vectors), strict=False):
            if not np.array_equal(array, kept):
                called = getattr(method, "__name__", "the method")
                raise InputsOverwrittenError(f"{called} changed its argument {name}")
        return answer

    def state(self, model: Any) -> tuple[FloatArray, FloatArray]:
        """Ask for the knots and coefficients that a model has now."""
        return as_state(self.adapter.state(model))
