"""Check a certificate that `refkan conform --prove --certificate FILE` wrote: accept or reject each statement.

    python check_program_proof.py FILE

A statement says that the program of a layer, a graph of operations of PyTorch or JAX, computes B-splines or their
derivatives for all inputs of the layer's domain. Exit code 0: all statements are accepted.

This program needs Python alone. It imports nothing from refkan, and computes with polynomials whose coefficients are
Fractions: every float in the file is the number that it is.

What it relies on
-----------------
Program.   Each operation of a graph is a line of the tables PYTORCH and JAX below, and the shape of each result must be
           the one that the certificate names. An operation that the tables lack, or one whose result is not float64,
           is not checked, and the statements about its program are not accepted.
Variables. Each input of each sample is a variable that runs over an open interval, or it is a point. Each coefficient,
           weight, cotangent and direction is a variable that runs over all numbers.
Branches.  The sign of a polynomial in one input on its interval is decided by Sturm's theorem: the number of different
           roots in (l, h] is V(l) - V(h), V(x) the changes of sign at x in the sequence p, p', -rem(p, p'), ... of a
           polynomial without multiple roots. A comparison with a root inside, or of other variables, is not checked.
Formula.   y_q = node-scale_q (sum_p scale_qp sum_i C_qpi b_i(x_p) + sum_p base_qp silu(x_p)) + bias_q, and its
           derivatives; b_i by the recursion of Cox and de Boor on the interval. Two polynomials are equal if their
           coefficients are. sigmoid(u) is a variable for each polynomial u, with sigmoid(-u) = 1 - sigmoid(u).
           Derivatives in x are compared where they exist: not at knots at which they jump.
Map.       A tensor that the program holds is T = T_0 + L W, W the coefficients C or a weight of the formula, with the
           T_0 and L of the certificate; the gradient in W is L^T times the gradient in T.
Regions.   The regions of an input must cover the domain, and what lies outside if the certificate says so; of
           several inputs all combinations, unless the certificate says `each`.

It does not show that the graph is the program that the framework runs: that is the claim of the one who traced it.
"""

import argparse
import json
import math
import re
import sys
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise, product

FORMAT = "refkan program certificate 1"


class RejectedError(Exception):
    """Why a statement is false, or a file is none."""


class UncheckedError(Exception):
    """What these tables and signs cannot follow."""


def require(holds, why):
    if not holds:
        raise RejectedError(why)


def number(text):
    """A float, written in hexadecimal."""
    require(isinstance(text, str) and re.fullmatch(r"-?0x[01](\.[0-9a-f]{1,13})?p[+-]\d{1,4}", text), f"{text!r}"[:60])
    return Fraction(float.fromhex(text))


def quotient(text):
    """A quotient of two integers, written in hexadecimal."""
    require(isinstance(text, str) and re.fullmatch(r"-?[0-9a-f]+/0*[1-9a-f][0-9a-f]*", text), f"{text!r}"[:60])
    above, below = text.split("/")
    return Fraction(int(above, 16), int(below, 16))


# ---------------------------------------------------------------- polynomials in one variable: coefficients by power


def value_at(p, x):
    total = Fraction(0)
    for c in reversed(p):
        total = total * x + c
    return total


def trimmed(p):
    p = list(p)
    while p and not p[-1]:
        p.pop()
    return p


def divided(p, q):
    """Quotient and remainder."""
    rest, result = list(p), [Fraction(0)] * max(len(p) - len(q) + 1, 0)
    for k in reversed(range(len(result))):
        result[k] = rest[k + len(q) - 1] / q[-1]
        for j, c in enumerate(q):
            rest[k + j] -= result[k] * c
    return result, trimmed(rest)


def derivative(p):
    return [k * c for k, c in enumerate(p)][1:]


def sign(x):
    return (x > 0) - (x < 0)


@lru_cache(maxsize=10_000)
def sign_between(p, low, high):
    """The sign of a polynomial in the whole of an open interval; None is infinity."""
    common, rest = list(p), trimmed(derivative(p))
    while rest:
        common, rest = rest, divided(common, rest)[1]
    simple = divided(p, common)[0]  # the same roots, each once
    chain = [simple, trimmed(derivative(simple))]
    while chain[-1]:
        chain.append([-c for c in divided(chain[-2], chain[-1])[1]])

    def changes(x, far):
        signs = [sign(q[-1] * far ** (len(q) - 1) if x is None else value_at(q, x)) for q in chain[:-1]]
        signs = [s for s in signs if s]
        return sum(a != b for a, b in pairwise(signs))

    roots = changes(low, -1) - changes(high, 1)
    if high is not None and not value_at(simple, high):
        roots -= 1
    if roots:
        raise UncheckedError("a comparison that differs within a region")
    return sign(value_at(p, point_between(low, high)))


def point_between(low, high):
    if low is None:
        return Fraction(0) if high is None else high - 1
    return low + 1 if high is None else (low + high) / 2


# ---------------------------------------------------------------- polynomials in all variables


class Missing:
    """What is no number: 0/0, other quotients by 0, or an entry that nobody has set. It may be dropped by a choice."""

    def __init__(self, name):
        self.name = name

    def combined(self, other):
        return other if isinstance(other, Missing) and other.name == "nan" else self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = combined

    def __neg__(self):
        return self


NAN, INFINITE, UNSET = Missing("nan"), Missing("infinite"), Missing("unset")


