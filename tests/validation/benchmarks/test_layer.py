"""The benchmark of layers: knots, reference, our contestants."""

import importlib.util

import numpy as np
import pytest

from validation.benchmarks.cases.layer_case import LayerCase
from validation.benchmarks.measured import layer, networks
from validation.benchmarks.rows import ROWS
from validation.benchmarks.running.harness import Case, CaseResult, Settings, TooLargeError, run_case

FAST = Settings(rounds=1, seconds_per_timing=0.0)


def statuses(result: CaseResult) -> dict[str, str]:
    return {entry.name: entry.status for entry in result.entries}


def test_knots_are_exact_in_float32():
    for _, _, intervals in layer.SHAPES:
        knots = LayerCase(1, 1, intervals).knots
        assert np.array_equal(knots, knots.astype(np.float32))


@pytest.mark.parametrize("sweep", ["forward", "backward"])
@pytest.mark.parametrize("name", ["refkan", "dense Phi + GEMM"])
def test_our_layers_agree_with_the_reference(name, sweep):
    case = LayerCase(2, 5, 4, samples=40)
    reference = getattr(case, f"{sweep}_reference")
    ours = next(p for p in layer.PROGRAMS if p.name == name).contestant(case, sweep)
    assert statuses(run_case(Case(name, reference, [ours]), FAST)) == {name: "timed"}

    other = LayerCase(2, 5, 4, samples=40, seed=22)
    sabotaged = getattr(other, f"{sweep}_reference")
    assert statuses(run_case(Case(name, sabotaged, [ours]), FAST)) == {name: "disagrees"}


@pytest.mark.parametrize("sweep", ["forward", "backward"])
def test_our_layer_agrees_at_a_size_that_is_worth_several_threads(sweep):
    case = LayerCase(8, 8, 4, samples=1024)
    ours = layer.PROGRAMS[0].contestant(case, sweep)
    result = run_case(Case("threads", getattr(case, f"{sweep}_reference"), [ours]), FAST)
    assert statuses(result) == {"refkan": "timed"}, result.entries[0].difference


def test_memory_is_refused_before_it_is_used():
    case = LayerCase(256, 256, 16)
    case.require_memory(12)  # 12 arrays of 160 MB
    with pytest.raises(TooLargeError, match="17 GB"):
        case.require_memory(8, per_edge=True)


def test_every_program_and_row_has_its_module():
    modules = [f"validation.benchmarks.measured.{module}" for module, _ in ROWS.values()]
    programs = *layer.PROGRAMS, *networks.SWEEPS, *networks.ROWS_OF_JACOBIANS, *networks.DERIVATIVES.values()
    assert all(map(importlib.util.find_spec, [*modules, *(program.module for program in programs)]))
    assert len({p.name for p in layer.PROGRAMS}) == len(layer.PROGRAMS)
