r"""Proofs about a backend: its own program equals the formula for all inputs of a region and all coefficients.

A layer is built with given knots and traced. The trace is run with a variable for each input, coefficient, weight and
cotangent (see `numbers`), and the result compared with

    y_q = node-scale_q (sum_p scale_qp sum_i C_qpi b_i(x_p) + sum_p base_qp silu(x_p)) + bias_q,

without the parts that the layer lacks; `refkan.truth` evaluates the B-splines at the same variables. Both are
polynomials with rational coefficients, so that equality is decided without a tolerance: the statement holds for all
values of the variables, or there are values at which it does not.
"""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import cycle, islice
from os import PathLike
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from refkan.base import check_flag
from refkan.base.atomic_files import write_atomically
from refkan.base.json_data import to_bytes
from refkan.conformance.adapters.adapter import Adapter, check_adapter
from refkan.conformance.cases import LayerSpec
from refkan.conformance.programs.counterexample_scripts import script
from refkan.conformance.programs.fields.rules import may_vanish
from refkan.conformance.programs.fields.signs import RefusedError
from refkan.conformance.programs.fields.undefined import Undefined
from refkan.conformance.programs.layer_formulas import Formulas
from refkan.conformance.programs.proof_certificates import certificate
from refkan.conformance.programs.regions import Batch, Layer, Sample, divided, layers
from refkan.conformance.programs.symbols import Symbols
from refkan.conformance.programs.traced_layers import program_of

QUANTITIES = ("values", "coefficient-gradients", "input-gradients", "jvp", "second-derivatives")
NEEDS = {
    "coefficient-gradients": "coefficients",
    "input-gradients": "inputs",
    "jvp": "inputs",
    "second-derivatives": "second",
}
"""The capability that a quantity takes."""


@dataclass(frozen=True)
class Counterexample:
    """Values at which a program differs from the formula.

    Attributes
    ----------
    index : tuple of int
        The entry of the result.
    at : dict of str to Fraction
        Inputs `x[s,p]`, coefficients `c[q,p,i]`, cotangents `dy[s,q]`: those not named are zero.
    program, formula : Fraction or str
        Both values; "nan" or "inf" for what is no number.
    """

    index: tuple[int, ...]
    at: dict[str, Fraction]
    program: Fraction | str
    formula: Fraction

    def __str__(self) -> str:
        where = ", ".join(f"{name} = {value}" for name, value in self.at.items())
        computed = self.program if isinstance(self.program, str) else f"{self.program} = {float(self.program)!r}"
        return f"at {where}: the program gives {computed}, the formula {self.formula} = {float(self.formula)!r}"


@dataclass(frozen=True)
class Statement:
    """What is known of one quantity of one layer.

    Attributes
    ----------
    quantity : str
    layer : str
    status : {"proven", "refuted", "refused"}
    counterexample : Counterexample or None
    reason : str
        The operation that exact arithmetic cannot follow, if it is refused.
    script : str
        A program that shows the counterexample, if it is refuted.
    regions : int
        Combinations of intervals and points that the statement covers.
    """

    quantity: str
    layer: str
    status: str
    regions: int
    counterexample: Counterexample | None = None
    reason: str = ""
    script: str = field(default="", repr=False)

    def __str__(self) -> str:
        text = f"{self.quantity}, {self.layer}: {self.status}"
        if self.status == "proven":
            return f"{text} for all inputs in {self.regions} regions and all coefficients"
        return f"{text}: {self.reason or self.counterexample}"