class Variables:
    """The variables of a run: inputs with their intervals, others, and sigmoids of polynomials."""

    def __init__(self):
        self.intervals = {}
        self.sigmoids = {}
        self.count = 0

    def new(self, interval=None):
        self.count += 1
        if interval is not None:
            self.intervals[self.count] = interval
        return Polynomial(self, {(self.count,): Fraction(1)})

    def constant(self, value):
        return Polynomial(self, {(): Fraction(value)} if value else {})

    def sigmoid(self, u):
        if not u.terms:
            return self.constant(Fraction(1, 2))
        if u.terms[max(u.terms)] < 0:
            return 1 - self.sigmoid(-u)
        key = frozenset(u.terms.items())
        if key not in self.sigmoids:
            self.sigmoids[key] = self.new()
        return self.sigmoids[key]


class Polynomial:
    """Coefficients by monomials: a monomial is the sorted tuple of its variables, each as often as its power."""

    def __init__(self, variables, terms):
        self.variables, self.terms = variables, terms

    def of(self, other):
        return other if isinstance(other, Polynomial) else self.variables.constant(other)

    def __add__(self, other):
        return other if isinstance(other, Missing) else total(self.variables, [self, self.of(other)])

    __radd__ = __add__

    def __neg__(self):
        return Polynomial(self.variables, {m: -c for m, c in self.terms.items()})

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    def __mul__(self, other):
        if isinstance(other, Missing):
            return other
        terms = {}
        for m, c in self.terms.items():
            for n, d in self.of(other).terms.items():
                key = tuple(sorted(m + n))
                terms[key] = terms.get(key, 0) + c * d
        return Polynomial(self.variables, {m: c for m, c in terms.items() if c})

    __rmul__ = __mul__

    def is_constant(self):
        return not any(self.terms)

    def sign(self):
        """The sign for all values of the variables."""
        if self.is_constant():
            return sign(self.terms.get((), 0))
        used = {v for m in self.terms for v in m}
        v = used.pop()
        if used or v not in self.variables.intervals:
            raise UncheckedError("a comparison of several inputs, of coefficients or of sigmoids")
        powers = {len(m): c for m, c in self.terms.items()}
        p = tuple(powers.get(k, Fraction(0)) for k in range(max(powers) + 1))
        return sign_between(p, *self.variables.intervals[v])


def total(variables, numbers):
    terms = {}
    for p in numbers:
        if isinstance(p, Missing):
            return NAN if any(q is NAN for q in numbers) else p
        for m, c in p.terms.items():
            terms[m] = terms.get(m, 0) + c
    return Polynomial(variables, {m: c for m, c in terms.items() if c})


def ratio(a, b):
    if isinstance(a, Missing) or isinstance(b, Missing):
        return NAN if NAN in (a, b) else INFINITE
    if not isinstance(a, Polynomial) and not isinstance(b, Polynomial):
        raise UncheckedError("a quotient of integers")
    variables = a.variables if isinstance(a, Polynomial) else b.variables
    a, b = (v if isinstance(v, Polynomial) else variables.constant(v) for v in (a, b))
    if not b.is_constant():
        raise UncheckedError("a division by what is not constant")
    if not b.terms:
        return INFINITE if a.terms else NAN
    return a * (1 / b.terms[()])


def compared(a, b):
    """The sign of a - b."""
    if isinstance(a, Missing) or isinstance(b, Missing):
        raise UncheckedError("a comparison with nan or infinity")
    difference = a - b
    return difference.sign() if isinstance(difference, Polynomial) else sign(difference)


# ---------------------------------------------------------------- arrays


class Array:
    """Entries in the order of C."""

    def __init__(self, shape, entries):
        self.shape, self.entries = tuple(shape), list(entries)

    def at(self, index):
        k = 0
        for n, i in zip(self.shape, index, strict=True):
            require(0 <= i < n, "an index outside of an array")
            k = k * n + i
        return self.entries[k]


def indices(shape):
    return product(*map(range, shape))


def built(shape, entry):
    return Array(shape, [entry(index) for index in indices(shape)])


def as_array(a):
    return a if isinstance(a, Array) else Array((), [a])


def expanded(a, shape):
    lead = len(shape) - len(a.shape)
    own = (1,) * lead + a.shape
    shape = tuple(n if size == -1 else size for n, size in zip(own, shape, strict=True))
    require(all(n in (1, size) for n, size in zip(own, shape, strict=True)), "shapes that do not fit")
    return built(shape, lambda index: a.at([0 if n == 1 else i for n, i in zip(a.shape, index[lead:], strict=True)]))


def common_shape(shapes):
    width = max(map(len, shapes))
    padded = [(1,) * (width - len(shape)) + shape for shape in shapes]
    return tuple(next((n for n in sizes if n != 1), 1) for sizes in zip(*padded, strict=True))


def each(function):
    """The operation on arrays that applies a function to entries."""

    def operation(*operands):
        arrays = [as_array(a) for a in operands]
        shape = common_shape([a.shape for a in arrays])
        wide = [a if a.shape == shape else expanded(a, shape) for a in arrays]
        return Array(shape, [function(*row) for row in zip(*(a.entries for a in wide), strict=True)])

    return operation


