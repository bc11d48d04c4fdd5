"""Broken layers, one defect each: every one is identified by the difference that leads."""

from functools import cache

import pytest

from refkan.conformance import identify
from tests.broken_layers import DEFECTS, Broken
from tests.broken_layers.defects import of_layer
from tests.broken_layers.trial_defects import TRIALS, GradientAveraged, HalfBias, ReversedGradient, SlopePlus
from tests.shared.refusals import refused
from tests.shared.tables import each_row

ALL = {name: (defect.make, defect.hint) for name, defect in DEFECTS.items()}
ALL |= {name: (of_layer(trial.layer), trial.hint) for name, trial in TRIALS.items()}


@cache
def identified(name):
    """What the layer of a name is, asked once for all tests."""
    return identify(ALL[name][0]())


@pytest.mark.parametrize("name", ALL)
def test_every_defect_is_named(name):
    assert identified(name).leading == ALL[name][1]


@each_row(
    "first, second, names",
    (HalfBias, GradientAveraged, ["extra branch", "constant factor"]),
    (HalfBias, ReversedGradient, ["extra branch", "reversed coefficients"]),
    (HalfBias, SlopePlus, ["extra branch", "wrong derivative", "gradient is another"]),
    (GradientAveraged, ReversedGradient, ["reversed coefficients", "constant factor"]),
)
def test_two_defects_fall_into_two_stages(first, second, names):
    identification = identify(of_layer(type("Both", (first, second), {}))())
    assert list(dict.fromkeys(one.name for one in identification.differences)) == names


def test_sentences_tell_the_numbers():
    def first(name):
        return str(identified(name).differences[0])

    assert "0.0625, 1 over the number of samples" in first("mean over samples")
    assert "splines have degree 3 instead of 4" in first("always cubic")
    assert "values are multiplied by 0.75" in first("scale applied twice by an update")


def test_a_broken_adapter_by_its_name():
    assert Broken("always cubic").title == "broken: AlwaysCubic"
    refused(lambda: Broken("nothing"), "name must be one of 'float32 knots'")
