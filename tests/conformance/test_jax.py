"""The base for layers in JAX: layers share compilations only where they compute the same; where JAX is installed."""

from dataclasses import replace

import numpy as np
import pytest

from refkan.conformance import Capabilities, Judge, catalogue
from refkan.conformance.adapters.backends import PlainJax
from refkan.conformance.judging import findings as f

jax = pytest.importorskip("jax")

CASES = [
    case
    for kind in ("uniform", "uniform-fine", "arbitrary")
    for case in catalogue(["float64"], [f"layer/degree-2/{kind}/3x2/"], version=1)  # without parts
    if case.quantity in ("values", "input-gradients", "coefficient-gradients")
]


class Fixed(PlainJax):
    """A layer whose knots are not an argument."""

    capabilities = Capabilities(degrees=(2,), knots=("uniform", "arbitrary"))


class UnderJit(Fixed):
    """The knots are held by a function under jit."""

    def function(self, spec):
        return jax.jit(super().function(spec))


class UnderScan(Fixed):
    """The knots are held by the body of a loop."""

    def function(self, spec):
        layer = super().function(spec)
        return lambda C, x: jax.lax.scan(lambda carry, _: (carry, layer(C, x)), 0, None, length=1)[1][0]


class OwnRule(Fixed):
    """The knots are held by the rule of differentiation too."""

    sign = 1.0

    def function(self, spec):
        plain = super().function(spec)
        layer = jax.custom_vjp(plain.__call__)
        layer.defvjp(
            lambda C, x: (plain(C, x), (C, x)),
            lambda kept, dy: tuple(self.sign * part for part in jax.vjp(plain, *kept)[1](dy)),
        )
        return layer


class OutsideJax(Fixed):
    """Evaluated by functions of the host, as foreign code is."""

    def function(self, spec):
        plain = super().function(spec)

        def values(C, x):
            shape = jax.ShapeDtypeStruct((x.shape[0], C.shape[0]), C.dtype)
            return jax.pure_callback(lambda *at: np.asarray(plain(*at)), shape, C, x)

        def backward(kept, dy):
            shapes = tuple(jax.ShapeDtypeStruct(part.shape, part.dtype) for part in kept)
            return jax.pure_callback(
                lambda C, x, dy: tuple(map(np.asarray, jax.vjp(plain, C, x)[1](dy))), shapes, *kept, dy
            )

        layer = jax.custom_vjp(values)
        layer.defvjp(lambda C, x: (values(C, x), (C, x)), backward)
        return layer


@pytest.mark.parametrize(
    ("make", "programs"), [(Fixed, 1), (UnderJit, 1), (UnderScan, 1), (OwnRule, 1 + 3), (OutsideJax, 2 * 3)]
)
def test_arrays_that_a_layer_holds_are_its_own(make, programs):
    """Right on each of three knot vectors; compiled for each only where Python functions are part of it.

    One program has values and gradients, but where a rule of the layer's own may give other values than the layer.
    """
    adapter = make()
    findings = Judge(adapter).run(CASES)
    assert [finding.key for finding in findings if finding.status != f.PASSED] == []
    assert len(findings) == len(CASES) == 9
    assert len(adapter._compiled) == programs


def test_a_rule_that_is_wrong_is_judged_as_it_is():
    class Negative(OwnRule):
        sign = -1.0

    adapter = Negative()
    findings = Judge(adapter).run(CASES)
    assert {finding.hint for finding in findings if finding.status == f.FAILED} == {"sign"}
    assert sum(finding.status == f.FAILED for finding in findings) == 6


def test_numbers_in_an_expression_tell_layers_apart():
    class Scaled(Fixed):
        """Knots in units of the first span, by which x is divided: an array and a number."""

        def function(self, spec):
            h = float(spec.knots[0, 1] - spec.knots[0, 0])
            layer = super().function(replace(spec, knots=spec.knots / h))
            return lambda C, x: layer(C, x / h)

    adapter = Scaled()
    findings = Judge(adapter).run(CASES)
    assert {finding.status for finding in findings} == {f.PASSED}
    assert len(adapter._compiled) == 3


def test_values_are_judged_where_there_are_no_gradients_and_beside_a_rule_that_has_others():
    class WithoutGradients(Fixed):
        """Declares gradients, and raises when it is differentiated."""

        def function(self, spec):
            plain = super().function(spec)
            shape = lambda C, x: jax.ShapeDtypeStruct((x.shape[0], C.shape[0]), C.dtype)  # noqa: E731
            return lambda C, x: jax.pure_callback(lambda *at: np.asarray(plain(*at)), shape(C, x), C, x)

    class OtherValues(OwnRule):
        """The values that are handed out beside gradients are twice those of the layer, which are right."""

        def function(self, spec):
            plain = PlainJax.function(self, spec)
            layer = jax.custom_vjp(plain.__call__)
            layer.defvjp(lambda C, x: (2 * plain(C, x), (C, x)), lambda kept, dy: jax.vjp(plain, *kept)[1](dy))
            return layer

    for make, gradients in ((WithoutGradients, f.ERROR), (OtherValues, f.PASSED)):
        adapter = make()
        findings = Judge(adapter).run(CASES)
        assert {x.status for x in findings if x.quantity == "values"} == {f.PASSED}
        assert {x.status for x in findings if x.quantity != "values"} == {gradients}


def test_default_options_that_a_version_does_not_know_are_left_out():
    adapter = PlainJax()
    adapter._accepts = lambda options: "xla_backend_optimization_level" in options
    assert adapter._options() == {"xla_backend_optimization_level": 0}

    class Chosen(PlainJax):
        compiler_options = {"xla_no_such_option": 1}  # noqa: RUF012

    findings = Judge(Chosen()).run(CASES[:1])
    assert (findings[0].status, "xla_no_such_option" in findings[0].message) == (f.ERROR, True)


def test_the_compiler_is_left_as_it_was():
    option = "jax_disable_most_optimizations"
    with PlainJax().quick_compiler():
        assert jax.config.read(option)
    assert not jax.config.read(option)
