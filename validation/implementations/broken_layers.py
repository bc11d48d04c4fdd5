"""B2 (ours): whether the conformance suite names what is wrong with a broken layer, and is silent on correct ones.

Two groups of broken layers are counted apart: those written together with the diagnosis, and those of
`tests.broken_layers.local_defects`, written without knowledge of it, of which its first run detected 22 of 23 and
named 13. Random correct configurations became part of the criterion with random rules outside the domain: the first
such run raised an alarm that was false, and the tolerance of the rule "linear" was derived anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

from refkan.claims.running.kept_parts import Parts, Resume, resume_from, run_task
from refkan.claims.verdicts import Verdict, judge
from refkan.conformance import Judge, catalogue
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.truths.precision import DTYPES
from refkan.conformance.judging import findings as f
from refkan.conformance.reports.text_and_junit import leading_hint
from tests.broken_layers import DEFECTS
from tests.broken_layers.correct import random_cases
from validation.grounds import require

CLAIMS = ("B2",)

CONFIGURATIONS = {True: 30, False: 200}
"""Random correct configurations of each format, in a quick and in a full run."""

MANY = 60
"""Cases, of which a quick run takes half."""


def run(
    quick: bool, progress: Callable[[str], None] = lambda message: None, checkpoints: Parts | None = None
) -> list[Verdict]:
    """Judge the bank of broken layers, and correct ones."""
    require(CLAIMS)
    return [broken(quick, progress, resume_from(checkpoints))]


@cache
def cases_of_bank() -> list[Case]:
    """The cases that broken layers are judged by, whose truths are computed once."""
    return catalogue(["float64"])


def lead_of(name: str, quick: bool) -> str:
    """The hint that leads for a broken layer."""
    select = DEFECTS[name].select if quick else ()
    cases = [case for case in cases_of_bank() if all(part in case.key for part in select)]
    if quick:  # splines alone, unless a defect selects parts beside them; of many cases every second one
        cases = [case for case in cases if "/with-" not in case.key] or cases
        cases = cases[::2] if len(cases) > MANY else cases
    # Each has one defect, and only full runs search for two.
    findings = Judge(DEFECTS[name].make(), pairs=not quick, proofs=False).run(cases)
    return leading_hint(findings) if any(x.status == f.FAILED for x in findings) else "not detected"


def false_alarms(dtype: str, count: int) -> list[str]:
    """Random correct configurations in which something is found."""
    found = [(adapter.title, Judge(adapter).run(cases)) for adapter, cases in random_cases(dtype, count)]
    return [title for title, findings in found if any(x.status in f.BAD for x in findings)]


def broken(quick: bool, progress: Callable[[str], None], resume: Resume = run_task) -> Verdict:
    """B2: the bank of broken layers, each detected and named; and no alarm on random correct configurations."""
    leads: dict[str, str] = {}
    for name in DEFECTS:
        progress(f"broken layer: {name}")
        leads[name] = resume({"task": "B2, broken layer", "name": name, "quick": quick}, partial(lead_of, name, quick))
    named = [leads[name] == defect.hint for name, defect in DEFECTS.items()]
    hints = [defect.hint for defect in DEFECTS.values()]
    turned = [lead == hint for lead, hint in zip(leads.values(), hints[1:] + hints[:1], strict=True)]
    undetected = [name for name, lead in leads.items() if lead == "not detected"]
    alarms: dict[str, list[str]] = {}
    for dtype in DTYPES:
        progress(f"random correct configurations in {dtype}")
        key = {"task": "B2, random configurations", "dtype": dtype, "count": CONFIGURATIONS[quick]}
        alarms[dtype] = resume(key, partial(false_alarms, dtype, CONFIGURATIONS[quick]))

    def holds(right: Sequence[bool]) -> bool:
        silent = not any(alarms.values())
        return silent and len(right) >= 25 and not undetected and sum(right) >= 0.9 * len(right)

    unseen = [ok for ok, defect in zip(named, DEFECTS.values(), strict=True) if defect.unseen]
    return Verdict(
        "B2",
        judge(holds(named)),
        f"{len(DEFECTS) - len(undetected)} of {len(DEFECTS)} defects detected, {sum(named)} named by the leading hint "
        f"({sum(unseen)} of the {len(unseen)} written without knowledge of the hints, which were extended for them: "
        f"13 before); random correct configurations with an alarm, of {CONFIGURATIONS[quick]} each: "
        f"{', '.join(f'{dtype} {len(found)}' for dtype, found in alarms.items())}",
        details="\n\n".join(f"{name}: {lead}" for name, lead in leads.items()),
        data={"leads": leads, "alarms": alarms, "configurations": CONFIGURATIONS[quick]},
        mutations={"each defect named by the next one's hint": judge(holds(turned))},
    )
