"""A small draw of the foreign harness; `python -m tests.interop.foreign_harness` makes the large one."""

import shutil

import pytest

import refkan as rk
from tests.interop import foreign_harness
from tests.interop.foreign_harness import FLAGS, networks, ratios

NETWORKS = {name: (net, theta) for name, net, theta in networks()}
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]

pytestmark = pytest.mark.skipif(not COMPILERS, reason="no compiler for C")


def largest(name, dtype, folder, count, flags):
    net, theta = NETWORKS[name]
    rk.save(folder / "net.npz", net, theta)
    box = [(0.0, 1.0)] * net.widths[0]
    return max(ratio for *_, ratio in ratios(folder / "net.npz", box, dtype, count, COMPILERS, flags))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("[1,1], r = 4", "float64"),
        ("[1,1], r = 3, SiLU", "float32"),
        ("[2,1], r = 3", "Q8.24"),
        ("[2,2,1], r = 2", "Q8.8"),
    ],
)
def test_no_error_exceeds_the_bound(name, dtype, tmp_path):
    assert 0.2 <= largest(name, dtype, tmp_path, 5000, FLAGS[:2]) <= 1.0


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", foreign_harness.WORDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_no_error_of_any_network_exceeds_the_bound(name, dtype, tmp_path):
    assert largest(name, dtype, tmp_path, 5000, FLAGS) <= 1.0


def test_a_wrong_digit_of_the_network_is_noticed(tmp_path, monkeypatch):
    honest = foreign_harness.network_values
    monkeypatch.setattr(foreign_harness, "network_values", lambda net, theta, x: honest(net, theta * (1 + 2e-15), x))
    assert largest("[1,1], r = 4", "float64", tmp_path, 5000, FLAGS[:1]) > 1.0
