"""Whole trainings: seconds until the mean square error falls below given ones, from the same starts.

The lean networks of JAX and PyTorch are the same function as ours, B-splines that decay outside their domain, and take
SciPy's L-BFGS-B with our options: what is left between them and ours by that method is the library, and between our
methods the method. pykan is trained as its users do. Each training runs once from each start, in turns; whatever its
method evaluated counts from the moment at which it was known.
"""

import importlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.optimize import minimize

import refkan as rk
from validation.benchmarks.cases.network_cases import Array
from validation.benchmarks.cases.training_case import TrainingCase
from validation.benchmarks.measured.startup import child
from validation.benchmarks.running.harness import Entry, Parameters, Settings, Task, difference, installed
from validation.benchmarks.running.program import PEERS
from validation.benchmarks.running.timing import settle
from validation.benchmarks.running.watch import Watch

LEVELS = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
"""Mean square errors, over the square of the target's range."""

STARTS, SAMPLES, QUICK = 5, 4000, 300

STEPS = {"variable-projection": 100, "levenberg-marquardt": 200, "lbfgs": 1000}
"""Of our methods and, of the last, of the lean networks."""

OPTIONS = {"maxcor": 10, "maxls": 20, "gtol": 1e-9, "ftol": 0.0, "maxfun": 10**9}
"""Of SciPy's L-BFGS-B, as `refkan.training.optimizers.gradient_methods` has them."""

OLDER = "REFKAN_OLDER_JAX"

_TRAINING = """
import json, jax
from validation.benchmarks.cases.training_case import TrainingCase
from validation.benchmarks.measured.trainings import lean
course = lean("jax")({case!r})
print(json.dumps([jax.__version__, course.seconds, course.errors], separators=(",", ":")))
"""

Loss = Callable[[Array], tuple[float, Array]]
"""theta -> value and gradient of 1/(2N) sum |F - y|^2."""


@dataclass
class Course:
    """The least mean square error so far, and when it was known."""

    seconds: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    note: str = ""
    begin: float = field(default_factory=time.perf_counter)

    def add(self, error: float) -> None:
        self.seconds.append(time.perf_counter() - self.begin)
        self.errors.append(min([error, *self.errors[-1:]]))

    def until(self, error: float) -> float:
        """Seconds until the error was no larger; infinite if it never was."""
        return next((s for s, e in zip(self.seconds, self.errors, strict=True) if e <= error), np.inf)


def ours(method: str) -> Callable[[TrainingCase], Course]:

    def train(case: TrainingCase) -> Course:
        problem = case.problem
        rk.minimize(problem, case.theta, method, 3)  # compiles
        course = Course()
        rk.minimize(problem, case.theta, method, STEPS[method], callback=lambda state: course.add(2 * state.value))
        return course

    return train


def lean(library: str) -> Callable[[TrainingCase], Course]:
    """Return the training of the lean network of a library by L-BFGS-B."""

    def train(case: TrainingCase) -> Course:
        loss: Loss = importlib.import_module(f"{PEERS}.{library}_networks").loss(case)
        expected = case.problem.value_and_gradient(case.theta)
        off = difference((np.array([loss(case.theta)[0]]), loss(case.theta)[1]), (np.array([expected[0]]), expected[1]))
        if not off <= 1e-11:
            raise ValueError(f"value and gradient at the start are off by {off:.1e}")
        course = Course()

        def value_and_gradient(theta: Array) -> tuple[float, Array]:
            value, gradient = loss(theta)
            course.add(2 * value)
            return value, gradient

        options = OPTIONS | {"maxiter": STEPS["lbfgs"]}
        minimize(value_and_gradient, case.theta, jac=True, method="L-BFGS-B", options=options)
        return course

    return train


def older_jax(case: TrainingCase) -> Course:
    """Return the training of the lean network by the JAX of another interpreter."""
    (printed,) = child(_TRAINING.format(case=case), os.environ[OLDER])
    version, seconds, errors = json.loads(printed)
    return Course(seconds, errors, f"jax {version}, in processes of its own")


def pykan(case: TrainingCase) -> Course:
    course = Course()
    importlib.import_module(f"{PEERS}.torch_networks").train_pykan(case, course.add)
    return course


PYKAN, LAST = "pykan, LBFGS", "pykan after its last step, from each start,"