def reshaped(a, shape):
    known = math.prod(n for n in shape if n != -1)
    shape = [len(a.entries) // max(known, 1) if n == -1 else n for n in shape]
    require(math.prod(shape) == len(a.entries), "a new shape of another size")
    return Array(shape, a.entries)


def transposed(a, axes):
    axes = [k % len(a.shape) for k in axes]
    require(sorted(axes) == list(range(len(a.shape))), "axes that are no permutation")
    return built([a.shape[k] for k in axes], lambda index: a.at([index[axes.index(k)] for k in range(len(axes))]))


def sliced(a, ranges):
    return built([len(r) for r in ranges], lambda index: a.at([r[i] for r, i in zip(ranges, index, strict=True)]))


def ranges_of(a, axis, start=None, end=None, step=1):
    """The range of positions along each axis: all but along one."""
    return [range(*slice(start, end, step).indices(n)) if k == axis % len(a.shape) else range(n)
            for k, n in enumerate(a.shape)]  # fmt: skip


def put(a, ranges, b):
    """The entries of b at some positions of a."""
    b = expanded(b, [len(r) for r in ranges])

    def entry(index):
        inside = all(i in r for r, i in zip(ranges, index, strict=True))
        return b.at([r.index(i) for r, i in zip(ranges, index, strict=True)]) if inside else a.at(index)

    return built(a.shape, entry)


def selected(a, axis, k):
    axis %= len(a.shape)
    k %= a.shape[axis]
    part = sliced(a, ranges_of(a, axis, k, k + 1))
    return Array(part.shape[:axis] + part.shape[axis + 1 :], part.entries)


def select_scattered(a, b, axis, k):
    axis, k = axis % len(a.shape), k % a.shape[axis]
    return put(a, ranges_of(a, axis, k, k + 1), Array((*b.shape[:axis], 1, *b.shape[axis:]), b.entries))


def unsqueezed(a, axis):
    axis %= len(a.shape) + 1
    return Array((*a.shape[:axis], 1, *a.shape[axis:]), a.entries)


def squeezed(a, axes):
    axes = [k % len(a.shape) for k in (axes if isinstance(axes, list) else [axes])]
    return Array([n for k, n in enumerate(a.shape) if k not in axes or n != 1], a.entries)


def joined(parts, axis=0):
    axis %= len(parts[0].shape)
    places = [(part, i) for part in parts for i in range(part.shape[axis])]
    shape = [len(places) if k == axis else n for k, n in enumerate(parts[0].shape)]

    def entry(index):
        part, i = places[index[axis]]
        return part.at([*index[:axis], i, *index[axis + 1 :]])

    return built(shape, entry)


def summed(a, axes=None, keep=False):
    axes = range(len(a.shape)) if not axes and axes != 0 else axes if isinstance(axes, list) else [axes]
    axes = [k % len(a.shape) for k in axes]
    groups = {}
    for index, entry in zip(indices(a.shape), a.entries, strict=True):
        groups.setdefault(tuple(i for k, i in enumerate(index) if k not in axes), []).append(entry)
    kept = [n for k, n in enumerate(a.shape) if k not in axes]
    shape = [1 if k in axes else n for k, n in enumerate(a.shape)] if keep else kept
    return Array(shape, [added(groups.get(index, [])) for index in indices(kept)])


def added(entries):
    variables = next((e.variables for e in entries if isinstance(e, Polynomial)), None)
    if variables is None:
        return sum(entries)
    return total(variables, [e if isinstance(e, Missing | Polynomial) else variables.constant(e) for e in entries])


def contracted(a, b, over, batch):
    """Sums of products over axes; batch axes come first, then others of a, then others of b."""
    (over_a, over_b), (batch_a, batch_b) = over, batch
    free_a = [k for k in range(len(a.shape)) if k not in (*over_a, *batch_a)]
    free_b = [k for k in range(len(b.shape)) if k not in (*over_b, *batch_b)]
    require(all(a.shape[i] == b.shape[j] for i, j in zip([*over_a, *batch_a], [*over_b, *batch_b], strict=True)),
            "a contraction of axes of different lengths")  # fmt: skip
    shape = [a.shape[k] for k in (*batch_a, *free_a)] + [b.shape[k] for k in free_b]
    inner = list(indices([a.shape[k] for k in over_a]))

    def entry(index):
        lead = len(batch_a) + len(free_a)
        in_a = dict(zip((*batch_a, *free_a), index[:lead], strict=True))
        in_b = dict(zip((*batch_b, *free_b), (*index[: len(batch_b)], *index[lead:]), strict=True))
        terms = []
        for k in inner:
            in_a.update(zip(over_a, k, strict=True))
            in_b.update(zip(over_b, k, strict=True))
            terms.append(a.at([in_a[j] for j in range(len(a.shape))]) * b.at([in_b[j] for j in range(len(b.shape))]))
        return added(terms)

    return built(shape, entry)


def matrix_product(a, b):
    return contracted(a, b, [[1], [0]], [[], []])


def counted(ordered, values, right):
    """How many entries of a row lie before each value."""
    require(len(ordered.shape) == 1 or ordered.shape[:-1] == values.shape[:-1], "rows that do not fit")

    def entry(index):
        row = [ordered.at([*(index[:-1] if len(ordered.shape) > 1 else ()), k]) for k in range(ordered.shape[-1])]
        limit = 0 if right else -1
        return sum(compared(t, values.at(index)) <= limit for t in row)

    return built(values.shape, entry)


def gathered(a, axis, index):
    axis %= len(a.shape)
    return built(index.shape, lambda at: a.at([index.at(at) if k == axis else i for k, i in enumerate(at)]))


def scatter_added(a, axis, index, values):
    axis %= len(a.shape)
    groups = {}
    for at, value in zip(indices(values.shape), values.entries, strict=True):
        groups.setdefault(tuple(index.at(at) if k == axis else i for k, i in enumerate(at)), []).append(value)
    return built(a.shape, lambda at: added([a.at(at), *groups.get(at, [])]))


def indexed(a, where):
    """Positions by arrays of integers along the first axes."""
    if any(w is None for w in where):
        raise UncheckedError("an index that leaves axes out")
    shape = common_shape([w.shape for w in where])
    wide = [expanded(w, shape) for w in where]
    rest = a.shape[len(where) :]

    def entry(index):
        lead = [w.at(index[: len(shape)]) for w in wide]
        return a.at([k + n if k < 0 else k for k, n in zip(lead, a.shape, strict=False)] + list(index[len(shape) :]))

    return built((*shape, *rest), entry)


def padded(a, value, padding_config):
    if any(low < 0 or high < 0 or inner for low, high, inner in padding_config):
        raise UncheckedError("lax.pad that cuts or dilates")
    shape = [n + low + high for n, (low, high, _) in zip(a.shape, padding_config, strict=True)]
    ranges = [range(low, low + n) for n, (low, _, _) in zip(a.shape, padding_config, strict=True)]
    return put(expanded(as_array(value), shape), ranges, a)


def broadcast_in_dim(a, shape, broadcast_dimensions):
    own = [1] * len(shape)
    for k, n in zip(broadcast_dimensions, a.shape, strict=True):
        own[k] = n
    return expanded(Array(own, a.entries), shape)


def reshaped_in_order(a, new_sizes, dimensions):
    if dimensions is not None:
        raise UncheckedError("lax.reshape in another order")
    return reshaped(a, new_sizes)


def filled(shape, value):
    return Array(shape, [value] * math.prod(shape))


def not_number(v):
    if v is INFINITE or v is UNSET:
        raise UncheckedError("whether a number is nan or infinite")
    return v is NAN


def is_boolean(a):
    return all(isinstance(v, bool) for v in a.entries)


def inverted(a):
    require(is_boolean(a), "not of what is no truth value")
    return each(lambda v: not v)(a)


def power(v, exponent):
    if type(exponent) is not int or exponent < 1:
        raise UncheckedError("a power that is no positive integer")
    result = v
    for _ in range(exponent - 1):
        result = result * v
    return result


def larger(a, b):
    return a if compared(a, b) >= 0 else b


def smaller(a, b):
    return a if compared(a, b) <= 0 else b


def clamped(a, low=None, high=None):
    if low is not None:
        a = each(larger)(a, low)
    return a if high is None else each(smaller)(a, high)


def chosen(which, first, second):
    return each(lambda w, a, b: a if w else b)(which, first, second)


def scaled(b, alpha):
    return b if alpha == 1 else each(lambda v: alpha * v)(b)


def sigmoid(v):
    return NAN if isinstance(v, Missing) else v.variables.sigmoid(v)


plus, minus, times, over = (each(f) for f in (lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, ratio))
COMPARISONS = {
    "eq": each(lambda a, b: compared(a, b) == 0),
    "ne": each(lambda a, b: compared(a, b) != 0),
    "lt": each(lambda a, b: compared(a, b) < 0),
    "le": each(lambda a, b: compared(a, b) <= 0),
    "gt": each(lambda a, b: compared(a, b) > 0),
    "ge": each(lambda a, b: compared(a, b) >= 0),
}

PYTORCH = {
    **COMPARISONS,
    **dict.fromkeys(("alias", "clone", "lift_fresh_copy", "_to_copy"), lambda a: a),
    "view": reshaped,
    "expand": expanded,
    "permute": transposed,
    "unsqueeze": unsqueezed,
    "squeeze": squeezed,
    "select": selected,
    "slice": lambda a, axis=0, *ends: sliced(a, ranges_of(a, axis, *ends)),
    "select_scatter": select_scattered,
    "slice_scatter": lambda a, b, axis=0, *ends: put(a, ranges_of(a, axis, *ends), b),
    "cat": joined,
    "gather": gathered,
    "scatter_add": scatter_added,
    "index": indexed,
    "full": filled,
    "full_like": lambda a, value: filled(a.shape, value),
    "scalar_tensor": lambda value: filled((), value),
    "empty": lambda shape: filled(shape, UNSET),
    "empty_permuted": lambda shape, order: filled(shape, UNSET),
    "arange": lambda *ends: Array([len(range(*ends))], range(*ends)),
    "add": lambda a, b, alpha=1: plus(a, scaled(b, alpha)),
    "sub": lambda a, b, alpha=1: minus(a, scaled(b, alpha)),
    "mul": times,
    "div": over,
    "neg": each(lambda a: -a),
    "pow": lambda a, exponent: each(lambda v: power(v, exponent))(a),
    "minimum": each(smaller),
    "maximum": each(larger),
    "clamp": clamped,
    "relu": lambda a: clamped(a, 0),
    "where": chosen,
    "isnan": each(not_number),
    "nan_to_num": lambda a, nan=0: each(lambda v: nan if not_number(v) else v)(a),
    "sigmoid": each(sigmoid),
    "sum": summed,
    "mm": matrix_product,
    "bmm": lambda a, b: contracted(a, b, [[2], [1]], [[0], [0]]),
    "addmm": lambda c, a, b: plus(c, matrix_product(a, b)),
    **dict.fromkeys(("bitwise_and", "logical_and"), each(lambda a, b: a & b)),
    **dict.fromkeys(("bitwise_or", "logical_or"), each(lambda a, b: a | b)),
    **dict.fromkeys(("bitwise_not", "logical_not"), inverted),
    "bucketize": lambda a, ordered, right=False: counted(ordered, a, right),
    "searchsorted": lambda ordered, a, right=False: counted(ordered, a, right),
}
"""Operations of PyTorch on arrays, by the names of ATen."""

JAX = {
    **COMPARISONS,
    **dict.fromkeys(("convert_element_type", "copy", "copy_p", "stop_gradient"), lambda a: a),
    "add": plus,
    "add_any": plus,
    "sub": minus,
    "mul": times,
    "div": over,
    "neg": each(lambda a: -a),
    "square": each(lambda a: a * a),
    "integer_pow": lambda a, y: each(lambda v: power(v, y))(a),
    "max": each(larger),
    "min": each(smaller),
    "clamp": lambda low, a, high: clamped(a, low, high),
    "and": each(lambda a, b: a & b),
    "or": each(lambda a, b: a | b),
    "not": inverted,
    "select_n": lambda which, first, second: chosen(which, second, first),
    "logistic": each(sigmoid),
    "broadcast_in_dim": broadcast_in_dim,
    "reshape": reshaped_in_order,
    "squeeze": lambda a, dimensions: squeezed(a, dimensions),
    "transpose": lambda a, permutation: transposed(a, permutation),
    "slice": lambda a, start_indices, limit_indices, strides: sliced(
        a, list(map(range, start_indices, limit_indices, strides or [1] * len(a.shape)))
    ),
    "pad": padded,
    "concatenate": lambda *parts, dimension: joined(parts, dimension),
    "iota": lambda shape, dimension: built(shape, lambda index: index[dimension]),
    "reduce_sum": lambda a, axes: summed(a, axes) if axes else a,
    "dot_general": lambda a, b, dimension_numbers: contracted(a, b, *dimension_numbers),
}
"""Primitives of JAX on arrays."""

TABLES = {"torch": PYTORCH, "jax": JAX}


# ---------------------------------------------------------------- programs


def typed(variables, kind, entry, what):
    if kind == "float64":
        return entry if isinstance(entry, Missing | Polynomial) else variables.constant(entry)
    if kind not in ("bool", "int64", "int32"):
        raise UncheckedError(f"{what} in {kind}")
    if isinstance(entry, Polynomial):
        require(entry.is_constant(), f"{what} makes an integer of an input")
        entry = math.trunc(entry.terms.get((), 0))
    if not isinstance(entry, int):
        raise UncheckedError(f"{what} makes an integer of what is no number")
    return bool(entry) if kind == "bool" else int(entry)


def constant(variables, kind, shape, entries):
    """An array that the program holds; the numbers of a lower format are numbers of float64 too."""
    require(len(entries) == math.prod(shape), "a constant whose shape is another")
    if kind.startswith(("float", "bfloat")):
        special = {"nan": NAN, "inf": INFINITE, "-inf": INFINITE}
        return Array(shape, [special[e] if e in special else variables.constant(number(e)) for e in entries])
    require(all(type(e) in (int, bool) for e in entries), "a constant that is no integer")
    return Array(shape, [typed(variables, kind, e, "a constant") for e in entries])


def run(graph, variables, operands):
    """The results of a graph on arrays."""
    table, values = TABLES[graph["framework"]], []

    def argument(a):
        if isinstance(a, list):
            return [argument(item) for item in a]
        if isinstance(a, dict):
            return values[a["node"]][a["part"]]
        return number(a) if isinstance(a, str) else a

    for node in graph["nodes"]:
        kinds = [(kind, tuple(shape)) for kind, shape in node["results"]]
        if "input" in node:
            values.append([operands[node["input"]]])
        elif "constant" in node:
            values.append([constant(variables, *kinds[0], node["constant"])])
            continue
        elif "graph" in node:
            require(node["operation"] in CALLS, f"{node['operation']} is no call of a graph")
            values.append(run(node["graph"], variables, [argument(a) for a in node["arguments"]]))
        else:
            values.append([applied(table, node, argument)])
        what = node.get("operation", "an input")
        for result, (_, shape) in zip(values[-1], kinds, strict=True):
            require(result.shape == shape, f"{what} has shape {result.shape} here and {shape} in the certificate")
        values[-1] = [
            Array(shape, [typed(variables, kind, entry, what) for entry in result.entries])
            for result, (kind, shape) in zip(values[-1], kinds, strict=True)
        ]
    return [None if result is None else argument(result) for result in graph["results"]]


CALLS = ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "remat", "checkpoint")


