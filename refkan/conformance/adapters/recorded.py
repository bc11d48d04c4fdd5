"""Questions written down, and answered from results that a program in another language computed for them.

Identification asks any adapter. Asked of a right layer, its questions are the probes of exchanged folders; with their
results it is asked again, of an adapter that looks answers up. A question that a layer's own answers lead to, and that
is not among the probes, has no answer: its stage says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import Array
from refkan.conformance.adapters.adapter import Adapter, Capabilities
from refkan.conformance.cases.cases import PART_GRADIENTS, Case, Setting
from refkan.conformance.cases.specs import LayerSpec, as_specs

GRADIENTS = {"input-gradients": "inputs", "coefficient-gradients": "coefficients"} | PART_GRADIENTS


def probe(specs: Sequence[LayerSpec], quantity: str, x: Array, dy: Any = None, direction: Any = None) -> Case:
    """Return a question as a case, named by what it asks."""
    x = np.array(x, np.float64)
    dy = np.zeros((len(x), specs[-1].n_outputs)) if dy is None else np.array(dy, np.float64)
    direction = np.zeros(x.shape) if direction is None else np.array(direction, np.float64)
    digest = hashlib.sha256()
    for spec in specs:
        digest.update(f"{spec.order} {spec.outside} {spec.dtype} {spec.kind} {spec.parts} ".encode())
        for array in (spec.knots, spec.coefficients, *map(spec.part, spec.parts)):
            digest.update(str(array.shape).encode() + array.tobytes())
    for array in (x, dy, direction):
        digest.update(str(array.shape).encode() + array.tobytes())
    setting = Setting(f"probes/{digest.hexdigest()[:20]}", tuple(specs), x, dy, direction, oracle="float64")
    return Case(setting, quantity)


class Recorder(Adapter):
    """An adapter that writes down what it is asked before it asks another one.

    Parameters
    ----------
    adapter : Adapter
        What depends on more than arrays, a change of knots, is not asked for.

    Attributes
    ----------
    probes : dict of str to Case
        The questions by their keys.
    """

    def __init__(self, adapter: Adapter) -> None:
        self.adapter, self.name = adapter, adapter.title
        self.capabilities = replace(adapter.capabilities, refine=(), update=False, state=False, promotes=False)
        self.probes: dict[str, Case] = {}

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Return the layers with the model of the other adapter."""
        return as_specs(spec), self.adapter.built(spec)

    def _note(self, *question: Any) -> None:
        asked = probe(*question)
        self.probes.setdefault(asked.key, asked)

    def forward(self, model: Any, x: Any) -> Any:
        """Note it, and ask."""
        self._note(model[0], "values", x)
        return self.adapter.forward(model[1], x)

    def vjp(self, model: Any, x: Any, dy: Any) -> Mapping[str, Any]:
        """Note each gradient that comes back."""
        found = self.adapter.vjp(model[1], x, dy)
        for quantity, name in GRADIENTS.items():
            if name in found:
                self._note(model[0], quantity, x, dy)
        return found

    def second(self, model: Any, x: Any, dy: Any, direction: Any) -> Any:
        """Note it, and ask."""
        self._note(model[0], "second-derivatives", x, dy, direction)
        return self.adapter.second(model[1], x, dy, direction)

    def gauss_newton(self, model: Any, x: Any) -> Any:
        """Note it, and ask."""
        self._note(model[0], "gauss-newton", x)
        return self.adapter.gauss_newton(model[1], x)


class Recorded(Adapter):
    """An adapter that looks up what was computed.

    Parameters
    ----------
    name : str
    results : mapping of str to array
        By the keys of probes.
    capabilities : Capabilities
        Those that the probes were made for.
    """

    def __init__(self, name: str, results: Mapping[str, Array], capabilities: Capabilities) -> None:
        self.name, self.results, self.capabilities = name, results, capabilities

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Return the layers."""
        return as_specs(spec)

    def _known(self, *question: Any) -> Any:
        key = probe(*question).key
        if key not in self.results:
            raise LookupError(f"no result {key}")
        return self.results[key].copy()

    def forward(self, model: Any, x: Any) -> Any:
        """Look up the values."""
        return self._known(model, "values", x)

    def vjp(self, model: Any, x: Any, dy: Any) -> Mapping[str, Any]:
        """Look up the gradients; those of a network are one vector, layer by layer, and come apart."""
        found = {}
        for quantity, name in GRADIENTS.items():
            key = probe(model, quantity, x, dy).key
            if key in self.results:
                found[name] = _by_layer(name, self.results[key].copy(), model)
        if not found:
            self._known(model, "input-gradients", x, dy)
        return found

    def second(self, model: Any, x: Any, dy: Any, direction: Any) -> Any:
        """Look up the second derivatives."""
        return self._known(model, "second-derivatives", x, dy, direction)

    def gauss_newton(self, model: Any, x: Any) -> Any:
        """Look up the matrix."""
        return self._known(model, "gauss-newton", x)


def _by_layer(name: str, found: Array, specs: Sequence[LayerSpec]) -> Any:
    if name != "coefficients" or len(specs) == 1:
        return found
    return np.split(found, np.cumsum([spec.coefficients.size for spec in specs])[:-1])
