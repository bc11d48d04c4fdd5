"""The committed page on speed shows the committed record, and the record is a complete one."""

import json

from validation.benchmarks.reporting import page
from validation.benchmarks.running.record import trimmed


def test_the_page_is_what_the_command_makes_of_the_records():
    documents = page.recorded()
    assert trimmed(documents) == documents
    assert (page.ROOT / page.PAGE).read_text(encoding="utf-8") == page.page(*documents)


def test_a_record_of_trainings_is_kept_apart_and_says_where_it_was_measured(tmp_path):
    whole = json.loads((page.ROOT / page.RECORD).read_text(encoding="utf-8"))
    (tmp_path / "whole.json").write_text(json.dumps(whole))
    case = next(iter(whole["rows"].values()))["cases"][0]
    capsule = whole["capsule"] | {"cpu": "another processor"}
    apart = whole | {
        "capsule": capsule,
        "rows": {"trainings": {"cases": [case | {"parameters": {"of": "methods", "error": "1e-03"}}]}},
    }
    (tmp_path / "apart.json").write_text(json.dumps(apart))
    for name in ("whole", "apart"):
        assert page.main([str(tmp_path / f"{name}.json"), str(tmp_path)]) == 0
    assert json.loads((tmp_path / page.RECORD).read_text()) == whole
    text = (tmp_path / page.PAGE).read_text()
    assert "another processor" not in text[: text.index("## Trainings")]
    assert "another processor" in text[text.index("## Trainings") :]
