"""Programs of PyTorch: a graph of ATen operations, traced by make_fx, and run by the table `aten_operations`.

The shape of each result is compared with that of the traced run, and values are brought to its type.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from refkan.base.extras import needed
from refkan.conformance.programs import arrays
from refkan.conformance.programs.aten_operations import OPERATIONS
from refkan.conformance.programs.fields.numbers import Field
from refkan.conformance.programs.fields.signs import RefusedError


def traced(function: Callable[..., Any], examples: Sequence[Any], others: Sequence[Any] = ()) -> Any:
    """Return the graph of a function of tensors in core ATen operations, without operations in place.

    Parameters
    ----------
    function : callable
    examples : sequence of Tensor
        The arguments with which it is traced.
    others : sequence of Tensor
        Other arguments of the same shapes, for which the graph must return what the function does.

    Raises
    ------
    RefusedError
        If it cannot be traced, or the graph returns something else: the function then depends on values in a way that
        is not recorded, for instance through a number of Python that it keeps.
    """
    torch = needed("prove", "torch", "torch")
    tracer = needed("prove", "torch.fx.experimental.proxy_tensor", "torch")
    table = needed("prove", "torch._decomp", "torch").core_aten_decompositions()
    compiled = needed("prove", "torch._dynamo.config", "torch").patch(error_on_nested_fx_trace=False)
    try:
        with compiled:  # functions that are compiled elsewhere are traced as they are written
            graph = tracer.make_fx(function)(*examples)
        _fill_zeros(torch, graph)
        core = tracer.make_fx(torch.func.functionalize(graph), decomposition_table=table)(*examples)
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RefusedError(f"PyTorch cannot trace the layer: {first}") from error
    if others:
        expected = function(*others)
        if not _are_close(graph(*others), expected, 0.0) or not _are_close(core(*others), expected, ROUNDING):
            raise RefusedError("the trace returns other numbers than the layer at inputs other than those traced")
    core.graph.eliminate_dead_code()
    return core


def _fill_zeros(torch: Any, graph: Any) -> None:
    """Give memory to the zeros of forward differentiation, which have none: core operations would read it and crash."""
    for node in graph.graph.nodes:
        if node.target is torch.ops.aten._efficientzerotensor.default:
            node.target = torch.ops.aten.zeros.default
    graph.recompile()


ROUNDING = 1e-12
"""How far the core operations may be from those that they replace, relative to the largest result."""


def _are_close(results: Any, expected: Any, tolerance: float) -> bool:
    """Whether tensors are equal, nan included, up to a tolerance relative to the largest one."""
    if expected is None or results is None:
        return results is expected
    if isinstance(expected, list | tuple):
        return all(_are_close(r, e, tolerance) for r, e in zip(results, expected, strict=True))
    expected = expected.detach()
    size = expected.nan_to_num(0.0, 0.0, 0.0).abs().max().item()
    return bool(results.detach().isclose(expected, rtol=0.0, atol=tolerance * size, equal_nan=True).all())


PLACEMENT = ("dtype", "layout", "device", "pin_memory", "memory_format", "non_blocking", "implicit", "stable")
"""Keywords that say where and in which format a result lies."""


def run(graph: Any, field: Field, inputs: Sequence[Any], symbols: Mapping[int, Any]) -> Any:
    """Run a graph on arrays of numbers of a field.

    Parameters
    ----------
    graph : torch.fx.GraphModule
    field : Field
    inputs : sequence of arrays
        In the place of the function's arguments.
    symbols : mapping of int to array
        By the `id` of tensors that the function holds, such as coefficients: what stands for them.

    Raises
    ------
    RefusedError
        On an operation that the table lacks, or whose result depends on which input of the region it is.
    """
    values: dict[Any, Any] = {}
    remaining = iter(inputs)

    def value_of(argument: Any) -> Any:
        if isinstance(argument, list | tuple):
            return [value_of(each) for each in argument]
        return values[argument] if isinstance(argument, type(node)) else argument

    for node in graph.graph.nodes:
        if node.op == "placeholder":
            values[node] = next(remaining)
        elif node.op == "get_attr":
            tensor = getattr(graph, node.target)
            known = symbols.get(id(tensor))
            values[node] = _constant(field, tensor) if known is None else known
        elif node.op == "call_function":
            values[node] = _result(field, node, value_of)
        elif node.op == "output":
            return value_of(node.args[0])
    raise RefusedError("a graph without an output")


def _constant(field: Field, tensor: Any) -> Any:
    array = tensor.detach().cpu()
    if not array.dtype.is_floating_point:
        return array.numpy()
    return arrays.lifted(field, array.double().numpy())


def _result(field: Field, node: Any, value_of: Callable[[Any], Any]) -> Any:
    """The result of an operation, brought to the type and compared with the shape of the traced run."""
    name = str(node.target)
    if "getitem" in name:
        whole, k = node.args
        return value_of(whole)[k]
    library, _, rest = name.partition(".")
    operation = OPERATIONS.get(rest.partition(".")[0]) if library == "aten" else None
    if operation is None:
        raise RefusedError(f"the operation {name}{_line_of(node)}")
    options = {key: value_of(value) for key, value in node.kwargs.items() if key not in PLACEMENT}
    example = node.meta.get("val")
    several = isinstance(example, list | tuple)
    try:
        result = operation(*value_of(node.args), **options)
        if any(_is_lower(part.dtype) for part in (example if several else [example])):
            _check_rounded_once(rest.partition(".")[0], options)
        if several:
            return [_typed(field, part, like) for part, like in zip(result, example, strict=True)]
        return _typed(field, result, example)
    except RefusedError as error:
        raise error.within(f"{name}{_line_of(node)}") from error
    except Exception as error:
        raise RefusedError(f"{type(error).__name__}: {error} ({name}{_line_of(node)})") from error


def _is_lower(dtype: Any) -> bool:
    """Whether it is a format of floats below float64."""
    return dtype.is_floating_point and dtype.itemsize < 8


SEVERAL_ROUNDINGS = (
    "sum", "mean", "prod", "cumsum", "mm", "bmm", "addmm", "pow", "fmod", "remainder", "index_put", "scatter_add",
)  # fmt: skip
"""Operations that round more than once in a lower format, in an order that is not theirs to say."""


def _check_rounded_once(operation: str, options: Mapping[str, Any]) -> None:
    if operation in SEVERAL_ROUNDINGS or "alpha" in options:
        raise RefusedError("several roundings to a format below float64")


def _typed(field: Field, array: Any, like: Any) -> Any:
    """An array in the type that the traced run has there: numbers of the field, integers or truth values."""
    array = np.asarray(array)
    if array.shape != tuple(like.shape):
        raise RefusedError(f"a result of shape {array.shape} in place of {tuple(like.shape)}")
    if like.dtype.is_floating_point:
        array = arrays.lifted(field, array)
        return _rounded(field, array, like.dtype) if _is_lower(like.dtype) else array
    if like.dtype.is_complex:
        raise RefusedError("complex numbers")
    if str(like.dtype) == "torch.bool":
        return array.astype(bool)
    bounds = needed("prove", "torch", "torch").iinfo(like.dtype)
    return arrays.as_integers(array, bounds.min, bounds.max)


def _rounded(field: Field, array: Any, dtype: Any) -> Any:
    """Round constants to a lower format; inputs that are rounded are refused."""
    torch = needed("prove", "torch", "torch")

    def one(v: Any) -> Any:
        if not hasattr(v, "p"):
            return v
        if not v.p.is_constant():
            raise RefusedError(f"inputs or coefficients are rounded to {str(dtype).removeprefix('torch.')}")
        exact = v.at({})
        return field.number(torch.tensor(float(exact), dtype=torch.float64).to(dtype).double().item())

    return arrays.elementwise(one)(array)


def _line_of(node: Any) -> str:
    """The line of the author's code that made a node, where the trace keeps it."""
    lines = [line.strip() for line in (node.meta.get("stack_trace") or node.stack_trace or "").splitlines()]
    return f", {lines[-1]}" if lines else ""
