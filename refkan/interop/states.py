"""The arrays of models by the names that their libraries give them: state dicts, without the libraries."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.array_types import FloatArray
from refkan.interop.edges import ConversionError, Edges, assemble, disassemble
from refkan.networks.network import Network

State = Mapping[str, Any]


def kind_of(state: State) -> str:
    """The library of a state dict: "pykan", "efficient-kan" or "jaxkan".

    Raises
    ------
    ConversionError
        If the names are those of none.
    TypeError
        If `state` is no mapping: what `read` returns is converted already.
    """
    if not isinstance(state, Mapping):
        raise TypeError(
            "state must be a mapping of names to arrays, as state_of(model) returns it; "
            f"got a {type(state).__name__}: read(file) takes a file, and converts it as well"
        )
    marks = {"pykan": "act_fun.0.coef", "efficient-kan": "layers.0.spline_weight", "jaxkan": "layers.0.c_basis"}
    for kind, name in marks.items():
        if name in state:
            return kind
    some = ", ".join(map(repr, sorted(state)[:4])) or "nothing"
    raise ConversionError(f"not the state of a model of pykan, efficient-kan or jaxkan: it has {some}")


def from_state(state: State) -> tuple[Network, FloatArray]:
    """Return network and parameters of the arrays of a model by name.

    pykan's are those of its state dict; of a model by `state_of`. Base functions other than SiLU leave no trace in a
    state dict: that they are SiLU is taken for granted here, and looked up where a model is given.

    Raises
    ------
    ConversionError
        For parts that refkan has no name for: symbolic edges, multiplication nodes.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan import interop
    >>> state = {
    ...     "layers.0.grid": np.tile(np.linspace(-2.2, 2.2, 12), (2, 1)),  # efficient-kan's names
    ...     "layers.0.spline_weight": np.zeros((1, 2, 8)),
    ...     "layers.0.base_weight": np.ones((1, 2)),
    ... }
    >>> net, theta = interop.from_state(state)
    >>> net
    Network([2, 1]: SiLU + order 4 on 5 intervals (spline); 20 parameters)
    """
    return assemble(FORMATS[kind_of(state)].edges(state))


def to_state(net: Network, theta: Any, state: State) -> dict[str, Any]:
    """Return the arrays of a model, `state`, with those of a network in their place; nothing is changed in place.

    Raises
    ------
    ConversionError
        If the network has what the model has no place for, or layers of other widths.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan import interop
    >>> state = {"layers.0.grid": np.linspace(-2.2, 2.2, 12)[None], "layers.0.spline_weight": np.ones((1, 1, 8))}
    >>> fine = interop.refined(*interop.from_state(state))
    >>> {name: array.shape for name, array in interop.to_state(*fine, state).items()}
    {'layers.0.grid': (1, 23), 'layers.0.spline_weight': (1, 1, 19)}
    """
    return FORMATS[kind_of(state)].state(disassemble(net, theta), state)


def _real(state: State, name: str) -> FloatArray:
    if name not in state:
        raise ConversionError(f"the state has no {name!r}")
    array = np.asarray(state[name])
    if array.dtype.kind not in "fiub":
        raise ConversionError(f"{name} must hold real numbers; got dtype {array.dtype}")
    return array.astype(np.float64)


def _count(state: State, pattern: str) -> int:
    return 1 + max(int(found[1]) for name in state if (found := re.fullmatch(pattern, name)))


class Format(ABC):
    """How one library names and shapes what a layer holds; subclasses say it of one layer, in both directions."""

    pattern: str
    """Of the name of a layer's coefficients, its number in brackets."""

    @abstractmethod
    def layer(self, state: State, k: int) -> Edges:
        """Layer k of a state."""

    @abstractmethod
    def written(self, k: int, part: Edges, was: Edges, old: State) -> dict[str, FloatArray]:
        """New arrays of layer k by name; `was` is the layer that the arrays of `old` hold."""

    def edges(self, state: State) -> list[Edges]:
        """Layers of a state."""
        return [self.layer(state, k) for k in range(_count(state, self.pattern))]

    def state(self, edges: Sequence[Edges], old: State) -> dict[str, Any]:
        """The state with other layers, in the formats of its arrays."""
        before, out = self.edges(old), dict(old)
        if len(edges) != len(before):
            raise ConversionError(f"the network has {len(edges)} spline layers, the model {len(before)}")
        for k, (part, was) in enumerate(zip(edges, before, strict=True)):
            ours, theirs = part.base.shape, was.base.shape
            if ours != theirs:
                raise ConversionError(f"layer {k}: the network has shape (Q, P) = {ours}, the model {theirs}")
            new = self.written(k, part, was, old)
            out |= {name: value.astype(np.asarray(old[name]).dtype) for name, value in new.items()}
        return out


