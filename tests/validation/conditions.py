"""Every condition by which rows are judged: enumerated from their source, and met from both sides.

The files of the validation are imported anew with each condition as a call that a case can alter: what is compared
becomes a number just below its bound, the bound itself, or one just above, and what is asked is answered otherwise.
`conditions_met` says how rows must then be judged.
"""

import ast
import operator
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_loader
from inspect import isgeneratorfunction
from math import isnan
from numbers import Number
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

import refkan as rk
import validation
from refkan.base import Frozen

HOME = Path(validation.__file__).parent
JUDGES = re.compile(r"(^|_)(verdicts?|judged?|status(es)?|decides?|asked|holds|mutations|controls|criteri\w*)(_|$)")
MAKERS = {"Verdict", "judge", "by_criterion", "estimate", "Estimate", "Reading", "Readings", "ByCells"}
MEASURES = {
    "run", "main", "answer", "answers", "measure", "runner", "equal", "centred", "injections_are_diagonal",
}  # fmt: skip
APART = {"benchmarks", "records", "grounds", "__main__.py", "sources.py", "panels.py", "ledger.py", "experiments.py"}
SYMBOLS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
SIDES = ("below", "at", "above")
MADE_UP = {f"tests.validation.{name}" for name in ("made_up", "test_made_up_verdicts", "test_exact")}
DEFINED = ast.FunctionDef, ast.Assign, ast.AnnAssign

# --- the conditions of a file


def files() -> list[Path]:
    """The files that judge."""
    return [file for file in sorted(HOME.rglob("*.py")) if not APART & {*file.relative_to(HOME).parts}]


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(HOME).with_suffix("").parts)


def names_in(node: ast.AST) -> set[str]:
    nodes = (each for each in ast.walk(node) if isinstance(each, ast.Name | ast.Attribute))
    return {each.id if isinstance(each, ast.Name) else each.attr for each in nodes}


def name_in(node: Any) -> str:
    """The name of a definition."""
    return getattr(node, "name", "") or ast.unparse(getattr(node, "targets", [getattr(node, "target", None)])[0])


