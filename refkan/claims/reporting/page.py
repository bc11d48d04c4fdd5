"""The report as one HTML page that refers to nothing outside itself."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from refkan.base.plain_text import counted
from refkan.claims.reporting.reading_tables import estimates_html, header_and_rows, numbered, readings_html
from refkan.claims.reporting.typeset import typeset
from refkan.claims.running.outcomes import Outcome
from refkan.claims.verdicts import Figure, Table, Verdict

UNANSWERED = ("pending", "not run")

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; padding: 1rem;
       max-width: 75rem; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
h3 { font-size: 1rem; margin-bottom: .2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
.numbers table { width: auto; } .numbers td, .numbers th, .prose th { white-space: nowrap; }
.prose td:last-child { min-width: 24rem; }
.numbers td.long { white-space: normal; min-width: 20rem; }
caption { text-align: left; max-width: calc(100vw - 3rem); }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #ddd; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem 0; }
img { max-width: 100%; height: auto; } figure { margin: 1rem 0; }
figcaption, caption, .small { font-size: .85rem; color: #555; }
pre { overflow-x: auto; background: #f6f6f6; padding: .6rem; font-size: .8rem; white-space: pre-wrap; }
summary { cursor: pointer; } code { font-size: .8rem; }
.status { white-space: nowrap; border-radius: .3rem; padding: .1rem .4rem; border: 1px solid; }
.holds { color: #14602b; background: #e7f6ec; }
.holds-as-corrected, .holds-under-some-readings { color: #0b5563; background: #e3f4f7; }
.refuted { color: #8a3a00; background: #fdf0e4; } .not-reproduced { color: #7a5a00; background: #fbf5dc; }
.pending, .not-run, .undecided { color: #555; background: #f3f3f3; }
.error, .void { color: #fff; background: #a40000; }
@media (max-width: 40rem) {
  .rows thead { display: none; }
  .rows table, .rows tbody, .rows tr, .rows td { display: block; width: auto; }
  .rows tr { border-bottom: 1px solid #bbb; padding: .4rem 0; } .rows td { border: 0; padding: .1rem 0; }
  .rows td::before { color: #555; } .rows td:nth-child(5)::before { content: "size: "; }
  .rows td:nth-child(6)::before { content: "seeds: "; } .rows td:nth-child(7)::before { content: "readings: "; }
}
"""


def page(
    outcomes: Sequence[Outcome],
    summary: Sequence[str],
    capsule: Mapping[str, Any],
    papers: Mapping[str, str],
) -> str:
    """Return the HTML page: the rows that ran, each with its size, its seeds and its readings, below the summary."""
    size = str(capsule["configuration"]["size"])
    ran = [outcome for outcome in outcomes if outcome.status not in UNANSWERED or outcome.verdict is not None]
    missing = len(outcomes) - len(ran)
    ran.sort(key=lambda outcome: not outcome.now)
    now = [outcome for outcome in ran if outcome.now and not outcome.row.goal]
    earlier = [outcome for outcome in ran if not outcome.now and not outcome.row.goal]
    goals = [outcome for outcome in ran if outcome.row.goal]
    text = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>refkan: validation of the claims</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Validation of the claims</h1>
