"""Readings as tables of the page: over which the statement holds, and published numbers beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any


def header_and_rows(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells of `rows` are HTML, caption and columns are text."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<div class="scroll numbers"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def readings_html(readings: Sequence[Mapping[str, Any]], command: str) -> str:
    """Return the readings: one table of all, and for each its cells; `command` runs a cell again."""
    if not readings:
        return ""
    names = list(readings[0]["choice"])
    varied = [name for name in names if len({reading["choice"][name] for reading in readings}) > 1]
    fixed = ", ".join(f"{name}={readings[0]['choice'][name]}" for name in names if name not in varied)
    rows = [
        [*(escape(r["choice"][name]) for name in varied), _answer(r), _yes(r["calibrated"]), escape(r["measured"])]
        for r in readings
    ]
    caption = "Readings: what the description leaves open" + (f". In all of them {fixed}" if fixed else "")
    parts = ["<h3>Readings</h3>", header_and_rows(caption, [*varied, "holds", "calibrated", "measured"], rows)]
    for number, reading in enumerate(readings):
        label = ", ".join(f"{name}={reading['choice'][name]}" for name in varied) or "the one reading"
        tables = [
            cells_html(title, reading[key], command)
            for key, title in (("cells", "Cells of the claim"), ("calibration", "Calibration: cells it is not about"))
            if reading[key]
        ]
        if tables:
            summary = f"Published beside measured: {label} ({reading['size']})"
            opened = " open" if number == 0 else ""
            parts.append(f"<details{opened}><summary>{escape(summary)}</summary>{''.join(tables)}</details>")
    return "\n".join(parts)


def cells_html(title: str, cells: Sequence[Mapping[str, Any]], command: str) -> str:
    """Return cells as a table: published and measured in one unit, every seed, and the line that runs a cell again."""
    rows = []
    for cell in cells:
        printed = "" if cell["published"] is None else _with_deviation(cell["published"], cell["published deviation"])
        factor = "" if cell["published"] is None else f"{cell['median'] / cell['published']:.2g}"
        values = ", ".join(f"{value:.2e}" for value in cell["values"])
        line = f'{command} --cell "{cell["again"]}" --seed {cell["seeds"][0]}' if cell["again"] else ""
        measured = _with_deviation(cell["mean"], cell["deviation"])
        near = "" if cell["near"] is None else "near" if cell["near"] else "not near"
        seeds = f"{len(cell['seeds'])}: {cell['seeds'][0]} to {cell['seeds'][-1]}"
        texts = (cell["cell"], printed, f"{cell['median']:.2e}", measured, factor, near, seeds, values)
        rows.append([*map(escape, texts), f"<code>{escape(line)}</code>"])
    columns = (
        *("cell", "published mean (deviation)", "measured median", "mean (deviation)", "median / published"),
        *("within 4", "seeds", "every seed", "one cell again"),
    )
    return header_and_rows(f"{title}: {cells[0]['unit']}", columns, rows)


def _with_deviation(mean: float, deviation: float | None) -> str:
    return f"{mean:.2e}" if deviation is None else f"{mean:.2e} ({deviation:.1e})"


def _answer(reading: Mapping[str, Any]) -> str:
    if reading["holds"] is None:
        return "too small to decide"
    return "yes" if reading["holds"] else "as corrected" if reading["corrected"] else "no"


def _yes(answer: bool | None) -> str:
    return "" if answer is None else "yes" if answer else "no"
