"""Folders of cases that any language reads without a library: text with a record a line, and plain numbers."""

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np

from refkan.base import Array, FloatArray, Frozen
from refkan.base.atomic_files import read_file, require_writable, write_atomically
from refkan.conformance.cases.cases import CHANGE_ROOM, VERSION, Case, Setting
from refkan.conformance.cases.specs import CONVENTIONS, attribute
from refkan.conformance.cases.truths.layers_compared import fine_knots
from refkan.conformance.cases.truths.precision import DTYPES, EPS

FILES = ("arrays.f64", "arrays.txt", "cases.txt", "probes.txt", "declared.txt", "README.txt")
NUMBERS, INDEX, CASES, PROBES, DECLARED, README = FILES
SUMS = "SHA256SUMS"
TITLE = "refkan cases, version "

FORMAT = """arrays.f64
    All arrays one after another, little-endian float64 in C order; no header.
arrays.txt
    A line for each array: NAME OFFSET NDIM SIZE_1 .. SIZE_NDIM, the offset in numbers.
cases.txt
    A line for each case: KEY QUANTITY DTYPE LAYERS ORDER KNOTS OUTSIDE. Its arrays are KEY/expected and KEY/tolerance,
    and those of its setting, which is KEY without the quantity: SETTING/x, SETTING/dy, SETTING/direction,
    SETTING/knots, SETTING/coefficients and parts beside them; of networks SETTING/knots0, SETTING/knots1, ...
probes.txt
    The same for questions without an answer, by which a layer is identified.
declared.txt
    A line NAME=VALUE for each capability that the cases were chosen by; empty if all are here.
README.txt
    The version in the first line, then the conventions.
SHA256SUMS
    What sha256sum --check reads: the hash of each of these files, which is compared on reading.

No name has a blank in it. Results come back in such a folder with arrays.txt and arrays.f64 alone, arrays
named by the keys of cases, or in an .npz.
"""


class CaseFolder(Frozen):
    """What a folder holds: version and keys of the cases, format and knots of each probe, what was declared, arrays."""

    version: int
    keys: list[str]
    probes: dict[str, tuple[str, str]]
    declared: list[str]
    arrays: dict[str, FloatArray]


class CaseFileError(ValueError):
    """Files that cannot be used; the message says what to do."""


def portable(cases: Sequence[Case]) -> list[Case]:
    """Return the cases that need nothing but arrays: no way of calling, and no state but for exact refinement."""
    return [
        case
        for case in cases
        if case.quantity != "repeatability"
        and not case.setting.manner
        and not case.setting.overflow
        and (case.setting.change is None or case.quantity == "refinement")
    ]


