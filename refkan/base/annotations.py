"""Checks of arguments against the annotations of the function or dataclass that takes them."""

import contextlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence, Set
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np

from refkan.base.arguments import (
    check_below_one,
    check_choice,
    check_count,
    check_flag,
    check_positive,
    check_share,
    check_tolerance,
    check_type,
    is_sequence,
)
from refkan.base.short_reprs import Frozen, short


class ArgumentCheck:
    """A check in an annotation, ``check(name, value, **options)``, which `help` shows in words.

    Examples
    --------
    >>> Natural
    typing.Annotated[int, at least 1]
    """

    def __init__(self, words: str, check: Callable[..., Any], **options: Any) -> None:
        self.words, self.check, self.options = words, check, options

    def __call__(self, name: str, value: Any) -> Any:
        """Return the value as the check does, or raise its error."""
        return self.check(name, value, **self.options)

    def __repr__(self) -> str:
        return self.words


def one_of(choices: Collection[str]) -> ArgumentCheck:
    """Return the check that a text is one of several."""
    return ArgumentCheck(f"one of {', '.join(map(repr, choices))}", check_choice, choices=choices)


Positive = Annotated[float, ArgumentCheck("finite and positive", check_positive)]
NonNegative = Annotated[float, ArgumentCheck("finite and not negative", check_tolerance)]
Share = Annotated[float, ArgumentCheck("above 0, at most 1", check_share)]
BelowOne = Annotated[float, ArgumentCheck("at least 0, below 1", check_below_one)]
Natural = Annotated[int, ArgumentCheck("at least 1", check_count, minimum=1)]


def check_annotated(owner: Any, values: Mapping[str, Any], but: Sequence[str] = ()) -> None:
    """Raise TypeError or ValueError unless values are what the annotations of a function or a dataclass say.

    Texts, flags, numbers, objects of classes, functions, and sequences and mappings of them are checked. An ``int`` is
    a count or an index and not negative, a ``float`` is not NaN. ``Annotated[kind, check]``, such as `Positive`, calls
    ``check(name, value)``, which raises or returns the value. `Any`, arrays and names that are imported only for type
    checkers are not checked here.

    Parameters
    ----------
    owner : function or class
    values : mapping
        By the names of parameters or fields; other names are ignored, so that `locals()` can be passed.
    but : sequence of str
        Names of arguments that have a more specific check elsewhere.
    """
    for name, hint in _hints(owner).items():
        if name not in values or name in but:
            continue
        if not _is_a(values[name], hint):
            _refuse(name, values[name], hint)
        if _is_path(hint):
            _check_path(name, values[name])


def _is_path(hint: Any) -> bool:
    """Whether an annotation allows paths."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return any((get_origin(part) or part) is os.PathLike for part in parts)


def _check_path(name: str, value: Any) -> None:
    """Refuse a path that no file system can hold."""
    if isinstance(value, str | os.PathLike) and "\0" in str(value):
        raise ValueError(f"{name} must be a path without null characters; got {str(value)!r}: leave them out")


def as_annotated(owner: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Check values as `check_annotated` does, and return those that the checks of their annotations return."""
    check_annotated(owner, values)
    converted = dict(values)
    for name, hint in _hints(owner).items():
        for part in _with_checks(hint):
            if name in values and _is_a(values[name], part):
                converted[name] = part.__metadata__[0](name, values[name])
    return converted


def _with_checks(hint: Any) -> list[Any]:
    """The parts of an annotation that have checks."""
    parts: tuple[Any, ...] = (hint,)
    if get_origin(hint) in (Union, UnionType):
        parts = get_args(hint)
    return [part for part in parts if get_origin(part) is Annotated]


def _refuse(name: str, value: Any, hint: Any) -> None:
    """Raise the most specific error about a value that does not match its annotation."""
    for part in _with_checks(hint):
        part.__metadata__[0](name, value)
    for part in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        _refuse_entry(name, value, part)
        if part is float and isinstance(value, float | np.floating) and value != value:
            raise ValueError(f"{name} must be a number, not NaN; got {value}")
    if get_origin(hint) is Literal:
        check_choice(name, value, get_args(hint))
    if hint in (int, int | None):
        check_count(name, value)
    if hint is bool:
        check_flag(name, value)
    if isinstance(hint, type) and hint not in (str, float):
        check_type(name, value, hint)
    raise TypeError(f"{name} must be of type {written(hint)}; got {short(value)}")


