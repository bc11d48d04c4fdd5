"""Find claim files, and the rows that each answers or states, without running them."""

import ast
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from refkan.base import source_files
from refkan.claims.rows import Row

WANTED = "ROWS = (Row(id, source, claim, measured, criterion),)"
"""The names that a user's claim file must define."""


@dataclass(frozen=True)
class ClaimFile:
    """A file that answers rows of a ledger.

    Attributes
    ----------
    path
        Where it is.
    folder
        The package that it belongs to.
    ids
        The rows it answers, as far as the ledger knows them.
    problem
        Why it cannot be run; empty if it can.
    alone
        Whether it says MEASURES_TIME = True: it runs when no other file does.
    package
        Name of the package; empty for a user's file, which defines its rows.
    """

    path: Path
    folder: Path
    ids: tuple[str, ...] = ()
    problem: str = ""
    alone: bool = False
    package: str = ""

    @property
    def name(self) -> str:
        """The name that records give it: that of its module, which no other file has, whatever its subject."""
        return self.path.stem

    @property
    def place(self) -> str:
        """Where it is within the package: ``subject/name``."""
        return self.path.relative_to(self.folder).with_suffix("").as_posix()

    def command(self, id: str) -> str:
        """Return the command line that runs a row again, to which options can be added."""
        if self.package:
            return f"python -m {self.package} {id}"
        return f"refkan verify {self.path.name}"

    def load(self) -> ModuleType:
        """Import a file of a package."""
        return importlib.import_module(f"{self.package}/{self.place}".replace("/", "."))

    @contextmanager
    def loaded(self) -> Iterator[ModuleType]:
        """Import it, from wherever it lies if it is of no package, for as long as the block runs.

        In the block a file of no package can import the modules beside it. They are forgotten at its end: another
        folder may have modules of the same names.

        Raises
        ------
        ValueError
            If the file has a problem.
        """
        if self.problem:
            raise ValueError(self.problem)
        if self.package:
            yield self.load()
            return
        before, folder = set(sys.modules), self.path.parent
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()  # modules may have been written within the last second
        name = f"refkan_claim_{self.path.stem}"
        module = source_files.new_module(name, self.path)
        try:
            sys.modules[name] = module  # dataclasses look their module up
            source_files.run(module)
            yield module
        finally:
            sys.path.remove(str(folder))
            for beside in sys.modules.keys() - before:
                if is_below(sys.modules[beside], folder):
                    del sys.modules[beside]


def is_below(module: ModuleType, folder: Path) -> bool:
    """Return whether a module was imported from a folder, or from a package in it."""
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve().is_relative_to(folder.resolve())


@dataclass(frozen=True)
class Ledger:
    """Rows with the files that answer them.

    Attributes
    ----------
    rows, files
        In the order in which they are reported and run.
    papers
        Full names of what sources abbreviate.
    recorded
        Statuses of rows at full size, beside which quick runs of experiments are told.
    grounds
        "module:function" that is called with the rows of a file before it runs, and raises if they cannot be judged.
    """

    rows: tuple[Row, ...]
    files: tuple[ClaimFile, ...]
    papers: Mapping[str, str] = field(default_factory=dict)
    recorded: Mapping[str, str] = field(default_factory=dict)
    grounds: str = ""


def discover(folder: Path, ledger: Iterable[Row]) -> list[ClaimFile]:
    """Return the files in `folder` and in folders of it that assign CLAIMS, by their first row in the ledger.

    CLAIMS is read from the syntax tree, so that a file that fails on import still answers for its rows (with an
    error). An unknown row, a row that an earlier file (by its path) answers, the name of an earlier file, and a file
    that cannot be parsed are problems of the file and do not stop the others.
    """
    known = {row.id: row for row in ledger}
    position = {id: k for k, id in enumerate(known)}

    def claims(tree: ast.Module) -> dict[str, Row | None] | None:
        value = _assigned(tree, "CLAIMS")
        if value is None:
            return None
        ids = ast.literal_eval(value)
        if not isinstance(ids, tuple | list) or not ids or not all(isinstance(id, str) for id in ids):
            raise ValueError(f"CLAIMS must be a literal tuple of row ids, at least one; got {ids!r}")
        return {id: known.get(id) for id in ids}

    _, files = _read(((path, folder) for path in sorted(folder.rglob("*.py"))), claims, folder.name)
    return sorted(files, key=lambda file: min((position[id] for id in file.ids), default=len(position)))


