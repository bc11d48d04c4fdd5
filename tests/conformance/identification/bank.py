"""All layers with known defects, each with patterns of what must be said of it: the first, or all that is said."""

import re
from collections.abc import Callable
from typing import NamedTuple

from refkan.conformance import Adapter
from tests.broken_layers import DEFECTS
from tests.broken_layers.defects import of_layer
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.broken_layers.trial_defects import TRIALS
from tests.conformance.altered_layers import of
from tests.conformance.identification.asked_layers import LAYERS, TOLD_ONCE
from tests.conformance.identification.layers_in_settings import IN_SETTINGS
from tests.conformance.identification.layers_of_tables import OF_TABLES
from tests.conformance.identification.told_functions import ALONE, FUNCTIONS_TOLD
from tests.conformance.identification.told_layers import TOLD


def adapter_of(layer):
    """The adapter of a class, of an adapter or of a layer."""
    return layer() if issubclass(layer, PlainNumpy) else of(layer)


class Known(NamedTuple):
    """How to make an adapter, and patterns of the differences that must be told first."""

    make: Callable[[], Adapter]
    patterns: tuple[str, ...]

    def verdict(self, said: list[str]) -> str:
        """One of "right", "partly" (told, but not first), "wrong", "nothing"."""
        if not said:
            return "nothing"
        first = [re.match(pattern, text) for pattern, text in zip(self.patterns, said, strict=False)]
        if len(first) == len(self.patterns) and all(first):
            return "right"
        return "partly" if any(re.match(self.patterns[0], text) for text in said) else "wrong"


NUMBERS = {
    "mean over samples": "0.0625, 1 over the number of samples",
    "always cubic": "splines have degree 3 instead of 4",
    "scale applied twice by an update": "values are multiplied by 0.75",
}
"""What the sentence of a defect tells, beside its name."""

SAID = TOLD | FUNCTIONS_TOLD | IN_SETTINGS | OF_TABLES
"""Patterns of the first difference."""

ALL_SAID = TOLD_ONCE | ALONE
"""Patterns of all differences."""

NAMED = {name: (defect.make, defect.hint) for name, defect in DEFECTS.items()}
NAMED |= {name: (of_layer(trial.layer), trial.hint) for name, trial in TRIALS.items()}
"""Makers, and the name that leads."""


def _bank():
    for number, (name, layer) in enumerate(LAYERS):
        yield f"{name} ({number})", Known(lambda layer=layer: adapter_of(layer), (re.escape(name) + ":",))
    for pattern, layer in SAID.items():
        yield pattern, Known(lambda layer=layer: adapter_of(layer), (pattern,))
    for layer, patterns in ALL_SAID.items():
        yield "; ".join(patterns), Known(lambda layer=layer: adapter_of(layer), tuple(patterns))
    for name, (make, hint) in NAMED.items():
        yield name, Known(make, (f"{re.escape(hint)}:.*{re.escape(NUMBERS.get(name, ''))}",))


BANK: dict[str, Known] = dict(_bank())
"""By names, or by what must be said."""
