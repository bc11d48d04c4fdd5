"""The variables at which a layer's program is run: inputs, cotangents, directions, coefficients and weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from refkan.conformance.cases import LayerSpec
from refkan.conformance.programs import arrays
from refkan.conformance.programs.fields.numbers import Exact, Field
from refkan.conformance.programs.fields.signs import Interval
from refkan.conformance.programs.regions import Region


@dataclass(frozen=True)
class Symbols:
    """What a program is run at: object arrays of numbers of one field.

    Attributes
    ----------
    field : Field
    x, direction : array (N, P)
    dy : array (N, Q)
    coefficients : array (Q, P, dim)
    weights : dict of str to array (Q, P)
        Of the parts that the layer has.
    """

    field: Field
    x: Any
    dy: Any
    direction: Any
    coefficients: Any
    weights: dict[str, Any]

    @classmethod
    def of(cls, spec: LayerSpec, batch: Sequence[Sequence[Region]]) -> "Symbols":
        """Make a variable for each input in an interval, and for each coefficient, weight and cotangent."""
        N, P, Q = len(batch), spec.n_inputs, spec.n_outputs
        shapes = {"dy": (N, Q), "direction": (N, P), "c": spec.coefficients.shape}
        shapes |= {part: spec.part(part).shape for part in spec.parts}
        names = {key: [variable_name(key, index) for index in np.ndindex(shape)] for key, shape in shapes.items()}
        regions = {variable_name("x", (s, p)): batch[s][p] for s in range(N) for p in range(P)}
        intervals = {name: region for name, region in regions.items() if isinstance(region, Interval)}
        free = [name for group in names.values() for name in group]
        field = Field(intervals, free, n_functions=2 * N * P + 2)
        x = [field.variables[name] if name in intervals else field.number(at) for name, at in regions.items()]
        made = {key: object_array([field.variables[name] for name in names[key]], shapes[key]) for key in shapes}
        weights = {part: made[part] for part in spec.parts}
        return cls(field, object_array(x, (N, P)), made["dy"], made["direction"], made["c"], weights)

    def with_numbers(self, spec: LayerSpec) -> "Symbols":
        """Return the same with the numbers of the layer in place of variables."""
        weights = {part: arrays.lifted(self.field, spec.part(part)) for part in spec.parts}
        return replace(self, coefficients=arrays.lifted(self.field, spec.coefficients), weights=weights)

    def place_of(self, name: str) -> tuple[int, int]:
        """Return the sample and the number of an input, by the name of its variable."""
        s, p = next(place for place in np.ndindex(self.x.shape) if variable_name("x", place) == name)
        return s, p

    def named(self, at: Mapping[str, Fraction], number: Exact, samples: set[int]) -> dict[str, Fraction]:
        """Return the values of the variables of a number, and the inputs of samples that are at points."""
        degrees = zip(self.field.names, number.p.degrees(), strict=True)
        used = {name for name, degree in degrees if degree and name not in self.field.functions}
        shown = {name: value for name, value in at.items() if name in used}
        for index, x in np.ndenumerate(self.x):
            if x.p.is_constant() and index[0] in samples:
                shown.setdefault(variable_name("x", index), x.at({}))
        return shown


def variable_name(key: str, index: Sequence[int]) -> str:
    """Return the name of a variable, as in x[0,1]."""
    return f"{key}[{','.join(map(str, index))}]"


def object_array(entries: Sequence[Any], shape: Sequence[int]) -> Any:
    """Return exact numbers as an array of a shape."""
    out = np.empty(len(entries), object)
    out[:] = entries
    return out.reshape(shape)
