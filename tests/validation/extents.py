"""What claim files run, quickly and in full, and their constants: ``python -m tests.validation.extents`` writes both.

Nothing is measured. A run is followed through what says what is run: functions that are told its size, its progress or
its parts, and those that return networks, cases and the like. All others are noted with their arguments, and return a
number that is not known; where that cannot be gone on with, the extent ends, and says where. Of grids the cells are
noted.
"""

import ast
import hashlib
import inspect
import json
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import is_dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np

import refkan as rk
import validation
from refkan import exact
from refkan.claims import Cell
from refkan.claims.cells import Grid
from refkan.claims.running.discovery import discover
from refkan.claims.running.kept_parts import Resume
from tests.validation.conditions import JUDGES, files, name_of
from validation.descent.kernels.kernels_of_both_bases import Case
from validation.equations import pde_runs
from validation.ledger import LEDGER

TABLE = Path(__file__).with_name("extents.json")
FOLDER = Path(validation.__file__).parent
FILES = {file.path.stem: file for file in discover(FOLDER, LEDGER)}

SAY = {"quick", "size", "sizes", "progress", "resume", "checkpoints"}
"""Arguments of functions that say what is run."""

SAID = "Case", "Cell", "Contestant", "Equation", "Model", "Setting", "Size", "Target"
"""Kinds of what is run."""

LIBRARY = "identify", "minimize", "spectrum"
"""Functions of the library that measure, beside all of `exact`."""

APART = "validation.statements", "validation.measures", "validation.panels", "validation.rationals", "validation.ledger"


class Unknown(float):
    """A number that was not measured; and whatever else is asked of it."""

    def __new__(cls) -> "Unknown":
        return super().__new__(cls, "nan")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: Any) -> Any:
        return self

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __ror__(self, other: Any) -> Any:
        return other

    def keys(self) -> tuple[str, ...]:
        return ()


UNKNOWN, signature = Unknown(), cache(inspect.signature)
WRITTEN = dict[int, tuple[Any, str]]()
"""What objects say, which are kept so that no other one has their place in memory."""


def told(value: Any) -> str:
    """What an argument says, for a digest."""
    if isinstance(value, Unknown):
        return "?"
    if isinstance(value, np.random.Generator):
        return str(value.bit_generator.state["state"])
    if isinstance(value, str) and value.count(" ") > 7:
        return "words"
    if isinstance(value, Path):
        return "path"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray | np.generic):
        return told(value.tolist() if value.size < 40 else (value.shape, float(value.sum(dtype=float))))
    if isinstance(value, partial):
        return told((value.func, value.args, value.keywords))
    if isinstance(value, Mapping):
        return str([(told(key), told(item)) for key, item in value.items()])
    if isinstance(value, list | tuple | set | frozenset | range):
        return str([*map(told, value)])
    if isinstance(value, FunctionType) and value.__name__ == "<lambda>":
        return f"lambda {sorted(told(each) for each in value.__code__.co_consts if isinstance(each, float | tuple))}"
    if isinstance(value, FunctionType | MethodType | type):
        return value.__qualname__
    if id(value) in WRITTEN:
        return WRITTEN[id(value)][1]
    if is_dataclass(value) or type(value).__module__.startswith("validation"):
        text = type(value).__name__ + told({name: v for name, v in vars(value).items() if name[0] != "_"})
        WRITTEN[id(value)] = value, text
        return text
    written = repr(value)
    return type(value).__name__ if " at 0x" in written else written


