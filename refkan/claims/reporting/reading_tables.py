"""Readings as tables of the page: over which the statement holds, and published numbers beside ours."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from refkan.claims.estimates import Estimate


def header_and_rows(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "numbers") -> str:
    """Return a table; the cells of `rows` are HTML, caption and columns are text.

    Lines of a table of "numbers" are not broken, as they are in one of "rows"; the last column of one of "prose" is.
    """
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return (
        f'<div class="scroll {kind}"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _cell(html: str) -> str:
    if len(html) > LONG and not html.startswith("<code>"):  # broken, a command would make its row tall
        return f'<td class="long">{html}</td>'
    return f"<td>{html}</td>"


YES = {True: "yes", False: "no", None: ""}

LONG = 120
"""Characters that a cell of numbers has on one line at most."""


def readings_html(readings: Sequence[Mapping[str, Any]], command: str) -> str:
    """Return the readings: one table of all, and for each its cells; `command` runs a cell again."""
    if not readings:
        return ""
    varied, fixed = varied_and_fixed(readings)
    # What decides comes first, so that it is seen where the rest of a row needs scrolling.
    columns = {"holds": [_answer(r) for r in readings]}
    columns |= {name: [escape(r["choice"][name]) for r in readings] for name in varied}
    columns["calibrated"] = [YES[r["calibrated"]] for r in readings]
    columns["size"] = [escape(r["size"]) for r in readings]
    columns["measured"] = [escape(r["measured"]) for r in readings]
    caption = ["Readings: what the description leaves open"]
    if fixed:
        caption.append(f"In all of them {fixed}")
    if len(set(columns["size"])) == 1:
        del columns["size"]
        if readings[0]["size"]:
            caption.append(f"Size: {readings[0]['size']}")
    if not any(columns["calibrated"]):
        del columns["calibrated"]
    cells = zip(*columns.values(), strict=True)
    table = header_and_rows(". ".join(caption), list(columns), cells, "prose")
    first, *others = (_cells_of(reading, varied, command) for reading in readings)
    first = first.replace("<details>", "<details open>")
    return "\n".join(filter(None, ("<h3>Readings</h3>", table, first, *others)))


KINDS = {"cells": "Cells of the claim", "calibration": "Calibration: cells it is not about"}


def _cells_of(reading: Mapping[str, Any], varied: Sequence[str], command: str) -> str:
    """Return the tables of the cells of a reading, folded; nothing if it has none."""
    groups = [(title, cells) for kind, title in KINDS.items() for cells in by_unit(reading[kind])]
    if not groups:
        return ""
    summary = heading([cell for _, cells in groups for cell in cells]) + ": "
    summary += ", ".join(f"{name}={reading['choice'][name]}" for name in varied) or "the one reading"
    if reading["size"]:
        summary += f" ({reading['size']})"
    tables = "".join(cells_html(title, cells, command) for title, cells in groups)
    return f"<details><summary>{escape(summary)}</summary>{tables}</details>"


def heading(cells: Iterable[Mapping[str, Any]]) -> str:
    """Return the heading of cells: whether published numbers stand beside the measured ones."""
    if any(cell["published"] is not None for cell in cells):
        return "Published beside measured"
    return "Measured"


def varied_and_fixed(readings: Sequence[Mapping[str, Any]]) -> tuple[list[str], str]:
    """Return the names of what differs between readings, and what does not, in words."""
    choices = [reading["choice"] for reading in readings]
    varied = [name for name in choices[0] if len({choice[name] for choice in choices}) > 1]
    return varied, ", ".join(f"{name}={value}" for name, value in choices[0].items() if name not in varied)


def estimates_html(estimates: Sequence[Estimate]) -> str:
    """Return what was estimated as a table, each number with its interval, what is asked and what was published."""
    if not estimates:
        return ""
    rows = [tuple(map(escape, cells)) for cells in estimate_cells(estimates)]
    return header_and_rows("Estimates, with 95 % intervals", ESTIMATE_COLUMNS, rows)


ESTIMATE_COLUMNS = ("estimated", "value", "interval", "asked", "published", "unit", "seeds", "side", "interval by")


def estimate_cells(estimates: Iterable[Estimate]) -> list[tuple[str, ...]]:
    """Return the cells of a table of estimates."""
    rows: list[tuple[str, ...]] = []
    for e in estimates:
        interval = e.without_interval or f"{e.low:.3g} to {e.high:.3g}"
        if not e.seeds and e.low == e.high:
            interval = "exact"
        printed = "" if e.published is None else f"{e.published:.3g}"
        seeds = ": ".join(filter(None, (str(len(e.seeds)), e.cost))) if e.seeds else ""
        rows.append((e.name, f"{e.value:.3g}", interval, e.asked, printed, e.unit, seeds, _side(e), e.method))
    return rows


SIDES = {True: "of the claim", False: "beyond", None: "holds the bound"}


def _side(e: Estimate) -> str:
    """Say on which side of its bound the interval lies; nothing without a bound."""
    if not e.decides:
        return ""
    return SIDES[e.holds] if e.enough else "too few seeds"


def by_unit(cells: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return the cells in groups of one unit each, in their order."""
    units = dict.fromkeys(cell["unit"] for cell in cells)
    return [[cell for cell in cells if cell["unit"] == unit] for unit in units]


def cells_html(title: str, cells: Sequence[Mapping[str, Any]], command: str) -> str:
    """Return cells as a table: published and measured in one unit, every seed, and the line that runs a cell again."""
    rows = []
    printed = any(cell["published"] is not None for cell in cells)
    for cell in cells:
        deviation = cell["deviation"] if len(cell["values"]) > 1 else None
        row = {"cell": cell["cell"]}
        if printed:
            row["published mean (deviation)"] = with_deviation(cell["published"], cell["published deviation"])
        row["measured median"] = f"{cell['median']:.2e}"
        row["mean (deviation)"] = with_deviation(cell["mean"], deviation)
        if printed:
            over = "" if cell["published"] is None else f"{cell['median'] / cell['published']:.2g}"
            row |= {"median / published": over, "like five of ours": YES[cell["meets"]]}
        row["seeds"] = numbered(cell["seeds"])
        row["every seed"] = ", ".join(f"{value:.2e}" for value in cell["values"])
        row = {name: escape(text) for name, text in row.items()}
        row["one cell again"] = f"<code>{escape(again(cell, command))}</code>"
        rows.append(row)
    return header_and_rows(f"{title}: {cells[0]['unit']}", list(rows[0]), [list(row.values()) for row in rows])


def again(cell: Mapping[str, Any], command: str) -> str:
    """Return the command line that runs a cell again; nothing if it cannot be run alone."""
    if not cell["again"]:
        return ""
    return f'{command} --cell "{cell["again"]}" --seed {cell["seeds"][0]}'


def numbered(seeds: Collection[int]) -> str:
    """Write how many seeds there are, and from which to which."""
    if not seeds:
        return "none"
    ends = dict.fromkeys((min(seeds), max(seeds)))
    return f"{len(seeds)}: {' to '.join(map(str, ends))}"


def with_deviation(mean: float | None, deviation: float | None) -> str:
    """Write a mean with its deviation in parentheses, as far as they are known."""
    if mean is None:
        return ""
    if deviation is None:
        return f"{mean:.2e}"
    return f"{mean:.2e} ({deviation:.1e})"


def _answer(reading: Mapping[str, Any]) -> str:
    if reading["holds"] is False and reading["corrected"]:
        return "as corrected"
    return YES[reading["holds"]] or "undecided"