def definitions(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """What a file defines, with the names by which it is told: functions, methods and constants."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{name_in(each)}", each) for each in node.body if isinstance(each, DEFINED))
        elif isinstance(node, DEFINED):
            yield name_in(node), node


@cache
def judging() -> frozenset[str]:
    """What makes verdicts, or what they rest on, and the questions that they ask: all "file:name"."""
    uses, questions, judges = dict[str, set[str]](), dict[str, list[str]](), set[str]()
    for file in files():
        for name, node in definitions(ast.parse(file.read_text(encoding="utf-8"))):
            own, place, function = name.rpartition(".")[2], f"{name_of(file)}:{name}", isinstance(node, ast.FunctionDef)
            uses[place] = names_in(node)
            if own not in MEASURES and (MAKERS & uses[place] or (function and JUDGES.search(own))):
                judges.add(place)
            elif function and own not in MEASURES and node.returns is not None and "bool" in names_in(node.returns):
                questions.setdefault(own, []).append(place)
    while more := {q for place in judges for name in uses[place] for q in questions.get(name, ())} - judges:
        judges |= more
    return frozenset(judges)


class Marked(ast.NodeTransformer):
    """The source of a file with calls in place of the conditions of what judges, and their names."""

    def __init__(self, file: Path) -> None:
        self.file, self.sites, self.by = name_of(file), list[str](), list[str]()
        self.tree = ast.parse(file.read_text(encoding="utf-8"))
        for name, node in definitions(self.tree):
            if f"{self.file}:{name}" in judging():
                self.count = self.memberships = 0
                self.by.append(name)
                self.visit(node)
        ast.fix_missing_locations(self.tree)

    def site(self, call: str, *arguments: ast.expr, parts: int = 0, number: str = "") -> ast.expr:
        self.count += not number
        site = f"{self.file}:{self.by[-1]}:{number or self.count}"
        self.sites += [f"{site}.{k}" for k in range(parts)] or [site]
        function = ast.Attribute(ast.Name("__conditions__", ast.Load()), call, ast.Load())
        return ast.Call(function, [ast.Constant(site), *arguments], [])

    def truth(self, node: ast.expr) -> ast.expr:
        """What is asked as such: comparisons and the parts of what is joined are asked themselves."""
        inner = node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) else node
        if isinstance(inner, ast.Compare | ast.BoolOp | ast.Constant | ast.NamedExpr):
            return self.visit(node)
        return self.site("asked", self.visit(node))

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if len(node.ops) == 1 and isinstance(node.ops[0], ast.In | ast.NotIn):
            self.memberships += 1
            return self.site("asked", node, number=f"in{self.memberships}")
        if not all(type(op) in SYMBOLS for op in node.ops):
            return node
        symbols = [ast.Constant(SYMBOLS[type(op)]) for op in node.ops]
        if len(symbols) == 1:
            return self.site("compared", symbols[0], node.left, node.comparators[0])
        parts = [ast.Tuple(symbols, ast.Load()), node.left, *node.comparators]
        return self.site("chained", *parts, parts=len(symbols))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        node.values = [self.truth(value) for value in node.values]
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        node.test = self.truth(node.test)
        node.body, node.orelse = self.visit(node.body), self.visit(node.orelse)
        return node

    def visit_If(self, node: ast.If) -> ast.stmt:
        node.test = self.truth(node.test)
        node.body, node.orelse = ([self.visit(each) for each in part] for part in (node.body, node.orelse))
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if ast.unparse(node.func) in ("all", "any") and len(node.args) == 1:
            (given,) = node.args
            if not isinstance(given, ast.GeneratorExp | ast.ListComp):
                node.args = [self.site("each", self.visit(given))]
                return node
            given.elt = self.truth(given.elt)
            given.generators = [self.visit(each) for each in given.generators]
            return node
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        return node if node.arg in ("measured", "details", "data", "figures") else self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        return node


@cache
def sites() -> tuple[str, ...]:
    """All conditions, by file and function."""
    return tuple(site for file in files() for site in Marked(file).sites)


# --- and how they are altered


class Alteration(Frozen):
    """What becomes of a condition the k-th time it is met, or (None) every time."""

    site: str
    k: int | None
    side: str = "turned"
    bound: float = 0.0


def numeric(value: Any) -> bool:
    if isinstance(value, bool | np.bool_ | complex):
        return False
    return isinstance(value, Number | np.number) or type(value).__name__ in ("fmpq", "fmpz", "arb")


def beside(alteration: Alteration, left: Any, right: Any) -> Any:
    """The bound of a comparison, or a number just beside what was the bound when the table was written."""
    if alteration.side == "at":
        return right
    sign, bound = 1 if alteration.side == "above" else -1, alteration.bound
    if isnan(bound):  # another one each time
        bound = float(right)
    if isinstance(left, int) and isinstance(right, int):
        return int(bound) + sign
    near = bound + sign * (abs(bound) / 1000 or 1e-9)
    if type(right).__module__.startswith("flint"):
        return import_module("flint").fmpq(*near.as_integer_ratio())
    return Fraction(near) if isinstance(right, Fraction) else near


class UnknownError(Exception):
    """What is not known by its value."""


def known(value: Any) -> Any:
    """A value by which an argument is known again."""
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


class Conditions(PathFinder, Loader):
    """Imports the files of the validation with their conditions as calls, and alters those that a case says."""

    def __init__(self) -> None:
        self.files, self.kept = {*files()}, dict[Any, Any]()
        self.uses: dict[str, set[str]] = {}
        self.outcomes: dict[Any, tuple[str, str]] = {}
        self.alter()

    def alter(self, *alterations: Alteration, keeping: bool = False) -> None:
        """Alter these from now on; what does not meet them may be kept."""
        self.alterations = {each.site: each for each in alterations}
        self.keeping, self.times, self.met = keeping, dict[str, int](), dict[str, list[Any]]()
        self.live = {each.site.split(":")[1].rpartition(".")[2] for each in alterations}
        while more := {name for name, used in self.uses.items() if used & self.live} - self.live:
            self.live |= more

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # type: ignore[override]
        spec = PathFinder.find_spec(name, path, target) if name.startswith("validation") else None
        if spec is None or Path(str(spec.origin)) not in self.files:
            return None
        return spec_from_loader(name, self, origin=spec.origin, is_package=spec.submodule_search_locations is not None)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        file = Path(str(module.__spec__.origin))  # type: ignore[union-attr]
        module.__file__, module.__dict__["__conditions__"] = str(file), self
        if hasattr(module, "__path__"):
            module.__path__ = [str(file.parent)]
        tree = Marked(file).tree
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self.uses[node.name] = self.uses.get(node.name, set()) | names_in(node)
        exec(compile(tree, str(file), "exec"), vars(module))
        for name, function in [*vars(module).items()]:
            own = isinstance(function, FunctionType) and function.__module__ == module.__name__
            if own and not isgeneratorfunction(function):
                setattr(module, name, self.keeps(function))

    def keeps(self, function: FunctionType) -> Callable[..., Any]:
        """The function, which does not compute again what it returned, unless it meets what is altered."""

        def call(*args: Any, **options: Any) -> Any:
            if not self.keeping or function.__name__ in self.live:
                return function(*args, **options)
            try:
                key = function, known(args), known(options)
            except UnknownError:
                return function(*args, **options)
            if key not in self.kept:
                self.kept[key] = function(*args, **options)
            return self.kept[key]

        for name in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__"):
            setattr(call, name, getattr(function, name))
        call.__wrapped__ = function  # type: ignore[attr-defined]
        return call

    def altered(self, site: str, *operands: Any) -> Alteration | None:
        number = self.times[site] = self.times.get(site, -1) + 1
        if not self.alterations:
            self.met.setdefault(site, []).append(operands[-1] if all(map(numeric, operands)) and operands else None)
        made = self.alterations.get(site)
        return made if made and made.k in (None, number) else None

    def asked(self, site: str, value: Any) -> Any:
        return not value if self.altered(site) else value

    def each(self, site: str, values: Any) -> Iterator[Any]:
        return (self.asked(site, value) for value in values)

    def compared(self, site: str, symbol: str, left: Any, right: Any) -> Any:
        made = self.altered(site, left, right)
        if made and made.side != "turned":
            left = beside(made, left, right)
        value = COMPARE[symbol](left, right)
        if made and made.side == "turned":
            return ~value if isinstance(value, np.ndarray) else not value
        return value

    def chained(self, site: str, symbols: Sequence[str], *values: Any) -> bool:
        pairs = enumerate(zip(symbols, values, values[1:], strict=False))
        return all(tuple(self.compared(f"{site}.{k}", *pair) for k, pair in pairs))


@contextmanager
def conditions() -> Iterator[Conditions]:
    """Import the validation anew, with conditions that can be altered, as long as this lasts."""

    def taken() -> dict[str, ModuleType]:
        names = [name for name in sys.modules if name.partition(".")[0] == "validation" or name in MADE_UP]
        return {name: sys.modules.pop(name) for name in names}

    own, made = taken(), Conditions()
    sys.meta_path.insert(0, made)
    try:
        yield made
    finally:
        sys.meta_path.remove(made)
        taken()
        sys.modules |= own