<p>{"<br>".join(escape(line) for line in summary)}.{_not_shown(missing)}</p>
{_warning(outcomes)}
{_rows(now, size)}
{_titled("From earlier runs", earlier, size)}
{_titled("Goals: asked and reached", goals, size)}
<p>Every verdict is computed from its measurement by a criterion fixed before the run; "refuted" and "not reproduced"
are results, not failures of the run. "Holds as corrected": the claim as printed fails, and a corrected statement, given
with it, holds. A claim about an experiment is decided by estimates with intervals over seeds: it holds where they lie
on its side, is refuted where they lie beyond, and is undecided where they hold the bound. What its description leaves
open is a reading; those that meet the published cells that the claim is not about speak. A quick run of an experiment
decides nothing: beside the recorded verdict stands whether it points the same way.</p>
{"".join(_section(outcome, size) for outcome in ran)}
<h2 id="capsule">Circumstances</h2>
<pre>{escape(json.dumps(capsule, indent=1, ensure_ascii=False))}</pre>
{_references(papers)}
</body>
</html>
"""
    return _with_abbreviations(text, papers)


def _warning(outcomes: Sequence[Outcome]) -> str:
    survivors = [f"{o.row.id}: {name}" for o in outcomes for name in o.surviving_mutations]
    if not survivors:
        return ""
    return f"<p><strong>Mutated claims that were not refuted: {escape('; '.join(survivors))}.</strong></p>"


def _rows(outcomes: Sequence[Outcome], size: str) -> str:
    names = ("id", "source", "claim", "verdict", "size", "seeds", "readings", "measured")
    return header_and_rows("", names, (_cells(outcome, size) for outcome in outcomes), "rows")


def _titled(title: str, outcomes: Sequence[Outcome], size: str) -> str:
    if not outcomes:
        return ""
    return f"<h2>{title}</h2>{_rows(outcomes, size)}"


def _not_shown(number: int) -> str:
    if number == 0:
        return ""
    return f" {counted(number, 'row')} without a result: not shown."


def _references(papers: Mapping[str, str]) -> str:
    if not papers:
        return ""
    names = "".join(f"<dt>{escape(short)}</dt><dd>{escape(name)}</dd>" for short, name in papers.items())
    return f"<h2>References</h2>\n<dl>{names}</dl>"


def _with_abbreviations(text: str, papers: Mapping[str, str]) -> str:
    """Give every mention of a paper its full name as a title."""
    for short, name in papers.items():
        mention = f'<abbr title="{escape(name)}">{escape(short)}</abbr>'
        text = re.sub(rf"(?<=>)([^<]*){re.escape(short)}(?!</dt>)", rf"\g<1>{mention}", text)
    return text


def _readings_of(verdict: Verdict | None) -> str:
    if verdict is None or not verdict.readings:
        return "one"
    decided = [reading["holds"] for reading in verdict.readings if reading["holds"] is not None]
    if not decided:
        return f"undecided under {len(verdict.readings)}"
    return f"holds under {sum(decided)} of {len(decided)}"


def _badge(outcome: Outcome) -> str:
    kind = (outcome.recorded or outcome.status).replace(" ", "-")
    return f'<span class="status {kind}">{escape(outcome.said)}</span>'


def _cells(outcome: Outcome, size: str) -> list[str]:
    row, verdict = outcome.row, outcome.verdict
    measured = outcome.measured
    seeds = ""
    if verdict is not None:
        seeds = numbered(verdict.seeds)
        if verdict.readings:  # over how many it holds stands beside it
            measured = measured.partition(". ")[2] or measured
    link = f'<a href="#{escape(row.id)}">{escape(row.id)}</a>'
    own = map(escape, (size, seeds, _readings_of(verdict)))
    return [link, escape(row.source), typeset(row.claim), _badge(outcome), *own, typeset(measured)]


def _section(outcome: Outcome, size: str) -> str:
    row, verdict, result = outcome.row, outcome.verdict, outcome.result
    terms = [("Claim as printed", typeset(row.claim)), ("Source", escape(row.source))]
    if verdict is not None and verdict.corrected:
        terms.append(("Claim as corrected", typeset(verdict.corrected)))
    terms += [("Measured quantity", typeset(row.measured)), ("Holds if", typeset(row.criterion))]
    if verdict is not None:
        terms += [("Measured", typeset(verdict.measured)), ("Seeds", numbered(verdict.seeds))]
    if outcome.file is not None:
        terms.append(("File", escape(f"{outcome.file.place}.py")))
    if result is not None:
        run = f"{size} size, {result.seconds:.1f} s of processor time, finished {result.finished}"
        if result.resumed:
            run += ", from a checkpoint"
        terms.append(("Run", escape(run)))
    parts = [f'<h2 id="{escape(row.id)}">{escape(row.id)} {_badge(outcome)}</h2>', "<dl>"]
    parts += [f"<dt>{escape(term)}</dt><dd>{html}</dd>" for term, html in terms]
    parts.append("</dl>")
    if outcome.status == "error" and result is not None:
        parts.append(f"<pre>{escape(result.error)}</pre>")
    if verdict is not None:
        line = "" if outcome.file is None else outcome.file.command(row.id)
        parts += [estimates_html(verdict.estimates), *map(_figure, verdict.figures)]
        parts += [readings_html(verdict.readings, line), *map(_table, verdict.tables)]
        parts += [_details(verdict), _twins(verdict)]
    return "\n".join(part for part in parts if part)


def _table(table: Table) -> str:
    return header_and_rows(table.caption, table.columns, [[escape(cell) for cell in row] for row in table.rows])


def _details(verdict: Verdict) -> str:
    paragraphs = [" ".join(paragraph.split()) for paragraph in verdict.details.split("\n\n")]
    return "\n".join(f"<p>{typeset(paragraph)}</p>" for paragraph in paragraphs if paragraph)


def _twins(verdict: Verdict) -> str:
    """What became of the claim mutated, which must fail, and of the positive controls, which must hold."""
    html = ""
    for title, named in (("The claim mutated", verdict.mutations), ("Positive controls", verdict.controls)):
        items = "".join(f"<li>{escape(name)}: {escape(status)}</li>" for name, status in named.items())
        if items:
            html += f"<h3>{title}</h3>\n<ul>{items}</ul>"
    return html


def _figure(figure: Figure) -> str:
    content = base64.b64encode(figure.png).decode("ascii")
    image = f'<img alt="{escape(figure.name)}" src="data:image/png;base64,{content}">'
    return f"<figure>{image}<figcaption>{escape(figure.caption)}</figcaption></figure>"
