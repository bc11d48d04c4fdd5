"""Fresh draws of every random test, and the largest errors over their bounds.

A test that calls `numpy.random.default_rng`, or that hypothesis drives, is a law if it holds for every seed.
``REFKAN_TEST_MULTIPLIER=M`` runs each law on M times as many cases: the usual draw, which never changes, and M - 1
draws from fresh seeds. ``REFKAN_TEST_SEED`` repeats them. `tests/conftest.py` connects this module to pytest.
"""

import inspect
import json
import os
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from numbers import Integral
from pathlib import Path
from unittest.mock import patch

import hypothesis
import numpy as np

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "corpus"

MULTIPLIER = int(os.environ.get("REFKAN_TEST_MULTIPLIER", "1"))
"""How many times as many cases each law draws."""

REPORT = os.environ.get("REFKAN_TEST_REPORT")
"""A file to which each fresh draw adds a line of JSON; only fresh draws run then."""

POISON = bool(os.environ.get("REFKAN_TEST_POISON"))
"""Whether arrays of undefined content start as NaN."""

ROOMS = (
    "tests/analysis/", "tests/checks/", "tests/kernels/", "tests/networks/", "tests/package/test_fresh_calls.py",
    "tests/second_opinion/", "tests/splines/", "tests/training/", "tests/truth/",
)  # fmt: skip
"""Folders whose random tests are laws, except for those of `PARTICULAR`."""

PARTICULAR = {
    "tests/analysis/conditioning/test_study.py::test_rows_are_spectra": "the rows are those of the usual draw",
    "tests/analysis/exact/test_boxes.py::test_lipschitz_constants_in_the_norms_1_and_inf":
        "how near samples come to the bound depends on the network",
    "tests/analysis/exact/test_hessian_spectra.py::test_float64_is_wrong_where_the_condition_number_exceeds_1e22":
        "other networks are better conditioned",
    "tests/analysis/exact/test_network_ranks.py::test_in_balls_ranks_do_not_depend_on_what_float64_holds":
        "rows of other networks may be nearly dependent",
    "tests/analysis/exact/test_node_tables.py::test_many_inputs_and_deep_networks_take_few_boxes":
        "numbers of boxes are those of these networks",
    "tests/analysis/exact/test_subdivision.py::test_enclosures_are_as_narrow_as_few_boxes_ask":
        "numbers of boxes are those of these networks",
    "tests/kernels/test_dense_functions.py::test_truncated_powers_are_their_products":
        "equal to the last bit for these knots; for others a power and a product round differently",
    "tests/kernels/test_launch.py::test_bits_do_not_depend_on_the_ranges": "another process has the usual draw",
    "tests/networks/test_domain_of_data.py::test_an_input_that_covers_little_of_its_domain": "a message quotes numbers",
    "tests/networks/refinement/test_refinement.py::test_activations_leave_their_domains_in_training":
        "some of so many networks keep their activations inside",
    "tests/networks/test_laws.py::test_values_are_those_of_the_truth_or_infinite_where_these_are_no_numbers":
        "held relative to the value itself; with other parameters terms of the ReLU basis cancel",
    "tests/training/adaptivity/test_refinement.py::test_a_cut_keeps_to_its_limits": "the largest cut fits this draw",
    "tests/training/adaptivity/test_refinement.py::test_knots_at_their_floor_can_be_fixed_and_freed":
        "1e-14 is what these coefficients have; the bound above it holds for all",
    "tests/training/multilevel/test_multistart.py::test_random_knots_give_free_knots_other_places_to_end":
        "both starts may end in the same minimum",
    "tests/training/optimizers/test_damped_systems.py::test_damped_steps_by_all_routes": "steps may be small",
    "tests/training/optimizers/test_variable_projection.py::test_degenerate_and_non_finite_trials_are_rejected":
        "which trials are rejected depends on the start",
    "tests/training/optimizers/test_variable_projection.py::test_it_trains_every_kind_of_last_layer":
        "how far a training comes depends on its start",
    "tests/training/optimizers/test_variable_projection.py::test_the_reduced_gradient_is_the_full_one":
        "difference quotients of other starts have fewer digits",
    "tests/validation/equations/test_setups.py::test_the_exact_solution_has_no_residual":
        "quantities that do not matter at few points are taken for unused ones",
    "tests/validation/equations/test_recipes.py::test_points_follow_the_slope_in_their_share":
        "the share of so few points varies by more",
    "tests/truth/test_numbers.py::test_one_coefficient_moved_in_its_last_digits_is_noticed":
        "the function of the first coefficient may vanish at all samples",
}  # fmt: skip
"""Tests of one particular draw, with the reason why they need not hold for others."""


