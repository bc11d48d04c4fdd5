"""The report: one self-contained HTML page and one JSON record of what became of every row."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from refkan.checkpoints import write_atomically
from refkan.claims.outcomes import Outcome
from refkan.claims.verdicts import FAILING, Figure, Verdict

HTML_NAME = "report.html"
JSON_NAME = "record.json"

ORDER = ("holds", "holds as corrected", "refuted", "not reproduced", "pending", "not run", "error")

# Raw data longer than this is left to the JSON record: a phone must be able to open the page.
LONGEST_DATA = 20_000

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; padding: 1rem;
       max-width: 70rem; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
h3 { font-size: 1rem; margin-bottom: .2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #ddd; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem 0; }
img { max-width: 100%; height: auto; } figure { margin: 1rem 0; }
figcaption, .small { font-size: .85rem; color: #555; }
pre { overflow-x: auto; background: #f6f6f6; padding: .6rem; font-size: .8rem; white-space: pre-wrap; }
.status { white-space: nowrap; border-radius: .3rem; padding: .1rem .4rem; border: 1px solid; }
.holds { color: #14602b; background: #e7f6ec; } .holds-as-corrected { color: #0b5563; background: #e3f4f7; }
.refuted { color: #8a3a00; background: #fdf0e4; } .not-reproduced { color: #7a5a00; background: #fbf5dc; }
.pending, .not-run { color: #555; background: #f3f3f3; }
.error { color: #fff; background: #a40000; }
@media (max-width: 40rem) {
  thead { display: none; } table, tbody, tr, td { display: block; width: auto; }
  tr { border-bottom: 1px solid #bbb; padding: .4rem 0; } td { border: 0; padding: .1rem 0; }
}
"""