@dataclass(frozen=True)
class Proof:
    """Statements about a backend; what they assume is said in docs/proofs.md.

    Attributes
    ----------
    title : str
    statements : tuple of Statement
    rounding : float or None
        The largest error of a value in floats against the same program in exact arithmetic, in units of eps times the
        sum of the sizes of its terms.
    seconds : float
        Of processor time.
    adapter : Adapter or None
        The backend, whose layers `save` traces.
    layers : tuple of Layer
        With the regions that were run.

    Examples
    --------
    >>> from refkan.conformance.programs.program_proofs import Proof
    >>> Proof("nothing", ()).holds, Proof("nothing", ()).counterexample
    (True, None)
    """

    title: str
    statements: tuple[Statement, ...]
    rounding: float | None = None
    seconds: float = field(default=0.0, compare=False)
    adapter: Adapter | None = field(default=None, compare=False, repr=False)
    layers: tuple[Layer, ...] = field(default=(), compare=False, repr=False)

    @property
    def holds(self) -> bool:
        """Whether every statement is proven."""
        return all(each.status == "proven" for each in self.statements)

    @property
    def counterexample(self) -> Counterexample | None:
        """The first one, None if nothing is refuted."""
        return next((each.counterexample for each in self.statements if each.counterexample), None)

    @property
    def refused(self) -> tuple[str, ...]:
        """Why statements were refused, each reason once."""
        return tuple(dict.fromkeys(each.reason for each in self.statements if each.status == "refused"))

    def save(self, path: str | PathLike[str]) -> None:
        """Write a certificate of the statements that are proven, which `check_program_proof.py` checks.

        Raises
        ------
        ValueError
            If nothing is proven, or the backend is not traced by PyTorch or JAX.
        """
        if self.adapter is None:
            raise ValueError("a certificate needs the backend; save a proof that `prove` returned")
        proven: dict[str, list[str]] = {}
        for each in self.statements:
            if each.status == "proven":
                proven.setdefault(each.layer, []).append(each.quantity)
        named = [(layer, proven[layer.name]) for layer in self.layers if layer.name in proven]
        write_atomically(Path(path), to_bytes(certificate(self.adapter, named)))

    def __str__(self) -> str:
        lines = [f"{self.title}: {self._summary()} in {self.seconds:.1f} s of processor time"]
        lines += [f"  {each}" for each in self.statements]
        if self.rounding is not None:
            lines.append(
                f"  rounding: values are within {self.rounding:.1f} eps of the exact program, per size of terms"
            )
        return "\n".join(lines)

    def _summary(self) -> str:
        counts = {status: sum(each.status == status for each in self.statements) for status in STATUSES}
        return ", ".join(f"{count} {status}" for status, count in counts.items() if count)


STATUSES = ("proven", "refuted", "refused")


def prove(adapter: Adapter, quick: bool = False) -> Proof:
    """Prove or refute that a backend's layer computes B-splines and their derivatives, by running its own program.

    Parameters
    ----------
    adapter : TorchAdapter, JaxAdapter or Adapter
        Layers of NumPy are run as they are, on object arrays; of those only values are judged.
    quick : bool
        Whether to take one degree only.

    Raises
    ------
    TypeError
        If `adapter` is no Adapter with Capabilities, or `quick` neither True nor False.
    ImportError
        If python-flint (extra `exact`) is not installed.

    Examples
    --------
    >>> from refkan.conformance import prove
    >>> from refkan.conformance.adapters.backends import ScipyBSpline
    >>> prove(ScipyBSpline(), quick=True).refused[0]
    'a conversion to float: the program leaves exact arithmetic'
    """
    check_adapter(adapter)
    check_flag("quick", quick)
    began = process_time()
    proven_layers: list[Layer] = []
    statements: list[Statement] = []
    rounding: list[float] = []
    for layer in layers(adapter.capabilities, quick):
        own, as_split = statements_of(adapter, layer)
        statements += own
        proven_layers.append(as_split)
        if own[0].status == "proven":
            rounding.append(_rounding(adapter, layer.spec))
    seconds = process_time() - began
    largest = max(rounding, default=None)
    return Proof(adapter.title, tuple(statements), largest, seconds, adapter, tuple(proven_layers))


MOST_SPLITS = 128
"""Intervals of a layer that may be split, where a comparison of its program changes within."""


def statements_of(adapter: Adapter, layer: Layer) -> tuple[list[Statement], Layer]:
    """Return a statement for each quantity that the backend declares, and the layer with the regions that were run.

    All regions are run until one speaks against a quantity. Where a comparison changes within an interval, the interval
    is split there.
    """
    declared = adapter.capabilities.derivatives
    named = [name for name in QUANTITIES if name not in NEEDS or NEEDS[name] in declared]
    ended: dict[str, Statement] = {}
    covered: list[Batch] = []
    waiting, more, splits = list(layer.batches), list[Sample](), 0
    while waiting or more:
        if not waiting:
            count = len(layer.batches[0])
            waiting, more = [tuple(islice(cycle(more), count))], more[count:]
        batch, *waiting = waiting
        symbols = Symbols.of(layer.spec, batch)
        formulas = Formulas(layer.spec, symbols)
        samples = len({sample for each in covered for sample in each})
        for quantity in [name for name in named if name not in ended]:
            try:
                program = program_of(adapter, layer.spec, len(batch))
                wrong = _difference(layer.spec, symbols, quantity, program(quantity, symbols), formulas.of(quantity))
            except RefusedError as error:
                if error.split and splits < MOST_SPLITS:
                    name, at = error.split
                    smaller, parts = divided(batch, *symbols.place_of(name), at)
                    waiting, more, splits = [smaller, *waiting], more + parts, splits + 1
                    break
                ended[quantity] = Statement(quantity, layer.name, "refused", samples, reason=str(error))
                continue
            if wrong is not None:
                shown = script(adapter, layer.spec, batch, quantity, wrong)
                ended[quantity] = Statement(quantity, layer.name, "refuted", samples, wrong, script=shown)
        else:
            covered.append(batch)
    samples = len({sample for each in covered for sample in each})
    proven = {name: Statement(name, layer.name, "proven", samples) for name in named}
    return [ended.get(name, proven[name]) for name in named], replace(layer, batches=tuple(covered))


