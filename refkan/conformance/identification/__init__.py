r"""Identify what a layer computes, by experiments with any coefficients on any knots.

Stages run one after another: calls, arithmetic, wiring, functions, parts besides the splines, gradients, the rule
outside, networks and changes. Each uses the results of those before it: gradients, for example, are compared with those
of the function that the layer has. The number of probes is fixed, so a report does not depend on the speed of the
machine.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from refkan.base import check_annotated
from refkan.conformance.adapters.adapter import Adapter
from refkan.conformance.adapters.answers import describe
from refkan.conformance.identification.gradients.own_gradients import gradients, of_degree, whatever_values
from refkan.conformance.identification.reported import Difference, Identification, Stage
from refkan.conformance.identification.stages.arithmetic import arithmetic
from refkan.conformance.identification.stages.calls import calls
from refkan.conformance.identification.stages.changes import changes
from refkan.conformance.identification.stages.outside import outside
from refkan.conformance.identification.stages.own_functions import functions
from refkan.conformance.identification.stages.parts import parts
from refkan.conformance.identification.stages.wiring import larger, wiring
from refkan.conformance.identification.subject import NoAnswerError, Subject

__all__ = ["STAGES", "Difference", "Identification", "Stage", "identified", "identify", "process_ended"]

STAGES: dict[str, Callable[[Subject], Stage]] = {
    "calls": calls, "arithmetic": arithmetic, "wiring": wiring, "sizes": larger, "functions": functions,
    "parts": parts, "gradients": gradients, "outside": outside, "changes": changes,
}  # fmt: skip
"""In the order in which they run, which is also the order of their differences."""


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
    check_annotated(identify, locals())
    with adapter.values_alone():
        return Identification(adapter.title, tuple(identified(adapter)))


def _gradients_alone(subject: Subject) -> Stage:
    """Gradients of a layer that no other stage can test; input gradients by its values if rows do not mix."""
    told = whatever_values(subject)
    for name in ("inputs", "second") if subject.nonlinear else ():
        told = told or (of_degree(subject, name, subject.degree) if name in subject.declared.derivatives else [])
    return Stage("gradients", "", tuple(told), subject.depends)


def identified(adapter: Adapter, without: Mapping[str, str] = MappingProxyType({})) -> Iterator[Stage]:
    """Run stage after stage, without those that ended an earlier process, each with the reason."""
    subject = Subject(adapter)
    for name, ask in STAGES.items():
        if name in without:
            yield process_ended(name, without[name])
            continue
        if subject.calls.always("build") or subject.calls.always("forward"):
            yield Stage(name, unknown=MUTE)
            continue
        if subject.depends and name != "gradients":
            yield Stage(name, unknown=subject.depends)
            continue
        if subject.depends:
            ask = _gradients_alone
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of results without a finite number
            try:
                stage = ask(subject)
            except NoAnswerError as error:
                stage = Stage(name, unknown=str(error))
            except Exception as error:  # of a stage: the others go on
                stage = Stage(name, unknown=f"the stage failed: {describe(error)}")
        if subject.overwritten and "inputs overwritten" not in subject.names | {
            difference.name for difference in stage.differences
        }:
            told = Difference("inputs overwritten", {"method": subject.overwritten})
            stage = replace(stage, differences=(told, *stage.differences))
        sentences: dict[str, Difference] = {}
        for difference in stage.differences:
            sentences.setdefault(str(replace(difference, where=())), replace(difference, stage=name))
        stage = replace(stage, differences=tuple(d for key, d in sentences.items() if key not in subject.told))
        subject.told |= set(sentences)
        subject.note(name, stage)
        failed = {text: d for text, d in subject.calls.differences.items() if text in stage.unknown}
        new = [replace(d, stage=name) for text, d in failed.items() if text not in subject.told]
        subject.told |= set(failed)
        yield replace(stage, differences=(*stage.differences, *new))


MUTE = "not asked: every call failed before"


def process_ended(name: str, how: str) -> Stage:
    """Return the stage in which the adapter ended its process."""
    difference = Difference("process ended", {"stage": name, "how": how}, quantities=(), stage=name)
    return Stage(name, differences=(difference,), unknown=how)
