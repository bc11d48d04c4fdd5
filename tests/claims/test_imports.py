"""Folders of the validation: subjects know few others, what they share lies beneath them, and no claim runs another."""

from pathlib import Path

import validation
from tests.package.structure import imports_of
from tests.shared.tables import each_row

PACKAGE = Path(validation.__file__).parent

SUBJECTS = (
    "theorems",
    *("bases", "descent", "conditioning", "multilevel", "equations", "knots", "architectures", "implementations"),
    "literature",
    "table_two",
)
COMMON = {"measures", "panels", "rationals", "statements", "volterra"}
BENEATH = COMMON | {"ledger", "sources"}
ADAPTERS = {"implementations.layers_without_torch", "implementations.other_layers"}
ARROWS = (
    dict.fromkeys(SUBJECTS, COMMON)
    | {"multilevel": COMMON | {"descent.kernels"}, "theorems": COMMON | {"descent.kernels"}}
    | {"grounds": {"rationals", "equations.allen_cahn", "equations.recipes"}}
    | {"implementations": COMMON | {"records.markdown"}}
    | {"literature": COMMON | {"bases.cost_of_bases", "theorems.operation_counts", "equations.recipes"}}
    | {"table_two": COMMON | {"records.store"}}  # the page of the gauge is written from the record
    | {"records": {"ledger", "sources", "statements", "implementations.backends_judged"} | ADAPTERS}
    | {"benchmarks": {"records.markdown"}}
    | {module: set() for module in BENEATH}
    | {"__init__": set(), "__main__": {"ledger", "records.store", "sources"}}
)
"""What a folder or a file of the package may import of others in it."""


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(source: str) -> set[str]:
    """Modules of the validation that a source imports, as `folder.module` or `module`."""
    found = set()
    for name in imports_of(source, PACKAGE / "a file"):
        first, *parts = name.split(".")
        if first == "validation":
            is_folder = (PACKAGE / parts[0]).is_dir() if parts else False
            found.add(".".join(parts[: 1 + is_folder]))
    return found


def strangers(source: str, room: str) -> set[str]:
    return {name for name in imported(source) if name.partition(".")[0] != room} - ARROWS[room]


def test_arrows_between_folders_are_those_of_the_list():
    found = {str(path.relative_to(PACKAGE)): strangers(path.read_text("utf-8"), room_of(path)) for path in files()}
    assert len(found) > 100
    assert not {name: wrong for name, wrong in found.items() if wrong}


def test_every_arrow_of_the_list_is_there():
    """An arrow that no file needs any more leaves the list."""
    drawn = {room: set() for room in ARROWS}
    for path in files():
        drawn[room_of(path)] |= imported(path.read_text(encoding="utf-8"))
    common = set.intersection(*(ARROWS[subject] for subject in SUBJECTS))
    assert {room: ARROWS[room] - drawn[room] - common for room in ARROWS} == {room: set() for room in ARROWS}
    assert common <= set.union(*(drawn[subject] for subject in SUBJECTS))


@each_row(
    "line, room, wrong",
    ("from validation.descent.descent_modes import Descent", "knots", True),
    ("from validation.descent.kernels import kernels_of_both_bases", "multilevel", False),
    ("from validation.descent import learning_rates", "multilevel", True),
    ("from validation.table_two import cells_of_table", "records", True),
    ("import validation.records.store", "bases", True),
    ("from validation.grounds import require", "bases", True),
    ("from validation import ledger", "bases", True),
    ("from validation.rationals import solve", "ledger", True),
)
def test_sabotage_of_an_import_is_noticed(line, room, wrong):
    assert bool(strangers(line, room)) == wrong


def test_files_of_claims_lie_in_folders_of_subjects_and_every_folder_is_a_package():
    for path in files():
        assert (path.parent / "__init__.py").exists()
        if "\nCLAIMS = " in path.read_text(encoding="utf-8"):
            assert room_of(path) in SUBJECTS


def test_files_stay_short():
    assert not {str(path.relative_to(PACKAGE)) for path in files() if len(path.read_text().splitlines()) > 350}