@dataclass(frozen=True)
class Draw:
    """The seed of a run, the number of the draw, and the case to which it is restricted; number 0 is the usual draw."""

    seed: int = 0
    number: int = 0
    case: str = ""

    def __str__(self) -> str:
        if not self.number:
            return "usual"
        return f"seed{self.seed}.{self.number}"

    def generator(self, seed=None):
        """Return the generator that takes the place of ``np.random.default_rng(seed)``, but in the library itself."""
        if sys._getframe(1).f_globals.get("__name__", "").startswith("refkan."):
            return default_rng(seed)
        whole = isinstance(seed, Integral)
        several = isinstance(seed, list | tuple) and all(isinstance(part, Integral) for part in seed)
        if not whole and not several:
            return default_rng(seed)
        parts = [seed] if whole else list(seed)
        return default_rng([self.seed, self.number, *parts])


USUAL = Draw()
default_rng = np.random.default_rng


# --- which tests are laws

MAKERS = {"__init__", "__post_init__"}
"""Methods that are called where a class is."""


def is_hypothesis(function) -> bool:
    """Whether hypothesis draws the arguments of a test."""
    return hasattr(function, "hypothesis")


def names_in(code) -> set[str]:
    """Return all names that a code object uses, including those of inner functions."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if inspect.iscode(constant):
            names |= names_in(constant)
    return names


@cache
def uses_random_numbers(function) -> bool:
    """Whether a function of the tests draws numbers, itself or through helpers and methods of tests."""
    seen, waiting = set(), [function]
    while waiting:
        function = inspect.unwrap(waiting.pop())
        code = getattr(function, "__code__", None)
        if code is None or code in seen:
            continue
        seen.add(code)
        names = names_in(code)
        if "default_rng" in names:
            return True
        known = function.__globals__
        classes = [value for value in known.values() if inspect.isclass(value) and of_tests(value)]
        called = [known[name] for name in names & known.keys()]
        called += [vars(owner)[name] for owner in classes for name in names & vars(owner).keys()]
        made = [value for value in called if inspect.isclass(value) and of_tests(value)]
        called += [vars(owner)[name] for owner in made for name in MAKERS & vars(owner).keys()]
        waiting += [value for value in called if of_tests(value) and not inspect.isclass(value)]
    return False


def of_tests(value) -> bool:
    """Whether a function or class is one of the tests."""
    return str(getattr(value, "__module__", "")).startswith("tests.")


def is_law(nodeid: str, function, fixtures) -> bool:
    """Whether a test draws random numbers and holds for all of them."""
    if is_hypothesis(function):
        return nodeid not in PARTICULAR
    if not nodeid.startswith(ROOMS) or nodeid in PARTICULAR:
        return False
    return "rng" in fixtures or uses_random_numbers(function)


# --- which draws they get


@cache
def kept_draws() -> dict[str, list[Draw]]:
    """Return by law the draws of the corpus that once failed."""
    draws: dict[str, list[Draw]] = {}
    for file in sorted(CORPUS.glob("*.json")):
        entry = json.loads(file.read_text(encoding="utf-8"))
        if "law" in entry:
            draw = Draw(entry["seed"], entry["number"], entry["case"])
            draws.setdefault(entry["law"], []).append(draw)
    return draws


def draws_of(nodeid: str, function) -> list[Draw]:
    """Return the draws of a law in this run; hypothesis draws all its fresh cases in one go."""
    seed = int(os.environ.get("REFKAN_TEST_SEED", "0"))
    count = MULTIPLIER - 1
    numbers = range(1, count + 1)
    if is_hypothesis(function) and count:
        numbers = range(count, count + 1)
    return [USUAL, *kept_draws().get(nodeid, []), *(Draw(seed, number) for number in numbers)]


def repeat_command(draw: Draw, nodeid: str) -> str:
    """Return the command that repeats a draw."""
    return f"REFKAN_TEST_SEED={draw.seed} REFKAN_TEST_MULTIPLIER={draw.number + 1} python -m pytest -m '' '{nodeid}'"


# --- and how they are drawn

CASES = {"drawn": 0}
"""How many cases the current test has drawn: examples of hypothesis, or one."""


@contextmanager
def drawing(draw: Draw, function):
    """Draw from the seeds of a draw while this lasts."""
    CASES["drawn"] = 0 if is_hypothesis(function) else 1
    RATIOS.clear()
    if not draw.number:
        yield
        return
    forget_cached()
    with ExitStack() as stack:
        stack.enter_context(patch.object(np.random, "default_rng", draw.generator))
        if is_hypothesis(function):
            examples(draw, function, stack)
        yield
    forget_cached()


def examples(draw: Draw, function, stack: ExitStack) -> None:
    """Let hypothesis draw as many examples as the number says, times the test's own, from a seed of the draw."""
    settings = function._hypothesis_internal_use_settings
    more = hypothesis.settings(
        settings, max_examples=settings.max_examples * draw.number, derandomize=False, database=None
    )
    inner = function.hypothesis.inner_test

    def counted(*args, **kwargs):
        CASES["drawn"] += 1
        return inner(*args, **kwargs)

    seed = int(draw.generator(0).integers(2**63))
    stack.enter_context(patch.object(function, "_hypothesis_internal_use_settings", more))
    stack.enter_context(patch.object(function, "_hypothesis_internal_use_seed", seed))
    stack.enter_context(patch.object(function.hypothesis, "inner_test", counted))