class Pykan(Format):
    """pykan: (P, Q, dim) coefficients, masks, and affine maps of subnodes and nodes."""

    pattern = r"act_fun\.(\d+)\.coef"

    def layer(self, state: State, k: int) -> Edges:
        """Masks are multiplied into both weights of an edge."""
        name = f"symbolic_fun.{k}.mask"
        symbolic = np.argwhere(_real(state, name) != 0) if name in state else np.empty((0, 2), int)
        if len(symbolic):
            q, p = symbolic[0]
            raise ConversionError(
                f"layer {k}: {len(symbolic)} edges are symbolic, the first from input {p} to output {q}; refkan has no "
                "name for them: convert the model before fixing formulas"
            )
        C = _real(state, f"act_fun.{k}.coef").transpose(1, 0, 2)
        sub = _real(state, f"subnode_scale_{k}"), _real(state, f"subnode_bias_{k}")
        node = _real(state, f"node_scale_{k}"), _real(state, f"node_bias_{k}")
        if sub[0].shape != node[0].shape or sub[0].shape != C.shape[:1]:
            raise ConversionError(f"layer {k} has multiplication nodes, which refkan has no name for")
        mask = _real(state, f"act_fun.{k}.mask").T
        return Edges(
            _real(state, f"act_fun.{k}.grid"), C, mask * _real(state, f"act_fun.{k}.scale_base").T,
            mask * _real(state, f"act_fun.{k}.scale_sp").T, node[0] * sub[0], node[0] * sub[1] + node[1],
        )  # fmt: skip

    def written(self, k: int, part: Edges, was: Edges, old: State) -> dict[str, FloatArray]:
        """Masks stay where they can, and so does the split of maps into those of subnodes and nodes."""
        name = f"act_fun.{k}."
        mask = _real(old, name + "mask").T
        mask = np.where((mask == 0) & ((part.base != 0) | (part.factor != 0)), 1.0, mask)
        new = {"grid": part.knots, "coef": part.coefficients.transpose(1, 0, 2), "mask": mask.T}
        for key, weight in (("scale_base", part.base), ("scale_sp", part.factor)):
            kept = _real(old, name + key).T
            new[key] = np.where(mask == 0, kept, weight / np.where(mask == 0, 1.0, mask)).T
        out = {name + key: value for key, value in new.items()}
        if (part.scale != was.scale).any() or (part.shift != was.shift).any():
            ones = np.ones_like(part.scale)
            maps = {"node_scale": part.scale, "node_bias": part.shift, "subnode_scale": ones, "subnode_bias": 0 * ones}
            out |= {f"{key}_{k}": value for key, value in maps.items()}
        return out


@dataclass(frozen=True)
class OneSpline(Format):
    """Layers whose arrays are (Q, P, dim) and (Q, P), some of them optional, by the names of a library."""

    grid: str
    coefficients: str
    base: str
    factor: str
    shift: str

    @property
    def pattern(self) -> str:  # type: ignore[override]
        """Of the name of a layer's coefficients."""
        return rf"layers\.(\d+)\.{self.coefficients}"

    def layer(self, state: State, k: int) -> Edges:
        """What is missing is zero (weights of SiLU, biases) or one (factors of splines)."""

        def get(name: str, default: float, shape: tuple[int, ...]) -> FloatArray:
            key = f"layers.{k}.{name}"
            return _real(state, key).reshape(shape) if name and key in state else np.full(shape, default)

        knots, C = (_real(state, f"layers.{k}.{name}") for name in (self.grid, self.coefficients))
        if C.ndim == 2:  # an edge is a row
            count = get(self.shift, 0.0, (-1,)).size if f"layers.{k}.{self.shift}" in state else 0
            base = state.get(f"layers.{k}.{self.base}", state.get(f"layers.{k}.{self.factor}"))
            count = count or (0 if base is None else len(np.asarray(base)))
            if not count or len(C) % count:
                raise ConversionError(f"layer {k}: the number of its outputs cannot be told from its arrays")
            C = C.reshape(count, -1, C.shape[1])
        if len(knots) == C.shape[0] * C.shape[1] != C.shape[1]:
            rows = knots.reshape(*C.shape[:2], -1)
            if (rows != rows[:1]).any():
                raise ConversionError(f"layer {k}: edges of one input have different grids; refkan has one an input")
            knots = rows[0]
        shape = C.shape[:2]
        return Edges(
            knots, C, get(self.base, 0.0, shape), get(self.factor, 1.0, shape), np.ones(shape[0]),
            get(self.shift, 0.0, shape[:1]),
        )  # fmt: skip

    def written(self, k: int, part: Edges, was: Edges, old: State) -> dict[str, FloatArray]:
        """Factors go into the coefficients where the model has no place for them."""
        if (part.scale != 1).any():
            raise ConversionError(f"layer {k}: scales of nodes have no place in this model")
        new = {self.grid: part.knots, self.coefficients: part.coefficients}
        if len(np.asarray(old[f"layers.{k}.{self.grid}"])) != len(part.knots):  # a grid for each edge
            new[self.grid] = np.tile(part.knots, (len(part.base), 1))
        for name, value in ((self.base, part.base), (self.factor, part.factor), (self.shift, part.shift)):
            if name and f"layers.{k}.{name}" in old:
                new[name] = value
            elif name == self.factor:
                new[self.coefficients] = part.coefficients * part.factor[..., None]
            elif (value != 0).any():
                what = "a SiLU branch" if name == self.base else "biases of nodes"
                raise ConversionError(f"layer {k}: {what} has no place in this model")
        if np.asarray(old[f"layers.{k}.{self.coefficients}"]).ndim == 2:  # an edge is a row
            new[self.coefficients] = new[self.coefficients].reshape(-1, part.coefficients.shape[2])
        return {f"layers.{k}.{name}": value for name, value in new.items()}


FORMATS: dict[str, Format] = {
    "pykan": Pykan(),
    "efficient-kan": OneSpline("grid", "spline_weight", "base_weight", "spline_scaler", ""),
    "jaxkan": OneSpline("grid", "c_basis", "c_res", "c_spl", "bias"),
}
