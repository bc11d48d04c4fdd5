"""B2 (ours): whether identification names what is wrong with a broken layer, and is silent on correct ones.

Two groups of broken layers are counted apart: those written together with the judge, and those of
`tests.broken_layers.local_defects`, written without knowledge of it.
"""

from collections.abc import Callable, Sequence
from functools import partial

from refkan.claims import Verdict, judge
from refkan.conformance import Adapter, Judge, identify
from refkan.conformance.cases.truths.precision import DTYPES
from refkan.conformance.judging import findings as f
from tests.broken_layers import DEFECTS
from tests.broken_layers.correct import Piecewise, random_cases
from tests.broken_layers.defects import of_layer
from tests.broken_layers.local_layers import LocalAdapter
from tests.broken_layers.plain_numpy import PlainNumpy
from validation.statements import Progress, Resume, answers, each_part

CLAIMS = ("B2",)

QUICK = 26
"""Broken layers that a quick run identifies, evenly chosen from the bank: the criterion asks for 25."""

CONFIGURATIONS = {True: 30, False: 200}
"""Random correct configurations of each format, in a quick and in a full run."""


RIGHT: tuple[Callable[[], Adapter], ...] = (PlainNumpy, LocalAdapter, of_layer(Piecewise))
"""Layers in which nothing may differ; the last one, which takes as long as six others, in a full run alone."""


def lead_of(name: str) -> str:
    return identify(DEFECTS[name].make()).leading or "not detected"


def false_alarms(dtype: str, count: int) -> list[str]:
    """Random correct configurations in which something is found."""
    judged = [(adapter.title, Judge(adapter).run(cases)) for adapter, cases in random_cases(dtype, count)]
    return [title for title, findings in judged if any(x.status in f.BAD for x in findings)]


@answers(True, False)
def run(quick: bool, progress: Progress, resume: Resume) -> list[Verdict]:
    names, right = list(DEFECTS), RIGHT[:2] if quick else RIGHT
    bank = {
        name: DEFECTS[name] for name in ([names[k * len(names) // QUICK] for k in range(QUICK)] if quick else names)
    }

    def lead(name: str) -> str:
        return str(resume({"task": "B2, broken layer", "name": name}, partial(lead_of, name)))

    def on_random(dtype: str) -> list[str]:
        key = {"task": "B2, random configurations", "dtype": dtype, "count": CONFIGURATIONS[quick]}
        return list(resume(key, partial(false_alarms, dtype, CONFIGURATIONS[quick])))

    # The random configurations take longest: they begin first.
    parts = ("random correct configurations in {}", on_random, DTYPES), ("broken layer: {}", lead, list(bank))
    alarms, leads = resume.each(lambda part: dict(zip(part[2], each_part(resume, progress, *part), strict=True)), parts)
    named = [leads[name] == defect.hint for name, defect in bank.items()]
    hints = [defect.hint for defect in bank.values()]
    turned = [lead == hint for lead, hint in zip(leads.values(), hints[1:] + hints[:1], strict=True)]
    undetected = [name for name, lead in leads.items() if lead == "not detected"]
    progress("layers that are right")
    alarms = {"identified": [make.__name__ for make in right if identify(make()).differences]} | alarms

    def holds(told: Sequence[bool]) -> bool:
        silent = not any(alarms.values())
        return silent and len(told) >= 25 and not undetected and sum(told) >= 0.9 * len(told)

    unseen = [ok for ok, defect in zip(named, bank.values(), strict=True) if defect.unseen]
    return [
        Verdict(
            "B2",
            judge(holds(named)),
            f"{len(bank) - len(undetected)} of {len(bank)} defects detected, {sum(named)} named by the leading"
            f" hint ({sum(unseen)} of the {len(unseen)} written without knowledge of the hints, which were extended for"
            f" them: 13 before); alarms: of {len(right)} right layers that were identified, and of"
            f" {CONFIGURATIONS[quick]} random correct configurations in each format: "
            f"{', '.join(f'{dtype} {len(titles)}' for dtype, titles in alarms.items())}",
            details="\n\n".join(f"{name}: {lead}" for name, lead in leads.items()),
            data={"leads": leads, "alarms": alarms, "configurations": CONFIGURATIONS[quick]},
            mutations={"each defect named by the next one's hint": judge(holds(turned))},
        )
    ]
