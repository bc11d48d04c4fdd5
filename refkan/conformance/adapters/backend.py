"""The backend that is judged, as the judge asks it: with arrays of its own, and what several cases share once."""

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.adapters.adapter import Adapter, InputsOverwrittenError
from refkan.conformance.adapters.answers import BadResultError, as_real, checked, entry, own_copy
from refkan.conformance.cases.cases import Case, Setting
from refkan.conformance.cases.quantities_asked import QUANTITIES, VECTORS

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
        answer = self.adapter.state(model)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise BadResultError(f"state returned {type(answer).__name__}: return a pair of knots and coefficients")
        knots, coefficients = answer
        return as_real("state (knots)", knots), as_real("state (coefficients)", coefficients)
