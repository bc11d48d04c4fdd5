"""The page of known layers shows what is lost and gained, and is that of the committed record."""

import json

import pytest

from tests.conformance.identification.bank import BANK
from validation.implementations.named_layers import PAGE, RECORD, lost, named, page


def row(verdict):
    return {"verdict": verdict, "said": "sign: outputs | all", "more": "0"}


BEFORE = {"first": row("right"), "second": row("partly"), "gone": row("right")}
AFTER = {"first": row("wrong"), "second": row("right"), "new": row("nothing")}


def test_what_is_lost_and_gained():
    assert lost(BEFORE, AFTER) == ["first"]
    assert lost(AFTER, BEFORE) == ["second"]
    text = page(AFTER, BEFORE)
    assert "3 layers with known defects were identified: 1 right, 0 partly, 1 wrong, 1 nothing." in text
    assert "newly right `second`; right no more `first`." in text
    assert r"sign: outputs \| all" in text


def test_a_layer_of_the_bank_is_named():
    result = named(BANK["sign of the input gradient"])
    assert (result["verdict"], result["said"]) == ("right", "sign: input gradients have the opposite sign")


@pytest.mark.skipif(not RECORD.exists(), reason="no record is committed")
def test_the_page_is_that_of_the_committed_record():
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    table = [line for line in page(record, record).splitlines() if line.startswith("|")]
    assert [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")] == table
    assert set(record) == set(BANK)
    assert not [name for name, result in record.items() if result["verdict"] != "right"]
