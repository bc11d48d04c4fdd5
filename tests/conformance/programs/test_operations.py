"""Each line of the tables against its framework, on numbers that both compute exactly."""

import itertools
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest

from refkan.conformance.programs import arrays, aten_operations, jax_graphs, torch_graphs
from refkan.conformance.programs.fields.numbers import Field
from refkan.conformance.programs.fields.signs import RefusedError
from refkan.conformance.programs.fields.undefined import NAN

pytest.importorskip("flint")


def drawn(seed):
    """Arrays of numbers with few digits, those of one array all different; b has powers of two, to divide by."""
    rng = np.random.default_rng(seed)

    powers = rng.permutation([1.0, 2.0, 4.0, -0.5, -1.0, 0.25])
    others = np.setdiff1d(np.arange(-20, 21) / 4, powers)

    def different(*shape):
        return rng.permutation(others)[: np.prod(shape)].reshape(shape)

    a = different(2, 3)
    a[0, 0] = powers[0]  # which comparisons must see
    where = np.array([[1, 0, 1], [0, 1, 1]])[rng.permutation(2)]
    square = different(3, 3)
    return SimpleNamespace(
        a=a, b=powers.reshape(2, 3), c=square, d=np.where(np.eye(3), square, different(3, 3)), square=square,
        row=np.sort(different(3)), batch=np.stack([square, different(3, 3)]), where=where, mask=where.astype(bool),
        other=np.array([[True, True, False], [False, False, True]]), lists=np.array([0, 2]),
        some=np.where(where, a, 0.0), more=np.where(where[:, ::-1], powers.reshape(2, 3), 0.0),
        bits=1.5 * np.array([[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0]]), nans=np.array([np.nan, *different(2)]),
        halves=np.array([0.5, 1.5, -0.5, 2.25, -1.75]), mixed=np.array([np.nan, -np.inf, np.inf, 0.0, 0.5, -2.0]),
    )  # fmt: skip


def calls_of(v):
    """Arguments for each operation of PyTorch; means are of numbers whose thirds are not asked of floats."""
    return {
        "alias": (v.a,), "clone": (v.a,), "lift_fresh_copy": (v.a,), "_to_copy": (v.a,),
        "view": (v.a, [3, 2]),
        "expand": (v.row, [2, -1]), "permute": (v.batch, [2, 0, 1]),
        "unsqueeze": (v.a, 1), "squeeze": (v.a[:, None], [1]), "select": (v.a, 1, 2), "slice": (v.a, 1, 1, 3),
        "select_scatter": (v.a, v.row, 0, 0), "slice_scatter": (v.a, v.b[:, :2], 1, 1, 3), "diagonal": (v.square,),
        "flip": (v.a, [1]), "repeat": (v.a, [2, 2]), "cat": ([v.a, v.b], 1),
        "split_with_sizes": (v.a, [1, 2], 1), "constant_pad_nd": (v.a, [1, 2, 0, 1], 0.5),
        "index": (v.a, [None, v.lists]), "index_put": (v.a, [v.lists - v.lists, v.lists], v.row[:2], True),
        "index_select": (v.a, 1, v.lists),
        "gather": (v.a, 1, v.where), "scatter": (v.a, 0, v.where[:1], v.b[:1]), "scatter_add": (v.a, 1, v.where, v.b),
        "embedding": (v.a, v.where), "where": (v.mask, v.a, v.b),
        "full": ([2, 3], 1.5), "full_like": (v.a, 0.5), "scalar_tensor": (1.5,), "arange": (1, 4),
        "add": (v.a, v.b), "sub": (v.a, v.b), "mul": (v.a, v.b), "div": (v.a, v.b), "neg": (v.a,), "abs": (v.a,),
        "sign": (v.a,), "reciprocal": (v.b,), "pow": (v.a, 3), "fmod": (v.a, v.b), "remainder": (v.a, v.b),
        "floor": (v.halves,), "ceil": (v.halves,), "trunc": (v.halves,), "round": (v.halves,),
        "minimum": (v.a, v.b), "maximum": (v.a, v.b), "clamp": (v.a, -1.5, 1.25),
        "relu": (v.a,), "erf": (v.a,), "gelu": (v.a,), "nan_to_num": (v.nans, 0.5), "dot": (v.row, v.a[0]),
        "exp": (v.a,), "sigmoid": (v.a,),
        "tanh": (v.a,), "sum": (v.a, [1]), "mean": (v.a[:, :2], [1]), "prod": (v.a, 1), "cumsum": (v.a, 1),
        "mm": (v.a, v.square), "bmm": (v.batch, v.batch), "addmm": (v.row, v.a, v.square), "amax": (v.a, [1]),
        "amin": (v.a, [1]),
        "max": (v.a, 1), "min": (v.a, 1), "argmax": (v.a, 1), "argmin": (v.a, 1), "eq": (v.c, v.d), "ne": (v.c, v.d),
        "lt": (v.c, v.d),
        "le": (v.c, v.d), "gt": (v.c, v.d), "ge": (v.c, v.d), "isnan": (v.mixed,), "isinf": (v.mixed,),
        "logical_and": (v.some, v.more), "logical_or": (v.some, v.more), "logical_not": (v.some,),
        "bitwise_and": (v.mask, v.other), "bitwise_or": (v.mask, v.other),
        "bitwise_xor": (v.mask, v.other), "bitwise_not": (v.mask,), "any": (v.bits, 1), "all": (v.bits, 1),
        "bucketize": (v.a, v.row), "searchsorted": (v.row, v.a), "sort": (v.a, 1),
    }  # fmt: skip


