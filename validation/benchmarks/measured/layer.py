"""One cubic KAN layer, 4096 samples: forward, and forward plus backward, against the layers of the peers."""

from __future__ import annotations

from collections.abc import Iterator

from validation.benchmarks.cases.layer_case import LayerCase
from validation.benchmarks.running.harness import Case, Settings, Task, task
from validation.benchmarks.running.program import PEERS, Program

SHAPES = (
    (2, 5, 16),
    (5, 1, 64),
    (20, 20, 4),
    (20, 20, 16),
    (2, 5, 4),
    (2, 5, 64),
    (5, 1, 4),
    (5, 1, 16),
    (20, 20, 64),
    (64, 64, 4),
    (64, 64, 16),
    (64, 64, 64),
    (256, 256, 4),
    (256, 256, 16),
)
QUICK = 4
"""Of the shapes, so many of the first."""

PROGRAMS = (
    Program("refkan", "validation.benchmarks.cases.refkan_layer"),
    Program(
        "dense Phi + GEMM",
        f"{PEERS}.dense_gemm",
        note="our own plain alternative: numba fills a dense basis, BLAS does the rest",
    ),
    Program(
        "torch (lean)",
        f"{PEERS}.torch_layers",
        "torch",
        note="Cox-de Boor over all intervals at once, one einsum, gradients by autograd; eager",
        layer="lean",
    ),
    Program(
        "jax (lean, jit)",
        f"{PEERS}.jax_layers",
        "jax",
        note="the same, value and gradients compiled together; inputs on the device, results waited for",
        layer="lean",
    ),
    Program(
        "jaxkan",
        f"{PEERS}.jax_layers",
        "jaxkan",
        note="knots replaced by float64 ones; residual branch, outer weights, bias switched off; compiled",
        layer="jaxkan",
    ),
    Program(
        "pykan",
        f"{PEERS}.torch_layers",
        "kan",
        note="default dtype float64 while it is built; SiLU branch timed with weight zero",
        layer="pykan",
    ),
    Program(
        "flashkan",
        f"{PEERS}.torch_layers",
        "flashkan",
        # Its 1/6 has 8 digits, wrong by 2e-8; near zeros of the basis truncated powers cancel.
        tolerance=1e-6,
        note="its constant 1/6 has 8 digits; SiLU branch timed with weight zero; after .double()",
        layer="flashkan",
    ),
    Program(
        "inkan",
        f"{PEERS}.torch_layers",
        "inkan",
        note="SiLU branch timed with weight zero, which also gets a gradient (one array); after .double()",
        layer="inkan",
    ),
    Program(
        "efficient-kan",
        f"{PEERS}.torch_layers",
        "efficient_kan",
        note="without its spline scaler; SiLU branch timed with weight zero; after .double()",
        layer="efficient_kan",
    ),
)


SWEEPS = {"forward": "forward", "forward + backward": "backward"}
"""Name of each sweep and of the functions that compute it."""


def tasks(settings: Settings) -> Iterator[Task]:
    """Yield both sweeps of every shape, those that are asked about first."""
    cases = [LayerCase(*shape) for shape in (SHAPES[:QUICK] if settings.quick else SHAPES)]
    for sweep in ("forward + backward", "forward"):
        for data in cases:
            yield task(case(data, sweep))


def case(data: LayerCase, sweep: str) -> Case:
    """One sweep of one layer, by all programs."""
    function = SWEEPS[sweep]
    return Case(
        f"{data.title}, {sweep}",
        getattr(data, f"{function}_reference"),
        [program.contestant(data, function) for program in PROGRAMS],
        {**data.parameters, "sweep": sweep},
    )