def applied(table, node, argument):
    name = node["operation"]
    operation = table.get(name.split(".")[1] if name.startswith("aten.") else name)
    if operation is None:
        raise UncheckedError(f"the operation {name}")
    arguments = [argument(a) for a in node["arguments"]]
    options = {key: argument(value) for key, value in node["options"].items()}
    try:
        return as_array(operation(*arguments, **options))
    except UncheckedError as error:
        raise UncheckedError(f"{error}, in {name}") from None
    except TypeError as error:
        raise UncheckedError(f"the operation {name} with these arguments: {error}") from None


# ---------------------------------------------------------------- what a layer computes by definition


def splines(knots, order, j):
    """The polynomials of all B-splines on [t_j, t_{j+1}), by their coefficients."""
    pieces = [[Fraction(int(i == j))] for i in range(len(knots) - 1)]
    for k in range(1, order):
        pieces = [
            summed_lists(weighted(pieces[i], knots[i], knots[i + k]),
                         weighted(pieces[i + 1], knots[i + k + 1], knots[i + 1]))
            for i in range(len(pieces) - 1)
        ]  # fmt: skip
    return pieces


def weighted(p, start, end):
    """p (x - start)/(end - start), 0 for 0/0."""
    if start == end:
        return [Fraction(0)]
    return [(a - start * b) / (end - start) for a, b in zip([0, *p], [*p, 0], strict=True)]


