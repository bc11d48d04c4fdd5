"""The sources that a result depends on: their digest is part of the key under which it is kept."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

JUDGING = ("claims/readings.py", "claims/verdicts.py")
"""Files of `refkan.claims` that verdicts depend on. The others find, keep and show."""

AROUND = ("claims", "commands")
"""Packages of the library on which no measurement depends."""

COMMAND = "cli.py"
"""A module on which none depends either."""


def sources_digest(path: Path, library: Path, verdicts: bool = True, of_library: str | None = None) -> str:
    """Return the SHA-256 of every source that the result of a file can depend on.

    These are those of `library_digest` and the file with what it imports, directly or not, from its own package: so
    that a change to one claim does not void the results of the others. With `of_library`, that digest, the library is
    not read again.
    """
    package = package_of(path)
    own = digest_of(imported([path], package), package.parent)
    return hashlib.sha256(f"{of_library or library_digest(library, verdicts)}{own}".encode()).hexdigest()


def library_digest(library: Path, verdicts: bool = True) -> str:
    """Return the SHA-256 of `library` (the package under test).

    Sources `AROUND` what is measured are left out, but with `verdicts` those that are `JUDGING` are not: results stay
    valid if only the report changes.
    """
    sources = set(library.rglob("*.py")) - {library / COMMAND}
    for name in AROUND:
        sources -= set((library / name).rglob("*.py"))
    if verdicts:
        judging = [library / name for name in JUDGING]
        sources |= {file for file in judging if file.is_file()}
    return digest_of(sources, library.parent)


def package_of(path: Path) -> Path:
    """Return the folder of the outermost package that a file belongs to, its own folder if it is in none."""
    package = path.parent
    while (package.parent / "__init__.py").is_file():
        package = package.parent
    return package


def name_below(path: Path, root: Path) -> str:
    """Return the name of a file relative to a folder; only its own name if the folder does not hold it."""
    if not path.is_relative_to(root):
        return path.name
    return path.relative_to(root).as_posix()


def digest_of(sources: Iterable[Path], root: Path) -> str:
    """Return the SHA-256 of files, by their names relative to the root, or alone where that does not hold them."""
    digest = hashlib.sha256()
    for path in sorted(sources):
        name = name_below(path, root)
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def imported(paths: Iterable[Path], folder: Path) -> set[Path]:
    """Return files and those of their package `folder` that they import, transitively."""
    imports: set[Path] = set()
    waiting = list(paths)
    while waiting:
        current = waiting.pop()
        if current not in imports:
            imports.add(current)
            waiting.extend(_direct_imports(current, folder))
    return imports


@lru_cache(maxsize=1024)
def _import_statements(source: bytes) -> tuple[tuple[int, str, tuple[str, ...]], ...]:
    """Return level, module and names of each import of a source; of ``import a.b`` no level, no module and a.b."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:  # running the claim will report where
        return ()
    statements: list[tuple[int, str, tuple[str, ...]]] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            statements.append((0, "", tuple(alias.name for alias in node.names)))
        if isinstance(node, ast.ImportFrom):
            statements.append((node.level, node.module or "", tuple(alias.name for alias in node.names)))
    return tuple(statements)


def _direct_imports(path: Path, folder: Path) -> Iterator[Path]:
    """Return the modules in `folder` that a file imports: of that package, or, if it is none, by their own names."""
    package = [folder.name, *path.relative_to(folder).parent.parts]
    outermost = [] if (folder / "__init__.py").is_file() else [folder.name]
    for level, within, listed in _import_statements(path.read_bytes()):
        base = package[: len(package) - level + 1] if level else outermost
        module = [*base, *filter(None, within.split("."))]
        # Each name may be a module of the package `module` or an object of the module.
        for parts in (module, *([*module, *name.split(".")] for name in listed)):
            if not parts or parts[0] != folder.name:
                continue
            for depth in range(1, len(parts) + 1):  # importing a.b.c runs a/__init__, a/b/__init__ as well
                place = folder.joinpath(*parts[1:depth])
                candidates = (place / "__init__.py", place.with_name(f"{place.name}.py"))
                yield from (candidate for candidate in candidates if candidate.is_file())
