"""The benchmark of networks: its references, our contestants, and that a wrong result gets no time."""

from dataclasses import replace

import pytest

from validation.benchmarks.cases.network_cases import GaussNewtonCase, JetCase
from validation.benchmarks.measured import networks
from validation.benchmarks.running.harness import Case, Settings, TooLargeError, run_case

FAST = Settings(rounds=1, seconds_per_timing=0.0)
SIZES = ((2, 3, 1), 4, 50), ((2, 3, 4, 1), 5, 60)
SMALL = [GaussNewtonCase(*sizes) for sizes in SIZES]
JETS = [JetCase(*sizes) for sizes in SIZES]


@pytest.mark.parametrize(
    ("make", "data", "reference", "ours"),
    [
        *((networks.sweeps, data, "sweep_reference", 1) for data in SMALL),
        *((networks.matrix, data, "reference", 2) for data in SMALL),
        *((networks.jacobian, data, "jacobian_reference", 1) for data in SMALL),
        *((networks.jets, data, "reference", 1) for data in JETS),
    ],
)
def test_our_contestants_agree_with_scipy(make, data, reference, ours):
    case = make(data)
    contestants = case.contestants[:ours]
    result = run_case(Case("small", case.reference, contestants), FAST)
    assert [entry.status for entry in result.entries] == ["timed"] * ours, result.entries[0].difference
    other = getattr(replace(data, seed=24), reference)
    assert {entry.status for entry in run_case(Case("small", other, contestants), FAST).entries} == {"disagrees"}


@pytest.mark.parametrize("case", [*SMALL, networks.MATRICES[0]], ids=lambda case: str(case.widths))
def test_hidden_activations_stay_inside_the_domain(case):
    """Peers have no tangents outside: there the functions would differ."""
    net, z = networks.network(case), case.data[0]
    for layer, where, node_map in zip(net.layers, net.slices, net.node_maps, strict=False):
        z = node_map.value(layer.linearize(case.theta[where], z).value)
        assert (z.min(), z.max()) == (pytest.approx(0.01), pytest.approx(0.99))


def test_memory_is_refused_before_it_is_used():
    with pytest.raises(TooLargeError, match="12 GB"):
        GaussNewtonCase((2, 20, 20, 1), 5, 100_000).require_memory(4)
