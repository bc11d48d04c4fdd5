"""Certificates of proofs about programs: what `check_program_proof.py` checks, from the traced graphs alone.

The programs are traced again. Nothing in a certificate depends on how `prove` came to its verdict.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from refkan.conformance.adapters.adapter import Adapter
from refkan.conformance.programs.fields.signs import Interval
from refkan.conformance.programs.regions import Layer, Region
from refkan.conformance.programs.torch_graphs import PLACEMENT
from refkan.conformance.programs.traced_layers import ENTRIES, program_of

FORMAT = "refkan program certificate 1"

PARAMETERS = (
    "shape", "broadcast_dimensions", "start_indices", "limit_indices", "strides", "dimensions", "dimension",
    "new_sizes", "permutation", "dimension_numbers", "axes", "axis", "reverse", "padding_config", "y",
)  # fmt: skip
"""Parameters of JAX's primitives that say what they compute; other ones say how, and the checker looks at types."""


def certificate(adapter: Adapter, proven: Sequence[tuple[Layer, Sequence[str]]]) -> dict[str, Any]:
    """Return the certificate of statements.

    Parameters
    ----------
    adapter : TorchAdapter or JaxAdapter
    proven : sequence of (Layer, sequence of str)
        Layers with the regions that were run, and the quantities that are proven of each.

    Raises
    ------
    ValueError
        If nothing is proven, or the layer is not traced.
    """
    graphs: list[Any] = []
    if not proven:
        raise ValueError("a certificate must have statements; this proof has none that is proven")
    written = [_layer(adapter, layer, quantities, graphs) for layer, quantities in proven]
    return {"format": FORMAT, "layers": written, "graphs": graphs}


def _layer(adapter: Adapter, layer: Layer, quantities: Sequence[str], graphs: list[Any]) -> dict[str, Any]:
    """A layer with its runs; graphs that are new are appended."""
    spec, capabilities = layer.spec, adapter.capabilities
    one_input = spec.n_inputs == 1
    numbers: dict[tuple[int, str], int] = {}
    tensors: dict[str, Any] = {}
    held: list[str] = []
    runs = []
    for batch in layer.batches:
        program: Any = program_of(adapter, spec, len(batch))
        if not hasattr(program, "graph_of"):
            raise ValueError("a certificate has traced programs; this one is called with object arrays")
        tensors, held = program.linear_forms(), program.held
        programs = {}
        for quantity in quantities:
            name = program.trace_name(quantity)
            key = len(batch), name
            if key not in numbers:
                numbers[key] = len(graphs)
                graphs.append(_graph(program, name))
            programs[quantity] = [numbers[key], ENTRIES[quantity] if name == "gradients" else 0]
        runs.append({"regions": [[_region(r) for r in sample] for sample in batch], "programs": programs})
    outside = "everywhere" if one_input else "beyond"
    return {
        "knots": [[float(t).hex() for t in row] for row in spec.knots],
        "order": spec.order,
        "outputs": spec.n_outputs,
        "outside": spec.outside,
        "right end": "closed" if capabilities.right_end == "closed" else "open",
        "covered": outside if capabilities.outside else "domain",
        "combinations": "all" if spec.n_inputs <= 2 else "each",
        "parts": list(spec.parts),
        "tensors": {name: None if form is None else _form(form) for name, form in tensors.items()},
        "held": list(held),
        "runs": runs,
    }


def _region(region: Region) -> Any:
    if isinstance(region, Interval):
        return [None if end is None else float(end).hex() for end in region]
    return float(region).hex()


def _form(form: Any) -> dict[str, Any]:
    """An affine map, an array of polynomials of first degree in the variables of a field, by their numbers."""
    entries = []
    for entry in form.reshape(-1):
        constant, factors = Fraction(0), []
        for exponents, q in entry.p.terms():
            value = Fraction(int(q.numer()), int(q.denom()))
            if any(exponents):
                factors.append([list(exponents).index(1), _quotient(value)])
            else:
                constant = value
        entries.append([_quotient(constant), factors])
    return {"shape": list(form.shape), "entries": entries}


def _quotient(value: Fraction) -> str:
    sign = "-" if value < 0 else ""
    return f"{sign}{abs(value.numerator):x}/{value.denominator:x}"


def _graph(program: Any, name: str) -> dict[str, Any]:
    graph = program.graph_of(name)
    if hasattr(graph, "graph"):
        return _torch_graph(graph, program)
    return _jax_graph(graph)


