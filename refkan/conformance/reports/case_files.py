"""Layers judged by files: questions written down, and results that a program in another language computed for them.

Identification asks any adapter. Asked of a right layer, its questions are the probes of exchanged folders; with their
results it is asked again, of an adapter that looks answers up. A question that a layer's own answers lead to, and that
is not among the probes, has no answer: its stage says so.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from refkan.base import Array
from refkan.conformance.adapters.adapter import SEVERAL, Adapter, Capabilities
from refkan.conformance.adapters.answers import UnansweredError
from refkan.conformance.adapters.backends.refkan_layers import Refkan
from refkan.conformance.cases import DTYPES, QUANTITIES, VECTORS, Case, LayerSpec, Setting, as_specs, catalogue, ended
from refkan.conformance.cases.exchanged_folders import read_cases, read_results
from refkan.conformance.identification import Identification, identify
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.causes import by_numbers, explained
from refkan.conformance.judging.findings import Finding, compare

PORTABLE = Capabilities(degrees=(1, 2, 3), knots=("uniform", "arbitrary"), outside=("natural",))
"""What layers that are judged by files are taken to declare; a stage whose results are missing says so."""


def probe(specs: Sequence[LayerSpec], quantity: str, x: Array, dy: Any = None, direction: Any = None) -> Case:
    """Return a question as a case, named by what it asks."""
    x = np.array(x, np.float64)
    dy = np.zeros((len(x), specs[-1].n_outputs)) if dy is None else np.array(dy, np.float64)
    direction = np.zeros(x.shape) if direction is None else np.array(direction, np.float64)
    of = "".join(f"{spec.order} {spec.outside} {spec.dtype} {spec.kind} {spec.parts} " for spec in specs)
    arrays = [array for spec in specs for array in (spec.knots, spec.coefficients, *map(spec.part, spec.parts))]
    digest = hashlib.sha256(of.encode())
    for array in (*arrays, x, dy, direction):
        digest.update(str(array.shape).encode() + array.tobytes())
    setting = Setting(f"probes/{digest.hexdigest()[:20]}", tuple(specs), x, dy, direction, oracle="float64")
    return Case(setting, quantity)


def _asking(method: str) -> Any:
    """A method of an adapter that hands its question on."""
    return lambda self, model, *arrays: self.answer(method, model, *arrays)


class Questioned(Adapter):
    """An adapter of which all questions go one way: implement `answer`."""

    forward, vjp, second, gauss_newton = map(_asking, VECTORS)

    @abstractmethod
    def answer(self, method: str, model: Any, *arrays: Any) -> Any:
        """Return what a method of an adapter returns."""


class Recorder(Questioned):
    """An adapter that asks another one, and writes down what it was asked and answered.

    Parameters
    ----------
    adapter : Adapter
        What depends on more than arrays, a change of knots, is not asked for.

    Attributes
    ----------
    probes : dict of str to Case
        The questions by their keys.
    """

    def __init__(self, adapter: Adapter) -> None:
        self.adapter, self.name = adapter, adapter.title
        self.capabilities = replace(adapter.capabilities, refine=(), update=False, state=False, promotes=False)
        self.probes: dict[str, Case] = {}

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Return the layers with the model of the other adapter."""
        return as_specs(spec), self.adapter.built(spec)

    def answer(self, method: str, model: Any, *arrays: Any) -> Any:
        """Ask, and note each quantity that comes back."""
        answer = getattr(self.adapter, method)(model[1], *arrays)
        for name, quantity in QUANTITIES.items():
            known = np.isfinite(arrays[0]).all()  # what is said of others files cannot be asked for
            if known and quantity.method == method and (not quantity.entry or quantity.entry in answer):
                case = probe(model[0], name, *arrays)
                self.probes.setdefault(case.key, case)
        return answer


