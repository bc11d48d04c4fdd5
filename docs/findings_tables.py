"""Tables and sentences of the pages of findings, from the kept records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from findings_figures import ERROR, LOSS, Rows, cells, speaking

from refkan.claims.estimates import ENOUGH, FEWEST, Estimate, from_plain
from refkan.claims.experiments import written
from validation.ledger import LEDGER, row
from validation.records.markdown import markdown_table
from validation.records.pages import in_short
from validation.records.store import is_old, load
from validation.table_two.compared_cells import NOT_RUN, OF_FIVE, SHOWN

PROOFS = {
    "N3": "nullity",
    "T3": "one-input",
    "H5": "levels",
    "M4": "levels",
    "S5": "spectral-constants",
    "T4": "mixed-updates",
    "S6": "relu-kernel",
    "H7": "relu-kernel",
    "G2": "steps-on-levels",
    "M5": "steps-on-levels",
    "H6": "steps-on-levels",
    "N5": "two-layer-kernels",
    "H8": "scaled-splines",
    "H9": "scaled-splines",
}
"""Statements of this library for which no source was found, and the pages of docs/theorems that prove them."""

MISPRINTS = ("E19", "E20", "E24", "E25", "E40", "D2", "Q0")
"""Corrections of signs, exponents and factors that the text around them gets right."""

TABLE_TWO = ("R1", "R2", "R3", "R4", "R8", "R9", "R10", "R11", "R6", "R7")

GROUPS = ("this paper", "[A25]", "about both", "other papers")


def group(id: str) -> str:
    """Return whose statement a row is."""
    source = row(id).source
    if source in ("summary", "next checks"):
        return GROUPS[2]
    return GROUPS[1] if source.startswith("[A25]") else GROUPS[3] if source.startswith("[") else GROUPS[0]


def rows() -> dict[str, dict[str, Any]]:
    """Return the kept rows in the order of the ledger: at full size, else of a quick run where no chance enters."""
    quick, full = ({id: r for id, r in load(size).items() if not is_old(r)} for size in ("quick", "full"))
    exact = {id: r for id, r in quick.items() if not (r["estimates"] or r["readings"])}
    kept = exact | full
    return {r.id: kept[r.id] for r in LEDGER if r.id in kept and not r.goal}


def of_papers(kept: Rows) -> dict[str, Mapping[str, Any]]:
    """Return the rows that are statements of papers."""
    return {id: each for id, each in kept.items() if row(id).source != "ours"}


def counts(kept: Rows) -> str:
    """Return how many statements of which papers came out how."""
    of = Counter((each["status"], group(id)) for id, each in of_papers(kept).items())
    statuses = sorted({s for s, _ in of}, key=lambda status: (-sum(of[status, name] for name in GROUPS), status))
    return markdown_table(["", *GROUPS], [[s, *(str(of[s, name] or "") for name in GROUPS)] for s in statuses])


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    for mark in "\\|_*<`":
        text = text.replace(mark, f"\\{mark}")
    return text.rstrip(".")


def listed(kept: Rows, *statuses: str, numbers: bool = True) -> str:
    """Return the statements of papers with one of these statuses, those of this paper first, a sentence each.

    With `numbers` the first that decide stand beside them; the verdicts have all.
    """
    chosen = {id: each for id, each in of_papers(kept).items() if each["status"] in statuses}
    lines = []
    for id in sorted(chosen, key=lambda id: GROUPS.index(group(id))):
        over = in_short(chosen[id]) if chosen[id]["readings"] else ""
        told = f" ({over})" if over and over != chosen[id]["status"] else ""
        if deciding := [e for e in estimates(kept, id).values() if e.decides and numbers][:3]:
            told += f": {escaped('; '.join(e.told() for e in deciding))}"
        lines.append(f"* **{id}** ({escaped(row(id).source)}): {escaped(row(id).claim)}{told}.")
    return "\n".join(lines) or "None."


def corrections(kept: Rows, misprints: bool) -> str:
    """Return what is printed beside what is right: of rows that hold as corrected, and of ours that correct."""
    lines = []
    for id, each in kept.items():
        r = row(id)
        if (id in MISPRINTS) != misprints:
            continue
        if r.corrects and each["status"] == "holds":
            where, printed, right = (*r.corrects.split(": ", 1), r.claim)
        elif each["status"] == "holds as corrected":
            where, printed, right = r.source, r.claim, each["corrected"]
        else:
            continue
        lines.append([f"[{id}](verdicts.md#{id.lower()})", *map(escaped, (where, printed, right))])
    return markdown_table(["row", "where", "printed", "right"], lines)


def estimates(kept: Rows, id: str) -> dict[str, Estimate]:
    """Return the estimates of a row by name."""
    return {e["name"]: from_plain(e) for e in kept[id]["estimates"]} if id in kept else {}


def number(value: float) -> str:
    """Write three digits, without an exponent below a million."""
    return f"{float(f'{value:.3g}'):,.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def bracketed(e: Estimate | None) -> str:
    """Write an estimate with its interval, without its name."""
    if e is None:
        return ""
    apart = e.low != e.high and isfinite(e.high)  # one run has no interval
    return number(e.value) + (f" [{number(e.low)}, {number(e.high)}]" if apart else "")


def asked(e: Estimate) -> str:
    """Write the bounds of an estimate."""
    if e.at_least is None or e.at_most is None:
        return e.asked
    return f"{number(e.at_least)} to {number(e.at_most)}"


def told(kept_row: Mapping[str, Any]) -> str:
    """Write what was estimated of a row, or measured where there is no estimate."""
    return "; ".join(from_plain(e).told() for e in kept_row["estimates"]) or kept_row["measured"]


def compared(kept: Rows) -> str:
    """Return the ratios of Table 2: printed, of tables of five runs, how often they show it, and of typical runs."""
    lines = []
    for id in ("R1", "R2", "R3", "R8", "R9"):
        own = estimates(kept, id)
        for name, of_five in own.items():
            if not name.startswith(OF_FIVE) or name.endswith(NOT_RUN):
                continue
            pair = name.removeprefix(f"{OF_FIVE}, ")
            if not of_five.decides:  # beside another claim
                continue
            typical = own.get(f"typical run, {pair}")
            shown = bracketed(own.get(f"{SHOWN}, {pair}"))
            cells = [number(of_five.published or 0.0), bracketed(of_five), shown, bracketed(typical)]
            lines.append([pair, *cells, over_readings(kept, id, pair), f"{id}: {asked(of_five)}"])
    columns = ["errors", "printed", "tables of five", "tables that show it", "median", "all readings", "claimed"]
    return markdown_table(columns, lines)


def over_readings(kept: Rows, id: str, pair: str) -> str:
    """Return the least and the largest median of a ratio over all readings that were tried."""
    name = f"typical run, {pair}"
    every = [float(e["value"]) for r in kept[id]["readings"] for e in r["estimates"] if e["name"] == name]
    finite = [value for value in every if isfinite(value)]
    return f"{number(min(finite))} to {number(max(finite))}" if finite else ""


def statements(kept: Rows, ids: Iterable[str]) -> str:
    """Return rows with their statuses."""
    lines = [
        [f"[{id}](verdicts.md#{id.lower()})", escaped(row(id).claim), in_short(kept[id])] for id in ids if id in kept
    ]
    return markdown_table(["row", "statement", "status"], lines)


def estimated(kept: Rows, ids: Iterable[str]) -> str:
    """Return rows with what was estimated of them."""
    lines = ([id, escaped(row(id).claim), in_short(kept[id]), escaped(told(kept[id]))] for id in ids if id in kept)
    return markdown_table(["row", "statement", "status", "what was estimated"], lines)


def other_readings(kept: Rows) -> str:
    """Return medians of the cells of Table 2 under every reading that was tried, below the printed means."""
    readings = kept["R1"]["readings"]
    names = list(cells(readings[0]))[:6]
    base = readings[0]["choice"]
    lines = [["printed means of five", "20000", *(f"{cells(readings[0])[name]['published']:.1e}" for name in names)]]
    for r in readings:
        differing = ", ".join(f"{k}={v}" for k, v in r["choice"].items() if v != base[k] and k != "samples") or "base"
        runs = cells(r)
        medians = (float(runs[name]["median"]) for name in names)
        size = f"{r['choice']['samples']}, {len(runs[names[0]]['seeds'])}"
        lines.append([differing, size, *("diverged" if m >= 1e30 else f"{m:.1e}" for m in medians)])
    return markdown_table(["reading", "points, runs", *names], lines)


def met(reading: Mapping[str, Any]) -> str:
    """Tell how many of the printed cells a reading meets, and on which side of the printed means the others lie."""
    judged = {name: c for name, c in cells(reading).items() if c["meets"] is not None}
    sides: dict[str, list[str]] = {}
    for name, c in judged.items():
        if not c["meets"]:
            sides.setdefault("above" if c["mean"] > c["published"] else "below", []).append(name.replace(", ", " "))
    missed = "; ".join(f"{', '.join(names)} {side} the printed mean" for side, names in sides.items())
    return f"{sum(c['meets'] for c in judged.values())} of {len(judged)}" + (f" ({missed})" if missed else "")


def all_met(readings: Iterable[Mapping[str, Any]]) -> str:
    """Tell which readings meet every printed cell; of fewer runs than reject a reading none is said to."""
    names = []
    for r in readings:
        meets = [c["meets"] for c in cells(r).values() if c["published"] is not None]
        names += [written(r["choice"])] if meets and all(meets) else []
    met = f"These bring all printed numbers together: {'; '.join(names)}." if names else "None is known to bring all"
    return met if names else f"{met} printed numbers together; fewer than {ENOUGH} runs reject none."


def few(kept: Rows) -> str:
    """Tell which rows have too few seeds for an interval."""
    deciding = {id: [e for e in estimates(kept, id).values() if e.decides and e.seeds] for id in kept}
    ids = [id for id, of in deciding.items() if of and min(len(e.seeds) for e in of) < FEWEST]
    return f"{', '.join(ids[:-1])} and {ids[-1]}"


def runs_of(e: Estimate) -> str:
    """Write a share as runs: k of n."""
    return f"{round(e.value * len(e.seeds))} of {len(e.seeds)}"


WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}


def gauge(kept: Rows) -> str:
    """Tell what the free scale of rows does in the set-up of Table 2, with the numbers of R12 and R13."""
    spline, relu = estimates(kept, "R12"), estimates(kept, "R13")
    bad, cured = spline["bad runs, rows free"], spline["bad runs that become good"]
    spoilt = spline["good runs that become bad"]
    resting, moving = relu["runs at rest, rows free"], relu["of them moving with balanced rows"]
    (cures, _, ill), (spoils, _, well), (moves, _, _) = (runs_of(e).partition(" of ") for e in (cured, spoilt, moving))
    return f"""\
