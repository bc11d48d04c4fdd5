"""Imports point one way, from upper layers to lower ones, in no cycle; the truth stands alone; importing is light."""

import ast
import hashlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import refkan
from refkan.networks import layers
from tests.package.structure import circle_in, entries, file_graph, floors, full_folders, imports_of, room_of, size_of
from tests.shared.tables import each_row

PACKAGE = Path(refkan.__file__).parent

# From the bottom up: a file may import files of its own row and of the rows above it in this list. A folder stands for
# the files in it that no longer name of this list begins.
ROWS = [
    {"base"},
    {"kernels"},
    {"splines"},
    {"splines/transfer"},
    {"splines/sums"},
    {"networks/layers"},
    {"networks/node_maps"},
    {"networks"},
    {"networks/hessians"},
    {"training/losses"},
    {"training/optimizers"},
    {"training/multilevel"},
    {"training/adaptivity", "training/problems"},
    {"training"},
    {"analysis/conditioning"},
    {"analysis"},
    {"plots"},
    {"claims", "estimators", "interop"},
    {"conformance"},
    {"cli.py", "commands"},
]
ROW = {module: k for k, row in enumerate(ROWS) for module in row}
APART = {"truth", "checks", "__init__.py", "__main__.py"}
TRUTH_READERS = {"truth", "__init__.py", "analysis", "conformance", "claims", "checks", "commands"}  # refkan selftest
LAYER_KINDS = {name for name in layers.__all__ if name.endswith("Layer")} - {"Layer"} | {"SplineEdges"}


@cache
def files():
    return sorted(PACKAGE.rglob("*.py"))


def module_of(path):
    """The longest name of the contract that a file or folder belongs to; else its entry at the top."""
    parts = path.relative_to(PACKAGE).parts
    names = ["/".join(parts[:k]) for k in range(len(parts), 0, -1)]
    return next((name for name in names if name in ROW), parts[0])


def target_of(name):
    """The file or folder that a dotted name of refkan leads to."""
    parts = name.split(".")[1:]
    while parts and not ((PACKAGE / Path(*parts)).is_dir() or (PACKAGE / Path(*parts)).with_suffix(".py").is_file()):
        parts.pop()
    path = PACKAGE / Path(*parts)
    if not parts:
        return PACKAGE / "__init__.py"
    return path if path.is_dir() else path.with_suffix(".py")


def modules_imported(source, path):
    """Names of the contract that a file imports."""
    named = PACKAGE.parent / path.relative_to(PACKAGE.parent)
    return {module_of(target_of(name)) for name in imports_of(source, named) if name.split(".")[0] == "refkan"}


def violations(source, path):
    """Imports of a file that break the contract."""
    mine = module_of(path)
    for theirs in modules_imported(source, path) - {mine}:
        if theirs == "truth":
            if mine.split("/")[0] not in TRUTH_READERS:
                yield f"{mine} imports the truth"
        elif mine == "truth":
            yield f"the truth imports {theirs}"
        elif mine == "checks" and theirs != "base":
            yield f"checks imports {theirs}"
        elif (
            mine in ROW and ROW[mine] < ROW[{"checks": "training/losses", "__init__.py": "claims"}.get(theirs, "base")]
        ):
            yield f"{mine} imports {theirs}"
        elif mine in ROW and theirs in ROW and ROW[theirs] > ROW[mine]:
            yield f"{mine} imports {theirs}, which is above it"


def test_imports_point_one_way():
    found = {str(path.relative_to(PACKAGE)): list(violations(path.read_text(), path)) for path in files()}
    assert len(found) > 300
    assert not {name: wrong for name, wrong in found.items() if wrong}


def test_every_module_has_its_place_in_the_contract():
    unknown = {module_of(file) for file in files()} - set(ROW) - APART
    assert not unknown, f"give {unknown} a row"
    assert all((PACKAGE / module).exists() for module in ROW), "a row names what is not there"


def test_no_files_import_each_other_not_even_for_types():
    assert circle_in(file_graph()) is None
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]  # it would be noticed


def test_rooms_are_few_and_folders_are_not_crowded():
    """An outsider meets few names at the top, and in no folder more files than the eye takes in, but for kernels."""
    assert len(entries()) <= 18
    assert len(floors()) == len({room_of(name) for name in file_graph()})  # no circle of rooms
    assert {folder for folder in full_folders(12) if folder.startswith("refkan")} == {"refkan/kernels"}