UNINITIALISED = {"empty", "empty_permuted", "_efficientzerotensor"}
FUNCTIONS = ("exp", "sigmoid", "tanh", "logistic", "erf", "gelu")
"""Of these the results are compared as floats; of all others they are equal."""


def test_every_operation_has_a_call():
    assert set(calls_of(drawn(0))) == set(aten_operations.OPERATIONS) - UNINITIALISED


def as_tensor(torch, value):
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, list) and value and isinstance(value[-1], np.ndarray):
        return [as_tensor(torch, each) for each in value]
    return value


def as_numbers(field, value):
    if isinstance(value, np.ndarray):
        return arrays.lifted(field, value) if value.dtype == float else value
    return [as_numbers(field, each) for each in value] if isinstance(value, list) else value


def as_floats(results):
    """Results as lists of floats with their shapes, by which they are compared."""
    results = results if isinstance(results, list | tuple) else [results]
    return [np.vectorize(as_float, otypes=[float])(np.asarray(each, object)) for each in results]


def by_pytorch(torch, name, arguments):
    wanted = getattr(torch.ops.aten, name)(*(as_tensor(torch, each) for each in arguments))
    return [each.double().numpy() for each in (wanted if isinstance(wanted, list | tuple) else [wanted])]


def by_line(line, arguments):
    field = Field({}, [], n_functions=32)
    return as_floats(line(*(as_numbers(field, each) for each in arguments)))


def are_equal(computed, wanted, name):
    tolerance = 1e-13 if name in FUNCTIONS else 0.0
    return len(computed) == len(wanted) and all(
        c.shape == w.shape and np.allclose(c, w, rtol=tolerance, atol=tolerance, equal_nan=True)
        for c, w in zip(computed, wanted, strict=True)
    )


@pytest.mark.parametrize("seed", range(4))
def test_operations_are_those_of_pytorch(seed):
    torch = pytest.importorskip("torch")
    for name, arguments in calls_of(drawn(seed)).items():
        wanted, computed = by_pytorch(torch, name, arguments), by_line(aten_operations.OPERATIONS[name], arguments)
        assert are_equal(computed, wanted, name), (name, computed, wanted)


