"""The page and the record of a run of the validation: self-contained, escaped, with a capsule of its origin."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from refkan.claims import Beside, Estimate, Reading, Readings, Verdict, exactly
from refkan.claims.reporting import page as pages
from refkan.claims.reporting.reading_tables import cells_html, readings_html
from refkan.claims.reporting.report import counts_in_words
from refkan.claims.reporting.typeset import GREEK, SIGNS, typeset
from refkan.claims.running import capsule
from refkan.claims.running.outcomes import FileResult, Outcome
from refkan.conformance import Capabilities
from refkan.conformance.cases.cases import VERSION
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.claims.claim_packages import GOOD
from tests.shared.refusals import refused
from validation.ledger import LEDGER, Row
from validation.records.backends_matrix import main as measure
from validation.records.backends_matrix import row
from validation.records.backends_page import (
    OTHERS,
    PAGE,
    RECORD,
    cell,
    escaped,
    main,
    numbers,
    page,
    read,
    table,
    trimmed,
)


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


def test_only_rows_that_ran_are_shown_each_with_its_size_and_seeds(claims):
    claims.write("good", GOOD)
    claims.write("bad", "CLAIMS = ('C1',)\ndef run(q, p):\n    return 1 / 0")
    claims.run("--full")
    page = claims.html()
    assert re.findall(r'<h2 id="(\w+)">', page) == ["A1", "A2", "C1", "capsule"]
    assert "1 row without a result: not shown." in page
    assert "<td>full</td><td>2: 1 to 2</td><td>one</td>" in page
    assert claims.status()["B1"] == "pending"


def terms_of(page):
    """Section -> what it says, term by term, and all that stands below."""
    found = {}
    for id, terms, below in re.findall(r'<h2 id="(\w+)">.*?</h2>\n<dl>\n(.*?)</dl>(.*?)(?=<h2)', page, re.DOTALL):
        found[id] = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", terms, re.DOTALL)), below
    return found


def test_each_section_says_all_that_is_known_of_its_row():
    """Of one that holds, of a goal and of a crash; of one that did not run nothing."""
    ratio = Estimate("ratio", 3.0, 2.0, 4.0, "mm", 1.0, None, 2.5, (1, 2, 3, 4, 5), "median", "an hour")
    made = Verdict(
        "A1", "holds", "n is 3", "n is 2", "One.\n\nTwo.", {"seeds": [1, 2]}, mutations={"m": "holds"},
        controls={"c": "holds"}, estimates=(ratio, replace(ratio, cost=""), exactly("n", 3)),
        readings=tuple(Readings([Reading({"n": "9"}, True, "x", size="9 points")]).plain()),
    )  # fmt: skip
    file = SimpleNamespace(place="folder/name", name="name", command=lambda id: f"run {id}")
    rows = [Row(id, f"of {id}", f"claim {id}", "what", "when", goal=id == "A2") for id in ("A1", "A2", "B1", "C1")]
    results = [FileResult(file, (made,), seconds=1.26, finished="noon", resumed=True), FileResult(file, error="a\nno")]
    outcomes = [
        Outcome(rows[0], "void", made, results[0], file),
        Outcome(rows[1], "1 of 1 reached", Verdict("A2", "holds", "m"), None, None),
        Outcome(rows[2], "error", None, results[1], file),
        Outcome(rows[3], "pending"),
    ]
    made_page = pages.page(outcomes, counts_in_words(outcomes), {"configuration": {"size": "full"}}, {})
    sections = terms_of(made_page)
    common = {"Measured quantity": "what", "Holds if": "when"}
    run = "full size, 1.3 s of processor time, finished noon, from a checkpoint"
    terms, below = sections["A1"]
    assert terms == {
        "Claim as printed": "claim A1", "Source": "of A1", "Claim as corrected": "n is 2", **common,
        "Measured": "n is 3", "Seeds": "2: 1 to 2", "File": "folder/name.py", "Run": run,
    }  # fmt: skip
    assert "\n\n" not in below
    assert "<pre>" not in below
    cells = "".join(f"<td>{cell}</td>" for cell in (
        "ratio", "3", "2 to 4", "at least 1", "2.5", "mm", "5: an hour", "of the claim", "median",
    ))  # fmt: skip
    assert f"<tr>{cells}</tr>" in below
    assert "<td>n</td><td>3</td><td>exact</td>" in below
    assert "<td>too few seeds</td>" in below
    assert "In all of them n=9. Size: 9 points" in below
    for text in ("<p>One.</p>\n<p>Two.</p>", "<li>m: holds</li>", "<h3>Positive controls</h3>\n<ul><li>c: holds</li>"):
        assert text in below
    assert sections["A2"][0] == {
        "Claim as printed": "claim A2", "Source": "of A2", **common, "Measured": "m", "Seeds": "none",
    }  # fmt: skip
    assert sections["B1"][0]["Run"] == "full size, 0.0 s of processor time, finished "
    assert "<pre>a\nno</pre>" in sections["B1"][1]
    assert "C1" not in sections
    first, goals = made_page.split("<h2>Goals: asked and reached</h2>")
    assert ("A1</a>" in first, "A2</a>" in first, "A2</a>" in goals, "B1</a>" in goals) == (True, False, True, False)
    assert "1 row without a result: not shown." in first
    assert "<td>holds under 1 of 1</td><td>n is 3</td>" in first
    assert "not refuted: A1: m." in first
    assert "Goals" not in pages.page(outcomes[:1], [], {"configuration": {"size": "full"}}, {})


READINGS = """
from refkan.claims import Beside, Reading, Readings, Table
CLAIMS = ("B1",)
def run(quick, progress):
    cell = Beside("spline, fine", "mm", {3: 1.25, 4: 5.0, 5: 2.0}, 1.5, 0.5, "start=normal,model=spline")
    made = Readings([Reading({"start": "normal", "n": "9"}, True, "ratio 3", cells=(cell,), calibration=(cell,)),
                     Reading({"start": "linear", "n": "9"}, False, "ratio 1", cells=(cell,))])
    return [Verdict("B1", made.status, made.told(), readings=tuple(made.plain()), mutations={"m": "refuted"},
                    tables=(Table("Sizes <in mm>", ("a", "b"), (("1", "2 & 3"),)),))]
