"""What `check_program_proof.py` accepts and rejects; its certificate is of the plain torch layer."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest

import check_program_proof
from refkan.conformance.adapters.backends.plain_layers import CAPABILITIES, PlainJax, PlainTorch
from refkan.conformance.programs import Proof
from refkan.conformance.programs.program_proofs import Statement
from refkan.conformance.programs.proof_certificates import certificate
from refkan.conformance.programs.regions import layers

KEPT = Path(__file__).parent / "plain_torch_certificate.json"
"""Written by `certificate` of the first layer of `Torch` below, values and both gradients."""

SMALL = replace(
    CAPABILITIES, degrees=(2,), knots=("arbitrary",), outside=(), parts=(), derivatives=("inputs", "coefficients")
)


class Torch(PlainTorch):
    capabilities = SMALL


class Jax(PlainJax):
    capabilities = replace(CAPABILITIES, degrees=(2,), knots=("uniform",), outside=("natural",))


class TorchWithParts(PlainTorch):
    capabilities = replace(CAPABILITIES, degrees=(2,), knots=("repeated",), outside=("polynomial",))


@pytest.fixture
def kept():
    return json.loads(KEPT.read_text())


def verdicts(data):
    lines, good = check_program_proof.check(data)
    words = {line.partition(":")[0] for line in lines}
    assert good == (words == {"accepted"})
    return words, "\n".join(lines)


def constants(data):
    return [node for graph in data["graphs"] for node in graph["nodes"] if "constant" in node]


def operations(data, name):
    return [node for graph in data["graphs"] for node in graph["nodes"] if node.get("operation") == name]


def test_the_kept_certificate_is_accepted(kept, capsys):
    assert check_program_proof.main([str(KEPT)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0] == "accepted: values, degree 2, 9 knots, 1 inputs, 2 outputs: for all x in [0, 1]"


OUTERMOST = (0, 8)
"""Knots on which the B-splines of degree 2 do not depend within the domain."""


def moved(entry):
    return (float.fromhex(entry) + 2.0**-40).hex()


def test_a_changed_constant_is_rejected(kept):
    """A graph holds the knots once for each use: all of them are changed.

    Where the moved knot lies within a region the comparison is not decided, so that nothing is accepted either.
    """
    for k in range(9):
        data = copy.deepcopy(kept)
        for node in constants(data):
            node["constant"][k] = moved(node["constant"][k])
        assert (verdicts(data)[0] == {"accepted"}) == (k in OUTERMOST), k


def test_a_changed_knot_is_rejected(kept):
    for k in range(9):
        data = copy.deepcopy(kept)
        row = data["layers"][0]["knots"][0]
        row[k] = moved(row[k])
        assert ("rejected" in verdicts(data)[0]) == (k not in OUTERMOST), k


@pytest.mark.parametrize(
    ("old", "new"),
    [("aten.sub.Tensor", "aten.add.Tensor"), ("aten.lt.Tensor", "aten.gt.Tensor"),
     ("aten.mul.Tensor", "aten.add.Tensor"), ("aten.le.Tensor", "aten.lt.Tensor")],
)  # fmt: skip
def test_an_exchanged_operation_is_rejected(kept, old, new):
    operations(kept, old)[0]["operation"] = new
    assert "rejected" in verdicts(kept)[0]


def test_a_region_left_out_is_rejected(kept):
    (run,) = kept["layers"][0]["runs"]
    for k in range(len(run["regions"])):
        data = copy.deepcopy(kept)
        regions = data["layers"][0]["runs"][0]["regions"]
        regions[k] = regions[k - 1]
        words, text = verdicts(data)
        assert words == {"rejected"}
        assert "no region of input 0 has" in text


@pytest.mark.parametrize("change", [{"right end": "closed", "covered": "everywhere"}, {"order": 2}, {"outputs": 3}])
def test_a_wider_claim_is_rejected(kept, change):
    kept["layers"][0].update(change)
    assert verdicts(kept)[0] == {"rejected"}


def test_a_wrong_map_is_rejected(kept):
    entries = kept["layers"][0]["tensors"]["coefficients"]["entries"]
    entries[0], entries[1] = entries[1], entries[0]
    words, text = verdicts(kept)
    assert words == {"rejected"}
    assert text.count("differs from the formula") == 3


def test_what_the_tables_lack_is_not_checked(kept):
    operations(kept, "aten.sub.Tensor")[0]["operation"] = "aten.erf.default"
    words, text = verdicts(kept)
    assert "not checked" in words
    assert "the operation aten.erf" in text


def test_a_file_that_is_none_is_rejected(tmp_path, capsys):
    file = tmp_path / "file.json"
    for text in ("{", "{}", '{"format": "refkan program certificate 1"}', "[]"):
        file.write_text(text)
        assert check_program_proof.main([str(file)]) == 1
        assert capsys.readouterr().out.startswith("rejected")


@pytest.mark.parametrize("kind", [Jax, TorchWithParts])
def test_certificates_that_are_written_are_accepted(kind):
    pytest.importorskip("torch" if kind is TorchWithParts else "jax")
    pytest.importorskip("flint")
    adapter = kind()
    layer = next(iter(layers(adapter.capabilities)))
    quantities = ["values", "coefficient-gradients", "input-gradients", "jvp", "second-derivatives"]
    data = json.loads(json.dumps(certificate(adapter, [(layer, quantities)])))
    words, text = verdicts(data)
    assert words == {"accepted"}, text
    assert "and outside" in text


def test_a_proof_is_saved(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("flint")
    file = tmp_path / "proof.json"
    layer = next(iter(layers(SMALL)))
    statements = (Statement("values", layer.name, "proven", 9), Statement("input-gradients", layer.name, "refuted", 9))
    proof = Proof("plain", statements, adapter=Torch(), layers=(layer,))
    proof.save(file)
    (written,) = json.loads(file.read_text())["layers"]
    assert [list(run["programs"]) for run in written["runs"]] == [["values"]]
    with pytest.raises(ValueError, match="needs the backend"):
        Proof("nothing", ()).save(file)
    with pytest.raises(ValueError, match="none that is proven"):
        replace(proof, statements=()).save(file)
