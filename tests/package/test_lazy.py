"""Members that are computed when they are first read, and representations in one line."""

import collections.abc
import copy
import dataclasses
import importlib
import inspect
import pickle
import pkgutil
import pydoc
import random
import re
import threading
import typing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import refkan
import refkan as rk
from refkan.base.lazy import lazy
from refkan.base.short_reprs import LONGEST, ShortRepr, short
from refkan.networks.node_maps.kinds import MeanStdMap

PACKAGE = Path(refkan.__file__).parent


@dataclass(frozen=True)
class Square:
    side: float

    @lazy
    def area(self):
        """The area."""
        computed.append(self.side)
        return [self.side**2]


computed = []


@pytest.fixture(autouse=True)
def nothing_computed():
    computed.clear()


def test_a_member_is_computed_once_and_kept():
    square = Square(3.0)
    assert square.area == [9.0]
    assert square.area is square.area
    assert Square(2.0).area == [4.0]
    assert computed == [3.0, 2.0]
    assert Square.area.__get__(square) is square.area


def test_a_member_that_is_deleted_is_computed_again():
    square = Square(3.0)
    first = square.area
    del vars(square)["area"]
    assert square.area == first
    assert computed == [3.0, 3.0]


def test_copies_keep_it_and_replacements_do_not_and_it_is_no_part_of_equality():
    square = Square(3.0)
    assert square.area == [9.0]
    assert copy.copy(square).area is square.area
    assert pickle.loads(pickle.dumps(square)).area == [9.0]
    assert computed == [3.0]
    assert replace(square, side=2.0).area == [4.0]
    assert square == Square(3.0)


def test_the_class_has_its_description():
    assert isinstance(Square.area, lazy)
    assert Square.area.__doc__ == "The area."
    assert "The area." in pydoc.plain(pydoc.render_doc(Square))


def test_an_error_is_not_kept():
    class Late:
        ready = False

        @lazy
        def value(self):
            if not self.ready:
                raise ValueError("not yet")
            return 1

    late = Late()
    with pytest.raises(ValueError, match="not yet"):
        _ = late.value
    late.ready = True
    assert late.value == 1


def test_threads_that_compute_at_once_agree_on_one_result():
    both = threading.Barrier(2, timeout=20)

    class Slow:
        @lazy
        def value(self):
            both.wait()  # passed only when both are within
            return object()

    slow = Slow()
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda _: slow.value, range(2))) == [slow.value] * 2


def test_a_member_may_wait_for_a_thread_that_reads_it_of_another_object():
    class Chain:
        def __init__(self, rest=None):
            self.rest = rest

        @lazy
        def length(self):
            if self.rest is None:
                return 1
            found = []
            thread = threading.Thread(target=lambda: found.append(self.rest.length), daemon=True)
            thread.start()
            thread.join(timeout=20)
            return 1 + found[0]

    assert Chain(Chain(Chain())).length == 3


def test_no_module_holds_the_lock_of_the_standard_library():
    """`functools.cached_property` has one for all objects of a class before Python 3.12: see `refkan.base.lazy`."""
    sources = [path for path in PACKAGE.rglob("*.py") if "truth" not in path.parts]  # which hands no work to threads
    with_lock = {str(path) for path in sources if "cached_property" in path.read_text()}
    assert with_lock == {str(PACKAGE / "base" / "lazy.py")}  # which says why


X = np.random.default_rng(0).uniform(size=(40, 2))

INTERNAL = re.compile(r"refkan\.(conformance|kernels|networks\.sweeps|training\.losses\.terms_on_networks)")
"""Modules whose classes nobody outside meets."""


def holds_arrays(annotation):
    """Whether an annotation, evaluated or as text, names an array, alone or among other types; functions hold none."""
    if isinstance(annotation, str):
        return "Array" in annotation
    origin = typing.get_origin(annotation)
    return origin is np.ndarray or (
        origin is not collections.abc.Callable and any(map(holds_arrays, typing.get_args(annotation)))
    )


def dataclasses_with_arrays():
    for module in pkgutil.walk_packages(rk.__path__, "refkan."):
        if INTERNAL.match(module.name) or module.name.endswith("__main__"):
            continue
        for name, kind in vars(importlib.import_module(module.name)).items():
            mine = inspect.isclass(kind) and kind.__module__ == module.name and not name.startswith("_")
            held = dataclasses.fields(kind) if mine and dataclasses.is_dataclass(kind) else ()
            if any(holds_arrays(field.type) and field.repr for field in held):
                yield kind


def test_every_dataclass_that_holds_arrays_has_one():
    state = random.getstate()
    kinds = [*dataclasses_with_arrays()]
    random.setstate(state)  # packages that are imported for the first time may draw
    assert len(kinds) > 40
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
    yield from (MeanStdMap(np.tile([0.0, 1.0], (64, 1))), problem, side, term)
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


def test_parts():
    assert short((1, 2)) == "(1, 2)"
    assert short((1,)) == "(1,)"
    assert short((2, 20, 20, 1)) == "(2, 20, 20, 1)"
    assert short([]) == "[]"
    assert short(list(range(9))) == "[0, ... 9 items]"
    assert short([np.zeros(2)] * 2) == "[float64[2]] * 2"
    assert short([np.zeros(2), np.zeros((2, 1))]) == "[float64[2], float64[2, 1]]"
    assert short(sparse.csr_array((3, 2))) == "csr_array of float64[3, 2]"
    assert short(np.float64(0.1)) == "0.1"
    assert short({k: k for k in range(9)}) == "{0: 0, ... 9 entries}"
    assert short(object()) == "object"
    assert short("a" * 999) == "'" + "a" * (LONGEST - 4) + "..."
