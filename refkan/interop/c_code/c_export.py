"""`export_c`: a network as a function in C, and a certificate of how far what it computes is from the network."""

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

import check_certificate
from check_certificate import Code, RejectedError
from refkan.analysis.exact.certificates.certified_network import FORMAT, fixed_constants, network_data
from refkan.analysis.exact.certificates.leaves import Leaves, cut_into_leaves
from refkan.analysis.exact.certificates.statements import hexadecimal
from refkan.analysis.exact.enclosures.boxes import posed
from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.enclosures.network_intervals import with_fixed_constants
from refkan.base import FloatArray, Frozen, Natural, check_choice, is_sequence
from refkan.base.atomic_files import write_atomically
from refkan.base.short_reprs import short
from refkan.interop.c_code.code_numbers import type_named
from refkan.interop.c_code.code_tables import code_tables
from refkan.networks.network import Network

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")
"""Names of functions in C, short enough for every compiler."""

TAKEN = re.compile(
    "main|asm|auto|bool|break|case|char|const|continue|default|do|double|else|enum|extern|false|float|for|goto|if|inline|"
    "int|long|nullptr|register|restrict|return|short|signed|sizeof|static|struct|switch|true|typedef|typeof|union|"
    r"unsigned|void|volatile|while|u?int\d+_t|U?INT\d+_\w+|FLT_\w+|number|times|add|(knots|shifts|outputs|table)_\w+"
)
"""Names that C or the code itself has for something else."""


class ExportedCode(Frozen):
    """A function in C.

    Attributes
    ----------
    path, certificate : Path
        The file in C, and the JSON file that ``python -m check_certificate CERTIFICATE --code PATH`` checks.
    dtype : str
    bound : float
        At least the largest |computed - network| of all outputs and all inputs of the box that the type holds.
    leaves : int
        Parts of the box on which errors were bounded.

    Examples
    --------
    >>> from pathlib import Path
    >>> from refkan.interop.c_code.c_export import ExportedCode
    >>> ExportedCode(Path("f.c"), Path("f.json"), "float32", 1e-6, 32).bound
    1e-06
    """

    path: Path
    certificate: Path
    dtype: str
    bound: float
    leaves: int


def export_c(
    net: Network,
    theta: Any,
    box: Any,
    path: str | os.PathLike[str],
    dtype: str = "float64",
    leaves: Natural = 32,
    about: Mapping[str, Any] | None = None,
) -> ExportedCode:
    r"""Write a network as a function in C99 without dependencies, with a proven bound of its errors.

    ``NAME.c`` has the function ``int NAME(const double x[P], double y[Q])``. Inputs outside the box are moved to its
    nearest end; the function returns the number of those inputs. ``NAME.json`` is a certificate of

        |y_q - F_q(x)| <= bound    for all x of the box that the type holds,

    F the network in exact numbers at the exact floats theta. See the page "Code in C" for the proof.

    Parameters
    ----------
    net : Network
        Of splines, ReLU powers and Chebyshev polynomials, with SiLU or without it; node maps none or affine. Mean-std
        and min-max maps are those of ``net.freeze(theta)``, free knots those of ``net.with_fixed_knots(theta)``.
    theta : array (n_params,)
    box : array (P, 2)
        Least and greatest of each input.
    path : path
        Ends in ``.c``; the name before it becomes the name of the function.
    dtype : str
        "float64", "float32", or fixed point "Qm.n": integers in units of 2^-n, of m + n = 16 or 32 bits.
    leaves : int
        Parts of the box on which errors are bounded, at most: more make the bound closer, and the check longer.
    about : mapping, optional
        Entries of the certificate: "file" and "sha256" of the network, and "names" of the columns.

    Returns
    -------
    ExportedCode

    Raises
    ------
    ValueError
        For arguments that do not fit, networks of other parts, and numbers that may overflow the type.
    OSError
        If a file cannot be written.

    Examples
    --------
    >>> import tempfile, refkan as rk
    >>> net = rk.kan([1, 1], order=3, intervals=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     code = rk.interop.export_c(net, [0.0, 1.0, 1.0, 0.0], [[0.0, 1.0]], f"{folder}/bump.c", dtype="float32")
    ...     text = code.path.read_text()
    >>> "int bump(const float x[1], float y[1])" in text, 0 < code.bound < 2e-7
    (True, True)
    """
    _, ends = posed(export_c, locals())
    path = Path(path)
    if path.suffix != ".c" or not NAME.fullmatch(path.stem):
        raise ValueError(
            "path must be the name of a function in C, at most 31 letters, digits and _, and end in .c, as 'model.c'; "
            f"got {path.name!r}"
        )
    if TAKEN.fullmatch(path.stem):
        raise ValueError(f"path must not be a name that the language or the code needs; got {path.name!r}")
    beside = path.with_suffix(".json")
    _check_places(path, beside)
    _check_about(about or {}, net)
    fixed, parameters = with_fixed_constants(net, theta)
    data = network_data(fixed, parameters)
    try:
        statement, found = code_statement(data, ends, path.stem, dtype, leaves)
    except RejectedError as error:
        raise ValueError(f"net cannot be written in C with a proven bound on this box: {error}") from None
    P, Q = net.widths[0], net.widths[-1]
    constants, given = fixed_constants(net, fixed), None
    statement["network"] = "given"
    if constants:
        statement["network"] = "fixed"
        given = {"constants": constants, "statements": []}
    names = [f"x{p + 1}" for p in range(P)] + [f"y{q + 1}" for q in range(Q)]
    certificate = {
        "format": FORMAT,
        "network": data,
        "box": hexadecimal(ends),
        "samples": None,
        "statements": [statement],
        "unproven": [],
        "given": given,
        "about": {"file": path.name, "sha256": None, "network": str(net), "names": names} | dict(about or {}),
    }
    text = check_certificate.Certificate(json.dumps(certificate)).code(statement).text()
    statement["sha256"] = hashlib.sha256(text.encode("ascii")).hexdigest()
    write_atomically(beside, (json.dumps(certificate, allow_nan=False) + "\n").encode("ascii"))
    write_atomically(path, text.encode("ascii"))
    return ExportedCode(path, beside, dtype, found.high, found.parts)


