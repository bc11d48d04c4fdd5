"""Each line of the tables against its framework, on numbers that both compute exactly."""

import numpy as np
import pytest

from refkan.conformance.programs import arrays, aten_operations, jax_graphs, torch_graphs
from refkan.conformance.programs.fields.numbers import Field
from refkan.conformance.programs.fields.signs import RefusedError

pytest.importorskip("flint")

A = np.array([[1.5, -2.0, 0.25], [-0.5, 4.0, 3.0]])
B = np.array([[2.0, 0.5, 0.25], [-1.0, 4.0, 8.0]])
ROW = np.array([-1.0, 0.25, 2.0])
WHERE = np.array([[1, 0, 1], [0, 1, 1]])
MASK = WHERE.astype(bool)
SQUARE = np.array([[1.0, 2.0, -1.0], [0.5, -0.25, 4.0], [2.0, 0.0, 1.0]])
BATCH = np.stack([SQUARE, SQUARE.T])
NANS = np.array([np.nan, 1.0, 2.0])
LISTS = np.array([0, 2])

CALLS = {
    "alias": (A,), "clone": (A,), "lift_fresh_copy": (A,), "_to_copy": (A,),
    "view": (A, [3, 2]),
    "expand": (ROW, [2, -1]), "permute": (BATCH, [2, 0, 1]),
    "unsqueeze": (A, 1), "squeeze": (A[:, None], [1]), "select": (A, 1, 2), "slice": (A, 1, 1, 3),
    "select_scatter": (A, ROW, 0, 1), "slice_scatter": (A, B[:, :2], 1, 1, 3), "diagonal": (SQUARE,),
    "flip": (A, [1]), "repeat": (A, [2, 2]), "cat": ([A, B], 1),
    "split_with_sizes": (A, [1, 2], 1), "constant_pad_nd": (A, [1, 2, 0, 1], 0.5),
    "index": (A, [None, LISTS]), "index_put": (A, [LISTS - LISTS, LISTS], ROW[:2], True), "index_select": (A, 1, LISTS),
    "gather": (A, 1, WHERE), "scatter": (A, 0, WHERE[:1], B[:1]), "scatter_add": (A, 1, WHERE, B),
    "embedding": (A, WHERE), "where": (MASK, A, B),
    "full": ([2, 3], 1.5), "full_like": (A, 0.5), "scalar_tensor": (1.5,), "arange": (1, 4),
    "add": (A, B), "sub": (A, B), "mul": (A, B), "div": (A, B), "neg": (A,), "abs": (A,),
    "sign": (A,), "reciprocal": (B,), "pow": (A, 3), "fmod": (A, B), "remainder": (A, B),
    "floor": (A,), "ceil": (A,), "trunc": (A,), "round": (np.array([0.5, 1.5, -0.5, 2.25, -1.75]),),
    "minimum": (A, B), "maximum": (A, B), "clamp": (A, -1.0, 2.0),
    "relu": (A,), "nan_to_num": (NANS, 0.5), "exp": (0 * A,), "sigmoid": (0 * A,),
    "tanh": (0 * A,), "sum": (A, [1]), "mean": (B, [1]), "prod": (A, 1), "cumsum": (A, 1),
    "mm": (A, SQUARE), "bmm": (BATCH, BATCH), "addmm": (ROW, A, SQUARE), "amax": (A, [1]), "amin": (A, [1]),
    "max": (A, 1), "min": (A, 1), "argmax": (A, 1), "argmin": (A, 1), "eq": (A, B), "ne": (A, B), "lt": (A, B),
    "le": (A, B), "gt": (A, B), "ge": (A, B), "isnan": (NANS,), "isinf": (NANS,),
    "logical_and": (MASK, ~MASK[::-1]), "logical_or": (MASK, MASK[::-1]), "logical_not": (MASK,),
    "bitwise_and": (MASK, MASK[::-1]), "bitwise_or": (MASK, MASK[::-1]),
    "bitwise_xor": (MASK, MASK[::-1]), "bitwise_not": (MASK,), "any": (MASK, 1), "all": (MASK, 1),
    "bucketize": (A, ROW), "searchsorted": (ROW, A), "sort": (A, 1),
}  # fmt: skip
"""Arguments for each operation of PyTorch; means are of numbers whose thirds are not asked of floats."""

