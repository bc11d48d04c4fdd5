"""The arrays of models by the names that their libraries give them: state dicts, without the libraries."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, Frozen, check_annotated
from refkan.base.short_reprs import short
from refkan.interop.kan_edges import ConversionError, Edges, assemble, disassemble
from refkan.networks.network import Network

State = Mapping[str, Any]


def kind_of(state: State) -> str:
    """The library of a state dict: "pykan", "efficient-kan" or "jaxkan".

    Raises
    ------
    ConversionError
        If the names are those of none.
    TypeError
        If `state` is not a mapping: `read_model` returns a network.
    """
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise TypeError(
            "state must be a mapping of names to arrays, as state_of(model) returns it; "
            f"got {short(state)}: read_model(file) reads a file and converts it"
        )
    marks = {"pykan": "act_fun.0.coef", "efficient-kan": "layers.0.spline_weight", "jaxkan": "layers.0.c_basis"}
    for kind, name in marks.items():
        if name in state:
            return kind
    some = ", ".join(map(repr, sorted(state)[:4])) or "nothing"
    raise ConversionError(f"not the state of a model of pykan, efficient-kan or jaxkan: it has {some}")


def from_state(state: State) -> tuple[Network, FloatArray]:
    """Return network and parameters from the arrays of a model by name.

    pykan's are those of its state dict; of a model by `state_of`. Base functions other than SiLU leave no trace in a
    state dict: that they are SiLU is taken for granted here, and looked up where a model is given.

    Raises
    ------
    ConversionError
        For parts that refkan has no name for: symbolic edges, multiplication nodes, arrays of unknown names. Arrays of
        wrong shapes, and those that do not hold real numbers, are named too.

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
    return assemble(FORMATS[kind_of(state)].edges(Arrays(state)))


def to_state(net: Network, theta: Any, state: State) -> dict[str, Any]:
    """Return a copy of the arrays `state` of a model with the numbers of a network.

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
    check_annotated(to_state, locals())
    return FORMATS[kind_of(state)].state(disassemble(net, theta), Arrays(state))


def as_numpy(name: str, value: Any) -> Array:
    """Return an array of a model as a NumPy array; not all tensors of PyTorch can be converted."""
    if not hasattr(value, "detach"):
        return np.asarray(value)
    try:
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise TypeError("it stores fewer numbers than its shape requires")
        array: Array = value.detach().cpu().numpy()
    except (TypeError, RuntimeError) as error:  # NotImplementedError, of tensors without data, is a RuntimeError
        raise ConversionError(
            f"{name!r} is a tensor that NumPy cannot hold ({value.dtype}, {value.layout}, on {value.device}): make it "
            f"a dense one of float32 or float64 in memory ({str(error).partition(chr(10))[0]})"
        ) from error
    return array


class Arrays:
    """The arrays of a state, and the names of those that were used."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.used: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name != "" and name in self.state

    def get(self, name: str, *shapes: tuple[int | str, ...]) -> FloatArray:
        """Return an array of one of the shapes, in which a letter stands for any length."""
        self.used.add(name)
        if name not in self.state:
            raise ConversionError(f"the state has no {name!r}")
        array = as_numpy(name, self.state[name])
        if array.dtype.kind not in "fiu":
            raise ConversionError(f"{name} must hold real numbers; got dtype {array.dtype}")
        if array.size == 0 or not any(_fits(array.shape, shape) for shape in shapes):
            wanted = " or ".join(dict.fromkeys(str(shape).replace("'", "") for shape in shapes))
            raise ConversionError(f"{name} must have shape {wanted}; got {array.shape}")
        return array.astype(np.float64)


def _fits(shape: tuple[int, ...], wanted: tuple[int | str, ...]) -> bool:
    if len(shape) != len(wanted):
        return False
    return all(n == m or isinstance(m, str) for n, m in zip(shape, wanted, strict=True))