def _check_places(*files: Path) -> None:
    """Raise OSError unless files can be written, before anything is proven."""
    for file in files:
        if not file.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "must lie in a folder that exists", str(file))
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, "must be a file, not a folder", str(file))


def _check_about(about: Mapping[str, Any], net: Network) -> None:
    """Raise ValueError or TypeError for entries that the certificate does not have, or has otherwise."""
    count = net.widths[0] + net.widths[-1]
    for key, value in about.items():
        check_choice("the keys of about", key, ("file", "sha256", "names"))
        if key == "names":
            if not (is_sequence(value) and len(value) == count and all(isinstance(name, str) for name in value)):
                raise ValueError(f"about['names'] must be {count} texts, of inputs and outputs; got {short(value)}")
        elif not isinstance(value, str):
            raise TypeError(f"about[{key!r}] must be a text; got {short(value)}")
        elif key == "sha256" and not re.fullmatch("[0-9a-f]{64}", value):
            raise ValueError(f"about['sha256'] must be 64 hexadecimal digits; got {value!r}")


def code_statement(
    data: dict[str, Any], box: FloatArray, name: str, dtype: str, leaves: int
) -> tuple[dict[str, Any], Leaves]:
    """The tables of a network, with the bound of their errors over a box and the leaves that show it."""
    network = check_certificate.Network(data)
    sides = [(Fraction(low), Fraction(high)) for low, high in box.tolist()]
    tables = code_tables(network, sides, type_named(dtype))
    statement = {"kind": "code", "network": "", "name": name, "type": dtype, "bound": hexadecimal(0.0)}
    statement |= tables | {"leaves": "", "sha256": ""}
    code = Code(statement, network, sides)
    lengths = np.where(box[:, 1] > box[:, 0], box[:, 1] - box[:, 0], 1.0)

    def bounded(parts: Intervals) -> tuple[Intervals, FloatArray]:
        """Errors over boxes, and the share of the side of the whole box that theirs have."""
        ends = np.stack([parts.lo, parts.hi], axis=2)
        errors = [max(code.errors(tuple((Fraction(a), Fraction(b)) for a, b in part))) for part in ends.tolist()]
        above = np.array([float_above(error) for error in errors])
        return Intervals(np.zeros_like(above), above), (parts.hi - parts.lo) / lengths

    knots = [np.unique([float(t) for t in row]) for row in network.layers[0].knots]
    found = cut_into_leaves(bounded, box, knots, lambda: (0.0, 0.0), leaves)
    statement |= {"bound": hexadecimal(found.high), "leaves": found.text}
    return statement, found


def float_above(x: Fraction) -> float:
    """A float that is not below a number."""
    nearest = float(x)
    if nearest < x:
        return float(np.nextafter(nearest, np.inf))
    return nearest
