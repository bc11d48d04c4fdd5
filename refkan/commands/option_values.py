"""Values of options (numbers, folders and files); errors name the option as typed."""

import argparse
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from refkan.base.atomic_files import require_writable
from refkan.base.long_runs.command_parser import count
from refkan.splines.knots import MAX_INTERVALS, MAX_ORDER

WIDEST = 100_000
"""The largest width of a layer: a layer keeps a list of its inputs, and a typing error must not fill the memory."""

MOST = 100_000_000
"""The largest number of points or samples."""

width, size, whole = partial(count, maximum=WIDEST), partial(count, maximum=MOST), partial(count, minimum=0)
order, intervals = partial(count, maximum=MAX_ORDER), partial(count, maximum=MAX_INTERVALS)
"""Types of options: widths of layers, numbers of points or samples, seeds and steps, orders, numbers of intervals."""


def text(given: str) -> str:
    """Return the value of an option unless it is empty, like a shell variable that was never set."""
    if not given:
        raise argparse.ArgumentTypeError("must not be empty; got ''")
    return given


def path(given: str) -> Path:
    """Return the value as a path; an empty one would mean the working directory."""
    return Path(text(given))


def seconds(given: str) -> float:
    """Return the value as a number of seconds, 0 or more."""
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if not 0.0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds, 0 or more; got {given!r}")
    return number


@contextmanager
def named(option: str) -> Iterator[None]:
    """Turn the system's errors about the file or folder of an option into a ValueError that names the option."""
    try:
        yield
    except OSError as error:
        raise ValueError(in_words(option, error)) from error


def check_folder(option: str, folder: Path) -> None:
    """Raise ValueError unless files can be written into the folder, which is created if need be."""
    with named(option):
        require_writable(folder)


def check_file(option: str, file: Path, others: Mapping[str, Path | None] | None = None) -> None:
    """Raise ValueError unless a file of that name can be written into an existing folder, as `numpy.save` does.

    `others` are the files that the same command reads or writes, by their options: writing over one would lose it.
    """
    if not file.parent.exists():
        raise ValueError(f"{option}: must lie in a folder that exists; got {str(file)!r}: create {str(file.parent)!r}")
    check_folder(option, file.parent)
    if file.is_dir():
        raise ValueError(f"{option}: must be a file, not a folder; got {str(file)!r}")
    for name, other in (others or {}).items():
        if other is not None and other.resolve() == file.resolve():
            raise ValueError(f"{option}: must not be the file of {name}; got {str(file)!r} for both")


def in_words(option: str, error: OSError) -> str:
    """The system's error about the file or folder of an option, in words."""
    return f"{option}: {error.strerror}; got {str(error.filename)!r}" if error.filename else f"{option}: {error}"