CONTESTANTS: Mapping[str, tuple[str, Callable[[TrainingCase], Course]]] = {
    **{f"refkan, {method}": ("", ours(method)) for method in STEPS},
    "jax (lean, jit), L-BFGS-B": ("jax", lean("jax")),
    "older jax (lean, jit), L-BFGS-B": (f"${OLDER}", older_jax),
    "torch (lean), L-BFGS-B": ("torch", lean("torch")),
    PYKAN: ("kan", pykan),
}
"""Name -> what must be installed, or the variable that must be set, and the training."""

COMPARED = {
    "methods": tuple(CONTESTANTS),
    "L-BFGS-B": ("refkan, lbfgs", *(name for name in CONTESTANTS if name.endswith("L-BFGS-B"))),
}
"""Who is compared with the first: all, or libraries by one method."""


class Courses:
    """All trainings of a row, run when they are first asked for."""

    def __init__(self, widths: tuple[int, ...], intervals: int, settings: Settings) -> None:
        samples, starts = (QUICK, 1) if settings.quick else (SAMPLES, STARTS)
        self.cases = [TrainingCase(widths, intervals, samples, start=k) for k in range(starts)]
        self.settings, self.watch = settings, Watch()

    @cached_property
    def measured(self) -> dict[str, list[Course] | Entry]:
        """The courses of each contestant, or why there are none."""
        names = list(CONTESTANTS)
        measured: dict[str, list[Course] | Entry] = {}
        for name, (needed, _) in CONTESTANTS.items():
            reason = "left out" if name in self.settings.without else lacking(needed)
            measured[name] = Entry(name, "skipped", reason) if reason else []
        with self.watch:
            for k, case in enumerate(self.cases):
                for name in names[k % len(names) :] + names[: k % len(names)]:
                    courses = measured[name]
                    if isinstance(courses, Entry):
                        continue
                    self.settings.progress(f"  {name}, start {k}")
                    settle()
                    try:
                        courses.append(CONTESTANTS[name][1](case))
                    except Exception as error:  # a peer's failure is its own
                        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
                        measured[name] = Entry(name, "failed", reason[:200])
        return measured

    def task(self, level: float | None, of: str) -> Task:
        """Return the task that reads off when errors of those compared fell to a level, None for pykan's last ones."""
        case = self.cases[0]
        square = float(np.ptp(case.targets)) ** 2

        def entries(settings: Settings) -> list[Entry]:
            errors = self._last_errors(PYKAN) if level is None else [level * square] * len(self.cases)
            read = [self._entry(name, self.measured[name], errors) for name in COMPARED[of]]
            settings.watch.include(self.watch)
            return read

        name, words = (
            ("last of pykan", LAST) if level is None else (f"{level:.0e}", f"{level:.0e} of the range squared")
        )
        parameters: Parameters = {"of": of, "N": case.samples, "error": name}
        return Task(f"training of {case.title}, to an error of {words}: {of}", parameters, entries)

    def _last_errors(self, name: str) -> list[float]:
        """The least error of a contestant from each start; none if it did not run."""
        courses = self.measured[name]
        return [] if isinstance(courses, Entry) else [course.errors[-1] for course in courses]

    def _entry(self, name: str, courses: list[Course] | Entry, errors: list[float]) -> Entry:
        if isinstance(courses, Entry):
            return courses
        if not errors:
            return Entry(name, "skipped", f"no errors of {PYKAN} are known")
        seconds = [course.until(error) for course, error in zip(courses, errors, strict=True)]
        reached = int(np.isfinite(seconds).sum())
        if reached < len(seconds):
            return Entry(name, "skipped", f"reaches {max(errors):.2g} from {reached} of {len(seconds)} starts")
        return Entry(name, "timed", seconds=seconds, note=courses[0].note)


def lacking(needed: str) -> str:
    """Return what is wrong if a module is not installed, or a $variable of the environment is not set; else ""."""
    if needed.startswith("$"):
        return "" if os.environ.get(needed[1:]) else f"{needed} is not set"
    return "" if installed(needed) else f"{needed} is not installed"


def tasks(settings: Settings) -> Iterator[Task]:
    courses = Courses((2, 5, 1), 5, settings)
    for of in COMPARED:
        for level in LEVELS[: 2 if settings.quick else None]:
            yield courses.task(level, of)
    yield courses.task(None, "methods")
