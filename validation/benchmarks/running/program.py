"""A contestant of whom nothing is imported before it is built: the module and function that build it, by name."""

import importlib
from typing import Any

from refkan.base import Frozen
from validation.benchmarks.running.harness import Contestant, Timed

PEERS = "validation.benchmarks.peers"


class Program(Frozen):
    """A contestant of any case of its kind, built by functions of a module that take a case and return a Timed.

    `layer` is the name of the function of that module that makes the layer of a case, where there is one.
    """

    name: str
    module: str
    requires: str = ""
    tolerance: float = 1e-12
    note: str = ""
    layer: str = ""

    def contestant(self, case: Any, function: str) -> Contestant:
        def build() -> Timed:
            module = importlib.import_module(self.module)
            layers = [getattr(module, self.layer)] if self.layer else []
            timed: Timed = getattr(module, function)(case, *layers)
            return timed

        return Contestant(self.name, build, self.requires, self.tolerance, self.note)
