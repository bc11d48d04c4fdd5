"""Imports point one way, from upper layers to lower ones; the oracle stands alone; importing is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import refkan

PACKAGE = Path(refkan.__file__).parent

# From the bottom up: a module may import modules of its own row and of the rows above it in this list. A folder is one
# module.
ROWS = [
    {
        *("array_types", "errors", "arguments", "kernels", "checkpoints", "extras", "interrupts", "memory"),
        *("engine_choice", "singular_values", "short_reprs"),
    },
    {"knots"},
    {"spaces"},
    {"local_basis", "knot_tables"},
    {"bsplines", "relu_powers"},
    {"change_of_basis", "engines", "transfer"},
    {"layers", "node_maps"},
    {"conversion", "sweeps", "jets"},
    {"binding", "nesting"},
    {"compositions"},
    {"networks"},
    {"architectures", "archives", "hessians"},
    {"losses", "conditioning"},
    {"optimizers"},
    {"hierarchy"},
    {"adaptivity", "problems"},
    {"training"},
    {"cli", "commands", "conformance"},
]
ROW = {module: k for k, row in enumerate(ROWS) for module in row}
APART = {"definitions", "truth", "checks", "exact", "__init__", "__main__"}
ORACLES = {"definitions", "truth"}
ORACLE_READERS = {"exact", "conformance", "checks"}


def files():
    return sorted(PACKAGE.rglob("*.py"))


def module_of(path):
    """Name of the module of the contract that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def guarded_by_type_checking(tree):
    """Nodes under `if TYPE_CHECKING:`, which no program imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from (inner for statement in node.body for inner in ast.walk(statement))


def imports_of(source, path):
    """Dotted names that a file imports, at any depth of the code."""
    tree = ast.parse(source)
    ignored = set(map(id, guarded_by_type_checking(tree)))
    package = ("refkan", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(tree):
        if id(node) in ignored:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, [base, node.module]))
            yield from (f"{base}.{alias.name}" for alias in node.names)


def modules_imported(source, path):
    """Modules of refkan, as the contract names them, that a file imports."""
    known = {module_of(file) for file in files()}
    for name in imports_of(source, path):
        parts = name.split(".")
        if parts[0] == "refkan":
            yield parts[1] if len(parts) > 1 and parts[1] in known else "__init__"


def violations(source, path):
    """Imports of a file that break the contract."""
    mine = module_of(path)
    for theirs in modules_imported(source, path):
        if theirs == mine:
            continue
        if theirs in ORACLES:
            if mine not in ORACLE_READERS:
                yield f"{mine} imports the oracle"
        elif mine in ORACLES:
            yield f"the oracle imports {theirs}"
        elif mine == "checks" and ROW.get(theirs, len(ROWS)) > 0:
            yield f"checks imports {theirs}"
        elif mine == "exact" and ROW.get(theirs, 0) > ROW["conditioning"]:  # certificates of networks and their losses
            yield f"exact imports {theirs}"
        elif mine in ROW and theirs in APART and ROW[mine] < ROW["conditioning"] + (theirs == "exact"):
            yield f"{mine} imports {theirs}"
        elif mine in ROW and theirs in ROW and ROW[theirs] > ROW[mine]:
            yield f"{mine} imports {theirs}, which is above it"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    assert not list(violations(path.read_text(), path))


def test_every_module_has_its_place_in_the_contract():
    unknown = {module_of(path) for path in files()} - set(ROW) - APART
    assert not unknown, f"give {unknown} a row"


def test_the_layers_do_not_know_node_maps_nor_the_reverse():
    """Nothing above asks for types, so they need not know one another; activations alone are shared."""
    for path in files():
        if module_of(path) == "layers":
            assert "node_maps" not in set(modules_imported(path.read_text(), path))
        if module_of(path) == "node_maps":
            names = [n for n in imports_of(path.read_text(), path) if n.startswith("refkan.layers")]
            assert all(n.startswith("refkan.layers.activations") for n in names)


def test_kernels_stand_alone():
    """A cached caller keeps a stale callee from another module: call chains stay inside one file."""
    allowed = [f"refkan.kernels.compilation.{name}" for name in ("kernel", "fused_kernel", "dot_kernel")]
    allowed.append("refkan.kernels.workers.Workers")  # is no kernel, and not compiled
    for path in sorted((PACKAGE / "kernels").glob("*.py")):
        inside = [n for n in imports_of(path.read_text(), path) if n.startswith("refkan")]
        assert all(n in allowed for n in inside), (path.name, inside)


def test_the_oracle_uses_the_standard_library_alone():
    for path in (PACKAGE / "definitions.py", *(PACKAGE / "truth").rglob("*.py")):
        names = [name for name in imports_of(path.read_text(), path) if not name.startswith("refkan.truth.")]
        assert {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names), path


def length(path):
    return len(path.read_text().splitlines())


def test_files_stay_short():
    """A file that passes about 300 lines is asking to be two."""
    assert not {str(p.relative_to(PACKAGE)): length(p) for p in files() if length(p) > 350}
    tests = Path(__file__).parents[1]
    assert not {str(p.relative_to(tests)): length(p) for p in tests.rglob("*.py") if length(p) > 350}


@pytest.mark.parametrize(
    ("module", "line", "wrong"),
    [
        ("knots.py", "from refkan.spaces import SplineSpace", True),
        ("knots.py", "from refkan import networks", True),
        ("bsplines.py", "def f():\n    import refkan.layers.spline", True),
        ("bsplines.py", "from . import change_of_basis", True),
        ("layers/spline.py", "from ..networks import Network", True),
        ("layers/spline.py", "from .. import bsplines", False),
        ("networks.py", "from refkan import definitions", True),
        ("networks.py", "import refkan as rk", True),
        ("definitions.py", "from refkan.arguments import as_array", True),
        ("truth/networks.py", "from refkan.errors import KnotError", True),
        ("truth/networks.py", "from refkan.truth.layers import Layer", False),
        ("layers/spline.py", "from refkan import truth", True),
        ("checks/taylor.py", "from refkan.layers import SplineLayer", True),
        ("checks/taylor.py", "from refkan import definitions", False),
        (
            "sweeps.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from refkan.networks import Network",
            False,
        ),
        ("losses.py", "from refkan.networks import Network", False),
        ("losses.py", "from refkan.optimizers import minimize", True),
    ],
)
def test_sabotage_of_an_import_is_noticed(module, line, wrong):
    assert bool(list(violations(line, PACKAGE / module))) == wrong


def test_importing_refkan_is_light():
    """No backend, no plots, no terminal output, and no kernel compiled, until something asks for them."""
    heavy = ["torch", "jax", "matplotlib", "rich", "flint", "mpmath", "pandas", "dask", "hypothesis"]
    code = (
        "import sys, warnings\n"
        "warnings.simplefilter('error')\n"
        "import refkan\n"
        f"print([m for m in {heavy} if m in sys.modules])\n"
        "from refkan.kernels import bspline_basis\n"
        "print(len(getattr(bspline_basis.local_basis, 'signatures', [])))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=PACKAGE.parent)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n")[:2] == ["[]", "0"], run.stdout
