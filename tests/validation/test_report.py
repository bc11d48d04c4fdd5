"""The page and the record of a run of the validation: self-contained, escaped, with a capsule of its origin."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.validation.claim_packages import GOOD, ROWS, Claims, new_claims


@pytest.fixture
def claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Claims:
    return new_claims(tmp_path, monkeypatch)


def test_page_is_self_contained_and_escaped(claims):
    claims.write("good", GOOD)
    claims.run()
    page = claims.html()
    assert not re.search(r"https?:|//\w|<link|<script|@import|url\(", page)
    assert set(re.findall(r'src="([^":]*:[^;]*);', page)) == {"data:image/png"}
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', page))
    assert "claim A1 &lt;b&gt;" in page
    assert "Two &lt;script&gt;" in page
    assert "A2 the other way" in page
    assert "A &amp; B" in page
    assert 'name="viewport"' in page
    for text in (page, (claims.output / "record.json").read_text()):
        assert str(claims.folder.parent) not in text
        assert str(Path.cwd()) not in text


def test_the_sections_of_a_page_are_those_of_the_ledger(claims):
    claims.write("good", GOOD)
    claims.run()
    assert re.findall(r'<h2 id="(\w+)">', claims.html()) == [row.id for row in ROWS] + ["capsule"]


def test_long_data_is_left_to_the_record(claims):
    claims.write(
        "file",
        "CLAIMS = ('B1',)\ndef run(q, p):\n    return [Verdict('B1', 'holds', '', data={'x': [7] * 9999})]",
    )
    claims.run()
    assert len(claims.html()) < 20_000
    assert len(claims.record()["rows"][2]["data"]["x"]) == 9999


def test_capsule(claims):
    claims.run()
    capsule = claims.record()["capsule"]
    assert {"versions", "engine", "cpu", "threads", "seeds", "git", "configuration", "time"} <= capsule.keys()
    assert {"python", "refkan", "numpy", "scipy", "numba"} <= capsule["versions"].keys()
    assert capsule["threads"]["numba"] >= 1
    assert capsule["cpu"]
