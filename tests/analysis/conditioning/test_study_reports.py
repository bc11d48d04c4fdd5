"""Reports of studies."""

import dataclasses
import json

import pytest

from refkan.analysis.conditioning import Configuration, grid, study, to_json
from refkan.analysis.conditioning.spectra import FLAGS
from refkan.analysis.conditioning.studies.study_rows import COLUMNS, Study, StudyRow
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


def test_each_row_of_a_table_says_what_it_is():
    points = [
        Configuration("spline", [2, 3, 1], 2, [2, 3], preconditioner="jacobi"),
        Configuration("mlp-relu", [2, 1], seed=12),
    ]
    numbers = {"condition": 1e3, "smallest": 0.5, "largest": 500.0, "flags": ("gap", "nullity")}
    rows = (StudyRow(points[0], 48, 43, 5, 4, **numbers), StudyRow(points[1], error="ValueError: no"))
    made = Study(rows)
    ends = ["1.000e+03", "5.000e-01", "5.000e+02"]
    header, first, second = made.table.splitlines()
    assert header.split() == [*COLUMNS, "flags"]
    assert first.split() == ["spline/jacobi", "2,3,1", "2", "2,3", "0", "48", "43", "5", "4", *ends, "gap", "nullity"]
    assert second.split() == ["mlp-relu", "2,1", "-", "-", "12", *"-------", "ValueError:", "no"]
    assert header.index("flags") == first.index("gap") == second.index("ValueError")
    for name in COLUMNS[2:-1]:  # numbers end, names begin, below each other
        end = header.index(f"{name} ") + len(name)
        assert first[end] == second[end] == " " != first[end - 1]
    assert header.index("widths") == first.index("2,3,1") == second.index("2,1")
    names = [line.split("  ")[0] for line in made.legend.splitlines()]
    assert names[-2:] == ["flag nullity", "flag gap"]
    assert (
        len(
            {
                line.index(meaning)
                for line, meaning in zip(made.legend.splitlines()[-2:], (FLAGS["nullity"], FLAGS["gap"]), strict=True)
            }
        )
        == 1
    )


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
