"""The structure of the repository: rooms, floors, arrows and circles by its imports, how full folders are, sizes.

`python -m tests.package.structure` prints it for the packages refkan and validation. A room is an entry at the top of
refkan/, or the whole of validation/; an arrow leads from the room that imports to the room that is imported; the floor
of a room is one above the highest room that it imports.
"""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGES = ("refkan", "validation")


@cache
def files() -> dict[str, Path]:
    """All files of the packages by dotted name; a folder is its `__init__`."""
    named = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


@cache
def imports_of(source: str, path: Path) -> list[str]:
    """Dotted names that a file imports, at any depth of the code, types alone included."""
    package, names = path.relative_to(ROOT).parts[:-1], []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, [base, node.module]))
            names += [f"{base}.{alias.name}" for alias in node.names]
    return names


@cache
def file_graph() -> dict[str, set[str]]:
    """For each file the files that it imports, by dotted names."""
    named = files()
    graph = {}
    for name, path in named.items():
        imported = set()
        for target in imports_of(path.read_text(), path):
            while target not in named and "." in target:
                target = target.rpartition(".")[0]
            imported.add(target)
        graph[name] = imported & set(named) - {name}
    return graph


def room_of(name: str) -> str:
    """The room of a file: the entry at the top of refkan/ that holds it, or `validation`."""
    parts = name.split(".")
    return parts[0] if parts[0] != "refkan" else ".".join(parts[:2])


def arrows() -> set[tuple[str, str]]:
    """Pairs of rooms of which the first imports the second."""
    pairs = {(room_of(name), room_of(other)) for name, others in file_graph().items() for other in others}
    return {(a, b) for a, b in pairs if a != b}


def floors() -> dict[str, int]:
    """The floor of each room: one above the highest room that it imports; rooms in a circle have none."""
    below = defaultdict(set)
    for a, b in arrows():
        if b != "refkan":  # `refkan/__init__.py`, which imports what it exports, and tells the version
            below[a].add(b)
    floor: dict[str, int] = {}
    rooms = {room_of(name) for name in files()}
    while ready := [room for room in rooms - set(floor) if below[room] <= set(floor)]:
        floor |= {room: 1 + max((floor[other] for other in below[room]), default=0) for room in ready}
    return floor


def circle_in(graph: dict[str, set[str]]) -> list[str] | None:
    """A circle as a list of names, or None."""
    state: dict[str, str] = {}
    path: list[str] = []

    def visit(name: str) -> list[str] | None:
        state[name] = "open"
        path.append(name)
        for other in sorted(graph[name]):
            if state.get(other) == "open":
                return [*path[path.index(other) :], other]
            if other not in state and (circle := visit(other)):
                return circle
        path.pop()
        state[name] = "done"
        return None

    return next((circle for name in sorted(graph) if name not in state and (circle := visit(name))), None)


def full_folders(limit: int) -> dict[str, int]:
    """Folders with more files than `limit`, `__init__` not counted."""
    counts: defaultdict[str, int] = defaultdict(int)
    for path in files().values():
        counts[path.parent.relative_to(ROOT).as_posix()] += path.name != "__init__.py"
    return {folder: count for folder, count in counts.items() if count > limit}


def entries() -> list[str]:
    """What lies at the top of refkan/."""
    return sorted(p.name for p in (ROOT / "refkan").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists())


class Size(NamedTuple):
    """How much code there is. A line of code is neither blank, nor a comment, nor part of a docstring."""

    characters: int
    lines: int
    conditionals: int
    walruses: int

    def __add__(self, other: tuple) -> "Size":
        return Size(*map(sum, zip(self, other, strict=True)))

    @property
    def row(self) -> tuple[str, ...]:
        """Lines, characters, characters a line, conditional expressions per 100 lines, walruses per 1,000 lines."""
        lines = max(self.lines, 1)
        densities = self.characters / lines, 100 * self.conditionals / lines, 1000 * self.walruses / lines
        return f"{self.lines:,}", f"{self.characters:,}", *(f"{density:.1f}" for density in densities)


def size_of(source: str) -> Size:
    """Measure a source; the indentation of a line counts, blanks at its end do not."""
    nodes = list(ast.walk(ast.parse(source)))
    documented: set[int] = set()
    for node in nodes:
        if is_docstring(node):
            documented |= set(range(node.lineno, node.end_lineno + 1))
    code = [line.rstrip() for k, line in enumerate(source.splitlines(), 1) if k not in documented]
    code = [line for line in code if line and not line.lstrip().startswith("#")]
    conditionals = sum(isinstance(node, ast.IfExp) for node in nodes)
    walruses = sum(isinstance(node, ast.NamedExpr) for node in nodes)
    return Size(sum(map(len, code)), len(code), conditionals, walruses)


def is_docstring(node: ast.AST) -> bool:
    """Whether a statement is a text and nothing else, as docstrings and the texts below constants are."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
        return False
    return isinstance(node.value.value, str)


def size_under(folder: str, but: str = "") -> Size:
    """Measure the files of a folder of the repository, without those of one folder within."""
    paths = [path for path in (ROOT / folder).rglob("*.py") if not but or ROOT / but not in path.parents]
    return sum((size_of(path.read_text()) for path in paths), Size(0, 0, 0, 0))


def sizes() -> dict[str, Size]:
    """The size of each room, and the totals."""
    rooms = defaultdict(lambda: Size(0, 0, 0, 0))
    for name, path in files().items():
        rooms[room_of(name)] += size_of(path.read_text())
    totals = {
        "refkan/ without truth/": size_under("refkan", but="refkan/truth"),
        "validation/": size_under("validation"),
        "tests/": size_under("tests"),
    }
    return dict(sorted(rooms.items())) | totals


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows as lines, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


def main() -> None:
    """Print the structure."""
    floor = floors()
    print(f"{len(entries())} entries of refkan/: {', '.join(entries())}")
    print(
        f"{len(floor)} rooms on {max(floor.values())} floors, {len(arrows())} arrows, circle: {circle_in(file_graph())}"
    )
    for level in range(max(floor.values()), 0, -1):
        print(f"{level:4}  {', '.join(sorted(room for room in floor if floor[room] == level))}")
    print(f"folders of more than twelve files: {full_folders(12)}")
    header = ("room", "lines", "characters", "a line", "conditional expressions, 100 lines", "walrus, 1,000 lines")
    print(table([header, *((name, *size.row) for name, size in sizes().items())]))


if __name__ == "__main__":
    main()