def summed_lists(p, q):
    width = max(len(p), len(q))
    return [a + b for a, b in zip(p + [0] * (width - len(p)), q + [0] * (width - len(q)), strict=True)]


def pieces_in(knots, order, outside, region):
    """The polynomials in force in a region: a point, or an open interval between neighbouring knots or outside."""
    low, high = region
    is_point = low == high and low is not None
    a, b = knots[order - 1], knots[-order]
    nonempty = [j for j in range(len(knots) - 1) if knots[j] < knots[j + 1]]
    inner = [j for j in nonempty if a <= knots[j] and knots[j + 1] <= b]
    is_left = low < a if is_point else high is not None and high <= a
    is_right = low > b if is_point else low is not None and low >= b
    if outside != "natural" and (is_left or is_right):
        return continued(knots, order, outside, inner[0 if is_left else -1], a if is_left else b)
    if is_point and low == b:
        return splines(knots, order, inner[-1])
    for j in nonempty:
        bounded = low is not None and high is not None
        if (is_point and knots[j] <= low < knots[j + 1]) or (bounded and knots[j] <= low < high <= knots[j + 1]):
            return splines(knots, order, j)
    beyond = (high is not None and high <= knots[0]) or (low is not None and low >= knots[-1])
    require(beyond, "a region that a knot divides")
    return [[Fraction(0)]] * (len(knots) - order)


