"""Right layers drawn at random are proven, whatever their framework and way of writing; defects of them are refuted."""

import pytest

from refkan.conformance.programs.program_proofs import statements_of
from tests.conformance.programs.drawn_layers import DEFECTS, broken, draws
from tests.conformance.programs.ways_of_writing import WAYS

pytest.importorskip("flint")

SEED = 58
RIGHT = draws(200, SEED)
STEP = 21
"""By default one layer in so many is tried, of both frameworks in turn; exhaustive tests try all."""

WRONG = broken(4 * len(DEFECTS), SEED)


def test_both_frameworks_write_in_all_ways_and_have_all_defects():
    both = ("torch", "jax")
    assert {(each.framework, each.way) for each in RIGHT} == {(name, way) for name in both for way in WAYS}
    assert {(each.framework, each.defect) for each in WRONG} == {(name, defect) for name in both for defect in DEFECTS}


def proven(drawn):
    pytest.importorskip(drawn.framework)
    statements, _ = statements_of(drawn.adapter, drawn.layer)
    assert {each.status for each in statements} == {"proven"}, "\n".join(map(str, statements))


def refuted(drawn):
    pytest.importorskip(drawn.framework)
    statements, _ = statements_of(drawn.adapter, drawn.layer)
    assert "refuted" in {each.status for each in statements}, "\n".join(map(str, statements))


@pytest.mark.parametrize("drawn", RIGHT[::STEP], ids=str)
def test_a_right_layer_is_proven(drawn):
    proven(drawn)


@pytest.mark.exhaustive
@pytest.mark.parametrize("drawn", [each for k, each in enumerate(RIGHT) if k % STEP], ids=str)
def test_other_right_layers_are_proven(drawn):
    proven(drawn)


@pytest.mark.parametrize("drawn", WRONG[::13], ids=str)
def test_a_defect_is_refuted(drawn):
    refuted(drawn)


@pytest.mark.exhaustive
@pytest.mark.parametrize("drawn", [each for k, each in enumerate(WRONG) if k % 13], ids=str)
def test_defects_of_other_layers_are_refuted(drawn):
    refuted(drawn)
