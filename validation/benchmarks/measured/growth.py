"""How time and memory grow with samples, widths, intervals and parameters; both sides of sizes that choose a way.

Each point of an axis is measured in a process of its own, whose memory is watched. Where a named size of the library
decides how a call is computed, that call is timed in turns just below the size and at it: a cliff would show there.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice, pairwise
from math import ceil

import refkan as rk
from refkan.kernels.blas_threads import SMALL_MATRICES
from refkan.kernels.engine_choice import CALLS, COMPILING, MATRICES, saved_by_fast
from refkan.kernels.launch import SERIAL_BELOW
from refkan.networks.hessians import gauss_newton
from refkan.networks.hessians.gauss_newton import LEAST_SAMPLES
from refkan.networks.hessians.points import Points
from refkan.networks.hessians.sparse_accumulation import RawMatrix
from refkan.networks.network import CHUNK
from refkan.networks.sweeps.sample_blocks import BLOCK
from refkan.splines.sums.input_jet import KEPT_BYTES
from refkan.splines.sums.spline_functions import FEW_OUTPUTS, MUCH_WORK, SHORT_RUNS
from refkan.splines.sums.value_sweeps import KEPT, operations_of_pair
from refkan.training.optimizers.second_order.damped_systems import QR_WORK
from validation.benchmarks.cases.layer_case import LayerCase
from validation.benchmarks.cases.network_cases import DEGREE, GaussNewtonCase
from validation.benchmarks.cases.refkan_layer import backward
from validation.benchmarks.cases.training_case import TrainingCase
from validation.benchmarks.measured.networks import network
from validation.benchmarks.measured.startup import child
from validation.benchmarks.running.harness import Entry, Settings, Task
from validation.benchmarks.running.timing import Timer, interleave

Call = Callable[[], object]
WIDE = (2, 20, 20, 1)
WEIGHTS = sum(a * b for a, b in pairwise(WIDE))

_POINT = """
import statistics
from validation.benchmarks.measured.growth import AXES
from validation.benchmarks.running.timing import Timer
from validation.benchmarks.running.watch import forget_peak, peak_memory
call = AXES[{axis!r}][2]({value})
forget_peak()
before = peak_memory()
call()
call()
timer = Timer.of(call, {least})
print(statistics.median(timer() for _ in range({rounds})), peak_memory() - before)
"""


def layer(samples: int, inputs: int, outputs: int, intervals: int) -> Call:
    return backward(LayerCase(inputs, outputs, intervals, samples)).run


def loss(samples: int, widths: tuple[int, ...] = (2, 5, 1)) -> Call:
    case = TrainingCase(widths, 5, samples)
    return partial(case.problem.value_and_gradient, case.theta)


def values(samples: int) -> Call:
    case = GaussNewtonCase((2, 5, 1), 5, samples)
    return partial(network(case), case.theta, case.data[0])


def matrix(samples: int, widths: tuple[int, ...] = (2, 5, 1), intervals: int = 4) -> Call:
    case = GaussNewtonCase(widths, intervals, samples)
    return partial(gauss_newton, network(case), case.theta, case.data[0])


def step(samples: int, intervals: int = 5) -> Call:
    case = TrainingCase((2, 5, 1), intervals, samples)
    return partial(rk.minimize, case.problem, case.theta, "levenberg-marquardt", 1)


AXES: dict[str, tuple[str, tuple[int, ...], Callable[[int], Call]]] = {
    "N": ("value and gradient of [2, 5, 1], cubic, n = 5", (1_000, 10_000, 100_000, 1_000_000, 10_000_000), loss),
    "Q": ("layer (Q, Q), n = 16, N = 4096", (4, 16, 64, 256), lambda Q: layer(4096, Q, Q, 16)),
    "n": ("layer (20, 20), N = 4096", (8, 32, 128, 512), lambda n: layer(4096, 20, 20, n)),
    "M": (
        "Gauss-Newton matrix of [2, 20, 20, 1], cubic, N = 4096",
        tuple(WEIGHTS * (n + 3) for n in (2, 5, 10, 20)),
        lambda M: matrix(4096, WIDE, M // WEIGHTS - 3),
    ),
}
"""Name -> what is called, the values, and the call at one of them."""


def sides() -> Iterator[tuple[str, str, str, int, Callable[[int], Call]]]:
    """Yield size, what is called, the name of its argument, the first value on the other side, and the call there."""
    calls = COMPILING / CALLS
    sweeps, small, gradient = "layer (2, 5), forward and back", "layer (20, 20), forward and back", "value and gradient"
    yield "CALLS", sweeps, "N", ceil(calls / saved_by_fast(1, 2, 4, 5)), lambda N: layer(N, 2, 5, 5)
    yield "CALLS", f"{gradient} of [2, 5, 1]", "N", ceil(calls / saved_by_fast(1, 5, 4, 1)), loss
    case = GaussNewtonCase((2, 5, 1), 4, 2)
    forms = Points.check(network(case), case.theta, case.data[0], None).forms
    saved = sum(sums.saved for sums in RawMatrix(forms, 1).all_sums)
    yield "MATRICES", "Gauss-Newton matrix of [2, 5, 1]", "N", ceil(COMPILING / MATRICES / saved), matrix
    yield "LEAST_SAMPLES", "Gauss-Newton matrix of [2, 5, 1]", "N", 2 * LEAST_SAMPLES, matrix
    yield "MUCH_WORK", small, "N", ceil(MUCH_WORK / (20 * 30)), lambda N: layer(N, 20, 20, 16)
    yield "SHORT_RUNS", small, "n", SHORT_RUNS[0] + SHORT_RUNS[1] * 20 + 1, lambda n: layer(4096, 20, 20, n)
    yield "FEW_OUTPUTS", "layer (20, Q), forward and back", "Q", FEW_OUTPUTS, lambda Q: layer(4096, 20, Q, 16)
    operations = 2 * operations_of_pair(4, 5)  # of a sample; on the way back twice as many
    yield "SERIAL_BELOW", sweeps, "N", ceil(SERIAL_BELOW / (2 * operations)), lambda N: layer(N, 2, 5, 5)
    yield "SERIAL_BELOW", sweeps, "N", ceil(SERIAL_BELOW / operations), lambda N: layer(N, 2, 5, 5)
    yield "KEPT", sweeps, "N", KEPT // 2 + 1, lambda N: layer(N, 2, 5, 5)
    yield "BLOCK", f"{gradient} of [2, 20, 20, 1]", "N", BLOCK + 1, partial(loss, widths=WIDE)
    yield "CHUNK", "values of [2, 5, 1]", "N", CHUNK + 1, values
    case = TrainingCase((2, 5, 1), 5, 100_000)
    edges = case.n_params // case.dim
    yield "QR_WORK", "Levenberg-Marquardt step of [2, 5, 1]", "N", int(QR_WORK / case.n_params**2) + 1, step
    first = SMALL_MATRICES // edges - DEGREE + 1
    yield "SMALL_MATRICES", "Levenberg-Marquardt step of [2, 5, 1]", "n", first, partial(step, 4000)
    problem = case.problem
    problem.value_and_gradient(case.theta)
    first = int(KEPT_BYTES * case.samples / problem.samples.kept_bytes) + 1
    yield "KEPT_BYTES", f"{gradient} of [2, 5, 1]", "N", first, loss


def tasks(settings: Settings) -> Iterator[Task]:
    for axis, (title, axis_values, _) in AXES.items():
        for value in axis_values[:2] if settings.quick else axis_values:
            yield point(f"{title}, {axis} = {value}", axis, value)
    for size, title, name, first, make in islice(sides(), 2 if settings.quick else None):
        yield side(f"{title}, below {size} and from it on, {name} = {first}", size, {name: first}, make)


def point(title: str, axis: str, value: int) -> Task:
    """One point of an axis: seconds of a call, and by how much calls raise the largest memory of their process."""

    def entries(settings: Settings) -> list[Entry]:
        code = _POINT.format(axis=axis, value=value, least=settings.seconds_per_timing, rounds=settings.rounds)
        seconds, megabytes = map(float, child(code))
        return [Entry("refkan", "timed", seconds=[seconds], megabytes=megabytes)]

    return Task(title, {"against": axis, axis: value}, entries)


def side(title: str, size: str, first: dict[str, int], make: Callable[[int], Call]) -> Task:
    ((name, value),) = first.items()

    def entries(settings: Settings) -> list[Entry]:
        calls = {f"{name} = {at}": make(at) for at in (value - 1, value)}
        for call in calls.values():
            call()
        timers = {label: Timer.of(call, settings.seconds_per_timing) for label, call in calls.items()}
        seconds = interleave(timers, settings.rounds, settings.watch)
        return [Entry(label, "timed", seconds=seconds[label]) for label in calls]

    return Task(title, {"against": "sizes", "size": size, **first}, entries)