def _entries(array: Any) -> list[Any]:
    """Numbers of an array, floats in hexadecimal."""
    array = np.asarray(array)
    if array.dtype.kind in "biu":
        return array.reshape(-1).tolist()
    return [_literal(v) for v in array.astype(np.float64).reshape(-1).tolist()]


def _literal(value: float) -> str:
    return value.hex() if np.isfinite(value) else str(value)


def _value(value: Any, reference: Callable[[Any], Any]) -> Any:
    """An argument as data: a number, a list of such, or a reference to a result."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return _literal(value)
    if isinstance(value, list | tuple):
        return [_value(each, reference) for each in value]
    return reference(value)


def _torch_graph(graph: Any, program: Any) -> dict[str, Any]:
    """A graph of ATen operations; tensors of coefficients and weights are inputs after x, dy and direction."""
    places: dict[Any, tuple[int, int]] = {}
    held = {id(tensor): 3 + k for k, tensor in enumerate(program.weights.values())}
    nodes: list[dict[str, Any]] = []
    results: list[Any] = []
    inputs = iter(range(3))

    def reference(value: Any) -> Any:
        if value in places:
            node, part = places[value]
            return {"node": node, "part": part}
        return {"text": str(value)}

    for node in graph.graph.nodes:
        if node.op == "output":
            returned = node.args[0]
            results = _value(returned if isinstance(returned, list | tuple) else [returned], reference)
            continue
        if "getitem" in str(node.target):
            places[node] = places[node.args[0]][0], node.args[1]
            continue
        places[node] = len(nodes), 0
        if node.op == "call_function":
            options = {k: _value(v, reference) for k, v in node.kwargs.items() if k not in PLACEMENT}
            entry = {"operation": str(node.target), "arguments": _value(node.args, reference), "options": options}
            like = node.meta["val"]
        elif node.op == "placeholder":
            entry, like = {"input": next(inputs)}, node.meta["val"]
        else:
            like = getattr(graph, node.target)
            known = held.get(id(like))
            kept = like.detach().cpu()
            kept = kept.double() if kept.dtype.is_floating_point else kept
            entry = {"constant": _entries(kept.numpy())} if known is None else {"input": known}
        parts = like if isinstance(like, list | tuple) else [like]
        entry["results"] = [[str(part.dtype).removeprefix("torch."), list(part.shape)] for part in parts]
        nodes.append(entry)
    return {"framework": "torch", "nodes": nodes, "results": results}


def _jax_graph(program: Any) -> dict[str, Any]:
    """A jaxpr; its inputs are x, dy, direction, the coefficients and the weights."""
    jaxpr = getattr(program, "jaxpr", program)
    places: dict[Any, tuple[int, int]] = {}
    nodes: list[dict[str, Any]] = []

    def kind(aval: Any) -> list[Any]:
        return [str(aval.dtype), list(aval.shape)]

    def add(entry: dict[str, Any], avals: Sequence[Any]) -> int:
        nodes.append({**entry, "results": [kind(aval) for aval in avals]})
        return len(nodes) - 1

    def reference(atom: Any) -> Any:
        if hasattr(atom, "val"):
            return {"node": add({"constant": _entries(atom.val)}, [atom.aval]), "part": 0}
        node, part = places[atom]
        return {"node": node, "part": part}

    for variable, constant in zip(jaxpr.constvars, getattr(program, "consts", ()), strict=True):
        places[variable] = add({"constant": _entries(constant)}, [variable.aval]), 0
    for k, variable in enumerate(jaxpr.invars):
        places[variable] = add({"input": k}, [variable.aval]), 0
    for equation in jaxpr.eqns:
        arguments = [reference(atom) for atom in equation.invars]
        entry = {"operation": equation.primitive.name, "arguments": arguments}
        inner = [v for v in equation.params.values() if hasattr(getattr(v, "jaxpr", v), "eqns")]
        if len(inner) == 1:
            entry["graph"] = _jax_graph(inner[0])
        else:
            given = {k: v for k, v in equation.params.items() if k in PARAMETERS}
            entry["options"] = {k: _value(v, str) for k, v in given.items()}
        node = add(entry, [variable.aval for variable in equation.outvars])
        places |= {variable: (node, part) for part, variable in enumerate(equation.outvars)}
    return {"framework": "jax", "nodes": nodes, "results": [reference(atom) for atom in jaxpr.outvars]}