COPIES = ("alias", "clone", "lift_fresh_copy", "_to_copy")
PRODUCTS = ("mm", "bmm", "dot")
SAME = {
    **{name: {*COPIES, "clamp", "nan_to_num", "slice", "squeeze", "constant_pad_nd"} for name in COPIES},
    **dict.fromkeys(PRODUCTS, PRODUCTS),
    "bitwise_and": {"logical_and", "mul", "minimum"}, "bitwise_or": {"logical_or", "add", "maximum", "clamp"},
    "bitwise_xor": {"ne"}, "bitwise_not": {"logical_not"}, "maximum": {"clamp"}, "full_like": {"slice_scatter"},
    "select": {"index_select"}, "index_select": {"select"}, "squeeze": {"amax", "amin", "mean", "sum"},
    "scalar_tensor": {*COPIES, "clamp", "nan_to_num", "flip", "abs", "relu"},
}  # fmt: skip
"""Lines that do the same, with the arguments that the operation has."""


def test_the_line_of_another_operation_breaks_the_law():
    """Every line is replaced by each other one: the law of the operation sees it, unless both are the same."""
    torch = pytest.importorskip("torch")
    operations, unseen = aten_operations.OPERATIONS, set()
    every = [calls_of(drawn(seed)) for seed in range(4)]
    for name in every[0]:
        wanted = [by_pytorch(torch, name, calls[name]) for calls in every]
        for other, line in operations.items():
            if other == name or other in SAME.get(name, ()):
                continue
            if all(holds(line, calls[name], w, name) for calls, w in zip(every, wanted, strict=True)):
                unseen.add((name, other))
    assert not unseen, sorted(unseen)


OF_ENTRIES = {
    **dict.fromkeys(("neg", "abs", "relu", "isnan", "isinf", "exp", "sigmoid", "tanh", "reciprocal", "sign"), 1),
    **dict.fromkeys(("add", "sub", "mul", "div", "maximum", "minimum", "clamp", "remainder"), 2),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge", "fmod", "bucketize"), 2),
}  # fmt: skip
"""Operations that are tried on numbers that are none, and of how many arguments."""


def may_be(value, wanted):
    kinds = {"inf or -inf": np.isinf, "nan or inf": lambda v: not np.isfinite(v)}
    kind = getattr(value, "kind", "")
    if kind in kinds:
        return bool(kinds[kind](wanted))
    return bool(np.isclose(as_float(value), wanted, rtol=4e-15, atol=0, equal_nan=True))


def test_what_is_no_number_is_as_in_pytorch_or_refused():
    torch = pytest.importorskip("torch")
    values, decided = [np.nan, np.inf, -np.inf, 0.0, 1.5, -2.0], 0
    for name, count in OF_ENTRIES.items():
        for given in itertools.product(values, repeat=count):
            arguments = [np.array([each]) for each in given]
            wanted = getattr(torch.ops.aten, name)(*map(torch.from_numpy, arguments)).double().numpy()
            field = Field({}, [], n_functions=32)
            try:
                computed = aten_operations.OPERATIONS[name](*(as_numbers(field, each) for each in arguments))
            except Exception:  # a program in which this happens is refused
                continue
            decided += 1
            assert may_be(np.asarray(computed, object)[0], wanted[0]), (name, given, computed, wanted)
    assert decided > 350


def test_the_largest_number_is_nan_if_one_is():
    torch = pytest.importorskip("torch")
    field = Field({}, [])
    for row in itertools.permutations([np.nan, 1.0, 2.0]):
        for name in ("amax", "amin"):
            computed = aten_operations.OPERATIONS[name](as_numbers(field, np.array([row])), [1])
            assert np.isnan(getattr(torch.ops.aten, name)(torch.tensor([row]), [1]).item())
            assert computed[0] is NAN
        for name in ("sort", "argmax", "max"):
            with pytest.raises(RefusedError, match="nan"):
                aten_operations.OPERATIONS[name](as_numbers(field, np.array([row])), 1)


