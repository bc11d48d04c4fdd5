"""Right layers of PyTorch and JAX drawn at random, by ways of writing, degrees, sizes, knots, parts; their defects."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refkan.conformance import Capabilities
from refkan.conformance.adapters.bases.jax_base import JaxAdapter
from refkan.conformance.adapters.bases.torch_base import TorchAdapter
from refkan.conformance.cases import PARTS, LayerSpec, attribute
from refkan.conformance.cases.specs import PER_NODE
from refkan.conformance.programs.regions import Layer, knot_vector, regions_of
from tests.conformance.programs.ways_of_writing import SILUS, SUMS, WAYS, Jax, Torch


@dataclass(frozen=True)
class Drawn:
    """A layer: how it is written, and its spec."""

    framework: str
    way: str
    sums: str
    silu: str
    spec: LayerSpec
    kind: str
    declared_outside: bool
    samples: int
    defect: str = ""

    def __str__(self) -> str:
        spec = self.spec
        sizes = f"degree {spec.degree}, {spec.intervals} {self.kind} intervals, {spec.n_inputs}x{spec.n_outputs}"
        return f"{self.framework}, {self.way}, {self.sums}, {sizes}, {self.samples} samples, {spec.parts} {self.defect}"

    @property
    def capabilities(self) -> Capabilities:
        outside = (self.spec.outside,) if self.declared_outside else ()
        return Capabilities(
            (self.spec.degree,), (self.kind,), outside, derivatives=("inputs", "coefficients", "second"), parts=PARTS
        )

    @property
    def layer(self) -> Layer:
        """Samples go through the regions of each input in turn."""
        spec, count = self.spec, self.samples
        far = spec.n_inputs > 1
        rows = [regions_of(spec, p, self.declared_outside, "closed", far) for p in range(spec.n_inputs)]
        total = max(map(len, rows))
        samples = [tuple(row[(s + 2 * p) % len(row)] for p, row in enumerate(rows)) for s in range(total)]
        samples += samples[: -total % count]
        return Layer(str(self), spec, tuple(tuple(samples[k : k + count]) for k in range(0, len(samples), count)))

    def values(self, own, C, x, t, parts):
        """The outputs."""
        spec, defect = self.spec, self.defect
        change = DEFECTS.get(defect, {})
        x, t, C = change.get("before", lambda own, spec, x, t, C: (x, t, C))(own, spec, x, t, C)
        if "scale" in parts:
            C = C * parts["scale"][:, :, None]
        order = spec.order - (defect == "degree one lower")
        if defect == "degree one lower":
            t = t[:, 1:]
        B = WAYS[self.way].function(own, x, t, order, defect)
        y = SUMS[self.sums](own, B, C)
        if "base" in parts:
            y = y + SILUS[self.silu](own, x) @ parts["base"].T
        if "node_scale" in parts:
            y = y * parts["node_scale"]
        y = y + parts["bias"] if "bias" in parts else y
        return change.get("after", lambda own, spec, y, x: y)(own, spec, y, x)

    @property
    def adapter(self) -> Any:
        """The backend."""
        made = OfTorch() if self.framework == "torch" else OfJax()
        made.drawn, made.capabilities = self, self.capabilities
        return made


class OfTorch(TorchAdapter):
    drawn: Drawn

    def build(self, spec):
        own = Torch(self.torch)
        parts = {attribute(name): self.tensor(spec.part(name)) for name in spec.parts}
        return own, self.tensor(spec.coefficients), self.tensor(spec.knots), parts

    def call(self, model, x):
        own, C, t, parts = model
        return self.drawn.values(own, C, x, t, parts)

    def coefficients(self, model):
        return model[1]

    def parts(self, model):
        return {name: model[3][attribute(name)] for name in self.used_parts}


class OfJax(JaxAdapter):
    drawn: Drawn

    def function(self, spec):
        own, t = Jax(self.jnp, self.jax), self.tensor(spec.knots, spec.dtype)
        return lambda C, x, **parts: self.drawn.values(own, C, x, t, parts)


def drawn(rng: np.random.Generator, framework: str, way: str) -> Drawn:
    """Draw degree, sizes, knots, sums and parts of a layer that is written in a way."""
    allowed = WAYS[way]
    kind = str(rng.choice(allowed.knots))
    degree = int(rng.choice([d for d in allowed.degrees if d or kind != "repeated"]))
    least = 3 if kind == "repeated" else 1
    intervals = int(rng.choice([1, 2, 4])) if kind == "uniform" else int(rng.integers(least, 5))
    P, Q = (int(v) for v in rng.integers(1, 4, 2))
    starts = rng.integers(-2, 2, P)
    domains = [(float(a), float(a + 2.0 ** rng.integers(-1, 2))) for a in starts]
    knots = np.array([knot_vector(kind, degree, intervals, domain) for domain in domains])
    chosen = [part for part in PARTS if rng.integers(4) == 0]
    parts: dict[str, Any] = {
        attribute(part): rng.integers(1, 16, (Q,) if part in PER_NODE else (Q, P)) / 8 for part in chosen
    }
    C = rng.integers(-31, 32, (Q, P, intervals + degree)) / 16
    spec = LayerSpec(knots, C, degree + 1, outside=allowed.outside, kind=kind, **parts)
    sums, silu = str(rng.choice(list(SUMS))), str(rng.choice(list(SILUS)))
    return Drawn(framework, way, sums, silu, spec, kind, bool(rng.integers(2)), int(rng.integers(1, 5)))


def draws(count: int, seed: int) -> "list[Drawn]":
    """Draw layers, both frameworks and all ways in turn."""
    rng = np.random.default_rng(seed)
    ways = list(WAYS)
    return [drawn(rng, ("torch", "jax")[k % 2], ways[(k // 2 + seed) % len(ways)]) for k in range(count)]


def _moved_knot(own, spec, x, t, C):
    """An inner knot moved by 2^-40, or the end where there is none."""
    at = np.zeros(spec.knots.shape)
    at[:, spec.degree + (spec.intervals > 1)] = 2.0**-40
    return x, t + own.xp.asarray(at), C


DEFECTS: dict[str, dict[str, Callable[..., Any]]] = {
    "shifted denominators": {},
    "degree one lower": {},
    "knot moved": {"before": _moved_knot},
    "coefficients reversed": {"before": lambda own, spec, x, t, C: (x, t, own.xp.flip(C, (2,)))},
    "coefficients shifted": {"before": lambda own, spec, x, t, C: (x, t, own.xp.roll(C, 1, 2))},
    "inputs exchanged": {"before": lambda own, spec, x, t, C: (own.xp.flip(x, (1,)), t, C)},
    "last coefficient unused": {
        "before": lambda own, spec, x, t, C: (x, t, own.xp.concatenate([C[:, :, :-1], 0 * C[:, :, -1:]], 2))
    },
    "squared": {"before": lambda own, spec, x, t, C: (x, t, C + 2.0**-40 * C * C)},
    "inputs detached": {"before": lambda own, spec, x, t, C: (own.detached(x), t, C)},
    "coefficients detached": {"before": lambda own, spec, x, t, C: (x, t, own.detached(C))},
    "gradient halved": {"before": lambda own, spec, x, t, C: (x, t, 0.5 * C + 0.5 * own.detached(C))},
    "clamped": {"before": lambda own, spec, x, t, C: (own.xp.clip(x, t[:, spec.order - 1] + 2.0**-30, None), t, C)},
    "mean over inputs": {"after": lambda own, spec, y, x: y / spec.n_inputs},
    "factor": {"after": lambda own, spec, y, x: y * (1 + 2.0**-50)},
    "samples mixed": {"after": lambda own, spec, y, x: y + 2.0**-40 * (y[:1] - y)},
    "zero at the end": {"after": lambda own, spec, y, x: y * (x != float(spec.domains[0, 1])).all(1)[:, None]},
    "zero at a knot": {"after": lambda own, spec, y, x: y * (x[:, :1] != float(spec.knots[0, spec.order - 1]))},
    "outputs reversed": {"after": lambda own, spec, y, x: own.xp.flip(y, (1,))},
    "constant added": {"after": lambda own, spec, y, x: y + 2.0**-60},
}
"""Defects in the mathematics: what is done to inputs, knots and coefficients before, and to outputs afterwards."""


def shows(layer: Drawn, defect: str) -> bool:
    """Whether a layer with such sizes differs by a defect."""
    spec = layer.spec
    needs = {
        "shifted denominators": layer.way in ("recursion", "row by row") and spec.degree > 0,
        "degree one lower": spec.degree > 1 and layer.kind != "clamped",
        "inputs detached": spec.degree > 0,
        "coefficients reversed": spec.dim > 1,
        "coefficients shifted": spec.dim > 1,
        "inputs exchanged": spec.n_inputs > 1,
        "mean over inputs": spec.n_inputs > 1,
        "samples mixed": layer.samples > 1,
        "outputs reversed": spec.n_outputs > 1,
        "clamped": spec.degree > 0,
        "knot moved": spec.degree > 0 or spec.intervals > 1,
    }
    return needs.get(defect, True)


def broken(count: int, seed: int) -> "list[Drawn]":
    """Draw layers, and give each of them one defect: all defects in turn."""
    names, found, rng = list(DEFECTS), [], np.random.default_rng(seed)
    while len(found) < count:
        defect = names[len(found) % len(names)]
        layer = drawn(rng, ("torch", "jax")[len(found) // len(names) % 2], str(rng.choice(list(WAYS))))
        if shows(layer, defect):
            found.append(replace(layer, defect=defect))
    return found
