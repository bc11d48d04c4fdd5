"""Finding the claim files without importing them, and what each answers."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from validation.ledger import Row


@dataclass(frozen=True)
class ClaimFile:
    """A file that answers rows of the ledger.

    Attributes
    ----------
    name
        The name of its module within the package.
    path
        Where it is.
    ids
        The rows it answers: its CLAIMS, as far as the ledger knows them.
    problem
        Why it cannot be run; empty if it can.
    """

    name: str
    path: Path
    ids: tuple[str, ...]
    problem: str = ""


def discover(folder: Path, ledger: Iterable[Row]) -> list[ClaimFile]:
    """Return the files of `folder` that assign CLAIMS, in the order of their first row in the ledger.

    CLAIMS is read from the syntax tree, so that a file that fails on import still answers for its rows (with
    an error). An unknown row, a row that an earlier file (by name) answers, and a file that cannot be parsed
    are problems of the file and do not stop the others.
    """
    position = {row.id: index for index, row in enumerate(ledger)}
    owner: dict[str, str] = {}
    files = []
    for path in sorted(folder.glob("*.py")):
        try:
            claims = _claims(ast.parse(path.read_bytes()))
        except (SyntaxError, ValueError) as error:
            files.append(ClaimFile(path.stem, path, (), f"{path.name} cannot be read: {error}"))
            continue
        if claims is None:
            continue
        unknown = [id for id in claims if id not in position]
        taken = [f"{id} ({owner[id]})" for id in claims if id in owner]
        problem = ""
        if unknown:
            problem = f"CLAIMS must name rows of the ledger; got {', '.join(unknown)}"
        elif taken:
            problem = f"CLAIMS must name rows that no other file answers; got {', '.join(taken)}"
        elif not claims:
            problem = "CLAIMS must name at least one row"
        ids = tuple(id for id in dict.fromkeys(claims) if id in position and id not in owner)
        owner.update(dict.fromkeys(ids, path.stem))
        files.append(ClaimFile(path.stem, path, ids, problem))
    return sorted(files, key=lambda file: min((position[id] for id in file.ids), default=len(position)))


def _claims(tree: ast.Module) -> list[str] | None:
    """Return the value of the module's CLAIMS, None if it has none; ValueError unless literal strings."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == "CLAIMS" for target in targets):
            claims = ast.literal_eval(value)
            if not isinstance(claims, tuple | list) or not all(isinstance(id, str) for id in claims):
                raise ValueError(f"CLAIMS must be a literal tuple of row ids; got {claims!r}")
            return list(claims)
    return None
