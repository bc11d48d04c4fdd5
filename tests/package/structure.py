"""The structure of the repository, counted from its imports: rooms, floors, arrows, circles, and how full folders are.

`python -m tests.package.structure` prints it for the packages refkan and validation. A room is an entry at the top of
refkan/, or the whole of validation/; an arrow leads from the room that imports to the room that is imported; the floor
of a room is one above the highest room that it imports.
"""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

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


def lines_of_code(folder: Path) -> int:
    """Lines of a folder that are neither blank, nor comments, nor of docstrings."""
    count = 0
    for path in folder.rglob("*.py"):
        text = path.read_text()
        documented: set[int] = set()
        for node in ast.walk(ast.parse(text)):
            for statement in getattr(node, "body", None) if isinstance(getattr(node, "body", None), list) else []:
                value = getattr(statement, "value", None)
                if isinstance(statement, ast.Expr) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                    documented |= set(range(statement.lineno, (statement.end_lineno or 0) + 1))
        lines = enumerate(text.splitlines(), 1)
        count += sum(k not in documented and bool(line.strip()) and line.strip()[0] != "#" for k, line in lines)
    return count


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
    code = lines_of_code(ROOT / "refkan") - lines_of_code(ROOT / "refkan" / "truth")
    print(f"lines of code of refkan/ without truth/: {code}; of validation/: {lines_of_code(ROOT / 'validation')}")


if __name__ == "__main__":
    main()