def _refuse_entry(name: str, value: Any, hint: Any) -> None:
    """Raise the error about the first entry of a sequence or mapping that does not match the annotation."""
    origin, arguments = get_origin(hint), get_args(hint)
    several = origin in (Sequence, Iterable) or (origin is tuple and Ellipsis in arguments)
    if several and is_sequence(value):
        for k, entry in enumerate(value):
            if not _is_a(entry, arguments[0]):
                _refuse(f"{name}[{k}]", entry, arguments[0])
    if origin is Mapping and isinstance(value, Mapping):
        for key, entry in value.items():
            if not _is_a(key, arguments[0]):
                _refuse(f"the key {short(key)} of {name}", key, arguments[0])
            if not _is_a(entry, arguments[1]):
                _refuse(f"{name}[{key!r}]", entry, arguments[1])


def written(hint: Any) -> str:
    """Write an annotation as in a source that imports all its names: without modules and checks, arrays as such.

    Examples
    --------
    >>> from collections.abc import Callable, Sequence
    >>> written(Sequence[Positive] | None), written(Callable[[np.ndarray[Any, np.dtype[np.float64]]], str])
    ('Sequence[float] | None', 'Callable[[array], str]')
    """
    plain = re.sub(r"Annotated\[(\w+), [^]]*\]", r"\1", inspect.formatannotation(hint))
    plain = re.sub(r"(\w+\.)+", "", plain)
    return re.sub(r"ndarray\[(Any|tuple\[[^]]*\]), dtype\[\w+\]\]", "array", plain)


class Checked(Frozen, eq=True):
    """A frozen dataclass, compared by its fields, which must match their annotations, see `check_annotated`."""

    def __post_init__(self) -> None:
        check_annotated(type(self), vars(self))


@cache
def _hints(owner: Any) -> dict[str, Any]:
    """Annotations by name; those that cannot be resolved are left out."""
    code = getattr(owner, "__code__", None)  # what follows the named parameters are *arguments and **options
    named = None if code is None else code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    hints = {}
    for part in reversed(owner.__mro__) if isinstance(owner, type) else [owner]:
        scope = getattr(part, "__globals__", None) or vars(sys.modules[part.__module__])
        for name, hint in inspect.get_annotations(part).items():
            with contextlib.suppress(NameError, TypeError, AttributeError):
                if name != "return" and (named is None or name in named):
                    # Text is an annotation of the library that names what is defined later, never text of a user.
                    hints[name] = eval(hint, scope) if isinstance(hint, str) else hint
    return hints


def _is_a(value: Any, hint: Any) -> bool:
    """Whether a value matches an annotation, as far as `check_annotated` looks."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is bool:
        return isinstance(value, bool | np.bool_)
    if hint is int:
        return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 0)
    if hint is float:
        number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        return bool(number and value == value)
    if hint is None:
        return value is None
    if origin is Annotated:
        with contextlib.suppress(TypeError, ValueError):
            arguments[1]("", value)
            return True
        return False
    if origin in (Union, UnionType):
        return any(_is_a(value, part) for part in arguments)
    if origin is Literal:
        return isinstance(value, Hashable) and value in arguments
    if origin is Callable:
        return callable(value)
    if isinstance(value, str) and origin is not None:
        return False
    if origin is tuple and Ellipsis not in arguments:
        return isinstance(value, tuple | list) and len(value) == len(arguments) and all(map(_is_a, value, arguments))
    if origin in (tuple, Sequence):
        return is_sequence(value) and all(_is_a(item, arguments[0]) for item in value)
    if origin is Iterable:
        known = is_sequence(value) or isinstance(value, Set)
        if known:
            return all(_is_a(item, arguments[0]) for item in value)
        return isinstance(value, Iterable) and not isinstance(value, np.ndarray)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _is_a(key, arguments[0]) and _is_a(entry, arguments[1]) for key, entry in value.items()
        )
    kind = origin or hint
    unchecked = kind in (Any, np.ndarray) or not isinstance(kind, type) or getattr(kind, "_is_protocol", False)
    return unchecked or isinstance(value, kind)
