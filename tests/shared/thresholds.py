"""Every size at which the code takes another way, in one list: large sizes are seen small.

`lowered()` sets them all so low that small cases pass them, with several blocks, chunks and parts, the last ones not
full. Sizes that are compiled into kernels count where these run in Python, so that they do. A law that holds of a case
as it is and with sizes lowered holds on both sides of each of them. `tests/splines/sums/test_thresholds.py`
says which size is missing here.
"""

import ast
import importlib
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path

import refkan as rk
from tests.shared.forms import in_python

ROOT = Path(rk.__file__).parents[1]

FOLDERS = ("kernels", "splines", "networks", "training/losses", "training/optimizers", "training/multilevel")
"""Where no size may be missing."""

LOWERED = {
    "refkan.kernels.engine_choice": {"COMPILING": 0.0},
    "refkan.kernels.recycled_memory": {"SMALLEST": 64, "LARGEST": 2**13, "KEPT": 2**14, "OF_ONE_SIZE": 2},
    "refkan.kernels.launch": {"SERIAL_BELOW": 0},
    "refkan.kernels.blas_threads": {"SMALL_MATRICES": 0},
    "refkan.kernels.bspline_basis": {"BLOCK": 4, "TOGETHER": 2},
    "refkan.kernels.gauss_newton_sums": {"LANES": 16, "ENTRIES": 256, "PRODUCTS": 3, "SHORT_RUN": 2},
    "refkan.kernels.local_jets": {"TILE": 8, "CHUNK": 3},
    "refkan.kernels.pointwise_jets": {"ROWS": 3},
    "refkan.kernels.polynomial_layer": {"PAIRS": 6},
    "refkan.kernels.sorted_layer": {"TILE": 8, "TOGETHER": 2, "ROW": 44},
    "refkan.kernels.truncated_powers": {"ENTRIES": 12},
    "refkan.splines.sums.spline_functions": {
        "FEW_OUTPUTS": 3, "MANY_SAMPLES": 4, "MUCH_WORK": 0, "MAKING": 0, "SHORT_RUNS": (5, 0),
    },
    "refkan.splines.sums.value_sweeps": {
        "KEPT": 20, "PART": 8, "PARTS": 4, "LARGEST_BLOCK": 9, "WIDE": 3, "GROUP": 1, "TASKS": 5,
    },
    "refkan.splines.sums.input_jet": {"KEPT_BYTES": 2**12},
    "refkan.splines.sums.windows": {"FEW_OUTPUTS": 1, "PARTS": 3, "LEAST_SAMPLES": 3, "GROUP_ENTRIES": 16},
    "refkan.splines.local_basis": {"CELLS_PER_INTERVAL": 1, "CELLS": 4, "MOST_KNOTS": 20},
    "refkan.splines.bsplines": {"SAVED": 1e9},
    "refkan.networks.sweeps.sample_blocks": {"BLOCK": 5},
    "refkan.networks.network": {"CHUNK": 4},
    "refkan.training.losses.least_squares": {"ENTRIES": 64},
    "refkan.networks.hessians.gauss_newton": {"MOST_PARTS": 3, "LEAST_SAMPLES": 4},
    "refkan.networks.hessians.jacobians": {"LEAST_ROWS": 3},
    "refkan.networks.hessians.memory": {"CHUNK_BYTES": 2**20, "LARGEST_CHUNK": 5, "SMALLEST_CHUNK": 3, "TILE": 4},
    "refkan.networks.hessians.points": {"LEAST_ORDERED": 4},
    "refkan.networks.hessians.products": {"CHUNK": 4},
    "refkan.networks.hessians.window_products": {
        "CACHE_ENTRIES": 64, "MOST_WIDTH": 8, "LEAST_WIDTH": 2, "TASKS": 3, "LONG_BLOCK": 8, "FEW_SLOTS": 3,
    },
    "refkan.training.optimizers.second_order.linear_layer": {"CHUNK": 6},
    "refkan.training.optimizers.second_order.damped_systems": {"QR_WORK": 0.0},
    "refkan.training.multilevel.unchanged_functions": {"MEASURED": 4, "ELSEWHERE": 5},
    "refkan.analysis.conditioning.jacobian_factors": {"BLOCK_ENTRIES": 1},
}  # fmt: skip
"""By module: each size and what it is lowered to. Blocks leave a rest of the samples of a test, chunks a single one."""

