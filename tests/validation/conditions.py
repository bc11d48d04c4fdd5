"""Conditions of criteria as calls: each can be turned, to see whether a made-up measurement depends on it alone."""

import ast
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np

from tests.shared.draws import names_in


class Marked(ast.NodeTransformer):
    """Replace each condition by a call: comparisons, operands of `and` and `or`, and what `all` and `any` take."""

    def __init__(self) -> None:
        self.function = ""
        self.count = 0

    def asked(self, node: ast.expr) -> ast.expr:
        self.count += 1
        site = ast.Constant(f"{self.function}: {ast.unparse(node)} ({self.count})")
        return ast.Call(ast.Name("ask_condition", ast.Load()), [site, node], [])

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        text = ast.unparse(node)
        self.generic_visit(node)
        made = self.asked(node)
        made.args[0] = ast.Constant(f"{self.function}: {text} ({self.count})")
        return made

    def operand(self, node: ast.expr) -> ast.expr:
        """Mark what is no comparison itself, such as a call that returns a truth value."""
        if isinstance(node, ast.Compare | ast.BoolOp):
            return self.visit(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            node.operand = self.operand(node.operand)
            return node
        return self.asked(self.generic_visit(node))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        node.values = [self.operand(value) for value in node.values]
        return node


def judging_functions(row: Any) -> list[tuple[ModuleType, str]]:
    """Return the functions of the validation that a criterion names, with their modules."""
    if row.__name__ != "<lambda>":
        return [(inspect.getmodule(row), row.__name__)]
    names = names_in(row.__code__)
    modules = [row.__globals__[name] for name in names if inspect.ismodule(row.__globals__.get(name))]
    return [(module, name) for module in modules for name in names if is_own(module, name)]


def is_own(module: ModuleType, name: str) -> bool:
    """Whether a module of the validation defines a function of this name."""
    function = vars(module).get(name)
    own = isinstance(function, FunctionType) and function.__module__ == module.__name__
    return own and module.__name__.startswith("validation.")


@contextmanager
def conditions_of(row: Any, turned: dict[str, int | None], met: dict[str, int]) -> Iterator[Any]:
    """Yield the criterion with its conditions marked; `turned`: each time (None) or the k-th; `met` counts them."""

    def ask(site: str, value: Any) -> Any:
        number = met[site] = met.get(site, -1) + 1
        if site in turned and turned[site] in (None, number):
            return ~value if isinstance(value, np.ndarray) else not value
        return value

    marked = {}
    for module, name in judging_functions(row):
        tree = ast.parse(inspect.getsource(vars(module)[name]))
        marker = Marked()
        marker.function = f"{module.__name__.removeprefix('validation.')}.{name}"
        space = vars(module) | {"ask_condition": ask}
        exec(compile(ast.fix_missing_locations(marker.visit(tree)), marker.function, "exec"), space)
        marked[module, name] = space[name]
    if row.__name__ != "<lambda>":
        yield next(iter(marked.values()))
        return
    patches = [patch.object(module, name, function) for (module, name), function in marked.items()]
    for each in patches:
        each.start()
    try:
        yield row
    finally:
        for each in reversed(patches):
            each.stop()
