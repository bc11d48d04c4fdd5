import atexit
import gc
import os
import random
import re
import secrets
import shutil
import signal
import tempfile
from contextlib import nullcontext

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # see validation/__main__.py; before NumPy is loaded

if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    # Where no bytecode is to lie beside sources, a hundred programs of the tests would compile all that they import,
    # each for some 3 s. It lies in a folder of this run in its place, which the workers of pytest-xdist inherit.
    os.environ["PYTHONPYCACHEPREFIX"] = tempfile.mkdtemp(prefix="refkan-bytecode-")
    atexit.register(shutil.rmtree, os.environ["PYTHONPYCACHEPREFIX"], ignore_errors=True)

import numpy as np
import pytest
from hypothesis import settings

from tests.shared import draws

# Compilation and exact arithmetic make single examples slow; drawing them the same way each time keeps the suite
# deterministic. `tests/shared/draws.py` adds fresh draws.
settings.register_profile("refkan", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("refkan")

if draws.MULTIPLIER > 1:  # set before workers start, which inherit it
    os.environ.setdefault("REFKAN_TEST_SEED", str(secrets.randbits(32)))


def pytest_configure(config):
    """Leave the library as it is: pytest rewrites, for seconds, the assertions of all that comes with a plugin."""
    getattr(config.pluginmanager.rewrite_hook, "_must_rewrite", set()).discard("refkan")


def pytest_report_header():
    """Name the seed of fresh draws."""
    if draws.MULTIPLIER > 1:
        seed = os.environ["REFKAN_TEST_SEED"]
        return f"fresh draws: REFKAN_TEST_MULTIPLIER={draws.MULTIPLIER} REFKAN_TEST_SEED={seed}"
    return None


def law_of(item):
    """Return the test of an item without its parameters."""
    return item.nodeid.partition("[")[0]


def draw_of(item):
    """Return the draw of an item."""
    if not hasattr(item, "callspec"):
        return draws.USUAL
    return item.callspec.params.get("draw_numbers", draws.USUAL)


def pytest_generate_tests(metafunc):
    """Run each law once for each of its draws."""
    nodeid = metafunc.definition.nodeid
    if draws.is_law(nodeid, metafunc.function, metafunc.fixturenames):
        drawn = draws.draws_of(nodeid, metafunc.function)
        if len(drawn) > 1:
            metafunc.parametrize("draw_numbers", drawn, indirect=True, ids=str)


@pytest.fixture(autouse=True)
def draw_numbers(request):
    """Draw from fresh seeds, if the item says so; poison memory if the run does."""
    poison = draws.poisoned_memory() if draws.POISON else nullcontext()
    with poison, draws.drawing(getattr(request, "param", draws.USUAL), request.function):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Say how a failing draw is repeated, and add fresh draws to the report of the run."""
    made = yield
    draw = draw_of(item)
    if draw.number:
        if made.failed:
            made.sections.append(("fresh draw", draws.repeat_command(draw, item.nodeid)))
        if draws.REPORT and (call.when == "call" or made.failed):
            draws.report(draw, item.nodeid, law_of(item), call.duration, made.longreprtext if made.failed else "")
    return made


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Leave the tests, which stay until the end, out of what the garbage collector goes through again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


EXHAUSTIVE = {
    "tests/analysis/conditioning/test_units.py::test_networks_of_several_bases",
    "tests/analysis/exact/test_bounds_at_edges.py::test_lipschitz_constants_are_limits_from_inside_the_box_in_any_unit",
    "tests/analysis/exact/test_boxes.py::test_bounds_are_the_same_bits_however_boxes_are_shared_out",
    "tests/analysis/exact/test_boxes.py::test_the_excess_falls_at_least_quadratically",
    "tests/analysis/exact/test_checked_certificates.py::test_certificates_are_accepted_and_true",
    "tests/analysis/exact/test_checked_certificates.py::test_forged_statements_are_rejected_by_name",
    "tests/analysis/exact/test_equation_functions.py::test_the_bound_is_near_the_true_error_in_one_dimension",
    "tests/analysis/exact/test_float_intervals.py::test_a_spoilt_operation_is_noticed",
    "tests/analysis/exact/test_kept_proofs.py::test_bounds_are_as_narrow_as_they_were",
    "tests/analysis/exact/test_margins.py::test_bounds_of_the_negative_are_the_others",
    "tests/analysis/exact/test_node_tables.py::test_lagrangian_bounds_hold_for_all_multipliers",
    "tests/analysis/exact/test_oracle_boxes.py::test_no_certificate_is_false",
    "tests/analysis/exact/test_oracle_ranks.py::test_eigenvalues_and_condition_numbers_lie_in_their_enclosures",
    "tests/analysis/exact/test_oracle_ranks.py::test_errors_and_residuals_are_below_their_bounds",
    "tests/analysis/exact/test_oracle_ranks.py::test_every_eigenvalue_lies_in_its_enclosure",
    "tests/analysis/exact/test_oracle_ranks.py::test_ranks_are_exact_and_analytic_nullities_lower_bounds",
    "tests/claims/test_grounds.py::test_a_function_that_is_off_by_a_thousandth_is_noticed",
    "tests/claims/test_grounds.py::test_a_row_notices_by_what_it_measures",
    "tests/conformance/identification/test_identify.py::test_a_layer_with_one_defect_is_named",
    "tests/conformance/identification/test_identify.py::test_every_defect_is_named",
    "tests/conformance/identification/test_identify.py::test_of_a_right_layer_nothing_differs",
    "tests/conformance/identification/test_identify.py::test_what_a_layer_does_is_told",
    "tests/conformance/identification/test_identify.py::test_what_follows_from_a_cause_is_not_told",
    "tests/conformance/test_cases.py::test_correct_backends_raise_no_alarm",
    "tests/conformance/test_cases.py::test_no_false_alarm_on_random_correct_configurations",
    "tests/conformance/test_declarations.py::test_a_layer_with_one_domain_raises_no_alarm",
    "tests/conformance/test_declarations.py::test_another_right_end_than_the_one_declared_is_found",
    "tests/estimators/test_estimators.py::test_checks_of_scikit_learn",
    "tests/kernels/test_functions.py::test_values_and_slopes_against_definitions",
    "tests/networks/hessians/test_exact_hessian.py::test_hessian_is_the_complex_step_of_the_gradient",
    "tests/networks/hessians/test_gauss_newton.py::test_both_paths_are_the_product_of_the_jacobian",
    "tests/networks/jets/test_jets.py::test_jets_equal_the_exact_derivatives_of_the_definitions",
    "tests/networks/refinement/test_refinement.py::test_free_knots_fixed_refined_and_freed",
    "tests/networks/refinement/test_refinement.py::test_insertion_leaves_trained_networks_unchanged_under_every_policy",
    "tests/networks/refinement/test_refinement.py::test_refinement_leaves_trained_networks_unchanged",
    "tests/networks/test_conversion.py::test_conversion_leaves_the_function_unchanged_after_every_change_of_state",
    "tests/networks/test_laws.py::test_gradients_against_complex_steps",
    "tests/package/test_results.py::test_results_are_those_that_are_kept",
    "tests/splines/sums/test_thresholds.py::test_every_operation_on_both_sides_of_every_size",
    "tests/splines/test_bsplines.py::test_splines_and_derivatives_are_exact_up_to_1e_15_r",
    "tests/splines/test_change_of_basis.py::test_operators_against_exact_matrices",
    "tests/training/adaptivity/test_driver.py::test_exact_refinements_leave_the_function_and_the_value_unchanged",
    "tests/training/adaptivity/test_refinement.py::test_every_optimiser_trains_coefficients_and_knots_together",
    "tests/training/losses/test_continuity.py::test_with_all_activations_inside_real_and_complex_evaluations_agree",
    "tests/training/multilevel/test_levels.py::test_prolongation_is_checked_and_passes_on_every_network",
    "tests/truth/test_laws.py::test_both_bases_are_one_function",
    "tests/truth/test_laws.py::test_refined_networks_are_the_same_function",
    "tests/truth/test_networks.py::test_values_and_derivatives_are_those_of_an_implementation_that_shares_nothing",
    "tests/truth/test_numbers.py::test_jets_and_their_gradients",
    "tests/truth/test_numbers.py::test_values_and_first_derivatives",
    "tests/validation/test_kept_rows.py::test_kept_rows_are_what_their_numbers_make_of_them",
}
"""Laws over many cases that are alike: one in five runs always, the others with ``-m exhaustive``, as in .ci/run."""

_cases: dict[str, list[str]] = {}


def pytest_itemcollected(item):
    """Mark the cases that a quick run leaves out."""
    law = law_of(item)
    if law in EXHAUSTIVE:
        cases, case = _cases.setdefault(law, []), without_draw(item.nodeid)
        if case not in cases:
            cases.append(case)
        if cases.index(case) % 5:
            item.add_marker("exhaustive")


COMPILING = ("tests/kernels/", "tests/splines/", "tests/networks/")
"""Tests that compile the forms of kernels, a minute in all."""

LONGEST = ("tests/conformance/", "tests/claims/test_p")
"""Tests of seconds each, which compile next to nothing."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Leave out draws of other cases than that which once failed, and, of a run with a report, the usual draws."""
    items[:] = [item for item in items if is_wanted(item)]
    sort_for_two_workers(items)


def is_wanted(item):
    """Whether an item runs: a kept draw runs for one case only."""
    draw = draw_of(item)
    if draw.case:
        return without_draw(item.nodeid) == draw.case and not draws.REPORT
    return bool(draw.number) or not draws.REPORT


def without_draw(nodeid):
    """Return the id of a case without the part that names the draw."""
    law, _, parameters = nodeid.partition("[")
    parts = [part for part in parameters.rstrip("]").split("-") if not re.fullmatch(r"usual|seed\d+\.\d+", part)]
    return f"{law}[{'-'.join(parts)}]" if parts != [""] and parts else law


def sort_for_two_workers(items):
    """Of two workers, who get a half each, one compiles while the other is long at work without; both end with others.

    So none compiles what the other compiles just then, and none waits long for the last test of the other.
    """
    compiling, longest = ([item for item in items if item.nodeid.startswith(group)] for group in (COMPILING, LONGEST))
    others = [item for item in items if not item.nodeid.startswith(COMPILING + LONGEST)]
    before = max(0, len(items) // 2 - len(compiling))
    items[:] = compiling + others[:before] + longest + others[before:]


def shared_by_all_tests():
    """What one test may change for those that run after it in the same process, by name."""
    from refkan.kernels import engine_choice, launch  # only where tests run: the process that hands them out needs none

    kind, words, *rest = np.random.get_state()  # noqa: NPY002  # the state that no test is to change
    return {
        "the engine (use_engine outside of a block)": engine_choice.current_engine(),
        "how NumPy handles floating-point errors": np.geterr(),
        "the number of threads of kernels": launch.thread_count(),
        "the random numbers of numpy.random": (kind, words.tobytes(), *rest),
        "the random numbers of random": random.getstate(),
    }


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """A test fails that leaves one of them other than it was: the next one to fail would be another, and not alone."""
    before = shared_by_all_tests()
    yield
    after = shared_by_all_tests()
    changed = [name for name, value in before.items() if after[name] != value]
    assert not changed, f"the test leaves behind: {', '.join(changed)}"


@pytest.fixture
def default_handler():
    """Python's own handler of Ctrl-C, also where a shell runs the tests in the background, without one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def soon(default_handler, monkeypatch):
    """Kept interruptions that are shown again after a twentieth of a second."""
    monkeypatch.setattr("refkan.base.long_runs.interrupts.PAUSE", 0.05)


@pytest.fixture
def rng():
    return np.random.default_rng(20250518)


def _local_cluster(**options):
    """A small cluster, gone afterwards, with the random numbers of Python that it draws."""
    distributed = pytest.importorskip("distributed")
    state = random.getstate()
    with distributed.LocalCluster(dashboard_address=None, silence_logs=50, **options) as made:
        yield made
    random.setstate(state)


@pytest.fixture
def cluster():
    """A cluster in this process."""
    yield from _local_cluster(n_workers=1, threads_per_worker=2, processes=False)


@pytest.fixture
def two_workers():
    """A cluster of two processes."""
    yield from _local_cluster(n_workers=2, threads_per_worker=1, processes=True)
