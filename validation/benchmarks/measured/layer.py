"""One cubic KAN layer, 4096 samples: forward, and forward plus backward, against the layers of the peers."""

from collections.abc import Iterator
from itertools import product

from validation.benchmarks.cases.layer_case import LayerCase
from validation.benchmarks.running.harness import Case, Settings, Task, task
from validation.benchmarks.running.program import PEERS, Program

ASKED = ((2, 5, 16), (5, 1, 64), (20, 20, 4), (20, 20, 16))
SIZES = product(((2, 5), (5, 1), (20, 20), (64, 64), (256, 256)), (4, 16, 64))
LARGEST = (256, 256, 64)
"""What dense contestants would keep of it is gigabytes."""
SHAPES = (*ASKED, *((*size, n) for size, n in SIZES if (*size, n) not in (*ASKED, LARGEST)))

NOTES = {
    "dense Phi + GEMM": "our own plain alternative: numba fills a dense basis, BLAS does the rest",
    "torch (lean)": "Cox-de Boor over all intervals at once, one einsum, gradients by autograd; eager",
    "jax (lean, jit)": "the same, value and gradients compiled together; inputs on the device, results waited for",
    "jaxkan": "knots replaced by float64 ones; residual branch, outer weights, bias switched off; compiled",
    "pykan": "default dtype float64 while it is built; SiLU branch timed with weight zero",
    "flashkan": "its constant 1/6 has 8 digits; SiLU branch timed with weight zero; after .double()",
    "inkan": "SiLU branch timed with weight zero, which also gets a gradient (one array); after .double()",
    "efficient-kan": "without its spline scaler; SiLU branch timed with weight zero; after .double()",
}
PROGRAMS = (
    Program("refkan", "validation.benchmarks.cases.refkan_layer"),
    Program("dense Phi + GEMM", f"{PEERS}.dense_gemm", note=NOTES["dense Phi + GEMM"]),
    *(
        # The 1/6 of flashkan has 8 digits, wrong by 2e-8; near zeros of the basis its truncated powers cancel.
        Program(name, f"{PEERS}.{module}", requires, 1e-6 if name == "flashkan" else 1e-12, NOTES[name], layer)
        for name, module, requires, layer in (
            ("torch (lean)", "torch_layers", "torch", "lean"),
            ("jax (lean, jit)", "jax_layers", "jax", "lean"),
            ("jaxkan", "jax_layers", "jaxkan", "jaxkan"),
            ("pykan", "torch_layers", "kan", "pykan"),
            ("flashkan", "torch_layers", "flashkan", "flashkan"),
            ("inkan", "torch_layers", "inkan", "inkan"),
            ("efficient-kan", "torch_layers", "efficient_kan", "efficient_kan"),
        )
    ),
)
SWEEPS = {"forward": "forward", "forward + backward": "backward"}


def tasks(settings: Settings) -> Iterator[Task]:
    """Yield both sweeps of every shape, those that are asked about first."""
    cases = [LayerCase(*shape) for shape in (ASKED if settings.quick else SHAPES)]
    for sweep in ("forward + backward", "forward"):
        for data in cases:
            yield task(case(data, sweep))


def case(data: LayerCase, sweep: str) -> Case:
    function = SWEEPS[sweep]
    return Case(
        f"{data.title}, {sweep}",
        getattr(data, f"{function}_reference"),
        [program.contestant(data, function) for program in PROGRAMS],
        {**data.parameters, "sweep": sweep},
    )
