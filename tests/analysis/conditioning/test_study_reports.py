"""Reports of studies."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

import refkan as rk
from refkan.analysis.conditioning import grid, study, to_json
from refkan.analysis.conditioning.spectra import FLAGS
from refkan.analysis.conditioning.studies.study_rows import Study, StudyRow
from refkan.plots import conditions, to_png
from tests.analysis.conditioning.test_study import POINTS


@pytest.fixture(scope="module")
def serial():
    return study(POINTS)


def test_table_json_and_figure(serial):
    lines = serial.table.splitlines()
    assert lines[0].split()[:5] == ["kind", "widths", "r", "n", "seed"]
    assert len(lines) == 11
    assert len({line.index("2,3,1") for line in lines[1:]}) == 1  # columns are aligned
    rows = json.loads(to_json(serial))
    assert [row["kind"] for row in rows] == [p.kind for p in POINTS]
    assert rows[0]["condition"] == serial.rows[0].condition
    assert rows[-1]["order"] is None
    assert rows[-1]["gap"] is None  # infinite
    assert to_png(conditions(serial)).startswith(b"\x89PNG")
    assert to_png(conditions(study([]))).startswith(b"\x89PNG")
    assert study([]).rows == ()
    assert str(serial) == serial.table


def test_flagged_points_are_drawn_apart():
    """Beyond what can be resolved a point must not look like the others."""
    points = grid(["spline", "mlp-relu"], [[2, 1]], [3], [2, 4, 8], samples=60)
    rows = [
        StudyRow(point, condition=10.0**k, flags=("resolution",) if point.intervals in (8, None) else ())
        for k, point in enumerate(points)
    ]
    (axes,) = conditions(Study(tuple(rows))).axes
    (hollow,) = (line for line in axes.lines if line.get_gid() == "flagged")
    assert hollow.get_xdata().tolist() == [8]
    assert hollow.get_markerfacecolor() == "white"
    assert ":" in [line.get_linestyle() for line in axes.lines]
    assert "hollow, dotted: flagged" in [text.get_text() for text in axes.get_legend().get_texts()]
    sure = Study(tuple(dataclasses.replace(row, flags=()) for row in rows))
    (axes,) = conditions(sure).axes
    assert not any(line.get_gid() == "flagged" and len(line.get_xdata()) for line in axes.lines)
    assert ":" not in [line.get_linestyle() for line in axes.lines]
    assert "hollow, dotted: flagged" not in [text.get_text() for text in axes.get_legend().get_texts()]


def test_every_flag_is_explained():
    sources = "".join(path.read_text() for path in Path(rk.conditioning.__file__).parent.glob("*.py"))
    named = set(re.findall(r'notes\["([a-z-]+)"\]', sources))
    assert named >= {"nullity", "gap", "resolution", "indefinite", "evaluated"}
    assert named | {"zero", "middle"} == set(FLAGS)