"""


def test_readings_are_tables_with_published_numbers_beside_ours(claims):
    claims.write("file", READINGS)
    claims.run()
    for html in (claims.html(), claims.run() or claims.html()):  # and as it is kept
        assert "holds under 1 of 2" in html
        assert "Under start=normal,n=9: ratio 3" in html
        assert "<td>yes</td><td>normal</td><td>ratio 3</td>" in html
        assert "<td>no</td><td>linear</td><td>ratio 1</td>" in html
        assert "In all of them n=9" in html
        numbers = "<td>1.50e+00 (5.0e-01)</td><td>2.00e+00</td><td>2.75e+00 (2.0e+00)</td><td>1.3</td>"
        assert f"<td>spline, fine</td>{numbers}<td></td><td>3: 3 to 5</td>" in html
        assert "<td>1.25e+00, 5.00e+00, 2.00e+00</td>" in html
        line = f"python -m {claims.package} B1 --cell &quot;start=normal,model=spline&quot; --seed 3"
        assert f"<code>{line}</code>" in html
        assert "<caption>Sizes &lt;in mm&gt;</caption>" in html
        assert "<td>2 &amp; 3</td>" in html
    (row,) = [row for row in claims.record()["rows"] if row["id"] == "B1"]
    assert row["status"] == "holds under some readings"
    assert html.index("holds under some readings") < html.index("<h2 id=") < html.index("References")
    assert row["readings"][0]["cells"][0]["values"] == [1.25, 5.0, 2.0]


@pytest.mark.parametrize("published", [None, 1.5])
def test_every_column_of_cells_has_its_name(published):
    (cell,) = Reading({}, True, "", cells=(Beside("a", "mm", {3: 2.0, 4: 3.0}, published),)).plain()["cells"]
    page = ElementTree.fromstring(cells_html("Cells", [cell | {"again": "start=normal"}], "verify"))
    own = {"measured median": "2.50e+00", "mean (deviation)": "2.50e+00 (7.1e-01)"}
    theirs = {"published mean (deviation)": "1.50e+00"} if published else {}
    compared = {"median / published": "1.7", "like five of ours": ""} if published else {}
    again = {"seeds": "2: 3 to 4", "every seed": "2.00e+00, 3.00e+00"}
    line = {"one cell again": 'verify --cell "start=normal" --seed 3'}
    names, values = (["".join(part.itertext()) for part in page.iter(tag)] for tag in ("th", "td"))
    expected = {"cell": "a"} | theirs | own | compared | again | line
    assert list(zip(names, values, strict=True)) == [*expected.items()]


def test_readings_are_answered_one_by_one():
    cell = Beside("a", "mm", {3: 2.0})
    for cells, said in (((cell,), "Measured"), ((cell, replace(cell, published=1.5)), "Published beside measured")):
        one = Reading({}, True, "m", cells=cells).plain()
        assert f"<summary>{said}: the one reading</summary>" in readings_html([one], "verify")
    made = [Reading({"n": str(k)}, holds, "m", corrected=k == 1) for k, holds in enumerate((True, False, False, None))]
    html = readings_html([reading.plain() for reading in made], "verify")
    assert re.findall(r"<tr><td>([^<]*)</td><td>\d</td>", html) == ["yes", "as corrected", "no", "undecided"]


def test_formulas_are_formulas_and_papers_have_their_names(claims):
    claims.write("good", GOOD.replace("error 1e-16", "n^(2r) &").replace("Two <script>", "A^T by [S26]"))
    claims.run()
    page = claims.html()
    assert "<math><msup><mi>A</mi><mi>T</mi></msup></math>" in page
    assert '<abbr title="A paper">[S26]</abbr>' in page
    assert "<dt>[S26]</dt><dd>A paper</dd>" in page


@pytest.mark.parametrize(("changed", "told"), [("", "ab12"), (" M README.md", "ab12+changes")])
def test_a_capsule_tells_the_commit_and_whether_files_differ_from_it(monkeypatch, changed, told):
    answers = {"rev-parse": "ab12\n", "status": f"{changed}\n"}

    def run(command, **options):
        return SimpleNamespace(stdout=next(answer for word, answer in answers.items() if word in command))

    monkeypatch.setattr(capsule.subprocess, "run", run)
    assert capsule.git_hash() == told


def test_capsule(claims):
    claims.run()
    capsule = claims.record()["capsule"]
    assert {"versions", "engine", "cpu", "threads", "seeds", "git", "configuration", "time"} <= capsule.keys()
    assert {"python", "refkan", "numpy", "scipy", "numba"} <= capsule["versions"].keys()
    assert capsule["threads"]["numba"] >= 1
    assert capsule["cpu"]


def test_formulas_of_all_claims_are_mathematics_and_lose_nothing():
    """But for the marks of powers and indices, and brackets around them, the characters are those of the text."""

    def letters(text):
        for sign in sorted({**GREEK, **SIGNS}.values()):
            text = text.replace(sign, "")
        for name in sorted({**GREEK, **SIGNS}, key=len, reverse=True):
            text = text.replace(name, "")
        return Counter(re.sub(r"[\s_^(){}]", "", text))

    texts = [text for row in LEDGER for text in (row.claim, row.measured, row.criterion)]
    for text in texts:
        assert letters("".join(ElementTree.fromstring(f"<p>{typeset(text)}</p>").itertext())) == letters(text), text
    assert sum("<math>" in typeset(text) for text in texts) > 50
    left, right = (f'<mo stretchy="false">{sign}</mo>' for sign in "()")
    base = f"<mrow>{left}<mi>r</mi><mo>−</mo><mn>1</mn>{right}</mrow>"
    assert typeset("n (r-1)^2") == f"n <math><msup>{base}<mn>2</mn></msup></math>"
    indexed = (f"<msub><mi>{name}</mi><mi>i</mi></msub>" for name in "ab")
    assert typeset("x^(a_i+b_i)") == f"<math><msup><mi>x</mi><mrow>{'<mo>+</mo>'.join(indexed)}</mrow></msup></math>"
    assert typeset("node_map of my_file") == "node_map of my_file"
    assert typeset("x^(l+1/2)") == (
        "<math><msup><mi>x</mi><mrow><mi>l</mi><mo>+</mo><mn>1</mn><mo>/</mo><mn>2</mn></mrow></msup></math>"
    )


@pytest.mark.skipif(not RECORD.exists(), reason="no record of B1 is committed")
def test_the_page_is_that_of_the_committed_record():
    assert PAGE.read_text(encoding="utf-8") == page(
        json.loads(RECORD.read_text(encoding="utf-8")), read(), read(OTHERS)
    )


@pytest.mark.skipif(not RECORD.exists(), reason="no record of B1 is committed")
def test_the_committed_record_is_of_pinned_versions_and_a_clean_commit():
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    assert len(record["git"]) == 40  # no "+changes"
    assert not any("pinned:" in version for version in record["versions"])
    assert all(trap["found"] for trap in record["traps"])
    assert {backend["backend"] for backend in record["backends"]} >= {"pykan", "jaxkan", "efficient-kan"}


def test_a_record_without_backends_makes_no_page():
    row = {"id": "B1", "data": {"traps": [], "backends": []}}
    refused(lambda: trimmed({"rows": [row], "capsule": {}}), "must be of a run of B1 with at least one backend")


def test_what_a_full_run_finds_is_told_by_kind():
    kind = {"name": "sign", "count": 3, "line": "a/values [0]: ours 1", "hints": "sign: |x|", "call": "refkan conform"}
    backend = {
        "backend": "mine", "adapter": "A layer.", "call": "refkan conform", "observations": ["nothing"],
        "dtypes": ["float64"], "counts": {"passed": 5, "failed": 3}, "kinds": [kind],
    }  # fmt: skip
    day = {"git": "0" * 40, "time": "2026-01-02T03:04", "versions": ["mine 1.0"]}
    told = page({**day, "measured": "0 of 0 known; more", "traps": [], "backends": [backend]})
    assert "measured on 2026-01-02, at 0000000, with mine 1.0: " in told
    assert "In float64: 5 passed, 3 failed." in told
    assert "| sign | 3 | a/values [0]: ours 1 | sign: \\|x\\| | `refkan conform` |" in told


class Narrow(PlainNumpy):
    """One small family, half of it wrong."""

    name = "narrow"
    capabilities = Capabilities(degrees=(1,), derivatives=("inputs",))

    def vjp(self, model, x, dy):
        return {"inputs": -super().vjp(model, x, dy)["inputs"]}


def test_a_row_of_the_matrix():
    found = row(Narrow(), ["narrow 1.2 (pinned: 1.1)"], "2026-11-27")
    assert (found["backend"], found["version"], found["cases"]) == ("narrow", "1.2", VERSION)
    assert found["families"]["gradients"].keys() == {"failed"}
    assert found["families"]["values"].keys() == {"passed"}
    shown = table([found])
    assert shown.startswith("| backend, version, day | values | gradients |")
    assert f"| narrow 1.2, 2026-11-27 | {found['families']['values']['passed']} | **0 of " in shown


def test_cells_of_the_matrix():
    assert cell({}) == cell({"declined": 2}) == ""
    assert cell({"passed": 3}) == "3"
    assert cell({"passed": 3, "failed": 1, "error": 1, "declined": 7}) == "**3 of 5**"
    assert measure(["nothing"]) == 2


def test_cells():
    assert numbers("a/values [0, 1]: ours 1, theirs 2") == "[0, 1]: ours 1, theirs 2"
    assert numbers("a/values: forward returned None") == "forward returned None"
    assert escaped("a |b\n c") == "a \\|b c"
    assert main(["a", "b"]) == 2
