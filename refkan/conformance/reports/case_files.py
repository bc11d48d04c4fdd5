r"""Cases as files, for code in any language: `cases.npz` with all arrays and `manifest.json` that explains them.

An `.npz` is a zip archive of `.npy` files: `unzip cases.npz` makes folders of them. Results come back as one `.npz`
with an array for each case that was computed, under the key of the case, or as a folder of such `.npy` files.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np

from refkan.base.atomic_files import read_file, require_writable, write_atomically
from refkan.conformance.cases.cases import CHANGE_ROOM, SEED, VERSION, Case, Setting
from refkan.conformance.cases.catalogue import catalogue
from refkan.conformance.cases.specs import CONVENTIONS, attribute
from refkan.conformance.cases.truths.precision import DTYPES, EPS
from refkan.conformance.cases.truths.refined_layers import fine_knots
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Evidence, Finding, compare
from refkan.conformance.judging.hint_search import HintSearch

ARRAYS, MANIFEST = "cases.npz", "manifest.json"


class CaseFileError(Exception):
    """Files that cannot be used; the message says what to do."""


def portable(cases: Sequence[Case]) -> list[Case]:
    """Return the cases that need nothing but arrays: no runs to repeat, no state but for exact refinement."""
    return [
        case
        for case in cases
        if case.quantity != "repeatability" and (case.setting.change is None or case.quantity == "refinement")
    ]


def export(folder: Path, cases: Sequence[Case], version: int = VERSION) -> int:
    """Write cases of a version to a folder, the manifest last; return how many.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    require_writable(folder)
    arrays: dict[str, Any] = {}
    rows = []
    for case in portable(cases):
        rows.append(_row(case, arrays))
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    content = stream.getvalue()
    manifest: dict[str, Any] = {
        "version": version,
        "seed": SEED[0],
        "conventions": CONVENTIONS,
        "formats": {
            name: f"spacing at 1 is {EPS[name]!r}; all arrays are stored as float64, and the inputs of a {name} case "
            "hold numbers of that format: compute in it"
            for name in DTYPES
        },
        "tolerances": "absolute, entry by entry: eps (C_d M_d + 4 L M_{d+1} + T_d + K_d) summed with absolute "
        "coefficients and cotangents, C_d = 5 r (1 + d), plus the number of terms times eps: see "
        "refkan.conformance.cases.truths.tolerances. "
        f"Refined coefficients: {CHANGE_ROOM} eps max|C|",
        "oracles": {
            "exact": "expected values are exact rationals, rounded once to float64",
            "float64": "expected values are computed in float64; their error is below the float64 tolerance",
        },
        "files": f"{ARRAYS} is a zip archive: 'unzip {ARRAYS}' makes a file NAME.npy of each array named here. A file "
        "is 6 bytes \\x93NUMPY, 2 bytes of version, the length of a header (2 bytes, little endian), the header in "
        "ASCII with the shape, padded by spaces to a multiple of 64 bytes and ending in a newline, then little-endian "
        "float64 in C order",
        "results": "write an array of the given shape for each case computed, named by its key: one .npz, or a folder "
        "in which KEY.npy holds it",
        "cases": rows,
    }
    manifest["sha256"] = {ARRAYS: _sha256(content), MANIFEST: _digest_of(manifest)}
    write_atomically(folder / ARRAYS, content)
    write_atomically(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode("utf-8"))
    return len(rows)


def _row(case: Case, arrays: dict[str, Any]) -> dict[str, Any]:
    s = case.setting
    names = _put_setting(s, arrays)
    used = names.keys() - {"dy", "direction"}
    if case.quantity == "refinement":
        assert s.change is not None
        used -= {"x"}
        names["fine_knots"] = f"{s.name}/fine_knots"
        arrays[names["fine_knots"]] = fine_knots(s.spec, s.change.intervals)
        used.add("fine_knots")
    if case.quantity.endswith("-gradients") or case.quantity == "second-derivatives":
        used.add("dy")
    if case.quantity == "second-derivatives":
        used.add("direction")
    arrays[f"{case.key}/expected"], arrays[f"{case.key}/tolerance"] = case.expected, case.tolerance
    return {
        "key": case.key,
        "quantity": case.quantity,
        "shape": list(case.expected.shape),
        "dtype": s.dtype,
        "layers": len(s.specs),
        "order": s.spec.order,
        "degree": s.spec.degree,
        "knots": s.spec.kind,
        "outside": s.spec.outside,
        "region": s.region,
        "oracle": s.oracle,
        "inputs": {name: names[name] for name in sorted(used)},
        "expected": f"{case.key}/expected",
        "tolerance": f"{case.key}/tolerance",
    }


