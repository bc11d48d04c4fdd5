"""What functions of the validation compute: which of them measure, and how their arguments and results are known."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from inspect import signature
from numbers import Number
from types import FunctionType
from typing import Any

import numpy as np

import refkan as rk

JUDGES = re.compile(r"(^|_)(verdicts?|judged?|status(es)?|decides?|asked|holds|mutations|controls|criteri\w*)(_|$)")
"""Names of functions that judge."""

SAY = {"quick", "size", "sizes", "progress", "resume", "checkpoints"}
"""Arguments of functions that say what is run."""

SAID = "Case", "Cell", "Contestant", "Equation", "Model", "Setting", "Size", "Target"
"""Kinds of what is run."""

APART = "validation.statements", "validation.measures", "validation.panels", "validation.rationals", "validation.ledger"


def is_measured(value: Any, name: str) -> bool:
    """Whether a member of a module computes what a run is about, and does not say what is run."""
    if not getattr(value, "__module__", "").startswith("validation.") or value.__module__.startswith(APART):
        return False
    if isinstance(value, type):
        return not is_dataclass(value) and not issubclass(value, Exception)
    if not isinstance(value, FunctionType) or name == "run":
        return False
    if SAY & {*signature(value).parameters} and not JUDGES.search(name):
        return False
    returned = str(value.__annotations__.get("return"))
    return not re.search(rf"\b({'|'.join(SAID)})\b", returned)


def hashed(text: str) -> str:
    """Return a short digest."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class UnknownError(Exception):
    """What is not known by its value."""


def known(value: Any) -> Any:
    """Return a value by which an argument is known again."""
    if isinstance(value, np.ndarray):
        return value.shape, known(value.tolist()) if value.dtype == object else value.tobytes()
    if isinstance(value, Mapping):
        return tuple((known(key), known(item)) for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(map(known, value))
    if isinstance(value, FunctionType):
        cells = tuple(known(cell.cell_contents) for cell in value.__closure__ or ())
        return value.__code__, cells, known(value.__defaults__ or ())
    if isinstance(value, rk.SplineSpace):
        return value.order, known(value.knots)
    if isinstance(value, str | Number | None) or type(value).__module__.startswith("flint"):
        return type(value), str(value)
    raise UnknownError
