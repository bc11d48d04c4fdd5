"""Formulas in a line of text, as MathML: powers and indices such as n^(2r), A^-T or S_r."""

from __future__ import annotations

import re
from html import escape

_SCRIPT = re.compile(
    r"(?<![\w^])"
    r"(?P<base>[A-Za-z]{1,3}|\d+)"
    r"(?:_(?P<low>[A-Za-z0-9]{1,3}))?"
    r"(?:\^(?P<high>\((?P<inner>[^()^]{1,12})\)|-?[A-Za-z0-9]{1,3}))?"
    r"(?![\w^])"
)
_ATOM = re.compile(r"\d+(?:\.\d+)?|[A-Za-z]|[-+*/=,. ]|.")


def with_formulas(text: str) -> str:
    """Return the text as HTML, its powers and indices as MathML.

    Examples
    --------
    >>> with_formulas("grows < n^(2r)")
    'grows &lt; <math><msup><mi>n</mi><mrow><mn>2</mn><mi>r</mi></mrow></msup></math>'
    >>> with_formulas("of S_r(T), not of node_map")
    'of <math><msub><mi>S</mi><mi>r</mi></msub></math>(T), not of node_map'
    """
    parts, end = [], 0
    for found in _SCRIPT.finditer(text):
        if found["low"] is None and found["high"] is None:
            continue
        parts += [escape(text[end : found.start()]), _formula(found)]
        end = found.end()
    return "".join([*parts, escape(text[end:])])


def _formula(found: re.Match[str]) -> str:
    base = _row(found["base"])
    low = "" if found["low"] is None else _row(found["low"])
    high = "" if found["high"] is None else _row(found["inner"] or found["high"])
    if low and high:
        inner = f"<msubsup>{base}{low}{high}</msubsup>"
    else:
        inner = f"<msub>{base}{low}</msub>" if low else f"<msup>{base}{high}</msup>"
    return f"<math>{inner}</math>"


def _row(text: str) -> str:
    atoms = [_atom(atom) for atom in _ATOM.findall(text) if atom != " "]
    return atoms[0] if len(atoms) == 1 else f"<mrow>{''.join(atoms)}</mrow>"


def _atom(atom: str) -> str:
    if atom[0].isdigit():
        return f"<mn>{atom}</mn>"
    if atom.isalpha():
        return f"<mi>{atom}</mi>"
    return f"<mo>{'−' if atom == '-' else escape(atom)}</mo>"
