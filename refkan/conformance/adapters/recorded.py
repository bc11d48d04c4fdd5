"""Questions written down, and answered from results that a program in another language computed for them.

Identification asks any adapter. Asked of a right layer, its questions are the probes of exchanged folders; with their
results it is asked again, of an adapter that looks answers up. A question that a layer's own answers lead to, and that
is not among the probes, has no answer: its stage says so.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import Array
from refkan.conformance.adapters.adapter import Adapter, Capabilities
from refkan.conformance.cases.cases import Case, Setting
from refkan.conformance.cases.quantities_asked import QUANTITIES, VECTORS
from refkan.conformance.cases.specs import LayerSpec, as_specs


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


def _asking(method: str) -> Any:
    """A method of an adapter that hands its question on."""
    return lambda self, model, *arrays: self.answer(method, model, *arrays)


class Questioned(Adapter):
    """An adapter of which all questions go one way: implement `answer`."""

    forward, vjp, second, gauss_newton = map(_asking, VECTORS)

    @abstractmethod
    def answer(self, method: str, model: Any, *arrays: Any) -> Any:
        """Return what a method of an adapter returns."""


class Recorder(Questioned):
    """An adapter that asks another one, and writes down what it was asked and answered.

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

    def answer(self, method: str, model: Any, *arrays: Any) -> Any:
        """Ask, and note each quantity that comes back."""
        answer = getattr(self.adapter, method)(model[1], *arrays)
        for name, quantity in QUANTITIES.items():
            known = np.isfinite(arrays[0]).all()  # what is said of others files cannot be asked for
            if known and quantity.method == method and (not quantity.entry or quantity.entry in answer):
                case = probe(model[0], name, *arrays)
                self.probes.setdefault(case.key, case)
        return answer


class Recorded(Questioned):
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

    def answer(self, method: str, model: Any, *arrays: Any) -> Any:
        """Look up each quantity; coefficient gradients of a network are one vector, layer by layer, and come apart."""
        asked = {q.entry: probe(model, name, *arrays).key for name, q in QUANTITIES.items() if q.method == method}
        recorded: dict[str, Any] = {at: self.results[key].copy() for at, key in asked.items() if key in self.results}
        if not recorded:
            raise LookupError(f"no result {next(iter(asked.values()))}")
        if len(model) > 1 and "coefficients" in recorded:
            ends = np.cumsum([spec.coefficients.size for spec in model])
            recorded["coefficients"] = np.split(recorded["coefficients"], ends[:-1])
        return recorded if method == "vjp" else recorded[""]
