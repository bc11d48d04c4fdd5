"""Finding the claim files without importing them: what each answers, and the sources it depends on."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
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


def sources_digest(file: ClaimFile, library: Path) -> str:
    """Return the SHA-256 of every source that a claim file's result can depend on.

    These are all of `library` (the package under test) and the claim file with what it imports, directly or
    not, from its own package: so that a change to one claim does not void the results of the others.
    """
    sources = {*library.rglob("*.py"), *imported([file.path], file.path.parent)}
    return digest_of(sources, library.parent, file.path.parent.parent)


def digest_of(sources: Iterable[Path], *roots: Path) -> str:
    """Return the SHA-256 of files, by their names relative to the first of the `roots` that holds them."""
    digest = hashlib.sha256()
    for name, path in sorted((_relative(path, *roots), path) for path in sources):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _relative(path: Path, *roots: Path) -> str:
    for root in roots:
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.name


def imported(paths: Iterable[Path], folder: Path) -> set[Path]:
    """Return files and those of their package `folder` that they import, transitively."""
    found: set[Path] = set()
    waiting = list(paths)
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(_direct_imports(current, folder))
    return found


def _direct_imports(path: Path, folder: Path) -> Iterator[Path]:
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # running the claim will report where
        return
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = [folder.name, *path.relative_to(folder).parent.parts]
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            # Each name may be a module of the package `module` or an object of the module.
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] != folder.name:
                continue
            for depth in range(1, len(parts) + 1):  # importing a.b.c runs a/__init__, a/b/__init__ as well
                place = folder.joinpath(*parts[1:depth])
                candidates = (place / "__init__.py", place.with_suffix(".py"))
                yield from (candidate for candidate in candidates if candidate.is_file())
