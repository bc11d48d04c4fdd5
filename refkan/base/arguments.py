"""Checks of arguments at the public boundary: each error names the argument, the requirement and the value."""

import inspect
import math
import operator
from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import numpy as np

from refkan.base.array_types import Array, FloatArray
from refkan.base.short_reprs import came, no_number, short

FLOAT64 = np.dtype(np.float64)


def check_choice(name: str, value: object, choices: Iterable[str]) -> str:
    """Return `value` if it is one of the strings `choices`, else raise ValueError, which names a close one."""
    known = list(choices)
    if not isinstance(value, str) or value not in known:
        message = f"{name} must be one of {', '.join(map(repr, known))}; got {short(value)}"
        near = None
        if isinstance(value, str):
            near = nearest(value, known)
        if near is not None:
            message += f": did you mean {near!r}?"
        raise ValueError(message)
    return value


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the one of some names that another is close to, or holds the initials of; None if there is none.

    Examples
    --------
    >>> nearest("lm", ["adam", "levenberg-marquardt"]), nearest("adm", ["adam"]), nearest("x", ["adam"])
    ('levenberg-marquardt', 'adam', None)
    """
    names = list(known)
    close = get_close_matches(name.lower(), names, 1)
    initials = [text for text in names if len(name) > 1 and initials_of(text) == name.lower()]
    return next(iter(close or initials), None)


def initials_of(name: str) -> str:
    """Return the first letters of the words of a name, "lm" of "levenberg-marquardt"."""
    return "".join(word[0] for word in name.replace("_", "-").split("-") if word)


def check_flag(name: str, value: object) -> bool:
    """Return `value` as a bool if it is True or False: a string such as "no" would count as true."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False; got {value!r}")
    return bool(value)


def check_count(name: str, value: object, minimum: int = 0, maximum: int | None = None) -> int:
    """Return `value` as an int if it is an integer (not a bool) within [minimum, maximum]."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        count = operator.index(value)  # type: ignore[arg-type]  # refuses floats, accepts NumPy integers
    except TypeError:
        raise TypeError(f"{name} must be an integer; got {value!r}") from None
    if count < minimum:
        raise ValueError(f"{name} must be at least {minimum}; got {count}")
    if maximum is not None and count > maximum:
        raise ValueError(f"{name} must be at most {maximum}; got {count}")
    return count


def check_function(name: str, function: object, count: int, *keywords: str) -> None:
    """Raise TypeError unless a function takes `count` arguments and the keywords; some compiled ones cannot say."""
    if not callable(function):
        raise TypeError(f"{name} must be a function; got {function!r}")
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return
    try:
        signature.bind(*[None] * count, **dict.fromkeys(keywords))
    except TypeError:
        wanted = f"{count} arguments" + "".join(f" and the keyword {keyword!r}" for keyword in keywords)
        raise TypeError(f"{name} must take {wanted}; it takes {signature}") from None


def check_real(name: str, value: object, low: float = -math.inf, requirement: str = "finite") -> float:
    """Return `value` as a float if it is a finite real number, not a bool, and not below `low`."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number; got {short(value)}")
    try:
        number = float(value)
    except OverflowError:  # an integer
        number = math.inf
    if not (math.isfinite(number) and number >= low):
        raise ValueError(f"{name} must be {requirement}; got {number}")
    return number


def check_positive(name: str, value: object) -> float:
    """Return `value` as a float if it is a finite positive number."""
    return check_real(name, value, math.ulp(0.0), "finite and positive")


def check_tolerance(name: str, value: object) -> float:
    """Return `value` as a float if it is finite and not negative: with NaN or infinity every error would pass."""
    return check_real(name, value, 0.0, "finite and not negative")


def check_share(name: str, value: object) -> float:
    """Return `value` as a float if it lies in (0, 1]."""
    number = check_positive(name, value)
    if number > 1:
        raise ValueError(f"{name} must lie in (0, 1]; got {number}")
    return number


def check_below_one(name: str, value: object) -> float:
    """Return `value` as a float if it lies in [0, 1)."""
    number = check_tolerance(name, value)
    if number >= 1:
        raise ValueError(f"{name} must be less than 1; got {number}")
    return number


