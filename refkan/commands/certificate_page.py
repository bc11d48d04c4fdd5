"""A certificate in words: as lines of text, and as one page that holds it."""

import json
from fractions import Fraction
from html import escape
from typing import Any

from refkan.base.plain_text import rounded

WORDS = {
    "range": (
        "range of {y}",
        "minimum in [{low:below 6g}, {least:above 6g}], maximum in [{greatest:below 6g}, {high:above 6g}] "
        "(on {parts} leaves)",
    ),
    "increasing": ("{y} in {x}", "increasing, by a slope of {slope:below 3g} or more (on {parts} leaves)"),
    "decreasing": ("{y} in {x}", "decreasing, by a slope of {slope:below 3g} or more (on {parts} leaves)"),
    "constant": ("{y} in {x}", "constant"),
    "not monotone": ("{y} in {x}", "neither: it rises between two points, and falls between two others"),
    "lipschitz": (
        "Lipschitz constant",
        "in [{low:below 6g}, {high:above 6g}], in the units of the columns (on {parts} leaves)",
    ),
    "scaled lipschitz": (
        "Lipschitz constant",
        "in [{low:below 6g}, {high:above 6g}], a side of the box (on {parts} leaves)",
    ),
    "residual": ("largest residual of {y}", "in [{low:below 12g}, {high:above 12g}], at sample {at}"),
    "rank": ("rank of the Jacobian", "{low}"),
    "condition": (
        "condition number",
        "in [{smallest_ratio:below 12g}, {largest_ratio:above 12g}], "
        "of {rank} eigenvalues of J^T J/N that are not zero",
    ),
}
"""What each kind of statement is about, and what it says: bounds are rounded so that they stay bounds."""


class Bound(Fraction):
    """A number that is written in so many decimal digits, rounded downwards or upwards: as "below 6g", "above 15e".

    Examples
    --------
    >>> from refkan.commands.certificate_page import Bound
    >>> f"[{Bound(0.1):below 3g}, {Bound(0.1):above 3g}]"  # the float next to 1/10 is a little larger
    '[0.100, 0.101]'
    """

    def __format__(self, spec: str) -> str:
        side, digits = spec.split()
        return format(rounded(self, int(digits[:-1]), {"below": False, "above": True}[side]), digits[-1])


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto}}th{{text-align:left;padding-right:1em}}</style>
</head><body><h1>{title}</h1>
<p>{network}<br>SHA-256 of the file: {sha256}<br>for all {box}</p>
<h2>Proven</h2>
<table>{proven}</table>
<h2>Not proven</h2>
<table>{unproven}</table>
<h2>How to check it</h2>
<p>The certificate is part of this page. The program check_certificate.py needs Python alone and shares no code with
refkan. It reads the page, computes every statement again over rational numbers, and accepts or rejects it:
python check_certificate.py THIS_PAGE.html</p>
<script type="application/json" id="certificate">{data}</script>
</body></html>
"""

Rows = list[tuple[str, str]]
"""A subject and a sentence each."""


def proven(certificate: dict[str, Any]) -> Rows:
    """What is proven, in words."""
    names, inputs = certificate["about"]["names"], len(certificate["box"])
    rows = []
    for statement in certificate["statements"]:
        number: dict[str, Any] = {
            k: Bound(float.fromhex(v)) for k, v in statement.items() if isinstance(v, str) and "0x" in v
        }
        number |= {"parts": statement.get("leaves", "").count("."), "at": statement.get("sample", 0) + 1}
        if "smallest" in statement:
            (a, b), (c, d) = (
                [Bound(float.fromhex(end)) for end in statement[name]] for name in ("smallest", "largest")
            )
            number |= {"smallest_ratio": Bound(c / b), "largest_ratio": Bound(d / a)}
        named = {"y": names[inputs + statement.get("output", 0)], "x": names[statement.get("input", 0)]}
        words = WORDS[statement.get("direction", statement["kind"])]
        subject, said = (text.format(**(statement | number | named)) for text in words)
        rows.append((subject, said))
    return rows


def unproven(certificate: dict[str, Any]) -> Rows:
    """What is not proven, and why."""
    return [(row["statement"], row["why"]) for row in certificate["unproven"]]


def box_of(certificate: dict[str, Any]) -> str:
    """The box in words, its ends by the shortest decimals that name them."""
    sides = [[repr(float.fromhex(end)).removesuffix(".0") for end in side] for side in certificate["box"]]
    named = zip(certificate["about"]["names"], sides, strict=False)
    return ", ".join(f"{name} in [{low}, {high}]" for name, (low, high) in named)


def text_of(certificate: dict[str, Any]) -> str:
    """A certificate as lines of text."""
    tables = {"proven": proven(certificate), "not proven": unproven(certificate)}
    width = max(len(subject) for rows in tables.values() for subject, _ in rows)
    lines = [certificate["about"]["network"], f"for all {box_of(certificate)}"]
    for title, rows in tables.items():
        lines += ["", title] * bool(rows) + [f"  {subject:{width}}  {said}" for subject, said in rows]
    return "\n".join(lines)


def page(certificate: dict[str, Any]) -> str:
    """A certificate as one page of HTML, which holds its data."""
    about = certificate["about"]
    words = {"title": f"Certificate of {about['file']}", "box": box_of(certificate)}
    words |= {name: about[name] for name in ("network", "sha256")}
    data = json.dumps(certificate, allow_nan=False).replace("<", "\\u003c")
    tables = {"proven": _table(proven(certificate)), "unproven": _table(unproven(certificate))}
    return PAGE.format(data=data, **tables, **{name: escape(text) for name, text in words.items()})


def _table(rows: Rows) -> str:
    return "".join(f"<tr><th>{escape(subject)}</th><td>{escape(said)}</td></tr>\n" for subject, said in rows)