DERIVATIVES = {"input-gradients": 1, "jvp": 1, "second-derivatives": 2}
"""Quantities that are derivatives in x: they are compared where they exist."""


def _is_compared(spec: LayerSpec, symbols: Symbols, quantity: str, index: tuple[int, ...]) -> bool:
    """Whether an entry exists: the jvp of a sample where the derivatives in all of its inputs do."""
    derivative = DERIVATIVES.get(quantity)
    if derivative is None:
        return True
    inputs = range(spec.n_inputs) if quantity == "jvp" else index[1:]
    return all(_exists(spec, symbols.x[index[0], p], p, derivative) for p in inputs)


def _exists(spec: LayerSpec, x: Any, p: int, derivative: int) -> bool:
    """Whether all B-splines of an input have a continuous derivative at x: at a knot, degree - multiplicity of them."""
    if not x.p.is_constant():
        return True
    multiplicity = sum(Fraction(t) == x.at({}) for t in spec.knots[p].tolist())
    return not multiplicity or spec.degree - multiplicity >= derivative


def _difference(spec: LayerSpec, symbols: Symbols, quantity: str, result: Any, formula: Any) -> Counterexample | None:
    """The first entry that differs, with values of the variables at which it does."""
    if result.shape != formula.shape:
        raise RefusedError(f"a result of shape {result.shape} in place of {formula.shape}")
    for index, wanted in np.ndenumerate(formula):
        if not _is_compared(spec, symbols, quantity, index):
            continue
        computed = result[index]
        samples = set() if quantity == "coefficient-gradients" else {index[0]}
        if isinstance(computed, Undefined):
            at = symbols.field.inner_point()
            return Counterexample(index, symbols.named(at, wanted, samples), str(computed), wanted.at(at))
        if not computed.is_same(wanted):
            return _counterexample(symbols, index, samples, computed, wanted)
    return None


POINTS = tuple(Fraction(k, 8) for k in (4, 3, 5, 2, 6, 1, 7)) + tuple(Fraction(k, 97) for k in range(1, 97))
"""Fractions of an interval at which a difference is looked for; a polynomial vanishes at few of them."""


def _counterexample(
    symbols: Symbols, index: tuple[int, ...], samples: set[int], computed: Any, wanted: Any
) -> Counterexample:
    """Values of few variables at which two different polynomials differ: those of one term are 1, the others 0."""
    field, difference = symbols.field, computed - wanted
    for exponents, _ in difference.p.terms():
        used = [name for name, power in zip(field.names, exponents, strict=True) if power]
        for fraction in POINTS:
            at = {name: interval.point(fraction) for name, interval in field.intervals.items()}
            at |= {name: Fraction(1) for name in used if name not in at}
            if not may_vanish(field, difference.p, at):
                return Counterexample(index, symbols.named(at, difference, samples), computed.at(at), wanted.at(at))
    raise RefusedError("whether two expressions in exp and sigmoid are equal")


def _rounding(adapter: Adapter, spec: LayerSpec, count: int = 16) -> float:
    """The largest error of values in floats against exact arithmetic, in eps times the sum of sizes of terms."""
    rng = np.random.default_rng(3)
    spec = LayerSpec(spec.knots, spec.coefficients, spec.order, outside=spec.outside, kind=spec.kind)
    a, b = spec.domains.T
    x = a + (b - a) * rng.integers(1, 2**20, (count, spec.n_inputs)) / 2**20
    points = tuple(tuple(Fraction(v) for v in row) for row in x.tolist())
    symbols = Symbols.of(spec, points).with_numbers(spec)
    exact = program_of(adapter, spec, count)("values", symbols)
    y = np.asarray(adapter.forward(adapter.built(spec), x), np.float64)
    functions = np.vectorize(lambda v: float(v.at({})), otypes=[float])(Formulas(spec, symbols).functions(0))
    size = np.einsum("spi,qpi->sq", functions, abs(spec.coefficients))
    error = np.vectorize(lambda u, v: abs(float(Fraction(u) - v.at({}))), otypes=[float])(y, exact)
    return float((error / size).max() / np.finfo(float).eps)
