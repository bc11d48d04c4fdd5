"""Imports point one way, from upper layers to lower ones, in no cycle; the truth stands alone; importing is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import refkan

PACKAGE = Path(refkan.__file__).parent

# From the bottom up: a module may import modules of its own row and of the rows above it in this list. A folder is one
# module.
ROWS = [
    {
        *("array_types", "arguments", "atomic_files", "checkpoints", "engine_choice", "engine_option", "errors"),
        *("extras", "interrupts", "kernels", "lazy", "memory", "short_reprs", "singular_values", "source_files"),
        *("ratios", "thread_variables", "executors", "plain_text"),
    },
    {"splines"},
    {"transfer"},
    {"engines"},
    {"layers"},
    {"node_maps"},
    {"networks"},
    {"hessians"},
    {"losses", "conditioning"},
    {"optimizers"},
    {"hierarchy"},
    {"adaptivity", "problems"},
    {"plots"},
    {"training", "claims", "interop"},
    {"cli", "commands", "conformance"},
]
ROW = {module: k for k, row in enumerate(ROWS) for module in row}
APART = {"truth", "checks", "exact", "__init__", "__main__"}
TRUTH = {"truth"}
TRUTH_READERS = {*TRUTH, "__init__", "exact", "conformance", "claims", "checks"}
ABOVE = ("checks", "exact", "__init__", "__main__")
LAYER_KINDS = {"EdgeLayer", "SplineEdges", "SplineLayer", "ReluLayer", "SiluLayer", "DenseLayer", "ChebyshevLayer"}


@cache
def files():
    return sorted(PACKAGE.rglob("*.py"))


@cache
def known_modules():
    return {module_of(file) for file in files()}


def module_of(path):
    """Name of the module of the contract that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(source, path):
    """Dotted names that a file imports, at any depth of the code, types alone included."""
    tree = ast.parse(source)
    package = ("refkan", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, [base, node.module]))
            yield from (f"{base}.{alias.name}" for alias in node.names)


def modules_imported(source, path):
    """Modules of refkan, as the contract names them, that a file imports."""
    known = known_modules()
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
        if theirs in TRUTH:
            if mine not in TRUTH_READERS:
                yield f"{mine} imports the truth"
        elif mine in TRUTH:
            yield f"the truth imports {theirs}"
        elif mine == "checks" and ROW.get(theirs, len(ROWS)) > 0:
            yield f"checks imports {theirs}"
        elif mine == "exact" and ROW.get(theirs, 0) > ROW["conditioning"]:  # certificates of networks and their losses
            yield f"exact imports {theirs}"
        elif mine in ROW and theirs in ABOVE and ROW[mine] < ROW["conditioning"] + (theirs == "exact"):
            yield f"{mine} imports {theirs}"
        elif mine in ROW and theirs in ROW and ROW[theirs] > ROW[mine]:
            yield f"{mine} imports {theirs}, which is above it"


def test_imports_point_one_way():
    found = {str(path.relative_to(PACKAGE)): list(violations(path.read_text(), path)) for path in files()}
    assert len(found) > 300
    assert not {name: wrong for name, wrong in found.items() if wrong}


def test_every_module_has_its_place_in_the_contract():
    unknown = known_modules() - set(ROW) - APART
    assert not unknown, f"give {unknown} a row"


def file_graph():
    """For each file the files that it imports, by dotted names; a folder is its `__init__`."""
    named = {}
    for path in files():
        parts = ("refkan", *path.relative_to(PACKAGE).with_suffix("").parts)
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph = {}
    for name, path in named.items():
        found = set()
        for imported in imports_of(path.read_text(), path):
            while imported not in named and "." in imported:
                imported = imported.rpartition(".")[0]
            found.add(imported)
        graph[name] = found & set(named) - {name}
    return graph


def cycle_in(graph):
    """A cycle as a list of names, or None."""
    state, path = {}, []

    def visit(name):
        state[name] = "open"
        path.append(name)
        for other in sorted(graph[name]):
            if state.get(other) == "open":
                return [*path[path.index(other) :], other]
            if other not in state and (found := visit(other)):
                return found
        path.pop()
        state[name] = "done"
        return None

    return next((found for name in sorted(graph) if name not in state and (found := visit(name))), None)


def test_no_files_import_each_other_not_even_for_types():
    assert cycle_in(file_graph()) is None
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]  # it would be noticed


