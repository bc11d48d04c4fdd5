"""Finding the claim files without importing them, and what each answers."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from refkan.base.plain_text import printable
from refkan.claims.rows import Row


@dataclass(frozen=True)
class ClaimFile:
    """A file that answers rows of the ledger.

    Attributes
    ----------
    path
        Where it is.
    folder
        The package that it belongs to.
    ids
        The rows it answers: its CLAIMS, as far as the ledger knows them.
    problem
        Why it cannot be run; empty if it can.
    alone
        Whether it says MEASURES_TIME = True: it runs when no other file does.
    """

    path: Path
    folder: Path
    ids: tuple[str, ...] = ()
    problem: str = ""
    alone: bool = False

    @property
    def name(self) -> str:
        """The name that records give it: that of its module, which no other file has, whatever its subject."""
        return printable(self.path.stem)

    @property
    def place(self) -> str:
        """Where it is within the package: ``subject/name``."""
        return printable(self.path.relative_to(self.folder).with_suffix("").as_posix())

    @property
    def module(self) -> str:
        """Its module within the package: ``subject.name``."""
        return self.place.replace("/", ".")


def discover(folder: Path, ledger: Iterable[Row]) -> list[ClaimFile]:
    """Return the files in `folder` and in folders of it that assign CLAIMS, by their first row in the ledger.

    CLAIMS is read from the syntax tree, so that a file that fails on import still answers for its rows (with
    an error). An unknown row, a row that an earlier file (by its path) answers, the name of an earlier file, and a
    file that cannot be parsed are problems of the file and do not stop the others.
    """
    position = {row.id: index for index, row in enumerate(ledger)}
    owner: dict[str, str] = {}
    files: list[ClaimFile] = []
    for path in sorted(folder.rglob("*.py")):
        try:
            tree = ast.parse(path.read_bytes())
            claims, alone = _claims(tree), measures_time(tree)
        except (SyntaxError, ValueError) as error:
            files.append(ClaimFile(path, folder, problem=f"{path.name} cannot be read: {error}"))
            continue
        if claims is None:
            continue
        unknown = [id for id in claims if id not in position]
        taken = [f"{id} ({owner[id]})" for id in claims if id in owner]
        namesake = next((file.place for file in files if file.name == path.stem), "")
        problem = ""
        if namesake:
            problem = f"a claim file must have a name of its own; got that of {namesake}"
        elif unknown:
            problem = f"CLAIMS must name rows of the ledger; got {', '.join(unknown)}"
        elif taken:
            problem = f"CLAIMS must name rows that no other file answers; got {', '.join(taken)}"
        elif not claims:
            problem = "CLAIMS must name at least one row"
        ids = tuple(id for id in dict.fromkeys(claims) if id in position and id not in owner)
        owner.update(dict.fromkeys(ids, path.stem))
        files.append(ClaimFile(path, folder, ids, problem, alone))
    return sorted(files, key=lambda file: min((position[id] for id in file.ids), default=len(position)))


def assigned(tree: ast.Module, name: str) -> ast.expr | None:
    """Return what a module assigns to a name at its top level, None if nothing."""
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return statement.value  # type: ignore[attr-defined]
    return None


def measures_time(tree: ast.Module) -> bool:
    """Whether a claim file says MEASURES_TIME = True; ValueError if it says anything but True or False."""
    value = assigned(tree, "MEASURES_TIME")
    said = value is not None and ast.literal_eval(value)
    if not isinstance(said, bool):
        raise ValueError(f"MEASURES_TIME must be True or False; got {said!r}")
    return said


def _claims(tree: ast.Module) -> list[str] | None:
    """Return the value of the module's CLAIMS, None if it has none; ValueError unless literal strings."""
    value = assigned(tree, "CLAIMS")
    if value is None:
        return None
    claims = ast.literal_eval(value)
    if not isinstance(claims, tuple | list) or not all(isinstance(id, str) for id in claims):
        raise ValueError(f"CLAIMS must be a literal tuple of row ids; got {claims!r}")
    return list(claims)
