"""What the ways of calling and the numbers of samples are for: each shows a defect that no other case shows."""

from refkan.conformance import Judge
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.results_explained import by_numbers
from tests.broken_layers import manner_defects as m
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.conformance.judged_cases import chosen
from tests.shared.tables import each_row

PLACE = "float64/layer/degree-3/uniform/3x2/"


@each_row(
    "adapter, cases",
    (m.RepeatsAfter1000, {f"{PLACE}1001-samples/values": "sample 1000 alone is wrong, of 0 to 1000",
                        f"{PLACE}1025-samples/values": "samples 1000 to 1024 are wrong, of 0 to 1024",
                        f"{PLACE}2500-samples/values": "samples 1000 to 2499 are wrong, of 0 to 2499"}),
    (m.ChunkLosesItsLastRow, {f"{PLACE}1025-samples/values": "sample 1024 alone is wrong, of 0 to 1024",
                            f"{PLACE}2500-samples/values": "sample 2499 alone is wrong, of 0 to 2499"}),
    (m.RaisesWithoutSamples, {f"{PLACE}0-samples/values": "ZeroDivisionError"}),
    (m.TurnsSquares, {f"float64/layer/degree-3/{kind}/{n}x{n}/{n}-samples/values": ""
                    for kind in ("uniform", "arbitrary") for n in (3, 4)}),
    (m.FirstCotangents, {f"{PLACE}second-backward/{of}-gradients": "" for of in ("input", "coefficient")}),
    (m.ReadsContiguousCotangents, {f"{PLACE}{layout}-cotangents/{of}-gradients": ""
                                 for layout in ("strided", "transposed") for of in ("input", "coefficient")}),
    (m.SumsExpandedCotangents, {f"{PLACE}expanded-cotangents/{of}-gradients": ""
                              for of in ("input", "coefficient")}),
    (m.ScaledInEvaluation, {f"{PLACE}eval-mode/values": ""}),
    (m.InTheFormatOfSamples, {f"{PLACE}{kind}-samples/values": "" for kind in ("float32", "integer")}),
)  # fmt: skip
def test_each_shows_a_defect_that_no_other_case_shows(adapter, cases):
    asked = [c for c in chosen(["float64"], ["layer/degree-3/"]) if "with-" not in c.key and "-runs" not in c.key]
    findings = {x.key: x for x in Judge(adapter(), hints=False, proofs=False).run(asked) if x.status in f.BAD}
    assert findings.keys() == cases.keys()
    for key, words in cases.items():
        assert words in findings[key].message


def test_orders_1_to_6_stand_in_every_family():
    families = {
        "values": ("uniform/3x2",), "knots": ("clamped/3x2",), "parts": ("with-base-scale-bias",), "spans": ("-spans",),
        "sizes": ("257-samples", "33-samples"), "intervals": ("-intervals",), "matrices": ("gauss-newton",),
    }  # fmt: skip
    cases = chosen(["float64"], ["layer/"])
    for name, words in families.items():
        degrees = {c.setting.spec.degree for c in cases if any(word in c.key for word in words)}
        assert degrees == set(range(6)), name
    smooth = {
        "networks": "network/", "refine": "refine/", "update": "update/", "repeated": "/repeated/",
        "outside": "/outside-linear", "moving knots": "knot-gradients",
    }  # fmt: skip
    for name, word in smooth.items():
        degrees = {c.setting.spec.degree for c in chosen(["float64"], [word])}
        assert degrees >= set(range(1, 6)), name


class OneAxis(PlainNumpy):
    def forward(self, model, x):
        return super().forward(model, x)[:, 0]


def test_a_failing_case_names_the_mistake_by_its_numbers():
    (case,) = chosen(["float64"], ["layer/degree-3/uniform/3x2/moving-knots/knot-gradients"])
    finding = by_numbers(case, 2 * case.expected, f.compare(case, 2 * case.expected))
    assert finding.hint == "constant factor"
    assert "gradients in knots are multiplied by 2" in finding.hints[0].text


def test_a_result_without_the_axis_of_its_one_output_says_so():
    (case,) = chosen(["float64"], ["layer/degree-3/uniform/1x1/values"])
    told = "forward returned shape (12,); expected (12, 1): keep the axis of the one output or input"
    assert Judge(OneAxis())(case).message == told