def forget_cached() -> None:
    """Empty the caches of the tests' helpers, whose results are those of another draw."""
    for name, module in list(sys.modules.items()):
        if name.startswith("tests."):
            for value in list(vars(module).values()):
                if of_tests(value) and hasattr(value, "cache_clear"):
                    value.cache_clear()


# --- errors over their bounds

RATIOS: list[tuple[str, float]] = []
"""What the current test has measured: a line of docs/trust.md by its quantity, and error over bound."""


def within(error, bound, quantity: str) -> bool:
    """Whether |error| <= bound in every entry; the largest ratio is noted under a quantity of docs/trust.md."""
    error, bound = np.broadcast_arrays(np.abs(np.asarray(error, float)), np.asarray(bound, float))
    ratio = np.zeros(error.shape)
    np.divide(error, bound, out=ratio, where=bound > 0)
    RATIOS.append((quantity, float(ratio.max(initial=0.0))))
    return bool(np.all(error <= bound))


def report(draw: Draw, nodeid: str, law: str, seconds: float, failure: str) -> None:
    """Add what a draw came to, one line of JSON."""
    line = {
        "law": law, "case": nodeid, "seed": draw.seed, "number": draw.number, "cases": CASES["drawn"],
        "seconds": round(seconds, 3), "failure": failure, "ratios": RATIOS,
    }  # fmt: skip
    with Path(str(REPORT)).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


# --- arrays of undefined content

ALL_BITS = 255
"""Bytes that are NaN as floating-point numbers, -1 as integers."""


@contextmanager
def poisoned_memory():
    """Let arrays of undefined content start as NaN: `np.empty`, `np.empty_like` and recycled blocks.

    Kernels are covered where they run in Python; compiled ones have an `empty` of their own.
    """
    from numba.core.dispatcher import Dispatcher

    from refkan.kernels import recycled_memory

    empty, empty_like, block = np.empty, np.empty_like, recycled_memory._block
    compile_kernel = Dispatcher.compile

    def compiled(self, signature):
        """Compile with the function that Numba knows."""
        with patch.object(np, "empty", empty), patch.object(np, "empty_like", empty_like):
            return compile_kernel(self, signature)

    def poisoned(array):
        if array.dtype != object and array.size:
            array.view(np.ndarray).reshape(-1, copy=False).view(np.uint8)[...] = ALL_BITS
        return array

    def poisoned_block(size):
        memory, first = block(size)
        memory[...] = ALL_BITS
        return memory, first

    def contiguous(*args, **kwargs):
        return poisoned(empty(*args, **kwargs))

    def alike(*args, **kwargs):
        made = empty_like(*args, **kwargs)
        return poisoned(made) if made.flags.c_contiguous else made

    with ExitStack() as stack:
        stack.enter_context(patch.object(np, "empty", contiguous))
        stack.enter_context(patch.object(np, "empty_like", alike))
        stack.enter_context(patch.object(recycled_memory, "_block", poisoned_block))
        stack.enter_context(patch.object(Dispatcher, "compile", compiled))
        yield