def test_code_is_counted_without_comments_and_docstrings():
    source = (
        'x = 1  # one\n"""A constant."""\n\n# a comment\ndef f():\n    """Text\n    of two lines."""\n    return x\n'
    )
    assert size_of(source) == (len("x = 1  # onedef f():    return x"), 3, 0, 0)
    assert size_of("y = 1 if (z := 2) else 3\n")[2:] == (1, 1)


def test_no_two_files_of_the_library_share_a_name():
    """But those of the truth, which are named after their twins."""
    names = [path.name for path in files() if "truth" not in path.parts and path.name[0] != "_"]
    assert not {name for name in names if names.count(name) > 1}


def asked_kinds(source):
    """Kinds of layers that a source asks for by isinstance or type()."""
    for node in ast.walk(ast.parse(source if any(kind in source for kind in LAYER_KINDS) else "")):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            yield from {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)} & LAYER_KINDS
            yield from {n.attr for n in ast.walk(node.args[1]) if isinstance(n, ast.Attribute)} & LAYER_KINDS


def test_nothing_outside_of_layers_asks_what_kind_a_layer_is():
    """It asks the layer: `basis`, `has_knots`, `free_knots`, `outside`, ..., and every layer answers."""
    for path in files():
        if module_of(path) != "networks/layers":
            source = path.read_text()
            if "from refkan.truth" not in source:  # whose layers are formulas and nothing else
                assert not list(asked_kinds(source)), path
            assert 'getattr(layer, "' not in source, path
    assert list(asked_kinds("isinstance(x, rk.SplineLayer | str)")) == ["SplineLayer"]


