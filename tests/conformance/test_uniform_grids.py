"""Layers of other adapters: on (x - a)/h, whose mistakes are named, and of another basis, which is not judged."""

from collections import Counter

import numpy as np

from refkan.cli import main
from refkan.conformance import Adapter, Capabilities, Judge, identify
from refkan.conformance.judging import findings as f
from tests.conformance.altered_layers import altered, first_difference
from tests.conformance.judged_cases import chosen
from tests.shared.tables import each_row


class UniformLayer:
    """B-splines by the recursion for equal spacing, in the position within an interval; nothing beyond the grid."""

    def __init__(self, C, a, b, n, degree):
        self.C, self.a, self.b, self.n, self.degree, self.h = C, a, b, n, degree, (b - a) / n  # C (P, dim, Q)

    def position(self, x):
        return (x - self.a) / self.h

    def number(self, i):
        """Place of function i among the coefficients."""
        return i

    def local(self, x, degree):
        u = self.position(x)
        m = np.where(x == self.b, self.n - 1, np.floor(u).astype(int))
        inside = (m >= 0) & (m < self.n)
        m = np.clip(m, 0, self.n - 1)
        s, B = u - m, np.ones((len(x), 1), u.dtype)
        for d in range(1, degree + 1):
            lifted = np.zeros((len(x), d + 1), u.dtype)
            for j in range(d):
                share = (s + (d - 1 - j)) / d
                lifted[:, j + 1] += share * B[:, j]
                lifted[:, j] += (1 - share) * B[:, j]
            B = lifted
        return m, B * inside[:, None]

    def dense(self, m, B):
        out = np.zeros((len(m), self.n + self.degree), B.dtype)
        for j in range(self.degree + 1):
            out[np.arange(len(m)), self.number(m + j)] += B[:, j]
        return out

    def basis(self, x):
        return self.dense(*self.local(x, self.degree))

    def slopes(self, x):
        m, lower = self.local(x, self.degree - 1)
        D = np.zeros((len(x), self.degree + 1), lower.dtype)
        D[:, 1:] += lower
        D[:, :-1] -= lower
        return self.dense(m, D / self.h)

    def forward(self, x):
        return sum(self.basis(x[:, p]) @ self.C[p] for p in range(x.shape[1]))

    def backward(self, x, dy):
        dC = np.stack([dy.T @ self.basis(x[:, p]) for p in range(x.shape[1])], axis=1)
        dx = [((dy @ self.C[p].T) * self.slopes(x[:, p])).sum(axis=1) for p in range(x.shape[1])]
        return {"inputs": np.stack(dx, axis=1), "coefficients": dC}


class SpacingOfOneMore(UniformLayer):
    def __init__(self, C, a, b, n, degree):
        super().__init__(C, a, b, n, degree)
        self.h = (b - a) / (n + 1)


class BegunLate(UniformLayer):
    def __init__(self, C, a, b, n, degree):
        super().__init__(C, a + (b - a) / n, b, n, degree)
        self.h = (b - a) / n


PositionInSingle = altered("position", lambda layer, u, x: u.astype(np.float32), base=UniformLayer)


class PositionInSingleAndMean(PositionInSingle):
    def backward(self, x, dy):
        gradients = super().backward(x, dy)
        return {**gradients, "coefficients": gradients["coefficients"] / len(x)}


def adapted(layer):
    class OfLayer(Adapter):
        capabilities = Capabilities(degrees=(1, 2, 3), outside=(), derivatives=("inputs", "coefficients"))

        def build(self, spec):
            return layer(spec.coefficients.transpose(1, 2, 0), *spec.domain, spec.intervals, spec.degree)

        def forward(self, model, x):
            return model.forward(x)

        def vjp(self, model, x, dy):
            return model.backward(x, dy)

    return OfLayer()


def test_the_layer_without_a_mistake_passes():
    statuses = Counter(finding.status for finding in Judge(adapted(UniformLayer), proofs=False).run(chosen()))
    assert statuses["passed"] > 100
    assert set(statuses) == {"passed", "not applicable"}
    assert identify(adapted(UniformLayer)).differences == ()


@each_row(
    "layer, leading",
    (SpacingOfOneMore, "number of intervals"),
    (BegunLate, "shifted index"),
    (altered("__init__", before=lambda layer, C, a, b, *n: (C, -1.0, 1.0, *n), base=UniformLayer), "fixed domain"),
    (
        altered("number", lambda layer, i, _: np.minimum(i + 1, layer.n + layer.degree - 1), base=UniformLayer),
        "shifted index",
    ),
    (PositionInSingle, "float32 arithmetic"),
)
def test_mistakes_of_layers_on_equally_spaced_knots_are_named(layer, leading):
    assert first_difference(adapted(layer)).name == leading


def test_a_factor_has_its_name_beside_the_rounding_of_single():
    identification = identify(adapted(PositionInSingleAndMean)).differences
    assert [one.name for one in identification] == ["float32 arithmetic", "constant factor"]
    assert "1 over the number of samples" in str(identification[1])


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


HERE = ("--call-timeout", "0")
"""Options that leave the judge in this process."""


def test_nothing_is_judged_and_nothing_fails(capsys):
    findings = Judge(Bumps()).run(chosen(["float64"], ["layer/degree-3/uniform/3x2"]))
    assert {x.status for x in findings} == {f.NOT_APPLICABLE}
    assert findings[0].message == "not declared: B-splines: another basis, Gaussian bumps"
    assert main(["conform", "--backend", "tests.conformance.test_uniform_grids:Bumps", *HERE]) == 0
    assert "another basis, as declared: Gaussian bumps; 9 functions with values from" in capsys.readouterr().out


def test_gradients_are_those_of_their_own_functions(capsys):
    assert not identify(Bumps()).differences
    (difference,) = identify(WrongBumps()).differences
    assert (difference.stage, difference.name) == ("gradients", "constant factor")
    assert main(["conform", "--backend", "tests.conformance.test_uniform_grids:WrongBumps", *HERE]) == 1


def test_a_basis_is_said_in_words():
    assert Capabilities(basis="").problems() == ["capability basis must say in words what the functions are; got ''"]