def summary(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return the number of rows of each status that occurs, in a fixed order."""
    count = Counter(outcome.status for outcome in outcomes)
    return {status: count[status] for status in ORDER if count[status]}


def record(outcomes: Sequence[Outcome], capsule: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that was measured, as JSON data; pictures are left to the page."""
    return {
        "capsule": capsule,
        "summary": summary(outcomes),
        "surviving_mutations": [f"{o.row.id}: {name}" for o in outcomes for name in o.surviving_mutations],
        "rows": [_row_record(outcome) for outcome in outcomes],
    }


def _row_record(outcome: Outcome) -> dict[str, Any]:
    row, verdict, result = outcome.row, outcome.verdict, outcome.result
    fields: dict[str, Any] = {
        "id": row.id,
        "source": row.source,
        "claim": row.claim,
        "what_is_measured": row.measured,
        "criterion": row.criterion,
        "status": outcome.status,
        "file": "" if outcome.file is None else outcome.file.name,
    }
    if result is not None:
        fields |= {"seconds_of_file": result.seconds, "finished": result.finished, "resumed": result.resumed}
        if result.error:
            fields["error"] = result.error
    if verdict is not None:
        fields |= {
            "measured": verdict.measured,
            "corrected": verdict.corrected,
            "details": verdict.details,
            "data": verdict.data,
            "mutations": dict(verdict.mutations),
            "figures": [{"name": figure.name, "caption": figure.caption} for figure in verdict.figures],
        }
    return fields


def write_report(folder: Path, outcomes: Sequence[Outcome], capsule: Mapping[str, Any]) -> list[Path]:
    """Write the page and the record into `folder`, each atomically, and return where they are."""
    text = json.dumps(record(outcomes, capsule), indent=1, allow_nan=False, ensure_ascii=False)
    paths = [folder / HTML_NAME, folder / JSON_NAME]
    for path, content in zip(paths, (page(outcomes, capsule), text), strict=True):
        write_atomically(path, content.encode())
    return paths


def page(outcomes: Sequence[Outcome], capsule: Mapping[str, Any]) -> str:
    """Return the HTML page; it refers to nothing outside itself."""
    counts = ", ".join(f"{number} {status}" for status, number in summary(outcomes).items())
    survivors = [f"{o.row.id}: {name}" for o in outcomes for name in o.surviving_mutations]
    warning = ""
    if survivors:
        listed = escape("; ".join(survivors))
        warning = f"<p><strong>Mutated claims that were not refuted: {listed}.</strong></p>"
    rows = "\n".join(_table_row(outcome) for outcome in outcomes)
    sections = "\n".join(_section(outcome) for outcome in outcomes)
    capsule_text = escape(json.dumps(capsule, indent=1, ensure_ascii=False))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>refkan: validation of the claims</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Validation of the claims</h1>
<p>{escape(counts)}. Every verdict is computed from its measurement by a criterion fixed before the run;
"refuted" and "not reproduced" are results, not failures of the run.</p>
{warning}
<div class="scroll"><table>
<thead><tr><th>id</th><th>source</th><th>claim</th><th>verdict</th><th>measured</th></tr></thead>
<tbody>
{rows}
</tbody>
</table></div>
{sections}
<h2 id="capsule">Circumstances</h2>
<pre>{capsule_text}</pre>
</body>
</html>
"""


def _badge(status: str) -> str:
    return f'<span class="status {status.replace(" ", "-")}">{escape(status)}</span>'


def _table_row(outcome: Outcome) -> str:
    row = outcome.row
    return (
        f'<tr><td><a href="#{escape(row.id)}">{escape(row.id)}</a></td><td>{escape(row.source)}</td>'
        f"<td>{escape(row.claim)}</td><td>{_badge(outcome.status)}</td><td>{escape(outcome.measured)}</td></tr>"
    )


def _section(outcome: Outcome) -> str:
    row, verdict, result = outcome.row, outcome.verdict, outcome.result
    terms = [("Claim as printed", row.claim), ("Source", row.source)]
    if verdict is not None and verdict.corrected:
        terms.append(("Claim as corrected", verdict.corrected))
    terms += [("Measured quantity", row.measured), ("Holds if", row.criterion)]
    if verdict is not None:
        terms.append(("Measured", verdict.measured))
    if outcome.file is not None:
        terms.append(("File", f"{outcome.file.place}.py"))
    if result is not None:
        resumed = ", from a checkpoint" if result.resumed else ""
        terms.append(("Run", f"{result.seconds:.1f} s for the file, finished {result.finished}{resumed}"))
    parts = [f'<h2 id="{escape(row.id)}">{escape(row.id)} {_badge(outcome.status)}</h2>', "<dl>"]
    parts += [f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in terms]
    parts.append("</dl>")
    if outcome.status == "error" and result is not None:
        parts.append(f"<pre>{escape(result.error)}</pre>")
    if verdict is not None:
        parts += [_details(verdict), _mutations(verdict), *map(_figure, verdict.figures), _data(verdict)]
    return "\n".join(part for part in parts if part)


def _details(verdict: Verdict) -> str:
    paragraphs = [" ".join(paragraph.split()) for paragraph in verdict.details.split("\n\n")]
    return "\n".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs if paragraph)


def _mutations(verdict: Verdict) -> str:
    if not verdict.mutations:
        return ""
    items = ""
    for name, status in verdict.mutations.items():
        remark = "" if status in FAILING else " (should have been refuted)"
        items += f"<li>{escape(name)}: {escape(status)}{remark}</li>"
    return f"<h3>The claim mutated</h3>\n<ul>{items}</ul>"


def _figure(figure: Figure) -> str:
    content = base64.b64encode(figure.png).decode("ascii")
    image = f'<img alt="{escape(figure.name)}" src="data:image/png;base64,{content}">'
    return f"<figure>{image}<figcaption>{escape(figure.caption)}</figcaption></figure>"


def _data(verdict: Verdict) -> str:
    if not verdict.data:
        return ""
    text = json.dumps(verdict.data, indent=1, ensure_ascii=False)
    if len(text) > LONGEST_DATA:
        return f'<p class="small">Raw data: {len(text)} characters, in {JSON_NAME}.</p>'
    return f"<details><summary>Raw data</summary><pre>{escape(text)}</pre></details>"