def export(
    folder: Path, cases: Sequence[Case], version: int = VERSION, probes: Sequence[Case] = (),
    declared: Sequence[str] = (),
) -> int:  # fmt: skip
    """Write cases of a version, probes, and what was declared, to a folder, the hashes last; return how many cases.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    require_writable(folder)
    arrays: dict[str, FloatArray] = {}
    chosen = portable(cases)
    for case in chosen:
        arrays |= _inputs(case.setting)
        if case.quantity == "refinement":
            assert case.setting.change is not None
            arrays[f"{case.setting.name}/fine_knots"] = fine_knots(case.setting.spec, case.setting.change.intervals)
        arrays |= {f"{case.key}/expected": case.expected, f"{case.key}/tolerance": case.tolerance}
    for probe in probes:
        arrays |= _inputs(probe.setting)
    contents = {
        **numbered(arrays),
        CASES: _table(map(_row, chosen)),
        PROBES: _table(map(_row, probes)),
        DECLARED: _table((line,) for line in declared),
        README: _readme(version),
    }
    for name, content in contents.items():
        write_atomically(folder / name, content)
    sums = "".join(f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in FILES)
    write_atomically(folder / SUMS, sums.encode("ascii"))
    return len(chosen)


def numbered(arrays: Mapping[str, Array]) -> dict[str, bytes]:
    """Return arrays as the contents of the two files that hold them."""
    rows, offset = [], 0
    for name, array in arrays.items():
        rows.append((name, offset, array.ndim, *array.shape))
        offset += array.size
    numbers = b"".join(np.ascontiguousarray(array, "<f8").tobytes() for array in arrays.values())
    return {NUMBERS: numbers, INDEX: _table(rows)}


def _table(rows: Any) -> bytes:
    return "".join(" ".join(map(str, row)) + "\n" for row in rows).encode("ascii")


def _row(case: Case) -> tuple[Any, ...]:
    s = case.setting
    return case.key, case.quantity, s.dtype, len(s.specs), s.spec.order, s.spec.kind, s.spec.outside


def _inputs(s: Setting) -> dict[str, FloatArray]:
    """The arrays of a setting by their names."""
    arrays = {"x": s.x, "dy": s.dy, "direction": s.direction}
    for k, spec in enumerate(s.specs):
        number = "" if len(s.specs) == 1 else str(k)
        arrays |= {f"knots{number}": spec.knots, f"coefficients{number}": spec.coefficients}
        arrays |= {f"{attribute(part)}{number}": spec.part(part) for part in spec.parts}
    return {f"{s.name}/{name}": array for name, array in arrays.items()}


def _readme(version: int) -> bytes:
    formats = "; ".join(f"{name} {EPS[name]!r}" for name in DTYPES)
    parts = [
        f"{TITLE}{version}",
        *(f"{name}: {text}" for name, text in CONVENTIONS.items()),
        f"Formats, with the spacing at 1: {formats}. All arrays are float64; those of a case hold numbers of its "
        "format, in which it is to be computed.",
        "Expected values are exact rationals rounded once, or computed in float64 with an error below the tolerance. "
        "A result is right if |result - expected| <= tolerance in each entry; refined coefficients are allowed "
        f"{CHANGE_ROOM} eps max|C|.",
        FORMAT,
    ]
    return ("\n\n".join(parts).rstrip() + "\n").encode("ascii")


def read_cases(folder: Path) -> CaseFolder:
    """Return what a folder of cases holds.

    Raises
    ------
    CaseFileError
        If the cases are of another version or were altered, or a file cannot be read.
    """
    again = f": write the cases again: refkan cases export {folder}"
    sums: dict[str, str] = {}
    for line in _content(folder / SUMS, again).decode("ascii", "replace").splitlines():
        digest, _, name = line.partition("  ")
        sums[name] = digest
    if other := sums.keys() ^ set(FILES):
        raise CaseFileError(f"{folder / SUMS} must name {', '.join(FILES)}; it differs in {', '.join(other)}{again}")
    contents = {name: _content(folder / name, again) for name in FILES}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != sums[name]:
            raise CaseFileError(f"{folder / name} does not match its hash in {SUMS}: it was altered{again}")
    told = contents[README].decode("ascii").partition("\n")[0].removeprefix(TITLE)
    if told not in map(str, range(1, VERSION + 1)):
        raise CaseFileError(f"{folder} holds cases of version {told}; this refkan judges 1 to {VERSION}{again}")
    keys = [line.split()[0] for line in contents[CASES].decode("ascii").splitlines()]
    probes = {}
    for line in contents[PROBES].decode("ascii").splitlines():
        key, _, dtype, _, _, kind, _ = line.split()
        probes[key] = dtype, kind
    declared = contents[DECLARED].decode("ascii").splitlines()
    return CaseFolder(int(told), keys, probes, declared, _arrays(folder, lambda name: contents[name]))


def read_results(path: Path) -> dict[str, Array]:
    """Return the arrays of a folder of results, or of an .npz, by their names.

    Raises
    ------
    CaseFileError
        If it is neither.
    """
    if path.is_dir():
        return dict(_arrays(path, lambda name: _content(path / name)))
    content = io.BytesIO(_content(path))
    if not is_zipfile(content):  # NumPy would speak of pickles
        raise CaseFileError(f"{path} is not an .npz of plain arrays: save with numpy.savez")
    try:
        with np.load(content, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # of zipfile, zlib or numpy, whatever the damage is
        raise CaseFileError(f"{path} is not an .npz of plain arrays ({error}): save with numpy.savez") from error


def _arrays(folder: Path, content: Callable[[str], bytes]) -> dict[str, FloatArray]:
    index, numbers = content(INDEX).decode("ascii", "replace").splitlines(), content(NUMBERS)
    arrays = {}
    for number, line in enumerate(index, 1):
        try:
            name, *told = line.split()
            offset, ndim, *shape = map(int, told)
            if len(shape) != ndim or min(offset, *shape, 0) < 0:
                raise ValueError(f"NDIM is {ndim}, and {len(shape)} sizes follow")
            size = int(np.prod(shape, dtype=int))
            array = np.frombuffer(numbers, "<f8", size, 8 * offset) if size else np.zeros(0)
        except ValueError as error:
            raise CaseFileError(
                f"line {number} of {folder / INDEX} must be NAME OFFSET NDIM SIZES, all of it in {NUMBERS}; got "
                f"{line!r} ({error})"
            ) from error
        arrays[name] = array.reshape(shape).astype(np.float64)
    return arrays


def _content(path: Path, remedy: str = "") -> bytes:
    """What a file holds; CaseFileError where it cannot be read."""
    try:
        return read_file(path)
    except FileNotFoundError as error:
        raise CaseFileError(f"{path} does not exist{remedy}") from error
    except OSError as error:
        raise CaseFileError(f"{path} cannot be read ({error.strerror}){remedy}") from error