class Asked(Resume):
    """Notes what is asked for; parts of runs are noted with their tasks."""

    def __init__(self) -> None:
        self.calls, self.ends = list[tuple[str, dict[str, str]]](), list[str]()

    def note(self, name: str, arguments: Mapping[str, Any]) -> None:
        self.calls.append((name, {key: told(value) for key, value in arguments.items()}))

    def __call__(self, configuration: Mapping[str, Any], task: Callable[[], Any]) -> Any:
        self.note("part", {**configuration, "called": task})
        return UNKNOWN

    def cells(self, cells: list[Cell], *more: Any) -> dict[Cell, Any]:
        for cell in dict.fromkeys(cells):
            self.note("cell", {"seed": cell.seed, **dict(cell.choice)})
        raise StopIteration

    def followed(self, makes: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Follow what makes verdicts as far as that can be; what comes after it is asked all the same."""
        try:
            return makes(*args, **options)
        except StopIteration:  # of a grid no more is asked
            pass
        except Exception as error:
            called = [at for at in traceback.extract_tb(error.__traceback__) if str(FOLDER) in at.filename]
            name = next(at.name for at in reversed(called) if at.name.isidentifier())
            self.ends.append(f"until {type(error).__name__} in {name}")
        return UNKNOWN

    def verdicts(self, makes: Any) -> Any:
        """What makes verdicts is followed unless it is told what is not known: that is noted."""
        noted = self.noted(makes)

        def call(*args: Any, **options: Any) -> Any:
            unknown = "?" in told([args, options])
            return noted(*args, **options) if unknown else self.followed(makes, *args, **options)

        return call

    def noted(self, made: Any) -> Any:
        """A function, or a class, that is noted when it is called."""
        returned = getattr(made, "__annotations__", {}).get("return")
        several = [*getattr(returned, "__args__", ())] if getattr(returned, "__origin__", None) is tuple else []

        def call(*args: Any, **options: Any) -> Any:
            bound = signature(made).bind(*args, **options)
            self.note(made.__name__, bound.arguments)
            return UNKNOWN if not several or Ellipsis in several else tuple(UNKNOWN for _ in several)

        return call


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


def makes_verdicts(value: Any) -> bool:
    return isinstance(value, FunctionType) and "Verdict" in str(value.__annotations__.get("return"))


@cache
def members(module: ModuleType) -> list[tuple[str, Any, bool]]:
    """What a module has that is noted, or (False) makes verdicts."""
    made = list[tuple[str, Any, bool]]()
    for name, value in vars(module).items():
        library = isinstance(value, FunctionType) and (module is exact or name in LIBRARY)
        judges = makes_verdicts(value) and name != "run"
        if library or judges or is_measured(value, name):
            made.append((name, value, not judges))
    return made


@contextmanager
def noting(asked: Asked, grid: bool) -> Iterator[None]:
    """Note, instead of computing, what is measured by any module; of grids the cells alone."""
    noted = cache(asked.noted)
    content = patch.object(pde_runs, "fingerprint", lambda value, part: told(value))
    with patch.object(Grid, "run", asked.cells), patch.object(Case, "build", noted(Case.build)), content:
        for module in (exact, rk):
            vars(module).update({name: getattr(module, name) for name in dir(module)})
        modules = [m for name, m in [*sys.modules.items()] if name.startswith("validation.") or m in (exact, rk)]
        undone = [(module, members(module)) for module in modules if not grid]
        for module, own in undone:
            vars(module).update({name: noted(value) if kept else asked.verdicts(value) for name, value, kept in own})
        try:
            yield
        finally:
            for module, own in undone:
                vars(module).update({name: value for name, value, _ in own})


def extent(stem: str, quick: bool) -> str:
    """How often what is asked for, over how many values of its arguments; where that ends, and a digest of it all."""
    file, asked = FILES[stem].load(), Asked()
    parts = {"checkpoints": asked} if "checkpoints" in inspect.signature(file.run).parameters else {}
    with noting(asked, hasattr(file, "GRID")), np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        asked.followed(file.run, quick, **parts)
    counts, values = dict[str, int](), dict[str, dict[str, set[str]]]()
    for name, arguments in asked.calls:
        counts[name] = counts.get(name, 0) + 1
        for key, value in arguments.items():
            values.setdefault(name, {}).setdefault(key, set()).add(value)
    shown = [
        " ".join([f"{name} {count}", *(f"{key}:{len(v)}" for key, v in values.get(name, {}).items() if len(v) > 1)])
        for name, count in counts.items()
    ]
    return "; ".join([*shown, *asked.ends, hashed(repr(asked.calls))])


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


JUDGING = {name_of(file): file for file in files()}

POINTS = np.array([[0.1, 0.4], [0.7, 0.3], [0.2, 0.9]])
"""Arguments of functions of up to three variables."""


def values(constant: Any) -> Iterator[str]:
    """Values of the functions that a constant names by their formulas, such as targets."""
    if isinstance(constant, FunctionType):
        if constant.__name__ == "<lambda>" and constant.__code__.co_argcount:
            with suppress(Exception), np.errstate(all="ignore"):
                yield told(constant(*POINTS[: constant.__code__.co_argcount]))
    elif isinstance(constant, Mapping | list | tuple):
        for each in constant.values() if isinstance(constant, Mapping) else constant:
            yield from values(each)
    elif is_dataclass(constant) and not isinstance(constant, type):
        yield from values([*vars(constant).values()])


def constants(name: str) -> dict[str, str]:
    """The constants of a file that judges, large ones by a digest: sizes, bounds, and what is printed in papers."""
    module = import_module(f"validation.{name.removesuffix('.__init__')}")
    nodes = ast.parse(JUDGING[name].read_text(encoding="utf-8")).body
    assigned = [node for node in nodes if isinstance(node, ast.Assign | ast.AnnAssign)]
    names = [each for node in assigned for each in ast.walk(node) if isinstance(each, ast.Name)]
    stored = sorted({each.id for each in names if isinstance(each.ctx, ast.Store) and each.id.isupper()})
    kept = {key: vars(module)[key] for key in stored if hasattr(module, key)}
    said = {key: " ".join([told(constant), *values(constant)]) for key, constant in kept.items()}
    return {key: text if len(text) < 80 else hashed(text) for key, text in said.items()}


if __name__ == "__main__":
    for file in FILES.values():
        file.load()
    runs = {stem: [extent(stem, quick) for quick in (True, False)] for stem in sorted(FILES)}
    made = {"runs": runs, "constants": {name: constants(name) for name in JUDGING}}
    TABLE.write_text(json.dumps(made, indent=0) + "\n", encoding="utf-8")
