"""Frozen dataclasses, and objects in one line: sizes of arrays stand for their numbers, which would fill the screen."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, dataclass_transform

import numpy as np
from scipy import sparse

FEW, WHOLE = 3, 8
"""Items of a sequence that are shown, and of one of whole numbers; of more the first, and how many there are."""

MANY = 1000
"""Items from which on a sequence is not looked through."""

LARGEST = float(np.finfo(np.float64).max)

LONGEST = 100
"""Characters of a text or of any other object that are shown."""


class ShortRepr:
    """What is represented by one line: a dataclass, or a part of one.

    Attributes
    ----------
    shown : tuple of str
        The attributes to show; by default all fields, but for those with ``repr=False``.

    Examples
    --------
    >>> import numpy as np
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Samples(ShortRepr):
    ...     x: np.ndarray
    ...     name: str
    >>> Samples(np.zeros((200, 2)), "uniform")
    Samples(x=float64[200, 2], name='uniform')
    """

    shown: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # A dataclass makes a representation of its own unless its class, not one that it derives from, has one.
        cls.__repr__ = cls.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        names = self.shown or [field.name for field in fields(self) if field.repr]  # type: ignore[arg-type]
        parts = ", ".join(f"{name}={short(getattr(self, name))}" for name in names)
        return f"{type(self).__name__}({parts})"


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Frozen(ShortRepr):
    """What frozen dataclasses derive from: such a class is one without a decorator, of the fields that it annotates.

    Two instances are equal if they are the same object, since == of arrays has no single answer. Those of a class with
    ``eq=True`` in its first line, and of classes that derive from it, are equal if their fields are.

    Examples
    --------
    >>> import numpy as np
    >>> class Samples(Frozen):
    ...     x: np.ndarray
    ...     name: str
    >>> Samples(np.zeros((200, 2)), "uniform")
    Samples(x=float64[200, 2], name='uniform')
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    _compared: ClassVar[bool] = False

    def __init_subclass__(cls, eq: bool | None = None, order: bool = False) -> None:
        super().__init_subclass__()
        cls._compared = cls._compared if eq is None else eq
        dataclass(frozen=True, eq=cls._compared, order=order, repr=False)(cls)


def short(value: Any) -> str:
    """Represent a value in less than a line.

    Examples
    --------
    >>> import numpy as np
    >>> short(np.zeros((3, 2))), short([0.5] * 4), short({"a": 1}), short(np.sin)
    ('float64[3, 2]', '[0.5] * 4', "{'a': 1}", 'sin')
    """
    if isinstance(value, np.ndarray) or sparse.issparse(value):
        kind = str(value.dtype)
        if not isinstance(value, np.ndarray):
            kind = f"{type(value).__name__} of {kind}"
        return f"{kind}[{', '.join(map(str, value.shape))}]"
    if isinstance(value, list | tuple):
        return _sequence(value)
    if isinstance(value, Mapping):
        items = [f"{key!r}: {short(item)}" for key, item in value.items()]
        if len(items) > FEW:
            items = [items[0], f"... {len(items)} entries"]
        return "{" + ", ".join(items) + "}"
    if isinstance(value, float):  # and those of NumPy
        return repr(float(value))
    if isinstance(value, ShortRepr):
        return repr(value)
    if callable(value) and not is_dataclass(value):
        return str(getattr(value, "__name__", type(value).__name__))
    text = repr(value)
    if text.startswith("<"):  # and an address follows
        return type(value).__name__
    if len(text) > LONGEST:
        return f"{text[: LONGEST - 3]}..."
    return text


def _sequence(value: list[Any] | tuple[Any, ...]) -> str:
    length, at_most, times = len(value), FEW, ""
    if all(isinstance(item, int) for item in value[:MANY]):
        at_most = WHOLE
    items = []
    if length > 1 and _alike(value):
        items, times = [short(value[0])], f" * {length}"
    elif length > at_most:
        items = [short(value[0]), f"... {length} items"]
    else:
        items = [short(item) for item in value]
    text = ", ".join(items)
    if isinstance(value, list):
        return f"[{text}]{times}"
    if len(items) == 1:
        text += ","
    return f"({text}){times}"


def _alike(value: list[Any] | tuple[Any, ...]) -> bool:
    """Whether all items are one object, or are represented by one text."""
    return all(item is value[0] for item in value) or (len(value) < MANY and len(set(map(short, value))) == 1)


def came(value: object, kind: type) -> str:
    """What came in place of an object of a class: the name of its class, or that it is a class itself."""
    if not isinstance(value, type):
        return type(value).__name__
    remedy = f": pass {value.__name__}()" if issubclass(value, kind) else ""
    return f"the class {value.__name__}{remedy}"


def no_number(name: str, value: Any, array: np.ndarray[Any, Any]) -> str:
    """What an array holds that is no number: the first such entry, where it is text or any other object."""
    if array.dtype.kind not in "OSU":
        return f"dtype {array.dtype}"
    if array.ndim == 0:
        return short(value)
    if not isinstance(value, np.ndarray):  # NumPy has made text of the numbers beside a text
        array = np.asarray(value, object)
    for index, entry in zip(np.ndindex(array.shape), array.ravel().tolist(), strict=True):
        place = f"{name}[{', '.join(map(str, index))}]"
        if isinstance(entry, str | bytes) or not np.isscalar(entry):
            return f"{place} = {short(entry)}"
        if isinstance(entry, int) and abs(entry) > LARGEST:
            return f"{place}, an integer beyond the largest float64"
    return f"dtype {array.dtype}: give it as numpy.asarray({name}, float)"