def continued(knots, order, outside, j, end):
    """The polynomials of an interval at an end of the domain, or their tangents there."""
    pieces = splines(knots, order, j)
    if outside == "polynomial":
        return pieces
    slopes = [value_at(derivative(p), end) for p in pieces]
    return [[value_at(p, end) - slope * end, slope] for p, slope in zip(pieces, slopes, strict=True)]


class Layer:
    """The formula, at the variables of a run."""

    def __init__(self, data, regions):
        self.data, self.variables = data, Variables()
        self.knots = [[number(t) for t in row] for row in data["knots"]]
        self.order, self.regions = data["order"], regions
        self.P, self.Q, self.N = len(self.knots), data["outputs"], len(regions)
        self.dim = len(self.knots[0]) - self.order
        self.shapes = {"coefficients": (self.Q, self.P, self.dim)}
        self.shapes |= {part: PARTS[part](self.Q, self.P) for part in data["parts"]}
        new, constant_of = self.variables.new, self.variables.constant
        x = [new(r) if r[0] != r[1] or r[0] is None else constant_of(r[0]) for row in regions for r in row]
        self.x = Array((self.N, self.P), x)
        self.dy, self.direction = self.free((self.N, self.Q)), self.free((self.N, self.P))
        self.weights = {name: self.free(shape) for name, shape in self.shapes.items()}
        self.functions = [
            [[self.functions_at(s, p, d) for p in range(self.P)] for s in range(self.N)] for d in range(3)
        ]

    def free(self, shape):
        return built(shape, lambda index: self.variables.new())

    def functions_at(self, s, p, order):
        """Derivatives of all B-splines, as polynomials in the input."""
        x, values = self.x.at((s, p)), []
        for piece in pieces_in(self.knots[p], self.order, self.data["outside"], self.regions[s][p]):
            for _ in range(order):
                piece = derivative(piece)
            value = self.variables.constant(0)
            for c in reversed(piece):
                value = value * x + c
            values.append(value)
        return values

    def weight(self, part, *index):
        return self.weights[part].at(index) if part in self.weights else self.variables.constant(1)

    def edge(self, s, q, p, order):
        """A derivative of the function of an edge."""
        C, functions = self.weights["coefficients"], self.functions[order][s][p]
        terms = [C.at((q, p, i)) * functions[i] for i in range(self.dim) if functions[i].terms]
        spline = total(self.variables, terms) * self.weight("scale", q, p)
        if "base" in self.weights:
            spline = spline + self.weight("base", q, p) * silu(self.x.at((s, p)), order)
        return spline * self.weight("node-scale", q)

    def formula(self, quantity):
        if quantity == "values":
            return built((self.N, self.Q), self.value)
        if quantity == "coefficient-gradients":
            return built(self.shapes["coefficients"], self.coefficient_gradient)
        if quantity == "jvp":
            return built((self.N, self.Q), self.jvp)
        order = ORDERS[quantity]
        return built((self.N, self.P), lambda index: self.input_gradient(*index, order))

    def value(self, index):
        s, q = index
        y = total(self.variables, [self.edge(s, q, p, 0) for p in range(self.P)])
        return y + self.weight("bias", q) if "bias" in self.weights else y

    def coefficient_gradient(self, index):
        q, p, i = index
        sums = total(self.variables, [self.dy.at((s, q)) * self.functions[0][s][p][i] for s in range(self.N)])
        return sums * self.weight("scale", q, p) * self.weight("node-scale", q)

    def input_gradient(self, s, p, order):
        slopes = [self.dy.at((s, q)) * self.edge(s, q, p, order) for q in range(self.Q)]
        gradient = total(self.variables, slopes)
        return gradient * self.direction.at((s, p)) if order == 2 else gradient

    def jvp(self, index):
        """The derivative of an output along the direction in all inputs."""
        s, q = index
        terms = [self.direction.at((s, p)) * self.edge(s, q, p, 1) for p in range(self.P)]
        return total(self.variables, terms)

    def is_compared(self, quantity, index):
        """Whether an entry is a derivative that exists: of a jvp, in all inputs."""
        if quantity not in ORDERS:
            return True
        inputs = range(self.P) if quantity == "jvp" else index[1:]
        return all(self.exists(index[0], p, ORDERS[quantity]) for p in inputs)

    def exists(self, s, p, order):
        """Whether all B-splines have a continuous derivative there."""
        low, high = self.regions[s][p]
        count = self.knots[p].count(low) if low == high and low is not None else 0
        return not count or self.order - 1 - count >= order