def _put_setting(s: Setting, arrays: dict[str, Any]) -> dict[str, str]:
    """Store the arrays of a setting; return their names by what they are."""
    parts = {"x": s.x, "dy": s.dy, "direction": s.direction}
    for k, spec in enumerate(s.specs):
        number = "" if len(s.specs) == 1 else str(k)
        parts |= {f"knots{number}": spec.knots, f"coefficients{number}": spec.coefficients}
        parts |= {f"{attribute(part)}{number}": spec.part(part) for part in spec.parts}
    names = {name: f"{s.name}/{name}" for name in parts}
    for name, array in parts.items():
        arrays[names[name]] = array
    return names


def check(folder: Path, results: Path) -> list[Finding]:
    """Judge results against exported cases.

    Raises
    ------
    CaseFileError
        If the cases are of another version or were altered, or a file cannot be read.
    """
    manifest = _manifest(folder)
    rows = manifest["cases"]
    truth = _arrays(folder / ARRAYS)
    cases = {case.key: case for case in catalogue(version=manifest["version"])}
    given = _folder(results) if results.is_dir() else _arrays(results)
    keys = [row["key"] for row in rows]
    out: list[Finding] = []
    search = HintSearch()
    for name in given:
        if name not in set(keys):
            near = get_close_matches(name, keys, 1)
            guess = f"; did you mean {near[0]!r}?" if near else ""
            out.append(Finding(name, "results", f.ERROR, f"no case has this key{guess}"))
    for row in rows:
        key = row["key"]
        if key not in given:
            out.append(Finding.of(cases[key], f.NOT_APPLICABLE, "not in the results"))
            continue
        case = cases[key]
        case.__dict__["expected"], case.__dict__["tolerance"] = truth[row["expected"]], truth[row["tolerance"]]
        out.append(_judge(case, given[key], search))
    return out


def _judge(case: Case, given: Any, search: HintSearch) -> Finding:
    if given.dtype.kind not in "biuf":
        return Finding.of(case, f.ERROR, f"must hold real numbers; got dtype {given.dtype}")
    theirs = given.astype(np.float64)
    if theirs.shape != case.expected.shape:
        text = f"must have shape {case.expected.shape}; got {theirs.shape}"
        return Finding.of(case, f.ERROR, text)
    with np.errstate(all="ignore"):  # of numbers beyond any range
        finding = compare(case, theirs)
        if finding.status == f.PASSED or case.quantity == "refinement":
            return finding
        return search.add(finding, Evidence(case, theirs))


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    again = f": write the cases again: refkan cases export {folder}"
    content = _content(path, again)
    try:
        manifest: dict[str, Any] = json.loads(content)
        version, digests = manifest["version"], dict(manifest["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise CaseFileError(f"{path} is no manifest ({error}){again}") from error
    if version not in range(1, VERSION + 1):
        raise CaseFileError(f"{path} holds cases of version {version}; this refkan judges 1 to {VERSION}{again}")
    for name, digest in ((MANIFEST, _digest_of(manifest)), (ARRAYS, _sha256(_content(folder / ARRAYS, again)))):
        if digests.pop(name, None) != digest:
            raise CaseFileError(f"{folder / name} does not match the hash in {MANIFEST}: it was altered{again}")
    if digests:
        raise CaseFileError(f"{path} names files that are none of the cases: {', '.join(map(repr, digests))}{again}")
    return manifest


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_of(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 of a manifest without its hashes, as JSON with sorted keys."""
    rest = {name: value for name, value in manifest.items() if name != "sha256"}
    return _sha256(json.dumps(rest, sort_keys=True).encode("ascii"))


def version_in(folder: Path) -> int:
    """The version of the cases in a folder."""
    return int(_manifest(folder)["version"])


def _folder(path: Path) -> dict[str, Any]:
    """Arrays of a folder by their paths in it."""
    found = {}
    for file in sorted(path.rglob("*.npy")):
        content = io.BytesIO(_content(file))
        try:
            found[file.relative_to(path).with_suffix("").as_posix()] = np.load(content, allow_pickle=False)
        except Exception as error:  # of numpy, whatever the damage is
            raise CaseFileError(f"{file} is not an .npy file of plain numbers ({error})") from error
    if not found:
        raise CaseFileError(f"{path} holds no .npy file: write one for each case, KEY.npy")
    return found


def _content(path: Path, remedy: str = "") -> bytes:
    """What a file holds; CaseFileError where it cannot be read."""
    try:
        return read_file(path)
    except FileNotFoundError as error:
        raise CaseFileError(f"{path} does not exist{remedy}") from error
    except OSError as error:
        raise CaseFileError(f"{path} cannot be read ({error.strerror}){remedy}") from error


def _arrays(path: Path) -> dict[str, Any]:
    content = io.BytesIO(_content(path))
    if not is_zipfile(content):  # NumPy would speak of pickles
        raise CaseFileError(f"{path} is not an .npz of plain arrays: save with numpy.savez")
    try:
        with np.load(content, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # of zipfile, zlib or numpy, whatever the damage is
        raise CaseFileError(f"{path} is not an .npz of plain arrays ({error}): save with numpy.savez") from error
