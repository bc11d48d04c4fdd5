"""Executors evaluate boxes and prove statements elsewhere: what they send can be sent, and no bit is another one."""

import json

import numpy as np
import pytest

import check_certificate
import refkan as rk
from refkan.analysis.exact.certificates.certified_network import certificate
from refkan.analysis.exact.enclosures import subdivision
from refkan.analysis.exact.nodes import node_subdivision
from refkan.cli import main
from tests.shared.elsewhere import Elsewhere


def trained(node_map="affine", **options):
    rng = np.random.default_rng(4)
    net, theta = rk.kan([2, 2, 1], 3, 2, node_map=node_map, **options).initialize(rng, rng.uniform(size=(20, 2)))
    return net, theta + 0.3 * rng.normal(size=theta.shape)


QUESTIONS = {
    "enclose": lambda net, theta, **o: rk.exact.enclose(net, theta, UNIT, 1, 1e-2, 20, **o).first,
    "extrema": lambda net, theta, **o: rk.exact.extrema(net, theta, UNIT, 1e-9, 12, **o),
    "lipschitz": lambda net, theta, **o: rk.exact.lipschitz_constant(net, theta, UNIT, 1e-2, 20, **o),
    "difference": lambda net, theta, **o: rk.exact.sup_difference(net, theta, net, 1.1 * theta, UNIT, 1e-2, 20, **o),
}
UNIT = [[0.0, 1.0]] * 2


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(("size", "options"), [(1, {"edge": "silu"}), (5, {"node_map": "sigmoid"})])
def test_bounds_are_the_same_bits_however_boxes_are_shared_out(question, size, options, monkeypatch):
    net, theta = trained(**options)
    here = QUESTIONS[question](net, theta)
    monkeypatch.setattr(subdivision, "CHUNK", (2048, size))
    monkeypatch.setattr(node_subdivision, "TASK", (64, size))
    executor = Elsewhere()
    there = QUESTIONS[question](net, theta, executor=executor)
    assert executor.tasks > 1
    assert all(np.array_equal(a, b) for a, b in zip(here, there, strict=True))
    assert getattr(here, "boxes", 0) == getattr(there, "boxes", 0)


def test_statements_are_the_same_and_accepted(tmp_path, capsys):
    net, theta = trained()
    x = np.random.default_rng(5).uniform(size=(20, 2))
    arguments = net, theta, np.array(UNIT), (x, x.sum(axis=1, keepdims=True)), 0.1, 30
    told = []
    there = certificate(*arguments, progress=told.append, executor=Elsewhere())
    assert there == certificate(*arguments)
    assert [line.split()[0] for line in told] == [
        "range",
        "monotonicity",
        "monotonicity",
        "Lipschitz",
        "largest",
        "rank",
    ]
    assert {"rank", "condition"} <= {statement["kind"] for statement in there["statements"]}
    file = tmp_path / "certificate.json"
    file.write_text(json.dumps(there | {"about": {}}))
    assert check_certificate.main([str(file)]) == 0


def test_workers_and_clusters_of_the_command_prove_the_same(tmp_path, capsys, cluster):
    net, theta = trained()
    rk.save(tmp_path / "network.npz", net, theta)
    command = ["certify", str(tmp_path / "network.npz"), "--box", "0:1", "0:1", "--leaves", "20"]
    printed = []
    for more in ([], ["--workers", "1"], ["--dask", cluster.scheduler_address]):
        assert main([*command, *more]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[1:] == printed[:1] * 2
