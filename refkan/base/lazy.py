"""Members that are computed when they are first read, and then kept, without a lock.

Before Python 3.12 `functools.cached_property` holds one lock for all objects of a class while it computes. Whoever
computes such a member and hands work to other threads on the way waits for them with that lock, and if they read the
same member of other objects, they wait for it: all of them hang for good. Here two threads that read a member for the
first time at once may both compute it, which costs time and no more, for the members of this library depend on nothing
but the object they belong to.
"""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, cast, overload

T = TypeVar("T")


class lazy(Generic[T]):  # noqa: N801  it is used like `property`
    """A method that is called when a member of its name is first read; what it returns becomes that member.

    Of several threads that read it for the first time at once, all get the same object, the first one that was ready.
    The member may be deleted, and is then computed again; frozen dataclasses may have some. An error is kept nowhere:
    the next reader tries again.

    Examples
    --------
    >>> class Square:
    ...     side = 3.0
    ...     @lazy
    ...     def area(self):
    ...         print("computing")
    ...         return self.side**2
    >>> square = Square()
    >>> square.area
    computing
    9.0
    >>> square.area
    9.0
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...

    def __get__(self, instance: object | None, owner: type | None = None) -> Self | T:
        """Compute the member; later reads find it in the object's `__dict__` and do not come here."""
        if instance is None:
            return self
        members = vars(instance)
        if self._name in members:  # whoever calls this method by hand, or through `super()`
            return cast(T, members[self._name])
        return cast(T, members.setdefault(self._name, self._compute(instance)))
