"""`refkan selftest`."""

import numpy as np
import pytest

from refkan.cli import main
from refkan.commands import selftest
from refkan.networks import Network


@pytest.fixture(autouse=True)
def one_network(monkeypatch):
    monkeypatch.setattr(selftest, "NETWORKS", {"B-splines": selftest.NETWORKS["B-splines"]})


def test_an_installation_that_is_right(capsys):
    assert main(["selftest"]) == 0
    out = capsys.readouterr().out
    assert [out.count(text) for text in ("engine plain: exact results differ by", "engine fast:", "bounds hold")] == [
        1
    ] * 3
    assert "all results are reproduced, in" in out


@pytest.mark.parametrize("wrong", [lambda out: out * (1 + 1e-12), lambda out: out * np.nan, lambda out: out + 1e6])
def test_an_installation_that_is_wrong(wrong, monkeypatch, capsys):
    right = Network.__call__
    monkeypatch.setattr(Network, "__call__", lambda self, theta, x: wrong(right(self, theta, x)))
    assert main(["selftest"]) == 1
    assert "results are WRONG" in capsys.readouterr().out