class Format(ABC):
    """How one library names and shapes what a layer holds; subclasses say it of one layer, in both directions."""

    pattern: str
    """Of the name of a layer's coefficients, its number in brackets."""

    @abstractmethod
    def layer(self, arrays: Arrays, k: int) -> Edges:
        """Layer k of a state."""

    @abstractmethod
    def written(self, k: int, part: Edges, was: Edges, old: Arrays) -> dict[str, FloatArray]:
        """New arrays of layer k by name; `was` is the layer that the arrays of `old` hold."""

    def edges(self, arrays: Arrays) -> list[Edges]:
        """Layers of a state, all of whose arrays must be parts of them."""
        count = sum(bool(re.fullmatch(self.pattern, name)) for name in arrays.state)
        parts = []
        for k in range(count):
            try:
                parts.append(self.layer(arrays, k))
            except ConversionError:
                raise
            except ValueError as error:  # of `Edges`, which does not know its number
                raise ConversionError(f"layer {k}: {error}") from error
        for name in arrays.state:
            if name not in arrays.used:
                raise ConversionError(f"the state has {name!r}, which belongs to none of its {count} layers")
        return parts

    def state(self, edges: Sequence[Edges], old: Arrays) -> dict[str, Any]:
        """The state with other layers, in the formats of its arrays."""
        before, out = self.edges(old), dict(old.state)
        if len(edges) != len(before):
            raise ConversionError(f"the network has {len(edges)} spline layers, the model {len(before)}")
        for k, (part, was) in enumerate(zip(edges, before, strict=True)):
            shape = part.base.shape
            if shape != was.base.shape:
                raise ConversionError(f"layer {k}: the network has shape (Q, P) = {shape}, the model {was.base.shape}")
            for name, value in self.written(k, part, was, old).items():
                out[name] = _rounded(name, value, as_numpy(name, old.state[name]).dtype)
        return out


def _rounded(name: str, value: FloatArray, dtype: np.dtype[Any]) -> Array:
    """Numbers in the format of an array that they replace; integers have no place for them."""
    if dtype.kind != "f":
        return value
    with np.errstate(over="ignore"):
        out = value.astype(dtype)
    if not np.isfinite(out).all():
        raise ConversionError(f"{name} holds {dtype}, too small for the new numbers: up to {np.abs(value).max():.1e}")
    return out


class Pykan(Format):
    """pykan: (P, Q, dim) coefficients, masks, and affine maps of subnodes and nodes."""

    pattern = r"act_fun\.(\d+)\.coef"

    def layer(self, arrays: Arrays, k: int) -> Edges:
        """Masks are multiplied into both weights of an edge."""
        C = arrays.get(f"act_fun.{k}.coef", ("P", "Q", "dim")).transpose(1, 0, 2)
        Q, P, _ = C.shape
        symbolic = np.empty((0, 2), int)
        if f"symbolic_fun.{k}.mask" in arrays:
            symbolic = np.argwhere(arrays.get(f"symbolic_fun.{k}.mask", (Q, P)))
        arrays.used.add(f"symbolic_fun.{k}.affine")
        if len(symbolic):
            q, p = symbolic[0]
            raise ConversionError(
                f"layer {k}: {len(symbolic)} edges are symbolic, the first from input {p} to output {q}; refkan does "
                "not support them: convert the model before fixing formulas"
            )
        widths = {arrays.get(f"{name}_scale_{k}", ("Q",)).size for name in ("subnode", "node")}
        if widths != {Q}:
            raise ConversionError(f"layer {k} has multiplication nodes, which refkan does not support")

        def of_nodes(name: str) -> FloatArray:
            return arrays.get(f"{name}_{k}", (Q,))

        def of_edges(name: str) -> FloatArray:
            return arrays.get(f"act_fun.{k}.{name}", (P, Q)).T

        mask, scale = of_edges("mask"), of_nodes("node_scale")
        return Edges(
            knots=arrays.get(f"act_fun.{k}.grid", (P, "K")),
            coefficients=C,
            base=mask * of_edges("scale_base"),
            factor=mask * of_edges("scale_sp"),
            scale=scale * of_nodes("subnode_scale"),
            shift=scale * of_nodes("subnode_bias") + of_nodes("node_bias"),
        )

    def written(self, k: int, part: Edges, was: Edges, old: Arrays) -> dict[str, FloatArray]:
        """Masks stay where they can, and so does the split of maps into those of subnodes and nodes."""
        name = f"act_fun.{k}."
        size = part.base.shape[::-1]
        mask = old.get(name + "mask", size).T
        mask = np.where((mask == 0) & ((part.base != 0) | (part.factor != 0)), 1.0, mask)
        new = {"grid": part.knots, "coef": part.coefficients.transpose(1, 0, 2), "mask": mask.T}
        for key, weight in (("scale_base", part.base), ("scale_sp", part.factor)):
            kept = old.get(name + key, size).T
            new[key] = np.where(mask == 0, kept, weight / np.where(mask == 0, 1.0, mask)).T
        out = {name + key: value for key, value in new.items()}
        if (part.scale != was.scale).any() or (part.shift != was.shift).any():
            ones = np.ones_like(part.scale)
            maps = {"node_scale": part.scale, "node_bias": part.shift, "subnode_scale": ones, "subnode_bias": 0 * ones}
            out |= {f"{key}_{k}": value for key, value in maps.items()}
        return out