def classes_with(method, folder):
    """Names of the classes of a folder that define a method."""
    for path in (PACKAGE / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and any(getattr(item, "name", "") == method for item in node.body):
                yield node.name


def test_there_is_one_linearisation_of_layers():
    """For values and jets of all kinds of layers; below it sums by rows and by windows."""
    assert list(classes_with("pullback", "networks/layers")) == ["Linearization"]
    sums = {name for folder in ("networks/layers", "splines/sums") for name in classes_with("fill_jacobian", folder)}
    assert sums - {"FunctionSums", "Motion", "FreeKnots", "FreeKinks"} == {"Linearization", "RowSums", "SplineSums"}


def test_node_maps_know_nothing_of_layers_but_activations():
    for path in files():
        if module_of(path) == "networks/node_maps":
            names = [n for n in imports_of(path.read_text(), path) if n.startswith("refkan.networks.layers")]
            assert all(n.startswith("refkan.networks.layers.activations") for n in names)


def test_kernels_stand_alone():
    """A cached caller keeps a stale callee from another module: call chains stay inside one file."""
    allowed = [f"refkan.kernels.compilation.{name}" for name in ("kernel", "fused_kernel", "inlined_kernel")]
    allowed += [f"refkan.kernels.workers.{name}" for name in ("alone", "share")]  # are no kernels, and not compiled
    allowed += ["refkan.kernels.turns.turn"]
    no_kernels = {"engine_choice.py", "engine_option.py", "recycled_memory.py"}
    vectors = PACKAGE / "kernels" / "vectors.py"
    digest = f'VECTORS = "{hashlib.sha256(vectors.read_bytes()).hexdigest()[:12]}"'
    for path in sorted(set((PACKAGE / "kernels").glob("*.py")) - {PACKAGE / "kernels" / name for name in no_kernels}):
        inside = [n for n in imports_of(path.read_text(), path) if n.startswith("refkan")]
        if any(name.startswith("refkan.kernels.vectors.") for name in inside):  # which become part of its own code
            assert digest in path.read_text().splitlines(), f"{path.name} must say {digest}: its cached code is stale"
            inside = [name for name in inside if not name.startswith("refkan.kernels.vectors.")]
        assert all(n in allowed for n in inside), (path.name, inside)


def test_the_truth_uses_the_standard_library_alone():
    for path in (PACKAGE / "truth").rglob("*.py"):
        names = [name for name in imports_of(path.read_text(), path) if not name.startswith("refkan.truth.")]
        assert {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names), path


def length(path):
    return len(path.read_text().splitlines())


def test_files_stay_short():
    """A file that passes about 300 lines is asking to be two."""
    assert not {str(p.relative_to(PACKAGE)): length(p) for p in files() if length(p) > 350}
    tests = Path(__file__).parents[1]
    assert not {str(p.relative_to(tests)): length(p) for p in tests.rglob("*.py") if length(p) > 350}


@each_row(
    "module, line, wrong",
    ("splines/knots.py", "from refkan.splines.transfer import matrices", True),
    ("splines/knots.py", "from refkan import networks", True),
    ("splines/bsplines.py", "def f():\n    import refkan.networks.layers.chebyshev", True),
    ("splines/bsplines.py", "from ..splines import transfer", True),
    ("networks/layers/dense.py", "from refkan.networks.network import Network", True),
    ("networks/layers/dense.py", "from ...networks import Network", True),
    ("networks/layers/dense.py", "from ...splines import bsplines", False),
    ("networks/sweeps/sweep.py", "from refkan import truth", True),
    ("networks/sweeps/sweep.py", "import refkan as rk", True),
    ("truth/layers.py", "from refkan.base.arguments import as_array", True),
    ("truth/networks.py", "from refkan.base.errors import KnotError", True),
    ("truth/networks.py", "from refkan.truth.layers import Layer", False),
    ("networks/layers/dense.py", "from refkan import truth", True),
    ("checks/taylor.py", "from refkan.networks.layers import SplineLayer", True),
    ("checks/taylor.py", "from refkan import truth", False),
    ("networks/layers/layer.py", "if TYPE_CHECKING:\n    from refkan.networks import Network", True),
    ("training/losses/terms.py", "from refkan.networks import Network", False),
    ("training/losses/terms.py", "from refkan.training.optimizers import minimize", True),
    ("training/multilevel/stages.py", "from refkan.analysis.conditioning import spectrum", True),
)
def test_sabotage_of_an_import_is_noticed(module, line, wrong):
    assert bool(list(violations(line, PACKAGE / module))) == wrong


def test_importing_refkan_is_light():
    """Nothing is loaded; then no backend, no plots, no terminal output, no kernel compiled, until asked for."""
    heavy = ["torch", "jax", "matplotlib", "rich", "flint", "mpmath", "pandas", "dask", "hypothesis", "refkan.truth"]
    heavy += [
        "refkan.analysis.exact",
        "refkan.plots",
        "refkan.training.problems",
        "scipy.optimize",
        "scipy.special",
        "scipy.fft",
    ]
    code = (
        "import sys, warnings\n"
        "warnings.simplefilter('error')\n"
        "import refkan\n"
        "print([m for m in ('numpy', 'scipy', 'numba') if m in sys.modules], 'kan' in dir(refkan))\n"
        "refkan.networks.node_maps, refkan.kan, refkan.LeastSquares, refkan.spectrum\n"
        "refkan.minimize, refkan.minimize_multilevel, refkan.minimize_adaptive\n"
        f"print([m for m in {heavy} if m in sys.modules])\n"
        "from refkan.kernels import bspline_basis\n"
        "print(len(getattr(bspline_basis.local_basis, 'signatures', [])))\n"
        "print(refkan.truth.of.__name__, hasattr(refkan, 'lies'))\n"
        "print(refkan.plots.network.__name__, 'matplotlib' in sys.modules)\n"
        "from refkan import *\n"
        "print({type(value).__name__ for value in (flux_jump, hessians, KnotError, problems)})\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=PACKAGE.parent)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n")[:5] == ["[] True", "[]", "0", "of False", "network False"], run.stdout
    assert set(re.findall(r"'(\w+)'", run.stdout.split("\n")[5])) == {"function", "module", "type"}


ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "layout.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def named(row):
    """Paths in the first cell of a row; those without a folder are in that of the first."""
    names = re.findall(r"`([^`]+)`", row.split("|")[1])
    folder = names[0].partition("/")[0]
    return {name.rstrip("/") if name.startswith(f"{folder}/") else f"{folder}/{name}".rstrip("/") for name in names}


def test_the_table_names_every_file_and_folder_and_no_other():
    rows = [line for line in TABLE.splitlines() if line.startswith("| `")]
    table = set().union(*map(named, rows))
    assert not {name for name in table if not (ROOT / name).exists()}
    there = {"docs", "examples", "tests", "validation"}
    for folder in (ROOT / "refkan", ROOT / "validation"):
        held = {p for p in folder.iterdir() if p.suffix in (".py", ".toml") or (p / "__init__.py").exists()}
        there |= {p.relative_to(ROOT).as_posix() for p in held if not p.name.startswith("__")}
    assert table == there


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_tests_that_pages_cite_exist(page):
    for name, test in re.findall(r"`((?:refkan|tests|validation)/[\w/.-]+?)(?:::(\w+))?`", page.read_text()):
        assert (ROOT / name).exists(), name
        assert not test or f"def {test}(" in (ROOT / name).read_text(), f"{name}::{test}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)  # code has brackets of its own
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        built = link.startswith("gallery/")  # by Sphinx, which holds it to its links
        assert built or (page.parent / link).exists(), link