def holds(line, arguments, wanted, name):
    try:
        return are_equal(by_line(line, arguments), wanted, name)
    except Exception:
        return False


def as_float(value):
    if hasattr(value, "p"):
        return float(value.at({}))
    return float(value.kind) if hasattr(value, "kind") else float(value)


def functions_of(jnp, lax, v):
    return {
        "add": (lambda a, b: a + b, (v.a, v.b)), "sub": (lambda a, b: a - b, (v.a, v.b)),
        "mul": (lambda a, b: a * b, (v.a, v.b)),
        "div": (lambda a, b: a / b, (v.a, v.b)), "rem": (jnp.fmod, (v.a, v.b)), "neg": (lambda a: -a, (v.a,)),
        "abs": (jnp.abs, (v.a,)), "sign": (jnp.sign, (v.a,)), "square": (jnp.square, (v.a,)),
        "integer_pow": (lambda a: a**3, (v.a,)), "max": (jnp.maximum, (v.a, v.b)), "min": (jnp.minimum, (v.a, v.b)),
        "clamp": (lambda a: lax.clamp(-1.0, a, 2.0), (v.a,)), "floor": (jnp.floor, (v.halves,)),
        "ceil": (jnp.ceil, (v.halves,)),
        "round": (jnp.round, (np.array([0.5, 1.5, -0.5, 2.25]),)), "exp": (jnp.exp, (v.a,)),
        "tanh": (jnp.tanh, (v.a,)), "logistic": (lax.logistic, (v.a,)), "erf": (lax.erf, (v.a,)),
        "comparisons": (lambda a, b: 1.0 * (a == b) + 2.0 * (a < b) + 4.0 * (a >= b), (v.c, v.d)),
        "more comparisons": (lambda a, b: 1.0 * (a != b) + 2.0 * (a <= b) + 4.0 * (a > b), (v.c, v.d)),
        "logic": (lambda a, b: 1.0 * ((a < b) & ~(b < 1)) + 2.0 * ((a < 0) | (b < 0)), (v.c, v.d)),
        "xor": (lambda a, b: 4.0 * ((a < 0) ^ (b < 0)), (v.c, v.d)),
        "select_n": (lambda a, b: jnp.where(a < b, a, b), (v.a, v.b)),
        "iota": (lambda a: a + lax.iota(float, 3), (v.a,)),
        "concatenate": (lambda a, b: jnp.concatenate([a, b], 1), (v.a, v.b)),
        "to integers": (lambda a: 1.0 * a.astype(int), (v.a,)),
        "to truth values": (lambda a: 1.0 * (a - 1).astype(bool), (v.b,)),
        "pad": (lambda a: jnp.pad(a, ((1, 0), (0, 2)), constant_values=0.5), (v.a,)),
        "dot_general": (lambda a, b: a @ b, (v.a, v.square)),
        "einsum": (lambda a, b: jnp.einsum("bij,bkj->ibk", a, b), (v.batch, v.batch)),
        "reduce_sum": (lambda a: a.sum(1), (v.a,)), "reduce_prod": (lambda a: a.prod(1), (v.a,)),
        "reduce_max": (lambda a: a.max(1), (v.a,)), "reduce_min": (lambda a: a.min(0), (v.a,)),
        "reduce_and": (lambda a: 1.0 * (a > 0.5).all(1), (v.bits,)),
        "reduce_or": (lambda a: 1.0 * (a > 0.5).any(1), (v.bits,)),
        "argmax": (lambda a: 1.0 * a.argmax(1), (v.a,)), "argmin": (lambda a: 1.0 * a.argmin(1), (v.a,)),
        "cumsum": (lambda a: jnp.cumsum(a, 1), (v.a,)),
        "reverse cumsum": (lambda a: lax.cumsum(a, 1, reverse=True), (v.a,)),
        "sort": (lambda a: jnp.sort(a, 1), (v.a,)), "is_finite": (lambda a: 1.0 * jnp.isfinite(a), (v.mixed,)),
        "stack": (lambda a, b: jnp.stack([a, b], 1), (v.a, v.b)),
        "unstack": (lambda a: sum(k * row for k, row in enumerate(jnp.unstack(a, axis=1))), (v.a,)),
        "pow": (lambda a: jnp.power(a, 3.0), (v.a,)),
        "gather": (lambda a: a[:, jnp.array([2, 0, 2])], (v.a,)),
        "scatter-add": (lambda a, b: a.at[:, jnp.array([2, 0, 2])].add(b), (v.a, v.b)),
        "scatter": (lambda a, b: a.at[:, jnp.array([2, 0])].set(b[:, :2]), (v.a, v.b)),
        "slices": (lambda a: lax.dynamic_slice(a[:, ::-1], (0, 1), (2, 2)).T.reshape(4), (v.a,)),
        "searchsorted": (lambda a: 1.0 * jnp.searchsorted(jnp.array(v.row), a), (v.a,)),
        "searchsorted right": (lambda a: 1.0 * jnp.searchsorted(jnp.array(v.row), a, side="right"), (v.a,)),
        "scan": (lambda a: lax.scan(lambda c, row: (c + row.sum(), c * row), 1.0, a)[1], (v.a,)),
        "while": (lambda a: lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * 2), (0, a))[1], (v.a,)),
        "cond": (lambda a: lax.cond(a[0, 0] > 1, lambda z: 2 * z, lambda z: -z, a), (v.a,)),
    }  # fmt: skip


