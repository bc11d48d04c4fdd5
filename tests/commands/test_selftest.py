"""`refkan selftest`."""

import numpy as np
import pytest

from refkan.commands import selftest
from refkan.networks import Network
from tests.shared.commands import command


@pytest.fixture(autouse=True)
def one_network(monkeypatch):
    monkeypatch.setattr(selftest, "NETWORKS", {"B-splines": selftest.NETWORKS["B-splines"]})


def test_an_installation_that_is_right():
    out = command("selftest").out
    assert [out.count(text) for text in ("engine plain: exact results differ by", "engine fast:", "bounds hold")] == [
        1
    ] * 3
    assert "all results are reproduced, in" in out


@pytest.mark.parametrize("wrong", [lambda out: out * (1 + 1e-12), lambda out: out * np.nan, lambda out: out + 1e6])
def test_an_installation_that_is_wrong(wrong, monkeypatch):
    right = Network.__call__
    monkeypatch.setattr(Network, "__call__", lambda self, theta, x: wrong(right(self, theta, x)))
    assert "results are WRONG" in command("selftest", code=1).out
