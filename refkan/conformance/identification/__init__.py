r"""Identify what a layer computes, by experiments with any coefficients on any knots.

Stages run one after another: calls, arithmetic, wiring, functions, parts besides the splines, gradients, the rule
outside, networks and changes. Each is a function of the layer as far as it is known, and returns its result with what
is known then: gradients, for example, are compared with those of the function that the layer has. The number of probes
is fixed, so a report does not depend on the speed of the machine.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from refkan.conformance.adapters.adapter import Adapter, check_adapter
from refkan.conformance.adapters.answers import describe
from refkan.conformance.identification.gradients.own_gradients import gradients, gradients_alone
from refkan.conformance.identification.reported import Difference, Identification, Stage, only
from refkan.conformance.identification.stages.arithmetic import arithmetic
from refkan.conformance.identification.stages.calls import calls
from refkan.conformance.identification.stages.changes import changes
from refkan.conformance.identification.stages.larger_layers import larger
from refkan.conformance.identification.stages.outside import outside
from refkan.conformance.identification.stages.own_functions import functions
from refkan.conformance.identification.stages.parts import parts
from refkan.conformance.identification.stages.wiring import wiring
from refkan.conformance.identification.subject import NoAnswerError, Subject

__all__ = ["STAGES", "Difference", "Identification", "Stage", "identified", "identify", "process_ended"]

STAGES: dict[str, Callable[[Subject], tuple[Stage, Subject]]] = {
    "calls": calls,
    "arithmetic": arithmetic,
    "wiring": wiring,
    "sizes": larger,
    "functions": functions,
    "parts": parts,
    "gradients": gradients,
    "outside": outside,
    "changes": changes,
}
"""In the order in which they run, which is also the order of their differences.

Each takes the layer as far as it is known, and returns its result and what is known then.
"""


def identify(adapter: Adapter) -> Identification:
    """Return what the layer of an adapter computes, stage by stage, and how that differs from its declaration.

    Parameters
    ----------
    adapter : Adapter

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.conformance.adapters.backends import Refkan
    >>> found = rk.conformance.identify(Refkan())
    >>> print(found.stages[1])  # doctest: +ELLIPSIS
    arithmetic: linear in its coefficients, up to ...e-16 of the largest output
    """
    check_adapter(adapter)
    with adapter.values_alone():
        return Identification(adapter.title, tuple(identified(adapter)))


def identified(adapter: Adapter, without: Mapping[str, str] = MappingProxyType({})) -> Iterator[Stage]:
    """Run stage after stage, without those that ended an earlier process, each with the reason."""
    subject, told = Subject.of(adapter), set[str]()
    for name in STAGES:
        if name in without:
            yield process_ended(name, without[name])
            continue
        stage, subject = _asked(name, subject)
        if subject.calls.overwritten and "inputs overwritten" not in subject.names:
            stage = _with_overwritten(stage, subject.calls.overwritten[0])
        stage = _new(stage, told)
        subject = replace(subject, stages=(*subject.stages, stage))
        failed = {text: one for text, one in subject.calls.differences.items() if text in stage.unknown}
        more = [replace(one, stage=name) for text, one in failed.items() if text not in told]
        told |= set(failed) | {_text(difference) for difference in stage.differences}
        yield replace(stage, differences=(*stage.differences, *more))


def _asked(name: str, subject: Subject) -> tuple[Stage, Subject]:
    """The result of a stage, and what is known then; a stage without an answer says why."""
    if subject.calls.always("build") or subject.calls.always("forward"):
        return Stage(name, unknown=MUTE), subject
    if subject.depends and name != "gradients":
        return Stage(name, unknown=subject.depends), subject
    ask = gradients_alone if subject.depends else STAGES[name]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of results without a finite number
        try:
            return ask(subject)
        except NoAnswerError as error:
            return Stage(name, unknown=str(error)), subject
        except Exception as error:  # of a stage: the others go on
            return Stage(name, unknown=f"the stage failed: {describe(error)}"), subject


def _with_overwritten(stage: Stage, method: str) -> Stage:
    """A stage in which a method changed an array of the caller."""
    if any(difference.name == "inputs overwritten" for difference in stage.differences):
        return stage
    return replace(stage, differences=(*only("inputs overwritten", method=method), *stage.differences))


def _text(difference: Difference) -> str:
    """What is said once, wherever it was seen."""
    return str(replace(difference, where=()))


def _new(stage: Stage, told: set[str]) -> Stage:
    """A stage with those of its differences that were not told before."""
    each: dict[str, Difference] = {}
    for difference in stage.differences:
        each.setdefault(_text(difference), replace(difference, stage=stage.name))
    return replace(stage, differences=tuple(one for text, one in each.items() if text not in told))


MUTE = "not asked: every call failed before"


def process_ended(name: str, how: str) -> Stage:
    """Return the stage in which the adapter ended its process."""
    difference = Difference("process ended", {"stage": name, "how": how}, quantities=(), stage=name)
    return Stage(name, differences=(difference,), unknown=how)
