"""What the ways of calling and the numbers of samples are for: each shows a defect that no other case shows."""

from __future__ import annotations

import numpy as np
import pytest

from refkan.conformance import Judge
from refkan.conformance.adapters.backends import PlainNumpy
from refkan.conformance.judging import findings as f
from tests.conformance.judged_cases import chosen

PLACE = "float64/layer/degree-3/uniform/3x2/"


class Numpy(PlainNumpy):
    def spline(self, model, x):
        return super().forward(model, np.asarray(x, np.float64))


class RepeatsAfter1000(Numpy):
    def forward(self, model, x):
        y = self.spline(model, x)
        return y[np.arange(len(y)) % 1000]


class ChunkLosesItsLastRow(Numpy):
    def forward(self, model, x):
        y = self.spline(model, x)
        if len(y) > 1024:
            y[len(y) - 1] = 0.0
        return y


class RaisesWithoutSamples(Numpy):
    def forward(self, model, x):
        return self.spline(model, x.reshape(-1, x.size // len(x)))


class TurnsSquares(Numpy):
    def forward(self, model, x):
        y = self.spline(model, x)
        return y.T if y.shape[0] == y.shape[1] == x.shape[1] else y


class FirstCotangents(Numpy):
    def vjp(self, model, x, dy):
        model[0].kept = getattr(model[0], "kept", dy)
        return super().vjp(model, x, model[0].kept)


class ReadsContiguousCotangents(Numpy):
    def vjp(self, model, x, dy):
        if dy.flags.c_contiguous or 0 in dy.strides:
            return super().vjp(model, x, dy)
        read = np.lib.stride_tricks.as_strided(dy, strides=(8 * dy.shape[1], 8))
        return super().vjp(model, x, read.copy())


class SumsExpandedCotangents(Numpy):
    def vjp(self, model, x, dy):
        return super().vjp(model, x, dy * len(dy) if dy.strides[0] == 0 else dy)


class ScaledInEvaluation(Numpy):
    training = True

    def in_mode(self, model, training):
        self.training = training
        return model

    def built(self, spec):
        self.training = True
        return super().built(spec)

    def forward(self, model, x):
        return self.spline(model, x) * (1.0 if self.training else 0.9)


class InTheFormatOfSamples(PlainNumpy):
    def forward(self, model, x):
        return super().forward(model, x).astype(x.dtype)


@pytest.mark.parametrize(
    ("adapter", "cases"),
    [
        (RepeatsAfter1000, {f"{PLACE}1001-samples/values": "sample 1000 alone is wrong, of 0 to 1000",
                            f"{PLACE}1025-samples/values": "samples 1000 to 1024 are wrong, of 0 to 1024",
                            f"{PLACE}2500-samples/values": "samples 1000 to 2499 are wrong, of 0 to 2499"}),
        (ChunkLosesItsLastRow, {f"{PLACE}1025-samples/values": "sample 1024 alone is wrong, of 0 to 1024",
                                f"{PLACE}2500-samples/values": "sample 2499 alone is wrong, of 0 to 2499"}),
        (RaisesWithoutSamples, {f"{PLACE}0-samples/values": "ZeroDivisionError"}),
        (TurnsSquares, {f"float64/layer/degree-3/{kind}/{n}x{n}/{n}-samples/values": ""
                        for kind in ("uniform", "arbitrary") for n in (3, 4)}),
        (FirstCotangents, {f"{PLACE}second-backward/{of}-gradients": "" for of in ("input", "coefficient")}),
        (ReadsContiguousCotangents, {f"{PLACE}{layout}-cotangents/{of}-gradients": ""
                                     for layout in ("strided", "transposed") for of in ("input", "coefficient")}),
        (SumsExpandedCotangents, {f"{PLACE}expanded-cotangents/{of}-gradients": ""
                                  for of in ("input", "coefficient")}),
        (ScaledInEvaluation, {f"{PLACE}eval-mode/values": ""}),
        (InTheFormatOfSamples, {f"{PLACE}{kind}-samples/values": "" for kind in ("float32", "integer")}),
    ],
)  # fmt: skip
def test_each_shows_a_defect_that_no_other_case_shows(adapter, cases):
    asked = [c for c in chosen(["float64"], ["layer/degree-3/"]) if "with-" not in c.key and "-runs" not in c.key]
    found = {x.key: x for x in Judge(adapter(), hints=False, proofs=False).run(asked) if x.status in f.BAD}
    assert found.keys() == cases.keys()
    for key, words in cases.items():
        assert words in found[key].message


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
