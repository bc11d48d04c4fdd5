"""Members that are computed when they are first read: once kept, without a lock, and in every module."""

import copy
import pickle
import pydoc
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import refkan
from refkan.base.lazy import lazy

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

    slow, found = Slow(), []
    threads = [threading.Thread(target=lambda: found.append(slow.value)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [slow.value] * 2


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
