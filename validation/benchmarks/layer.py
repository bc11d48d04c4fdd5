"""One cubic KAN layer, 4096 samples: forward, and forward plus backward, against the layers of the peers."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass

from validation.benchmarks.harness import Case, CaseResult, Contestant, Settings, Timed, run_case
from validation.benchmarks.layer_case import LayerCase

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

PEERS = "validation.benchmarks.peers"


@dataclass(frozen=True)
class Program:
    """A contestant by name: its module, imported when it is built, and what that needs."""

    name: str
    module: str
    requires: str = ""
    tolerance: float = 1e-12
    note: str = ""

    def contestant(self, case: LayerCase, sweep: str) -> Contestant:
        """Return the contestant of a case; `sweep` is "forward" or "backward"."""

        def build() -> Timed:
            timed: Timed = getattr(importlib.import_module(self.module), sweep)(case)
            return timed

        return Contestant(self.name, build, self.requires, self.tolerance, self.note)


PROGRAMS = (
    Program("refkan", "validation.benchmarks.refkan_layer"),
    Program(
        "dense Phi + GEMM",
        f"{PEERS}.dense_gemm",
        note="our own plain alternative: numba fills a dense basis, BLAS does the rest",
    ),
    Program("torch (lean)", f"{PEERS}.torch_lean", "torch"),
    Program("jax (lean, jit)", f"{PEERS}.jax_lean", "jax"),
    Program(
        "jaxkan",
        f"{PEERS}.jaxkan_layer",
        "jaxkan",
        note="knots replaced by float64 ones; residual branch, outer weights, bias switched off; compiled",
    ),
    Program(
        "pykan",
        f"{PEERS}.pykan_layer",
        "kan",
        note="default dtype float64 while it is built; SiLU branch timed with weight zero",
    ),
    Program(
        "flashkan",
        f"{PEERS}.flashkan_layer",
        "flashkan",
        # Its 1/6 has 8 digits, wrong by 2e-8; near zeros of the basis truncated powers cancel.
        tolerance=1e-6,
        note="its constant 1/6 has 8 digits; SiLU branch timed with weight zero; after .double()",
    ),
    Program(
        "inkan",
        f"{PEERS}.inkan_layer",
        "inkan",
        note="SiLU branch timed with weight zero, which also gets a gradient (one array); after .double()",
    ),
    Program(
        "efficient-kan",
        f"{PEERS}.efficient_kan_layer",
        "efficient_kan",
        note="without its spline scaler; SiLU branch timed with weight zero; after .double()",
    ),
)


def run(settings: Settings) -> list[CaseResult]:
    """Run both sweeps of every shape."""
    return [run_case(case, settings) for case in cases(settings.quick)]


def cases(quick: bool) -> Iterator[Case]:
    """Yield the forward case and the forward plus backward case of each shape."""
    for n_in, n_out, intervals in SHAPES[:QUICK] if quick else SHAPES:
        data = LayerCase(n_in, n_out, intervals)
        title = f"cubic layer, N = {data.samples}, P = {n_in}, Q = {n_out}, n = {intervals}"
        yield Case(
            f"{title}, forward",
            data.forward_reference,
            [program.contestant(data, "forward") for program in PROGRAMS],
        )
        yield Case(
            f"{title}, forward + backward",
            data.backward_reference,
            [program.contestant(data, "backward") for program in PROGRAMS],
        )