def asked_kinds(source):
    """Kinds of layers that a source asks for by isinstance or type()."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            yield from {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)} & LAYER_KINDS
            yield from {n.attr for n in ast.walk(node.args[1]) if isinstance(n, ast.Attribute)} & LAYER_KINDS


def test_nothing_outside_of_layers_asks_what_kind_a_layer_is():
    """It asks the layer: `basis`, `has_knots`, `free_knots`, `outside`, ..., and every layer answers."""
    for path in files():
        if module_of(path) != "layers":
            source = path.read_text()
            if "from refkan.truth" not in source:  # whose layers are formulas and nothing else
                assert not list(asked_kinds(source)), path
            if "bank" not in path.parts:  # whose layers are other people's
                assert 'getattr(layer, "' not in source, path
    assert list(asked_kinds("isinstance(x, rk.SplineLayer | str)")) == ["SplineLayer"]


def classes_with(method, folder):
    """Names of the classes of a folder that define a method."""
    for path in (PACKAGE / folder).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and any(getattr(item, "name", "") == method for item in node.body):
                yield node.name


def test_there_is_one_linearisation_of_layers():
    """For values and jets of all kinds of layers; below it sums by rows, by plain loops and by two fast ways."""
    assert list(classes_with("pullback", "layers")) == ["Linearization"]
    sums = {name for folder in ("layers", "engines") for name in classes_with("fill_jacobian", folder)}
    assert sums - {"FunctionSums", "Motion", "SplineSums", "FreeKnots", "FreeKinks"} == {
        *("Linearization", "RowSums", "PlainSums", "WindowSums", "WindowJets"),
    }


def test_node_maps_know_nothing_of_layers_but_activations():
    for path in files():
        if module_of(path) == "node_maps":
            names = [n for n in imports_of(path.read_text(), path) if n.startswith("refkan.networks.layers")]
            assert all(n.startswith("refkan.networks.layers.activations") for n in names)


def test_kernels_stand_alone():
    """A cached caller keeps a stale callee from another module: call chains stay inside one file."""
    allowed = [f"refkan.kernels.compilation.{name}" for name in ("kernel", "fused_kernel", "dot_kernel")]
    allowed += [f"refkan.kernels.workers.{name}" for name in ("alone", "share")]  # are no kernels, and not compiled
    allowed += ["refkan.kernels.turns.turn"]
    for path in sorted((PACKAGE / "kernels").glob("*.py")):
        inside = [n for n in imports_of(path.read_text(), path) if n.startswith("refkan")]
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


@pytest.mark.parametrize(
    ("module", "line", "wrong"),
    [
        ("splines/knots.py", "from refkan.splines.transfer import dyadic", True),
        ("splines/knots.py", "from refkan import networks", True),
        ("splines/bsplines.py", "def f():\n    import refkan.networks.layers.knot_layers.spline", True),
        ("splines/bsplines.py", "from .. import transfer", True),
        ("layers/spline.py", "from ..networks import Network", True),
        ("layers/spline.py", "from ..splines import bsplines", False),
        ("networks/sweep.py", "from refkan import truth", True),
        ("networks/sweep.py", "import refkan as rk", True),
        ("truth/layers.py", "from refkan.base.arguments import as_array", True),
        ("truth/networks.py", "from refkan.base.errors import KnotError", True),
        ("truth/networks.py", "from refkan.truth.layers import Layer", False),
        ("layers/spline.py", "from refkan import truth", True),
        ("checks/taylor.py", "from refkan.networks.layers import SplineLayer", True),
        ("checks/taylor.py", "from refkan import truth", False),
        ("layers/base.py", "if TYPE_CHECKING:\n    from refkan.networks import Network", True),
        ("losses/terms.py", "from refkan.networks import Network", False),
        ("losses/terms.py", "from refkan.training.optimizers import minimize", True),
    ],
)
def test_sabotage_of_an_import_is_noticed(module, line, wrong):
    assert bool(list(violations(line, PACKAGE / module))) == wrong


def test_importing_refkan_is_light():
    """No backend, no plots, no terminal output, and no kernel compiled, until something asks for them."""
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
        f"print([m for m in {heavy} if m in sys.modules])\n"
        "from refkan.kernels import bspline_basis\n"
        "print(len(getattr(bspline_basis.local_basis, 'signatures', [])))\n"
        "print(refkan.truth.of.__name__, hasattr(refkan, 'lies'))\n"
        "print(refkan.plots.network.__name__, 'matplotlib' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=PACKAGE.parent)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n")[:4] == ["[]", "0", "of False", "network False"], run.stdout
