"""Which cells are run, quickly and in full: how many, over how many seeds, and which factors have several values."""

import hashlib

import pytest

from validation.architectures import first_experiment
from validation.equations import attention, burgers_table, poisson_staircases
from validation.equations.allen_cahn import allen_cahn_claims
from validation.literature import (
    autocorrelated_inputs,
    optimizers_on_equations,
    polynomial_sums,
    power_law_starts,
    rates_by_method,
    spectral_bias_and_error,
    truncated_power_bases,
)
from validation.literature.placed_knots import curvature_knots, rates_of_extended_grids
from validation.table_two import table_two_rows

EXTENT = {
    first_experiment: (
        "168: seed 7 start 2 model 6; 8ca7ac96",
        "144: seed 2 map 2 start 2 model 6 samples 2 evaluations 2; f3680e6c",
    ),
    attention: (
        "6: seed 3 attention 2; 8786df7f",
        "50: seed 25 attention 2; dd3f66d4",
    ),
    burgers_table: (
        "15: seed 3 boundary 2 model 2 fidelity 3; ee1f8a03",
        "140: seed 2 intervals 3 boundary 2 start 2 fine 2 loss 2 map 4 decay 2 activation 2 model "
        "3 fidelity 3 points 2 divisor 2 width 2; 6871e2b5",
    ),
    poisson_staircases: (
        "9: seed 3 loss 2 model 3; 71993321",
        "52: seed 2 loss 2 map 4 start 2 mlp 2 model 3 rate 2 points 2 divisor 2; 4f983f2e",
    ),
    allen_cahn_claims: (
        "8: seed 3 model 4; 77246c88",
        "58: seed 2 periodic 2 rate 2 layout 2 start 2 model 4 schedule 2 points 2 divisor 2; c5f5ec97",
    ),
    autocorrelated_inputs: (
        "24: seed 2 order 2 domain 3 process 2; e4d60fe9",
        "36: seed 3 order 2 domain 3 process 2; e9602108",
    ),
    optimizers_on_equations: (
        "20: seed 5 trained 4 steps 4; 5d963e30",
        "64: seed 2 network 2 trained 4 problem 4 steps 4; d8817432",
    ),
    polynomial_sums: (
        "54: seed 3 degree 2 network 3 target 3; 67d5fded",
        "1152: seed 4 degree 2 kan 2 training 2 network 3 target 6 budget 2; dc86ef6c",
    ),
    power_law_starts: (
        "18: function 3 network 2 start 3; cdc3424d",
        "459: seed 25 function 3 network 3 start 3 samples 2 steps 2; 35c6aadd",
    ),
    rates_by_method: (
        "8: seed 2 model 2 basis 2; e87020db",
        "24: seed 3 model 2 basis 2 adam 2; 14223af5",
    ),
    spectral_bias_and_error: (
        "58: seed 2 problem 3 architecture 10; ed017f25",
        "174: seed 3 optimiser 2 problem 3 architecture 10; 985018fc",
    ),
    truncated_power_bases: (
        "8: seed 2 basis 2 target 2; 4fdb22ca",
        "200: seed 25 start 2 basis 2 target 2; f4c27905",
    ),
    curvature_knots: (
        "20: training 2 knots 2 function 5; ad278844",
        "136: seed 2 group 2 training 2 knots 2 function 11; e016c4cc",
    ),
    rates_of_extended_grids: (
        "8: seed 2 samples 2 degree 3 finest 2 grids 2; 70a84245",
        "72: seed 3 extension 2 method 2 samples 3 degree 3 finest 4 grids 2; abe1dad6",
    ),
    table_two_rows: (
        "14: seed 2 model 3 fidelity 3; 89aacf7e",
        "176: seed 2 network 2 bounds 3 sense 2 start 4 search 2 precision 2 fine 2 powers 2 target "
        "2 model 5 fidelity 3 samples 2 ulps 2; 55c2d8a0",
    ),
}
"""File -> cells of a quick run, and of a full one (with two seeds, where these are given)."""


def extent(cells):
    """How many cells there are, by factors of several values; and a digest of all that they say."""
    values = {}
    for cell in cells:
        for factor, value in (("seed", cell.seed), *cell.choice):
            values.setdefault(factor, {})[value] = None
    several = " ".join(f"{name} {len(each)}" for name, each in values.items() if len(each) > 1)
    told = repr([(cell.seed, tuple(cell.choice)) for cell in cells])
    return f"{len(cells)}: {several}; {hashlib.sha256(told.encode()).hexdigest()[:8]}"


def both(file):
    if hasattr(file, "cells") and hasattr(file, "GRID") and not hasattr(file, "STATEMENT"):
        return extent(file.cells(True)), extent(file.cells(False))
    return extent(file.quick_cells()), extent(file.full_cells((1, 2)))


@pytest.mark.parametrize("file", EXTENT, ids=lambda file: file.__name__)
def test_the_cells_of_runs(file):
    assert both(file) == EXTENT[file]