def check_unmasked(name: str, value: Any) -> None:
    """Raise ValueError if an array has masked entries: what lies behind the mask would be used as if it were data."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(
            f"{name} must hold no masked entries; got {int(np.sum(value.mask))}: leave those out, or fill them with "
            f"{name}.filled(value)"
        )


def numbers(name: str, value: Any) -> Array:
    """Return `value` as an array of numbers of whatever dtype, or raise TypeError; ValueError for ragged lists.

    Masked entries are refused.
    """
    check_unmasked(name, value)
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be an array; got rows of different lengths") from None
    except Exception as error:  # of foreign arrays, such as a tensor that requires a gradient
        raise TypeError(f"{name} must be an array of numbers; got {type(value).__name__}: {error}") from None
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name} must hold numbers; got {no_number(name, value, array)}")
    return array


def as_array(name: str, value: Any, ndim: int | None = None, finite: bool = True) -> Array:
    """Convert to a finite float64 array; complex128 passes through, for complex-step checks.

    Integers, booleans and lower floating precisions are widened to float64. With finite=False the caller checks that
    entries are finite.

    Raises
    ------
    TypeError
        If the entries are not numbers.
    ValueError
        If the number of dimensions is not `ndim`, or an entry is NaN or infinite (its index is named).
    """
    if type(value) is np.ndarray and value.dtype is FLOAT64:  # nearly always; small layers feel the microsecond
        array = value
    else:
        array = numbers(name, value)
        if array.dtype.kind == "c":
            array = array.astype(np.complex128, copy=False)
        else:
            array = array.astype(np.float64, copy=False)
    if ndim is not None and array.ndim != ndim:
        dimensions = "1 dimension"
        if ndim != 1:
            dimensions = f"{ndim} dimensions"
        raise ValueError(f"{name} must have {dimensions}; got shape {array.shape}")
    if finite:
        require_finite(name, array)
    return array


MANY_ENTRIES = 2**16
"""Entries from which on their sum is tried first: it allocates no array of truth values."""


def all_finite(array: Array) -> bool:
    """Whether no entry is NaN or infinite."""
    if array.size >= MANY_ENTRIES:
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(array.sum()):  # a finite sum has finite terms
                return True
    return np.count_nonzero(np.isfinite(array)) == array.size  # `all` takes three times as long for few


def require_finite(name: str, array: Array, more: str = "") -> None:
    """Raise ValueError unless all entries are finite; the first other one is named, and `more` follows."""
    if not all_finite(array):
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        entry = name
        if index:
            entry += f"[{', '.join(map(str, index))}]"
        raise ValueError(f"{name} must be finite; got {entry} = {array[index]}{more}")


def real(name: str, array: Array) -> FloatArray:
    """Return `array` if it is real, else raise TypeError: derivatives by hand take no complex numbers."""
    if array.dtype is not FLOAT64 and np.iscomplexobj(array):
        raise TypeError(f"{name} must be real numbers; got dtype {array.dtype}")
    return array


def check_type(name: str, value: object, kind: type) -> None:
    """Raise TypeError unless `value` is of the class `kind`; a class itself in place of an object is told as such."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise TypeError(f"{name} must be {article} {kind.__name__}; got {came(value, kind)}")


def as_generator(name: str, value: Any) -> np.random.Generator:
    """Return ``numpy.random.default_rng(value)``, but refuse None, for which the numbers differ each time."""
    with suppress(TypeError, ValueError):
        if value is not None and not isinstance(value, bool):
            return np.random.default_rng(value)
    raise TypeError(f"{name} must be a numpy.random.Generator or a seed of one; got {short(value)}")