PARTS = {
    "base": lambda Q, P: (Q, P),
    "scale": lambda Q, P: (Q, P),
    "node-scale": lambda Q, P: (Q,),
    "bias": lambda Q, P: (Q,),
}
ORDERS = {"input-gradients": 1, "jvp": 1, "second-derivatives": 2}
QUANTITIES = ("values", "coefficient-gradients", *ORDERS)


def silu(x, order):
    """With s = sigmoid(x): x s, s + x s (1 - s), s (1 - s) (2 + x (1 - 2 s))."""
    s = x.variables.sigmoid(x)
    return [x * s, s + x * s * (1 - s), s * (1 - s) * (2 + x * (1 - 2 * s))][order]


# ---------------------------------------------------------------- statements


def tensor(data, weights, variables):
    """T_0 + L W."""
    if data is None:
        return weights
    return Array(data["shape"], [
        total(variables, [variables.constant(quotient(first)), *(weights.entries[k] * quotient(c) for k, c in form)])
        for first, form in data["entries"]
    ])  # fmt: skip


def gradient(data, result, shape, variables):
    """L^T applied to the gradient in T."""
    if data is None:
        return result
    terms = [[] for _ in range(math.prod(shape))]
    require(list(result.shape) == data["shape"], "a gradient of another shape than its tensor")
    for entry, (_, form) in zip(result.entries, data["entries"], strict=True):
        for k, c in form:
            terms[k].append(entry * quotient(c))
    return Array(shape, [total(variables, each_term) for each_term in terms])


def check_run(data, graphs, run_data, quantities):
    """Run the programs of a batch of samples, and compare with the formula; yield each quantity that cannot be."""
    layer = Layer(data, [[region(r) for r in sample] for sample in run_data["regions"]])
    require(all(len(sample) == layer.P for sample in layer.regions), "a sample without a region for each input")
    maps = data["tensors"]
    require(set(maps) <= set(layer.weights), "a tensor that is not known")
    held = [tensor(maps.get(name), layer.weights[name], layer.variables) for name in data["held"]]
    inputs, computed = [layer.x, layer.dy, layer.direction, *held], {}
    for quantity in quantities:
        k, entry = run_data["programs"][quantity]
        try:
            if k not in computed:
                computed[k] = run(graphs[k], layer.variables, inputs)
            compare(layer, quantity, computed[k][entry], maps)
        except (UncheckedError, RejectedError) as error:
            yield quantity, error


def compare(layer, quantity, result, maps):
    wanted = layer.formula(quantity)
    if result is None:
        result = filled(wanted.shape, layer.variables.constant(0))
    elif quantity == "coefficient-gradients":
        result = gradient(maps.get("coefficients"), result, wanted.shape, layer.variables)
    require(result.shape == wanted.shape, f"the result has shape {result.shape}, the formula {wanted.shape}")
    for index in indices(wanted.shape):
        if not layer.is_compared(quantity, index):
            continue
        entry = result.at(index)
        require(isinstance(entry, Polynomial), f"entry {list(index)} is no number")
        require(entry.terms == wanted.at(index).terms, f"entry {list(index)} differs from the formula")


def region(data):
    """The ends of an interval, None for infinity; a point is written twice."""
    if isinstance(data, str):
        return (number(data), number(data))
    low, high = (None if end is None else number(end) for end in data)
    require(low is None or high is None or low < high, "an interval without length")
    return low, high


def holds(part, cell):
    """Whether a region has all of a cell: a point or an open interval between neighbouring ends."""
    (low, high), (start, end) = part, cell
    if start == end and start is not None:
        return low == high == start or (low != high and (low is None or low < start) and (high is None or start < high))
    above = low is None or (start is not None and low <= start)
    return low != high and above and (high is None or (end is not None and end <= high))


