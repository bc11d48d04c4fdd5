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
    long = len(html) > LONG and not html.startswith("<code>")  # broken, a command would make its row tall
    return f'<td class="long">{html}</td>' if long else f"<td>{html}</td>"


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
    caption = "Readings: what the description leaves open" + (f". In all of them {fixed}" if fixed else "")
    if len(set(columns["size"])) == 1:
        (size,) = {reading["size"] for reading in readings}
        caption += f". Size: {size}" if size else ""
        del columns["size"]
    if not any(columns["calibrated"]):
        del columns["calibrated"]
    table = header_and_rows(caption, list(columns), zip(*columns.values(), strict=True), "prose")
    parts = ["<h3>Readings</h3>", table]
    for number, reading in enumerate(readings):
        label = ", ".join(f"{name}={reading['choice'][name]}" for name in varied) or "the one reading"
        tables = [
            cells_html(title, cells, command)
            for key, title in (("cells", "Cells of the claim"), ("calibration", "Calibration: cells it is not about"))
            for cells in by_unit(reading[key])
        ]
        if tables:
            printed = any(cell["published"] is not None for cell in (*reading["cells"], *reading["calibration"]))
            heading = "Published beside measured" if printed else "Measured"
            summary = f"{heading}: {label}" + (f" ({reading['size']})" if reading["size"] else "")
            opened = " open" if number == 0 else ""
            parts.append(f"<details{opened}><summary>{escape(summary)}</summary>{''.join(tables)}</details>")
    return "\n".join(parts)


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
        side = {True: "of the claim", False: "beyond", None: "holds the bound"}[e.holds] if e.decides else ""
        side = "too few seeds" if e.decides and not e.enough else side
        exact = not e.seeds and e.low == e.high
        interval = "exact" if exact else e.without_interval or f"{e.low:.3g} to {e.high:.3g}"
        seeds = f"{len(e.seeds)}" + (f": {e.cost}" if e.cost else "") if e.seeds else ""
        printed = "" if e.published is None else f"{e.published:.3g}"
        rows.append((e.name, f"{e.value:.3g}", interval, e.asked, printed, e.unit, seeds, side, e.method))
    return rows


def by_unit(cells: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return the cells in groups of one unit each, in their order."""
    units = dict.fromkeys(cell["unit"] for cell in cells)
    return [[cell for cell in cells if cell["unit"] == unit] for unit in units]


def cells_html(title: str, cells: Sequence[Mapping[str, Any]], command: str) -> str:
    """Return cells as a table: published and measured in one unit, every seed, and the line that runs a cell again."""
    rows = []
    printed = any(cell["published"] is not None for cell in cells)
    for cell in cells:
        values = ", ".join(f"{value:.2e}" for value in cell["values"])
        line = f'{command} --cell "{cell["again"]}" --seed {cell["seeds"][0]}' if cell["again"] else ""
        several = len(cell["values"]) > 1
        mean = with_deviation(cell["mean"], cell["deviation"] if several else None)
        texts = [cell["cell"], f"{cell['median']:.2e}", mean]
        if printed:
            texts[1:1] = [with_deviation(cell["published"], cell["published deviation"])]
            over = "" if cell["published"] is None else f"{cell['median'] / cell['published']:.2g}"
            texts += [over, YES[cell["meets"]]]
        rows.append([*map(escape, (*texts, numbered(cell["seeds"]), values)), f"<code>{escape(line)}</code>"])
    columns = ["cell", "measured median", "mean (deviation)", "seeds", "every seed", "one cell again"]
    if printed:
        columns[1:1] = ["published mean (deviation)"]
        columns[4:4] = ["median / published", "like five of ours"]
    return header_and_rows(f"{title}: {cells[0]['unit']}", columns, rows)


def numbered(seeds: Collection[int]) -> str:
    """Write how many seeds there are, and from which to which."""
    if not seeds:
        return "none"
    return f"{len(seeds)}: {min(seeds)}" + (f" to {max(seeds)}" if len(seeds) > 1 else "")


def with_deviation(mean: float | None, deviation: float | None) -> str:
    """Write a mean with its deviation in parentheses, as far as they are known."""
    if mean is None:
        return ""
    return f"{mean:.2e}" if deviation is None else f"{mean:.2e} ({deviation:.1e})"


def _answer(reading: Mapping[str, Any]) -> str:
    if reading["holds"] is False and reading["corrected"]:
        return "as corrected"
    return YES[reading["holds"]] or "undecided"