def jax_laws(seed):
    """Programs, what they return in floats, and their arguments, by names."""
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    laws = {}
    for name, (function, arguments) in functions_of(jax.numpy, jax.lax, drawn(seed)).items():
        program = jax_graphs.traced(function, arguments)
        laws[name] = program, [np.asarray(function(*map(jax.numpy.asarray, arguments)), float)], arguments
    return laws


def is_kept(name, program, wanted, arguments):
    field = Field({}, [], n_functions=32)
    computed = jax_graphs.run(program, field, [arrays.lifted(field, each) for each in arguments])
    return are_equal(as_floats(computed), wanted, name)


def test_primitives_are_those_of_jax_and_no_others():
    """A law for each primitive that layers use, which breaks if its line is that of any other primitive."""
    laws = jax_laws(0)
    for name, law in laws.items():
        assert is_kept(name, *law), name
    reached = {name: primitives_in(program.jaxpr) for name, (program, *_) in laws.items()}
    assert set(jax_graphs.PRIMITIVES) - set().union(*reached.values()) <= {"add_any", "stop_gradient"}
    unseen = set()
    for primitive, other in itertools.permutations(jax_graphs.PRIMITIVES, 2):
        used = [law for name, law in laws.items() if primitive in reached[name]]
        if used and other not in SAME_IN_JAX.get(primitive, ()):
            lines = {**jax_graphs.PRIMITIVES, primitive: jax_graphs.PRIMITIVES[other]}
            with patch.object(jax_graphs, "PRIMITIVES", lines):
                if all(is_kept_by_mutant(law) for law in used):
                    unseen.add((primitive, other))
    assert not unseen, sorted(unseen)


def is_kept_by_mutant(law):
    try:
        return is_kept("mutant", *law)
    except Exception:
        return False


SAME_IN_JAX = {
    "add": {"add_any"}, "and": {"min", "mul"}, "or": {"max", "add", "add_any"}, "xor": {"ne"}, "ne": {"sub"},
    "reduce_and": {"reduce_min", "reduce_prod"}, "reduce_or": {"reduce_max", "reduce_sum"},
    "convert_element_type": {"stop_gradient"}, "lt": {"lt_to"}, "lt_to": {"lt"}, "le": {"le_to"}, "le_to": {"le"},
    "pow": {"integer_pow"},
}  # fmt: skip
"""Lines that do the same, with the operands that the primitive has."""


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