def is_sequence(value: object) -> bool:
    """Whether `value` is a list, a tuple, an array with an axis or the like, but no text."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str)


def check_sequence(name: str, value: Any, items: str) -> Any:
    """Return `value` if it is a sequence, see `is_sequence`; messages say that it holds `items`."""
    if not is_sequence(value):
        raise TypeError(f"{name} must be a sequence of {items}; got {short(value)}")
    return value


def as_vector(name: str, value: Any, size: int, finite: bool = True) -> Array:
    """Convert to a vector of `size` entries, finite unless finite=False."""
    array = as_array(name, value, ndim=1, finite=finite)
    if array.size != size:
        raise ValueError(f"{name} must have length {size}; got length {array.size}")
    return array


def require_not_negative(name: str, array: Array) -> None:
    """Raise ValueError, naming the first, if a vector of real numbers has negative entries."""
    if (array < 0).any():
        first = int(np.argmax(array < 0))
        raise ValueError(f"{name} must not be negative; got {name}[{first}] = {array[first]}")


def as_samples(name: str, value: Any, columns: int, finite: bool = True) -> Array:
    """Convert to samples of shape (N, columns), finite unless finite=False; N = 0 is allowed."""
    array = as_columns(name, value, columns)
    if finite:
        require_finite_rows(name, array)
    if array.shape[1] != columns:
        raise ValueError(f"{name} must have shape (N, {columns}); got {array.shape}")
    return array


def require_finite_rows(name: str, array: Array) -> None:
    """Raise ValueError unless all rows are finite; name the first bad entry, and how many rows to leave out."""
    if not all_finite(array):
        whole = np.isfinite(array).all(axis=1)
        require_finite(name, array, f": leave out the {np.sum(~whole)} of {whole.size} rows that are not finite")


def as_columns(name: str, value: Any, columns: int | None = None) -> Array:
    """Convert to an array of two dimensions, whose entries the caller checks.

    The message on one dimension names the remedy: a row, if there are several `columns` and as many numbers, or a
    column.
    """
    array = as_array(name, value, finite=False)
    if array.ndim != 2:
        remedy = ""
        if array.ndim == 1:
            remedy = f": one column is {name}[:, None]"
        if array.ndim == 1 and columns == array.size > 1:
            remedy = f": one row is {name}[None]"
        raise ValueError(f"{name} must have 2 dimensions; got shape {array.shape}{remedy}")
    return array


def check_target(name: str, target: object, shape: tuple[int, ...], complex_values: bool = False) -> None:
    """Raise unless an array of exactly `shape` can be written into: float64, or complex128 for complex values.

    Compiled loops check neither bounds, nor the dtype, nor whether the array may be written to. This check comes
    before any of them writes.
    """
    if not isinstance(target, np.ndarray):
        raise TypeError(f"{name} must be an array to write into; got {type(target).__name__}")
    wanted: list[np.dtype[Any]] = [np.dtype(np.complex128)]
    if not complex_values:
        wanted.insert(0, FLOAT64)
    if target.dtype not in wanted:
        raise TypeError(f"{name} must be an array of dtype {wanted[0]} to write into; got dtype {target.dtype}")
    if target.shape != shape:
        raise ValueError(f"{name} must have shape {shape}; got {target.shape}")
    if not (target.flags.writeable and target.flags.aligned):
        raise ValueError(f"{name} must be an array that can be written to; got a read-only or misaligned one")


def as_shape(name: str, value: Any, shape: tuple[int, ...], finite: bool = True) -> Array:
    """Convert to an array of exactly `shape`, of finite numbers unless finite=False."""
    array = as_array(name, value, finite=finite)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}; got {array.shape}")
    return array


EXACT_KINDS = {"b": 8, "i": 4, "u": 4, "f": 8}
"""Bytes of the largest numbers of each kind of NumPy that float64 always holds."""


def require_floats(name: str, value: Any) -> None:
    """Raise ValueError if `value` holds a number that float64 would round, such as 2**53 + 1 or a long double.

    A proof about the rounded numbers would be one about others than were given.

    Examples
    --------
    >>> require_floats("x", [2**53, 0.1])
    >>> require_floats("x", [2**53 + 1, 0.1])
    Traceback (most recent call last):
    ...
    ValueError: x must hold floats as they are; got 9007199254740993, and the nearest float is 9007199254740992.0
    """
    if not isinstance(value, list | tuple):
        value = np.asarray(value)
        if value.dtype.itemsize <= EXACT_KINDS.get(value.dtype.kind, 0):
            return
    for number in np.asarray(value, dtype=object).ravel().tolist():
        if isinstance(number, float | complex | bool):
            continue
        nearest_float = float(number)
        exact = int(number) if isinstance(number, np.integer) else number
        if exact != nearest_float:
            raise ValueError(
                f"{name} must hold floats as they are; got {number!s}, and the nearest float is {nearest_float!r}"
            )
