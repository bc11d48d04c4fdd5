"""Write docs/adapter-fields.md, every name that an adapter meets, from the code: `python docs/adapter_fields.py`."""

import inspect
import re
from dataclasses import fields
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from refkan.conformance import Adapter, Capabilities, JaxAdapter, LayerSpec, SplineAdapter, TorchAdapter, catalogue
from refkan.conformance.adapters.adapter import ONE_OF, SEVERAL
from refkan.conformance.adapters.bases.copied_layers import EfficientKanAdapter, PykanAdapter
from refkan.conformance.adapters.bases.module_base import ModuleAdapter

PAGE = Path(__file__).with_name("adapter-fields.md")
CASE = "float64/layer/degree-3/uniform/3x2/with-base-scale-node-scale-bias/values"

BEGIN = f"""# Every name that an adapter meets

[Check your layer](your-layer.md) shows an adapter; this page lists all that it is given and may define. It is written
from the code by `python docs/adapter_fields.py`, and a test compares the two. N is the number of samples, P of inputs,
Q of outputs, dim of basis functions of an input, n of intervals; r = degree + 1, and K = n + 2 degree + 1.
Examples are those of the case `{CASE}`.

"""

FIRST = ("build", "forward", "vjp")
"""Methods that come first, in this order."""

NEEDED_BY = {
    "build": "always", "forward": "always", "vjp": "`derivatives`", "second": '`derivatives`: "second"',
    "gauss_newton": '`derivatives`: "gauss-newton"', "refine": "`refine`", "update": "`update`", "state": "`state`",
}  # fmt: skip
"""Of the methods of an adapter, the capability that requires them."""


def attributes(owner: type) -> dict[str, tuple[str, str]]:
    """Type and meaning of what numpydoc lists under Attributes, by name."""
    text = inspect.getdoc(owner) or ""
    section = re.search(r"Attributes\n-+\n(.*?)(?=\n\n\w[\w ]*\n-+\n|\Z)", text, re.DOTALL)
    if section is None:
        return {}
    out = {}
    for entry in re.split(r"\n(?=\S)", section[1]):
        head, *lines = entry.splitlines()
        names, _, kind = head.partition(" : ")
        for name in names.split(", "):
            out[name] = kind, " ".join(line.strip() for line in lines)
    return out


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    cells = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in cells)


def example(value: Any) -> str:
    """A value, or the shape of an array."""
    return f"array {value.shape}" if isinstance(value, np.ndarray) else f"`{value!r}`"


def of_spec() -> str:
    """Fields and properties of a layer to be built."""
    (case,) = catalogue(["float64"], [CASE])
    spec, told = case.setting.spec, attributes(LayerSpec)
    rows = []
    for field in fields(LayerSpec):
        kind, meaning = told[field.name]
        rows.append([f"`spec.{field.name}`", kind, example(getattr(spec, field.name)), meaning])
    for name, member in vars(LayerSpec).items():
        if name.startswith("_") or name in {field.name for field in fields(LayerSpec)}:
            continue
        meaning = summary(member)
        if inspect.isfunction(member):
            rows.append([f"`spec.{called(name, member)}`", "", example(getattr(spec, name)("scale")), meaning])
        else:
            rows.append([f"`spec.{name}`", "", example(getattr(spec, name)), meaning])
    return table(["name", "shape", "example", "meaning"], rows)


def of_capabilities() -> str:
    """What can be declared."""
    told, rows = attributes(Capabilities), []
    for field in fields(Capabilities):
        names = SEVERAL.get(field.name) or ONE_OF.get(field.name)
        known = ", ".join(f"`{name!r}`" for name in names) if names else told[field.name][0]
        rows.append([f"`{field.name}`", known, f"`{field.default!r}`", told[field.name][1]])
    return table(["capability", "values", "default", "meaning"], rows)


def called(name: str, member: Any) -> str:
    """A method with the names of its arguments."""
    parameters = list(inspect.signature(member).parameters)
    return f"{name}({', '.join(part for part in parameters if part != 'self')})"


def summary(member: Any) -> str:
    """The docstring as one line, up to its first section."""
    text = re.split(r"\n\n\w[\w ]*\n-+\n", inspect.getdoc(member) or "")[0]
    return " ".join(text.split())


def of_methods(owner: type, needed: bool = False) -> str:
    """Methods and properties that a class defines, and the attributes that its docstring lists."""
    rows = [[f"`{name}`", meaning or kind] for name, (kind, meaning) in attributes(owner).items()]
    own = {name: member for name, member in vars(owner).items() if not name.startswith("_")}
    for name in sorted(own, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST)):
        if inspect.isfunction(own[name]):
            rows.append([f"`{called(name, own[name])}`", summary(own[name])])
    if not needed:
        return table(["name", "meaning"], rows)
    whens = [[row[0], NEEDED_BY.get(row[0].strip("`").partition("(")[0], ""), row[1]] for row in rows]
    return table(["method", "needed by", "meaning"], whens)


def page() -> str:
    """The whole page."""
    parts = [
        "## What is built: `spec`", of_spec(),
        "A network comes as a tuple of these. Coefficients, knots and parts are given in float64; `self.tensor` of the "
        "bases makes tensors of them in `spec.dtype`.",
        "## What is declared: `Capabilities`", of_capabilities(),
        "## What is called: methods of `Adapter`", of_methods(Adapter, needed=True),
    ]  # fmt: skip
    for owner, title in (
        (TorchAdapter, "Layers in PyTorch: `TorchAdapter`"), (ModuleAdapter, "Modules whose numbers are named: "
         "`refkan.conformance.adapters.bases.module_base.ModuleAdapter`"),
        (EfficientKanAdapter, "Copies of efficient-kan: `EfficientKanAdapter`"),
        (PykanAdapter, "Copies of pykan's layer: `PykanAdapter`"), (JaxAdapter, "Layers in JAX: `JaxAdapter`"),
        (SplineAdapter, "Libraries of single splines: `SplineAdapter`"),
    ):  # fmt: skip
        parts += [f"## {title}", summary(owner), of_methods(owner)]
    shown = (part if part[0] in "|#" else fill(part, 120, break_long_words=False) for part in parts)
    return BEGIN + "\n\n".join(shown) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
