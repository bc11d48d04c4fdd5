"""The bits of results do not depend on whether a process compiled the kernels or read them from the cache."""

import ast
import os
import subprocess
import sys

import pytest

from tests.kernels.kernel_results import ROOT

KERNELS = ROOT / "refkan" / "kernels"

DIGESTS = """
import hashlib
import numpy as np, refkan as rk

def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in arrays)).hexdigest()

rng = np.random.default_rng(0)
x, y = rng.uniform(-0.2, 1.2, (700, 3)), rng.normal(size=(700, 2))
for order in (3, 5):
    for widths in ([3, 8, 8, 2], [3, 2]):
        net, theta = rk.kan(widths, order=order, intervals=6).initialize(np.random.default_rng(1), x)
        problem = rk.LeastSquares(net, x, y)
        jet = net.jet(theta, x, np.eye(3)[:2])
        print(digest(net(theta, x)), digest(*problem.value_and_gradient(theta)), digest(problem.gauss_newton(theta)))
        print(digest(jet.value, jet.first, jet.second), digest(net(theta, x[:7])))
"""


@pytest.mark.exhaustive
def test_a_process_that_compiles_gets_the_bits_of_those_that_load(tmp_path):
    environ = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0", "REFKAN_ENGINE": "fast"}
    environ["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-W", "ignore", "-c", DIGESTS]
    compiled, loaded = (
        subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert len(loaded.split()) == 20
    assert compiled == loaded


def decorated(tree):
    """Functions of a module that are kernels, with the names of their decorators."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.decorator_list]
    return {f.name: (f, {ast.unparse(d) for d in f.decorator_list}) for f in functions}


def names_called(function):
    return {c.func.id for c in ast.walk(function) if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)}


def test_fused_kernels_that_others_call_are_part_of_them():
    """Of two copies of such a kernel the linker takes one, and which one depends on what was compiled before."""
    trees = {path.stem: ast.parse(path.read_text()) for path in KERNELS.glob("*.py")}
    fused = {
        (module, name)
        for module, tree in trees.items()
        for name, (_, decorators) in decorated(tree).items()
        if "fused_kernel" in decorators
    }
    assert fused
    called = set()
    for module, tree in trees.items():
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        sources = {each.name: (node.module or "").rpartition(".")[2] for node in imports for each in node.names}
        for function, decorators in decorated(tree).values():
            if decorators & {"kernel", "fused_kernel", "inlined_kernel"}:
                called |= {(sources.get(name, module), name) for name in names_called(function)}
    assert not fused & called