CALLS["mean"] = (np.array([[1.5, -2.0], [0.5, 4.0]]), [1])
UNINITIALISED = {"empty", "empty_permuted"}


def test_every_operation_has_a_call():
    assert set(CALLS) == set(aten_operations.OPERATIONS) - UNINITIALISED


@pytest.mark.parametrize("name", CALLS)
def test_operations_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    field = Field({}, [])

    def as_tensor(value):
        if isinstance(value, np.ndarray):
            return torch.from_numpy(value.copy())
        if isinstance(value, list) and value and isinstance(value[-1], np.ndarray):
            return [as_tensor(each) for each in value]
        return value

    def as_numbers(value):
        if isinstance(value, np.ndarray):
            return arrays.lifted(field, value) if value.dtype == float else value
        return [as_numbers(each) for each in value] if isinstance(value, list) else value

    wanted = getattr(torch.ops.aten, name)(*(as_tensor(each) for each in CALLS[name]))
    computed = aten_operations.OPERATIONS[name](*(as_numbers(each) for each in CALLS[name]))
    several = isinstance(wanted, list | tuple)
    for ours, theirs in zip(computed if several else [computed], wanted if several else [wanted], strict=True):
        shown = np.vectorize(as_float, otypes=[float])(np.asarray(ours, object))
        np.testing.assert_array_equal(shown, theirs.double().numpy())


def as_float(value):
    if hasattr(value, "p"):
        return float(value.at({}))
    return float(value.kind) if hasattr(value, "kind") else float(value)


