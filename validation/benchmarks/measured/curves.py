"""Time of one layer against n, Q and N, forward and backward: refkan, its fastest kinds of peers, and the machine.

The machine's limits are timed in the same rounds.
"""

from collections.abc import Iterator
from dataclasses import replace

from validation.benchmarks.cases.layer_case import LayerCase
from validation.benchmarks.measured import layer
from validation.benchmarks.measured.limits import of_layer
from validation.benchmarks.running.harness import Case, Settings, Task, task

CENTRE = LayerCase(20, 20, 16)
AXES = {
    "n": ("intervals", (4, 16, 64, 256, 1024)),
    "Q": ("n_out", (5, 20, 80, 320)),
    "N": ("samples", (256, 1024, 4096, 16384, 65536)),
}
"""Name in tables -> field of the case and its values; the others stay at the centre."""
NAMES = ("refkan", "dense Phi + GEMM", "torch (lean)", "jax (lean, jit)", "flashkan")


def tasks(settings: Settings) -> Iterator[Task]:
    """Yield a case for each point of each axis, quickly for the first three."""
    for axis, (name, values) in AXES.items():
        for value in values[: 3 if settings.quick else None]:
            yield task(case(axis, replace(CENTRE, **{name: value})))


def case(axis: str, data: LayerCase) -> Case:
    return Case(
        f"{data.title}, forward + backward, against {axis}",
        data.backward_reference,
        [program.contestant(data, "backward") for program in layer.PROGRAMS if program.name in NAMES],
        {**data.parameters, "against": axis},
        of_layer(data),
    )
