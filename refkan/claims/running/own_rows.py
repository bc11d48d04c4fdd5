"""Claim files with rows of their own, for `refkan verify`: read without running them, loaded from wherever they lie."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from refkan.base.plain_text import printable
from refkan.base.source_files import new_module, run
from refkan.claims.rows import Row
from refkan.claims.running.discovery import ClaimFile, assigned, measures_time
from refkan.claims.running.ledgers import Ledger

COMMAND = "refkan verify"

FIELDS = ("id", "source", "claim", "measured", "criterion")


def ledger_of(paths: Sequence[Path]) -> Ledger:
    """Return the rows of claim files and the files, in the order given.

    ROWS is read from the syntax tree, so that a file that fails on import still answers for its rows (with an error). A
    file that cannot be read, states no rows, or reuses an id or the name of an earlier file is a problem of that file
    and does not stop the others.
    """
    rows: list[Row] = []
    files: list[ClaimFile] = []
    owner: dict[str, str] = {}
    for path in dict.fromkeys(path.resolve() for path in paths):
        problem, stated, alone = "", [], False
        try:
            tree = ast.parse(path.read_bytes())
            stated, alone = rows_of(tree), measures_time(tree)
        except (OSError, SyntaxError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            problem = f"{path.name} cannot be read: {reason}"
        names = [row.id for row in stated]
        repeated = sorted({id for id in names if names.count(id) > 1})
        taken = [f"{id} ({owner[id]})" for id in names if id in owner]
        if any(file.name == path.stem for file in files):
            problem = f"a claim file must have a name of its own; {path.name} was given twice, from two folders"
        elif repeated:
            problem = f"ids must be used once; got {', '.join(repeated)} more than once"
        elif taken:
            problem = f"ids must not be those of another file; got {', '.join(taken)}"
        new = [row for row in dict(zip(names, stated, strict=True)).values() if row.id not in owner]
        rows += new
        owner.update((row.id, path.name) for row in new)
        files.append(ClaimFile(path, path.parent, tuple(row.id for row in new), problem, alone))
    return Ledger(COMMAND, tuple(rows), tuple(files), load, command, twins=True)


def command(file: ClaimFile, id: str) -> str:
    """Return the command line that runs a file again."""
    return f"{COMMAND} {file.path.name}"


def rows_of(tree: ast.Module) -> list[Row]:
    """Return the rows that a file states: its ROWS, a tuple or list of Row(...) with literal strings.

    Raises
    ------
    ValueError
        If it states none, or in another way.
    """
    value = assigned(tree, "ROWS")
    if value is None:
        raise ValueError("it states no ROWS = (Row(id, source, claim, measured, criterion),)")
    if not isinstance(value, ast.Tuple | ast.List) or not value.elts:
        raise ValueError("ROWS must be a tuple of Row(...), at least one")
    return [_row(element) for element in value.elts]


def _row(element: ast.expr) -> Row:
    wanted = f"Row({', '.join(FIELDS)}) with literal strings"
    name = element.func if isinstance(element, ast.Call) else None
    if not isinstance(element, ast.Call) or (getattr(name, "id", "") or getattr(name, "attr", "")) != "Row":
        raise ValueError(f"ROWS must hold {wanted}; got {ast.unparse(element)}")
    try:
        given = dict(zip(FIELDS, map(ast.literal_eval, element.args), strict=False))
        given |= {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in element.keywords}
    except ValueError:
        given = {}
    goal = given.pop("goal", False)
    number = len(element.args) + sum(keyword.arg != "goal" for keyword in element.keywords)
    if sorted(given) != sorted(FIELDS) or number != len(FIELDS) or not isinstance(goal, bool):
        raise ValueError(f"a row must be {wanted}, and goal=True for a goal; got {ast.unparse(element)}")
    if not all(isinstance(text, str) and text.strip() for text in given.values()):
        raise ValueError(f"a row must be {wanted}, none empty; got {ast.unparse(element)}")
    return Row(**{name: printable(text) for name, text in given.items()}, goal=goal)


def load(file: ClaimFile) -> ModuleType:
    """Import a claim file from where it lies; modules beside it can be imported by it."""
    name = f"refkan_claim_{file.path.stem}"
    module = new_module(name, file.path)
    sys.modules[name] = module  # dataclasses look their module up
    folder = str(file.path.parent)
    sys.path.insert(0, folder)
    try:
        run(module)
    finally:
        sys.path.remove(folder)
    return module
