"""Layers of other bases: no case is judged and nothing fails; they are identified, and their own gradients are held."""

import numpy as np

from refkan.cli import main
from refkan.conformance import Adapter, Capabilities, Judge, identify
from refkan.conformance.judging import findings as f
from tests.conformance.judged_cases import chosen


class Bumps(Adapter):
    """exp(-((x - c_i) / h)^2) on equally spaced centres from a to b."""

    name = "bumps"
    capabilities = Capabilities(basis="Gaussian bumps", degrees=(3,), knots=("uniform",))
    factor = 1.0

    def build(self, spec):
        a, b = spec.domain
        return np.linspace(a, b, spec.dim), (b - a) / (spec.dim - 1), spec.coefficients

    def basis(self, model, x):
        centres, h, _ = model
        u = (x[:, :, None] - centres) / h
        return np.exp(-(u**2)), -2 * u / h * np.exp(-(u**2))

    def forward(self, model, x):
        return np.einsum("spi,qpi->sq", self.basis(model, x)[0], model[2])

    def vjp(self, model, x, dy):
        value, slope = self.basis(model, x)
        return {
            "inputs": self.factor * np.einsum("sq,qpi,spi->sp", dy, model[2], slope),
            "coefficients": np.einsum("sq,spi->qpi", dy, value),
        }


class WrongBumps(Bumps):
    factor = 2.0


def test_nothing_is_judged_and_nothing_fails(capsys):
    findings = Judge(Bumps()).run(chosen(["float64"], ["layer/degree-3/uniform/3x2"]))
    assert {x.status for x in findings} == {f.NOT_APPLICABLE}
    assert findings[0].message == "not declared: B-splines: another basis, Gaussian bumps"
    assert main(["conform", "--backend", "tests.conformance.test_other_bases:Bumps"]) == 0
    assert "another basis, as declared: Gaussian bumps; 9 functions with values from" in capsys.readouterr().out


def test_gradients_are_those_of_their_own_functions(capsys):
    assert not identify(Bumps()).differences
    (difference,) = identify(WrongBumps()).differences
    assert (difference.stage, difference.name) == ("gradients", "constant factor")
    assert main(["conform", "--backend", "tests.conformance.test_other_bases:WrongBumps"]) == 1


def test_a_basis_is_said_in_words():
    assert Capabilities(basis="").problems() == ["capability basis must say in words what the functions are; got ''"]