In the set-up of Table 2 a min-max map leaves the scale of each first-layer row free, and the scale is that row's
learning rate. One multilevel spline run in {WORDS[round(1 / bad.value)]} is bad ({runs_of(bad)}). Multiplying rows by
powers of two at refinements changes no bit of any value and makes {cures} of these {ill} good and {spoils} of {well}
good ones bad (R12). In the ReLU basis {runs_of(resting)} runs rest after refinement; {moves} of these then move (R13).
At a tie of min-max extremes the negative gradient can point uphill."""


def often(multilevel: Estimate, fine: Estimate) -> str:
    """Tell whether 25 runs tell apart how often two trainings fail: whether an interval holds the other share."""
    apart = not (multilevel.low <= fine.value <= multilevel.high or fine.low <= multilevel.value <= fine.high)
    told = ("more often than" if multilevel.value > fine.value else "less often than") if apart else "as often as"
    return f"Multilevel training fails {told} fine training{'' if apart else ', as far as so many runs can tell'}"


def losses_and_errors(kept: Rows) -> str:
    """Tell medians of losses and errors where they part."""

    def medians(id: str, name: str) -> tuple[float, float, int]:
        loss, error = (cells(speaking(kept, id), unit)[name] for unit in (LOSS, ERROR))
        return float(loss["median"]), float(error["median"]), len(error["seeds"])

    (fine, far, size), (coarse, near, _) = (medians("Q2", f"KAN, {fidelity}") for fidelity in ("fine", "coarse"))
    loss, error, runs = medians("Q3", "spline")
    with_lower = "lower" if (fine < coarse) == (far < near) else "larger"
    return (
        f"Burgers: fine training ends at a loss of {fine:.1e} and a relative error of {far:.2g}, coarse training at\n"
        f"{coarse:.1e} and {near:.2g}: the lower loss has the {with_lower} error. Allen-Cahn: the splines end at a\n"
        f"loss of {loss:.1e} and a relative error of {error:.2g}. (Medians of {size} and {runs} runs.)"
    )


def reading_of(kept: Rows, powers: str) -> Mapping[str, Any]:
    """Return the first reading of Table 2 under a choice of the powers of the ReLU basis."""
    return next(r for r in kept["R1"]["readings"] if r["choice"]["powers"] == powers)


def gain(kept: Rows, powers: str) -> Estimate:
    """Return what decides R3, how refinement lowers the mean error in the ReLU basis, under a choice of its powers."""
    chosen = next(r for r in kept["R3"]["readings"] if r["choice"]["powers"] == powers)
    return next(e for e in map(from_plain, chosen["estimates"]) if e.decides)


def proven(kept: Rows) -> str:
    """Return our own statements with their proofs."""
    return "\n".join(
        f"* **{id}** ([proof](theorems/{name}.md)): {escaped(row(id).claim)}. {in_short(kept[id]).capitalize()}."
        for id, name in PROOFS.items()
        if id in kept
    )


def waiting(kept: Rows) -> str:
    """Return the rows whose full record was judged by an earlier criterion."""
    old = [r.id for r in LEDGER if r.id in load("full") and r.id not in kept]
    return ", ".join(f"[{id}](verdicts.md#{id.lower()})" for id in old) or "None"