def ledger_of(paths: Iterable[Path]) -> Ledger:
    """Return the rows of users' claim files, and the files, in the order given.

    A file that cannot be read, whose rows another file has, or whose name, is a problem of that file.
    """
    different = dict.fromkeys(path.resolve() for path in paths)
    rows, files = _read(((path, path.parent) for path in different), _stated_rows)
    return Ledger(tuple(rows), tuple(files))


def _read(
    paths: Iterable[tuple[Path, Path]],
    stated: Callable[[ast.Module], Mapping[str, Row | None] | None],
    package: str = "",
) -> tuple[list[Row], list[ClaimFile]]:
    """Rows and files, each given with its folder; `stated` returns what a file answers, None for an unknown row."""
    rows: dict[str, Row] = {}
    owner: dict[str, str] = {}
    files: list[ClaimFile] = []
    for path, folder in paths:
        answered: Mapping[str, Row | None] | None = {}
        problem, alone = "", False
        try:
            tree = ast.parse(path.read_bytes())
            answered, alone = stated(tree), _measures_time(tree)
        except OSError as error:
            problem = f"{path.name} cannot be read: {error.strerror}"
        except (SyntaxError, ValueError) as error:
            problem = f"{path.name} cannot be read: {error}"
        if answered is None:
            continue
        namesakes = [file.place for file in files if file.name == path.stem]
        unknown = [id for id, row in answered.items() if row is None]
        taken = [f"{id} ({owner[id]})" for id in answered if id in owner]
        for wrong, requirement in (
            (namesakes, "a claim file must have a name of its own; got that of"),
            (unknown, "CLAIMS must name rows of the ledger; got"),
            (taken, "a claim file must have rows that no other file answers; got"),
        ):
            if wrong:
                problem = problem or f"{requirement} {', '.join(wrong)}"
        new = {id: row for id, row in answered.items() if row is not None and id not in owner}
        rows |= new
        owner |= dict.fromkeys(new, path.stem)
        files.append(ClaimFile(path, folder, tuple(new), problem, alone, package))
    return list(rows.values()), files


def _assigned(tree: ast.Module, name: str) -> ast.expr | None:
    """What a module assigns to a name at its top level, None if nothing."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return statement.value
    return None


def _measures_time(tree: ast.Module) -> bool:
    """Whether a claim file says MEASURES_TIME = True; ValueError if it says anything but True or False."""
    value = _assigned(tree, "MEASURES_TIME")
    said = value is not None and ast.literal_eval(value)
    if not isinstance(said, bool):
        raise ValueError(f"MEASURES_TIME must be True or False; got {said!r}")
    return said


def _stated_rows(tree: ast.Module) -> dict[str, Row | None]:
    """The rows that a file states, evaluated without the rest of it: their texts must be literals."""
    value = _assigned(tree, "ROWS")
    if value is None:
        raise ValueError(f"it does not define {WANTED}")
    try:
        rows: list[Row] = list(eval(ast.unparse(value), {"__builtins__": {}, "Row": Row}))
        texts = [text for row in rows for text in (row.id, row.source, row.claim, row.measured, row.criterion)]
    except Exception as error:
        raise ValueError(f"it must state {WANTED} with literal strings; got {type(error).__name__}: {error}") from error
    stated: dict[str, Row | None] = {row.id: row for row in rows}
    if not rows or len(stated) < len(rows) or not all(map(str.strip, texts)):
        raise ValueError(
            f"ROWS must be one row or more, with ids used once and no empty text; got {ast.unparse(value)}"
        )
    return stated
