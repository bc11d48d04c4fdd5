"""A certificate in words: as lines of text, and as one page that holds it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from refkan.analysis.exact.certificates.statements import LEVEL

TINY = 1e-300
"""What gaps are divided by at least."""

STYLE = "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto}td,th{text-align:left;padding:.2em 1em .2em 0}"

HOW = (
    "The certificate is part of this page. The program check_certificate.py needs Python alone and shares no code with "
    "refkan. It reads the page, computes every statement again over rational numbers, and accepts or rejects it: "
    "python check_certificate.py THIS_PAGE.html"
)


def interval(low: float, high: float, digits: int = 6) -> str:
    """Two floats as an interval, for reading: rounded to nearest, so that the exact ones in the file count."""
    return f"[{low:.{digits}g}, {high:.{digits}g}]"


def sentence(statement: dict[str, Any], about: dict[str, Any], inputs: int) -> tuple[str, str]:
    """What a statement is about, and what it says."""
    kind, names = statement["kind"], about["names"]
    y = names[inputs + statement["output"]] if "output" in statement else ""
    x = names[statement["input"]] if "input" in statement else ""
    number = {name: float.fromhex(value) for name, value in statement.items() if str(value).startswith(("0x", "-0x"))}
    leaves = f" ({statement['leaves'].count('.')} leaves)" if "leaves" in statement else ""
    if kind == "range":
        low, least, greatest, high = (number[name] for name in ("low", "least", "greatest", "high"))
        gap = max(least - low, high - greatest) / max(greatest - least, LEVEL * max(abs(least), abs(greatest)), TINY)
        said = f"minimum in {interval(low, least)}, maximum in {interval(greatest, high)}{leaves}"
        return f"range of {y}", said + _missed(gap, about)
    if kind == "lipschitz":
        gap = number["high"] / max(number["low"], TINY) - 1
        return "Lipschitz constant", f"in {interval(number['low'], number['high'])}{leaves}{_missed(gap, about)}"
    if kind == "monotone":
        slope = f", by a slope of {number['slope']:.3g} or more{leaves}" if number["slope"] else ""
        return f"{y} in {x}", statement["direction"] + slope
    if kind == "not monotone":
        return f"{y} in {x}", "neither increasing nor decreasing: it rises between two points, and falls between others"
    if kind == "residual":
        bounds = interval(number["low"], number["high"], 12)
        return f"largest residual of {y}", f"in {bounds}, at sample {statement['sample'] + 1}"
    if kind == "rank":
        return "rank of the Jacobian", str(statement["low"])
    (a, b), (c, d) = (map(float.fromhex, statement[name]) for name in ("smallest", "largest"))
    bounds = interval(c / b, d / a, 9)
    return "condition number", f"in {bounds}, of the {statement['rank']} eigenvalues of J^T J/N that are not zero"


def _missed(gap: float, about: dict[str, Any]) -> str:
    if gap <= about["tolerance"] * (1 + 1e-9):
        return ""
    return f"; the tolerance {about['tolerance']:g} was not reached, but {gap:.2g}: more --leaves come closer"


def rows_of(certificate: dict[str, Any]) -> list[tuple[str, str]]:
    """What is proven, a subject and a sentence each."""
    return [sentence(s, certificate["about"], len(certificate["box"])) for s in certificate["statements"]]


def box_of(certificate: dict[str, Any]) -> str:
    """The box in words."""
    sides = [[float.fromhex(end) for end in side] for side in certificate["box"]]
    named = zip(certificate["about"]["names"], sides, strict=False)
    return ", ".join(f"{name} in {interval(low, high)}" for name, (low, high) in named)


def text_of(certificate: dict[str, Any]) -> str:
    """A certificate as lines of text."""
    rows = rows_of(certificate)
    left = [(row["statement"], row["why"]) for row in certificate["unproven"]]
    width = max(len(subject) for subject, _ in rows + left)
    lines = [certificate["about"]["network"], f"for all {box_of(certificate)}", "", "proven"]
    lines += [f"  {subject:{width}}  {said}" for subject, said in rows]
    if left:
        lines += ["", "not proven", *(f"  {subject:{width}}  {why}" for subject, why in left)]
    return "\n".join(lines)


def page(certificate: dict[str, Any]) -> str:
    """A certificate as one page of HTML, which holds its data."""
    about = certificate["about"]
    left = [(row["statement"], row["why"]) for row in certificate["unproven"]]
    data = json.dumps(certificate, allow_nan=False).replace("<", "\\u003c")
    samples = certificate["samples"]
    of_samples = f", and {len(samples['x'])} samples in it" if samples else ""
    title = f"Certificate of {escape(about['file'])}"
    where = f"for all {escape(box_of(certificate))}{of_samples}"
    body = [
        f"<h1>{title}</h1>",
        f"<p>{escape(about['network'])}<br>SHA-256 {about['sha256']}<br>{where}</p>",
        "<h2>Proven</h2>", _table(rows_of(certificate)),
        *(["<h2>Not proven</h2>", _table(left)] if left else []),
        f"<h2>How to check it</h2><p>{escape(HOW)}</p>",
    ]  # fmt: skip
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>\n" + "\n".join(body) + "\n"
        f'<script type="application/json" id="certificate">{data}</script>\n</body></html>\n'
    )


def _table(rows: Sequence[tuple[str, str]]) -> str:
    cells = [f"<tr><th>{escape(subject)}</th><td>{escape(said)}</td></tr>" for subject, said in rows]
    return f"<table>{''.join(cells)}</table>"