NO_SIZES = {
    "refkan.networks.hessians.window_products": {"LONGEST_WINDOW"},  # what kernels are compiled for
    "refkan.training.optimizers.run_files": {"COLUMNS", "DIGITS"},  # of a history in a file, and of its digest
    "refkan.kernels.recycled_memory": {"COUNTED", "LINE", "_UNUSED"},
    "refkan.kernels.vectors": {"ALIGNMENT"},
    "refkan.kernels.polynomial_layer": {"LINEAR", "POLYNOMIAL", "NATURAL"},
    "refkan.kernels.plain_sums": {"LINEAR", "NATURAL"},
    "refkan.kernels.truncated_powers": {"LINEAR", "POLYNOMIAL"},
    "refkan.kernels.gauss_newton_sums": {"VECTOR"},  # lengths of vectors, which loops are written for
    "refkan.kernels.local_jets": {"LANES"},
    "refkan.kernels.sorted_layer": {"RUN", "FOUR"},
    "refkan.networks.archives": {"FORMAT"},
    "refkan.networks.architectures": {"MAX_PARAMETERS"},  # limits of arguments
    "refkan.networks.domain_of_data": {"FEW", "ROOM"},
    "refkan.networks.layers.chebyshev": {"MAX_DEGREE"},
    "refkan.networks.layers.knot_layers.relu": {"RANGE"},
    "refkan.splines.knots": {"MAX_ORDER", "MAX_INTERVALS", "MAX_DERIVATIVE"},
    "refkan.splines.relu_powers": {"FAR"},
    "refkan.training.losses.terms": {"SAMPLED"},  # how often something is measured
    "refkan.training.multilevel.unchanged_functions": {"DRAWS"},
    "refkan.kernels.engine_choice": {"CALLS", "MATRICES"},  # `COMPILING` is what they are compared with
}
"""Whole numbers that decide on no way by sizes."""


def sources():
    """Module names and syntax trees of the folders, and of the other modules of the list."""
    files = [file for folder in FOLDERS for file in sorted((ROOT / "refkan" / folder).glob("*.py"))]
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files}
    names |= {name: ROOT / (name.replace(".", "/") + ".py") for name in LOWERED}
    return {name.removesuffix(".__init__"): ast.parse(file.read_text()) for name, file in names.items()}


@cache
def importers():
    """Where a size is known by its name: (module, size) to the modules that hold it."""
    holders = {(module, size): [module] for module, sizes in LOWERED.items() for size in sizes}
    for name, tree in sources().items():
        for node in tree.body:
            for alias in node.names if isinstance(node, ast.ImportFrom) else ():
                if (node.module, alias.name) in holders:
                    assert alias.asname is None
                    holders[node.module, alias.name].append(name)
    return holders


def kernels_in_python():
    """Kernels of any form, of which none is compiled for this."""
    return in_python(*(importlib.import_module(name) for name in LOWERED if name.startswith("refkan.kernels.")))


@contextmanager
def engine_in_python(name):
    """An engine for few samples: the kernels of the fast one, compiled for seconds for each order, run in Python."""
    with rk.use_engine(name), kernels_in_python() if name == "fast" else nullcontext():
        yield


@contextmanager
def lowered(*left):
    """All sizes lowered, but for those that are `left`, as (module, size); kernels in Python."""
    kept = []
    for (module, size), holders in importers().items():
        if (module, size) not in left:
            for holder in map(importlib.import_module, holders):
                kept.append((holder, size, getattr(holder, size)))
                setattr(holder, size, LOWERED[module][size])
    try:
        with kernels_in_python():
            yield
    finally:
        for holder, size, value in kept:
            setattr(holder, size, value)


SIDES = {"as they are": kernels_in_python, "lowered": lowered}
"""Both sides of every size."""