def functions_of(jnp, lax):
    return {
        "add": (lambda a, b: a + b, (A, B)), "sub": (lambda a, b: a - b, (A, B)), "mul": (lambda a, b: a * b, (A, B)),
        "div": (lambda a, b: a / b, (A, B)), "rem": (jnp.fmod, (A, B)), "neg": (lambda a: -a, (A,)),
        "abs": (jnp.abs, (A,)), "sign": (jnp.sign, (A,)), "square": (jnp.square, (A,)),
        "integer_pow": (lambda a: a**3, (A,)), "max": (jnp.maximum, (A, B)), "min": (jnp.minimum, (A, B)),
        "clamp": (lambda a: lax.clamp(-1.0, a, 2.0), (A,)), "floor": (jnp.floor, (A,)), "ceil": (jnp.ceil, (A,)),
        "round": (jnp.round, (np.array([0.5, 1.5, -0.5, 2.25]),)), "exp": (jnp.exp, (0 * A,)),
        "tanh": (jnp.tanh, (0 * A,)), "logistic": (lax.logistic, (0 * A,)),
        "comparisons": (lambda a, b: 1.0 * (a == b) + 2.0 * (a < b) + 4.0 * (a >= b), (A, B)),
        "more comparisons": (lambda a, b: 1.0 * (a != b) + 2.0 * (a <= b) + 4.0 * (a > b), (A, B)),
        "logic": (lambda a, b: 1.0 * ((a < b) & ~(b < 1)) + 2.0 * ((a < 0) | (b < 0)), (A, B)),
        "xor": (lambda a, b: 4.0 * ((a < 0) ^ (b < 0)), (A, B)),
        "select_n": (lambda a, b: jnp.where(a < b, a, b), (A, B)), "iota": (lambda a: a + lax.iota(float, 3), (A,)),
        "concatenate": (lambda a, b: jnp.concatenate([a, b], 1), (A, B)),
        "pad": (lambda a: jnp.pad(a, ((1, 0), (0, 2)), constant_values=0.5), (A,)),
        "dot_general": (lambda a, b: a @ b, (A, SQUARE)),
        "einsum": (lambda a, b: jnp.einsum("bij,bkj->ibk", a, b), (BATCH, BATCH)),
        "reduce_sum": (lambda a: a.sum(1), (A,)), "reduce_prod": (lambda a: a.prod(1), (A,)),
        "reduce_max": (lambda a: a.max(1), (A,)), "reduce_min": (lambda a: a.min(0), (A,)),
        "reduce_and": (lambda a: 1.0 * (a > 0).all(1), (A,)), "reduce_or": (lambda a: 1.0 * (a > 3).any(1), (A,)),
        "argmax": (lambda a: 1.0 * a.argmax(1), (A,)), "argmin": (lambda a: 1.0 * a.argmin(1), (A,)),
        "cumsum": (lambda a: jnp.cumsum(a, 1), (A,)),
        "reverse cumsum": (lambda a: lax.cumsum(a, 1, reverse=True), (A,)),
        "sort": (lambda a: jnp.sort(a, 1), (A,)), "is_finite": (lambda a: 1.0 * jnp.isfinite(a), (NANS,)),
        "gather": (lambda a: a[:, jnp.array([2, 0, 2])], (A,)),
        "scatter-add": (lambda a, b: a.at[:, jnp.array([2, 0, 2])].add(b), (A, B)),
        "scatter": (lambda a, b: a.at[:, jnp.array([2, 0])].set(b[:, :2]), (A, B)),
        "slices": (lambda a: lax.dynamic_slice(a[:, ::-1], (0, 1), (2, 2)).T.reshape(4), (A,)),
        "searchsorted": (lambda a: 1.0 * jnp.searchsorted(jnp.array(ROW), a), (A,)),
        "searchsorted right": (lambda a: 1.0 * jnp.searchsorted(jnp.array(ROW), a, side="right"), (A,)),
        "scan": (lambda a: lax.scan(lambda c, row: (c + row.sum(), c * row), 1.0, a)[1], (A,)),
        "while": (lambda a: lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * 2), (0, a))[1], (A,)),
        "cond": (lambda a: lax.cond(a[0, 0] > 1, lambda z: 2 * z, lambda z: -z, a), (A,)),
    }  # fmt: skip


def test_primitives_are_those_of_jax():
    """One function for each primitive that layers use; those in the table that no function reaches are named."""
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    field = Field({}, [])
    reached = set()
    for name, (function, arguments) in functions_of(jax.numpy, jax.lax).items():
        program = jax_graphs.traced(function, arguments)
        reached |= primitives_in(program.jaxpr)
        (computed,) = jax_graphs.run(program, field, [arrays.lifted(field, each) for each in arguments])
        shown = np.vectorize(as_float, otypes=[float])(np.asarray(computed, object))
        np.testing.assert_array_equal(shown, np.asarray(function(*map(jax.numpy.asarray, arguments))), err_msg=name)
    assert set(jax_graphs.PRIMITIVES) - reached <= {"add_any", "pow", "stop_gradient"}


def primitives_in(jaxpr):
    names = set()
    for equation in jaxpr.eqns:
        names.add(equation.primitive.name)
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else [value]:
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    names |= primitives_in(inner)
    return names


def test_what_the_tables_lack_is_named():
    torch = pytest.importorskip("torch")
    field = Field({}, [])
    graph = torch_graphs.traced(torch.special.bessel_j0, [torch.ones(2, dtype=torch.float64)])
    with pytest.raises(RefusedError, match=r"the operation aten\.special_bessel_j0"):
        torch_graphs.run(graph, field, [arrays.lifted(field, np.ones(2))], {})


def test_control_flow_that_depends_on_numbers_is_refused_by_name():
    torch = pytest.importorskip("torch")
    with pytest.raises(RefusedError, match="PyTorch cannot trace the layer"):
        torch_graphs.traced(lambda x: x if x.max() > 0 else -x, [torch.ones(2, dtype=torch.float64)])