class OneSpline(Format, Frozen, eq=True):
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

    def layer(self, arrays: Arrays, k: int) -> Edges:
        """What is missing is zero (weights of SiLU, biases) or one (factors of splines)."""
        C = arrays.get(self._name(k, self.coefficients), ("Q", "P", "dim"), ("Q P", "dim"))
        if C.ndim == 2:  # an edge is a row
            known = (self._name(k, name) for name in (self.shift, self.base, self.factor))
            count = next((len(np.atleast_1d(arrays.state[name])) for name in known if name in arrays), 0)
            if not count or len(C) % count:
                raise ConversionError(f"layer {k}: its arrays do not determine the number of its outputs")
            C = C.reshape(count, -1, C.shape[1])
        Q, P, _ = C.shape
        knots = arrays.get(self._name(k, self.grid), (P, "K"), (Q * P, "K"))
        if len(knots) != P:
            rows = knots.reshape(Q, P, -1)
            if (rows != rows[:1]).any():
                raise ConversionError(
                    f"layer {k}: edges of one input have different grids; refkan has one grid for each input"
                )
            knots = rows[0]

        def get(name: str, default: float, shape: tuple[int, ...]) -> FloatArray:
            key = self._name(k, name)
            if key not in arrays:
                return np.full(shape, default)
            return arrays.get(key, shape)

        return Edges(
            knots=knots,
            coefficients=C,
            base=get(self.base, 0.0, (Q, P)),
            factor=get(self.factor, 1.0, (Q, P)),
            scale=np.ones(Q),
            shift=get(self.shift, 0.0, (Q,)),
        )

    def _name(self, k: int, name: str) -> str:
        if not name:
            return ""
        return f"layers.{k}.{name}"

    def written(self, k: int, part: Edges, was: Edges, old: Arrays) -> dict[str, FloatArray]:
        """Factors go into the coefficients where the model has no place for them."""
        if (part.scale != 1).any():
            raise ConversionError(f"layer {k}: this model cannot hold scales of nodes")
        new = {self.grid: part.knots, self.coefficients: part.coefficients}
        Q, P, dim = part.coefficients.shape
        if len(old.state[self._name(k, self.grid)]) != P:  # a grid for each edge
            new[self.grid] = np.tile(part.knots, (Q, 1))
        for name, value in ((self.base, part.base), (self.factor, part.factor), (self.shift, part.shift)):
            if self._name(k, name) in old:
                new[name] = value
            elif name == self.factor:
                new[self.coefficients] = part.coefficients * part.factor[..., None]
            elif (value != 0).any():
                parts = {self.base: "a SiLU branch", self.shift: "biases of nodes"}
                raise ConversionError(f"layer {k}: this model cannot hold {parts[name]}")
        if np.ndim(old.state[self._name(k, self.coefficients)]) == 2:  # an edge is a row
            new[self.coefficients] = new[self.coefficients].reshape(-1, dim)
        return {self._name(k, name): value for name, value in new.items()}


FORMATS: dict[str, Format] = {
    "pykan": Pykan(),
    "efficient-kan": OneSpline("grid", "spline_weight", "base_weight", "spline_scaler", ""),
    "jaxkan": OneSpline("grid", "c_basis", "c_res", "c_spl", "bias"),
}
