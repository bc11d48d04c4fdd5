"""Representations of what the library returns: one line, sizes in place of numbers, and one way to make them."""

import dataclasses
import importlib
import inspect
import pkgutil
import re

import numpy as np
from scipy import sparse

import refkan as rk
from refkan.base.short_reprs import LONGEST, ShortRepr, short

X = np.random.default_rng(0).uniform(size=(40, 2))

INTERNAL = re.compile(r"refkan\.(conformance|kernels|networks\.sweeps|training\.losses\.pieces_of_terms)")
"""Modules whose classes nobody outside meets."""


def dataclasses_with_arrays():
    for module in pkgutil.walk_packages(rk.__path__, "refkan."):
        if INTERNAL.match(module.name) or module.name.endswith("__main__"):
            continue
        for name, kind in vars(importlib.import_module(module.name)).items():
            mine = inspect.isclass(kind) and kind.__module__ == module.name and not name.startswith("_")
            held = dataclasses.fields(kind) if mine and dataclasses.is_dataclass(kind) else ()
            if any("Array" in str(field.type) and field.repr for field in held):
                yield kind


def test_every_dataclass_that_holds_arrays_has_one():
    kinds = [*dataclasses_with_arrays()]
    assert len(kinds) > 60
    assert not [kind for kind in kinds if not issubclass(kind, ShortRepr)]
    # That of dataclasses shows the numbers.
    assert not [kind for kind in kinds if hasattr(kind.__repr__, "__wrapped__")]


def results():
    net, theta = rk.kan([2, 3, 1], 4, 4).initialize(np.random.default_rng(0), X)
    curved = rk.SplineSpace.from_breakpoints(3, np.sort(np.append(X[:, 0], [0.0, 1.0])))
    problem = rk.LeastSquares(net, X, X[:, :1] ** 2)
    side = rk.Side(X, np.eye(2), orders=1)
    term = rk.Term("slope", side, lambda x, u, *du: u, lambda x, u, *du: [1.0, 0.0, 0.0])
    states = []
    result = rk.minimize(problem, theta, steps=3, callback=states.append)
    levels = rk.minimize_multilevel(problem, theta, schedule=[2, 2])
    yield from (net, rk.mlp([2, 3, 1]), curved, rk.SplineSpace.uniform(3, 4), rk.ChangeOfBasis(curved))
    yield from (rk.SplineLayer((curved,) * 64, 3), rk.ReluLayer((curved,) * 2, 3), rk.DenseLayer(64, 3))
    yield rk.SiluLayer(rk.SplineLayer((curved,) * 64, 3))
    yield rk.ChebyshevLayer(((0.0, 1.0),) * 64, 3, 5)
    yield from net.initialize(np.random.default_rng(0), X)[0].node_maps
    yield from (rk.networks.node_maps.MeanStdMap(np.tile([0.0, 1.0], (64, 1))), problem, side, term)
    yield from (rk.Collocation(net, (term,)), rk.spectrum(problem, theta), result, result.history, states[-1])
    yield from (levels, levels.history, net.jet(theta, X, np.eye(2)), net.coordinates("relu"))
    yield rk.checks.gradient_check(problem.value, problem.gradient, theta)


def test_representations_are_short():
    for value in results():
        text = repr(value)
        assert len(text) < 600
        assert "\n" not in text
        assert "array(" not in text
        assert "0x" not in text  # no addresses
        assert text.startswith(f"{type(value).__name__}(")


def test_what_is_shown():
    net, theta = rk.kan([2, 1], 4, 4).initialize(np.random.default_rng(0), X)
    problem = rk.LeastSquares(net, X, X[:, :1])
    network = "Network([2, 1]: order 4 on 4 intervals (spline); 14 parameters)"
    assert repr(problem) == f"LeastSquares(net={network}, x=float64[40, 2], y=float64[40, 1], weights=None)"
    jet = net.jet(theta, X, np.eye(2))
    assert repr(jet) == "Jet(value=float64[40, 1], first=float64[40, 2, 1], second=float64[40, 2, 1])"
    space = "SplineSpace(order=4, intervals=4, domain=(0, 1), uniform knots)"
    assert repr(net.layers[0]) == (
        f"SplineLayer(spaces=({space},) * 2, n_outputs=1, outside='linear', free_knots=False)"
    )


def test_parts():
    assert short((1, 2)) == "(1, 2)"
    assert short((1,)) == "(1,)"
    assert short([]) == "[]"
    assert short(list(range(9))) == "[0, ... 9 items]"
    assert short([np.zeros(2)] * 2) == "[float64[2]] * 2"
    assert short([np.zeros(2), np.zeros((2, 1))]) == "[float64[2], float64[2, 1]]"
    assert short(sparse.csr_array((3, 2))) == "csr_array of float64[3, 2]"
    assert short(np.float64(0.1)) == "0.1"
    assert short({k: k for k in range(9)}) == "{0: 0, ... 9 entries}"
    assert short(object()) == "object"
    assert short("a" * 999) == "'" + "a" * (LONGEST - 4) + "..."


def test_own_representations_are_kept_by_those_that_derive_from_them():
    class Own(ShortRepr):
        def __repr__(self):
            return "own"

    @dataclasses.dataclass
    class Derived(Own):
        x: int = 0

    assert repr(Derived()) == "own"