class Recorded(Questioned):
    """An adapter that looks up what was computed.

    Parameters
    ----------
    name : str
    results : mapping of str to array
        By the keys of probes.
    capabilities : Capabilities
        Those that the probes were made for.
    """

    def __init__(self, name: str, results: Mapping[str, Array], capabilities: Capabilities) -> None:
        self.name, self.results, self.capabilities = name, results, capabilities

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Return the layers."""
        return as_specs(spec)

    def answer(self, method: str, model: Any, *arrays: Any) -> Any:
        """Look up each quantity; coefficient gradients of a network are one vector, layer by layer, and come apart."""
        asked = {q.entry: probe(model, name, *arrays).key for name, q in QUANTITIES.items() if q.method == method}
        recorded: dict[str, Any] = {at: self.results[key].copy() for at, key in asked.items() if key in self.results}
        if not recorded:
            raise UnansweredError(f"no result {next(iter(asked.values()))}")
        if len(model) > 1 and "coefficients" in recorded:
            ends = np.cumsum([spec.coefficients.size for spec in model])
            recorded["coefficients"] = np.split(recorded["coefficients"], ends[:-1])
        return recorded if method == "vjp" else recorded[""]


class _Scaled(Refkan):
    """A layer whose values and gradients are multiplied."""

    def __init__(self, capabilities: Capabilities, values: float, gradients: float) -> None:
        self.capabilities = capabilities
        self.values, self.gradients = values, gradients

    def forward(self, model: Any, x: Any) -> Any:
        return self.values * super().forward(model, x)

    def vjp(self, model: Any, x: Any, dy: Any) -> Mapping[str, Any]:
        return {name: self.gradients * np.asarray(part) for name, part in super().vjp(model, x, dy).items()}


FACTORS = ((1.0, 1.0), (1.0, 2.0), (2.0, 2.0))
"""Of values and gradients: a right layer, and layers whose differences lead to further questions."""


def capabilities_of(lines: Iterable[str]) -> Capabilities:
    """Return the capabilities of layers that are judged by files, with some declared as NAME=VALUE.

    Raises
    ------
    ValueError
        On an unknown name or value.

    Examples
    --------
    >>> capabilities_of(["degrees=3", "knots=uniform", "domain=-1,1", "intervals=5"]).frame
    Frame(intervals=5, domain=(-1.0, 1.0), shared_knots=False, equal_spacing=False)
    """
    given: dict[str, Any] = {}
    for line in lines:
        name, equals, text = line.partition("=")
        if not equals or name not in READ:
            raise ValueError(f"must be NAME=VALUE with NAME one of {', '.join(READ)}; got {line!r}")
        try:
            given[name] = READ[name](text)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{name} must have a value such as {EXAMPLES[name]}; got {text!r}") from error
    declared = replace(PORTABLE, **given)
    problems = declared.problems()
    if problems:
        raise ValueError("; ".join(problems))
    return declared


READ: dict[str, Callable[[str], Any]] = {
    "degrees": lambda text: tuple(map(int, text.split(","))),
    "knots": lambda text: tuple(text.split(",")),
    "outside": lambda text: tuple(filter(None, text.split(","))),
    "parts": lambda text: tuple(text.split(",")),
    "intervals": int,
    "domain": lambda text: tuple(map(float, text.split(","))),
    "right_end": str,
    "shared_knots": lambda text: {"True": True, "False": False}[text],
    "equal_spacing": lambda text: {"True": True, "False": False}[text],
}
"""How capabilities that concern files are read."""

EXAMPLES = {
    "degrees": "1,3", "knots": "uniform", "outside": "natural", "parts": "base,scale", "intervals": "5",
    "domain": "-1,1", "right_end": "half-open", "shared_knots": "True", "equal_spacing": "True",
}  # fmt: skip


def chosen(cases: Iterable[Case], declared: Capabilities) -> list[Case]:
    """Return the cases that a layer with these capabilities is asked, with its right end."""
    every = replace(
        declared, dtypes=DTYPES, derivatives=SEVERAL["derivatives"], refine=("nested",), network=True, state=True
    )
    return [ended(case, declared.right_end) for case in cases if not every.missing(case.needs())]


def probes(dtypes: Sequence[str] = ("float64",), portable: Capabilities = PORTABLE) -> list[Case]:
    """Return the questions that identify a layer, in each format, of layers on any knots and on uniform ones only."""
    asked: dict[str, Case] = {}
    kinds = dict.fromkeys((tuple(portable.knots), tuple(kind for kind in portable.knots if kind == "uniform")))
    for dtype, knots in product(dtypes, filter(None, kinds)):
        declared = replace(portable, dtypes=(dtype,), knots=knots)
        for factors in FACTORS:
            recorder = Recorder(_Scaled(declared, *factors))
            identify(recorder)
            asked |= recorder.probes
    return list(asked.values())


def answered(
    asked: Mapping[str, tuple[str, str]], given: Iterable[str], portable: Capabilities = PORTABLE
) -> Capabilities:  # fmt: skip
    """Return what a layer may be taken to declare by the formats and knots of the probes that have results."""
    formats, kinds = zip(*(asked[key] for key in given if key in asked), strict=True)
    dtypes = tuple(dtype for dtype in DTYPES if dtype in formats)
    knots = tuple(kind for kind in portable.knots if kind in kinds)
    return replace(portable, dtypes=dtypes, knots=knots)


def check(folder: Path, results: Path) -> tuple[list[Finding], Identification | None]:
    """Judge results against exported cases; say what the layer is where results of probes are among them.

    Raises
    ------
    CaseFileError
        If the cases are of another version or were altered, or a file cannot be read.
    """
    read, given = read_cases(folder), read_results(results)
    declared = capabilities_of(read.declared)
    every = catalogue(version=read.version, frame=declared.frame)
    cases = {case.key: ended(case, declared.right_end) for case in every}
    out: list[Finding] = []
    known = {*read.keys, *read.probes}
    for name in [name for name in given if name not in known]:
        near = get_close_matches(name, read.keys, 1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        out.append(Finding(name, "results", f.ERROR, f"no case has this key{guess}"))
    for key in read.keys:
        case, truth = cases[key], read.arrays
        case.__dict__["expected"], case.__dict__["tolerance"] = truth[f"{key}/expected"], truth[f"{key}/tolerance"]
        absent = Finding.of(case, f.NOT_APPLICABLE, "not in the results")
        out.append(_judge(case, given[key]) if key in given else absent)
    if given.keys().isdisjoint(read.probes):
        return out, None
    identification = identify(Recorded(str(results), given, answered(read.probes, given, declared)))
    return [
        explained(finding, identification) if finding.status == f.FAILED else finding for finding in out
    ], identification


def _judge(case: Case, given: Any) -> Finding:
    if given.dtype.kind not in "biuf":
        return Finding.of(case, f.ERROR, f"must hold real numbers; got dtype {given.dtype}")
    theirs = given.astype(np.float64)
    if theirs.shape != case.expected.shape:
        return Finding.of(case, f.ERROR, f"must have shape {case.expected.shape}; got {theirs.shape}")
    with np.errstate(all="ignore"):  # of numbers beyond any range
        finding = compare(case, theirs)
        if finding.status == f.PASSED or case.quantity == "refinement":
            return finding
        return by_numbers(case, theirs, finding)