def cells(data, p, samples):
    """What must be covered of an input: points, and open intervals between the ends of regions."""
    knots, order = [number(t) for t in data["knots"][p]], data["order"]
    a, b = knots[order - 1], knots[-order]
    ends = {end for sample in samples for end in sample[p] if end is not None}
    inner = sorted({a, b} | {end for end in ends if a < end < b})
    result = [*zip(inner, inner, strict=True), *pairwise(inner)]
    if data["right end"] == "open":
        result.remove((b, b))
    if data["outside"] == "natural":
        first, last = knots[0], knots[-1]
    else:
        first, last = a, b
    if data["covered"] == "beyond":
        result += [(None, first), (last, None)]
    if data["covered"] == "everywhere":
        for side in (sorted(e for e in ends | {a} if e <= a), sorted(e for e in ends | {b} if e >= b)):
            result += [*pairwise(side), *((e, e) for e in side if e not in (a, b))]
        result += [(None, min(ends | {a})), (max(ends | {b}), None)]
    return result


def check_coverage(data):
    samples = [[region(r) for r in sample] for run_data in data["runs"] for sample in run_data["regions"]]
    wanted = [cells(data, p, samples) for p in range(len(data["knots"]))]
    for p, row in enumerate(wanted):
        for cell in row:
            require(any(holds(sample[p], cell) for sample in samples), f"no region of input {p} has {shown(cell)}")
    if data["combinations"] == "all":
        boxes = {tuple(sample) for sample in samples}
        for combination in product(*wanted):
            covered = combination in boxes or any(all(map(holds, box, combination)) for box in boxes)
            require(covered, f"no sample has the regions {', '.join(map(shown, combination))}")


def shown(cell):
    low, high = (str(None if end is None else float(end)) for end in cell)
    return low if low == high else f"({low}, {high})".replace("None", "infinity")


FIELDS = ("knots", "order", "outputs", "outside", "right end", "covered", "combinations", "parts", "tensors", "held",
          "runs")  # fmt: skip


def check_layer(data):
    require(set(data) == set(FIELDS), f"a layer must have {', '.join(FIELDS)}")
    order, widths = data["order"], {len(row) for row in data["knots"]}
    require(type(order) is int and order >= 1 and len(widths) == 1 and widths.pop() >= 2 * order, "knots and order")
    for row in data["knots"]:
        knots = [number(t) for t in row]
        require(knots == sorted(knots) and knots[order - 1] < knots[-order], "knots in ascending order")
    require(type(data["outputs"]) is int and data["outputs"] >= 1, "outputs")
    require(data["outside"] in ("natural", "polynomial", "linear"), "the rule outside")
    require(data["right end"] in ("closed", "open"), "the right end")
    require(data["covered"] in ("domain", "beyond", "everywhere"), "what is covered")
    require(data["combinations"] in ("all", "each"), "combinations")
    require(set(data["parts"]) <= set(PARTS), "a part that is not known")
    require(sorted(data["held"]) == sorted(["coefficients", *data["parts"]]) or not data["held"], "tensors held")


def described(data):
    P, degree = len(data["knots"]), data["order"] - 1
    a, b = (", ".join(sorted({f"{float(number(row[k])):.6g}" for row in data["knots"]})) for k in (degree, -degree - 1))
    where = f"[{a}, {b}{']' if data['right end'] == 'closed' else ')'}"
    more = {
        "domain": "",
        "beyond": " and beyond all knots",
        "everywhere": f" and outside, by the rule {data['outside']}",
    }
    how = " (each input, not all combinations)" if data["combinations"] == "each" else ""
    parts = f", with {', '.join(data['parts'])}" if data["parts"] else ""
    layer = f"degree {degree}, {len(data['knots'][0])} knots, {P} inputs, {data['outputs']} outputs{parts}"
    return f"{layer}: for all x in {where}{more[data['covered']]}{how}"


def check_statements(data, graphs):
    """Yield each quantity of a layer with why it is not accepted, or None."""
    check_layer(data)
    names = set(data["runs"][0]["programs"])
    require(names and names <= set(QUANTITIES), "a quantity that is not known")
    require(all(set(run_data["programs"]) == names for run_data in data["runs"]), "a run without all programs")
    check_coverage(data)
    left = [quantity for quantity in QUANTITIES if quantity in names]
    against = dict.fromkeys(left)
    for run_data in data["runs"]:
        for quantity, error in list(check_run(data, graphs, run_data, left)):
            against[quantity] = error
            left = [name for name in left if name != quantity]
    yield from against.items()


def check(certificate):
    """Return lines of text, and whether all statements are accepted."""
    try:
        require(certificate.get("format") == FORMAT, f"the format must be {FORMAT!r}")
        lines, good = [], bool(certificate["layers"])
        for data in certificate["layers"]:
            try:
                verdicts = list(check_statements(data, certificate["graphs"]))
            except RejectedError as error:
                verdicts = [("all quantities", error)]
            for quantity, error in verdicts:
                good = good and error is None
                lines.append(f"{verdict(error)}: {quantity}, {described(data) if error is None else error}")
    except RejectedError as error:
        return [f"rejected: {error}"], False
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        return [f"rejected: the file is not as the format asks: {type(error).__name__}: {error}"], False
    return lines, good


def verdict(error):
    if error is None:
        return "accepted"
    return "not checked" if isinstance(error, UncheckedError) else "rejected"


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Check a certificate of `refkan conform --prove --certificate`.")
    parser.add_argument("file")
    chosen_file = parser.parse_args(arguments).file
    try:
        with open(chosen_file, encoding="ascii") as stream:
            certificate = json.load(stream)
    except (OSError, ValueError) as error:
        print(f"rejected: {error}")
        return 1
    lines, good = check(certificate)
    print("\n".join(lines))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
