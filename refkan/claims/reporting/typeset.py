"""Formulas of claims, written in one line of text, as MathML, which browsers draw by themselves."""

import re
from html import escape

from refkan.base.annotations import check_annotated

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "eps": "ε", "eta": "η", "theta": "θ", "kappa": "κ",
    "lambda": "λ", "mu": "μ", "nu": "ν", "pi": "π", "rho": "ρ", "sigma": "σ", "phi": "φ", "psi": "ψ",
}  # fmt: skip

SIGNS = {"<=": "≤", ">=": "≥", "->": "→", "+-": "±", "-": "−", "sum": "∑"}

_NESTED = r"(?:[^()]|\((?:[^()]|\([^()]*\))*\))*"

_SCRIPT = rf"(?:\({_NESTED}\)|\[[^\[\]]*\]|\{{[^{{}}]*\}}|[+-]?(?:\d+\.\d+|[A-Za-z0-9]{{1,3}})(?![A-Za-z0-9]))"

_TERM = re.compile(
    rf"(?P<base>(?<![A-Za-z_])(?:{'|'.join(GREEK)}|[A-Za-z]{{1,3}})~?'*|\d+(?:\.\d+)?|\({_NESTED}\)|[)\]|])"
    rf"(?P<scripts>(?:[_^]{_SCRIPT})+)|(?<![A-Za-z_])(?P<greek>{'|'.join(GREEK)})(?![A-Za-z_])"
)

_TOKEN = re.compile(r"\s+|[A-Za-z]+|\d+(?:\.\d+)?|<=|>=|->|\+-|.")


def typeset(text: str) -> str:
    """Return text as HTML: powers, indices and Greek names as MathML, all else as it is.

    A power or an index that is more than one word stands in brackets, of which square ones are printed; names of
    programs, as in node_map, are left as they are.

    Examples
    --------
    >>> typeset("b_i < 1")
    '<math><msub><mi>b</mi><mi>i</mi></msub></math> &lt; 1'
    >>> typeset("A^-T_ij")
    '<math><msubsup><mi>A</mi><mi>ij</mi><mrow><mo>−</mo><mi>T</mi></mrow></msubsup></math>'
    """
    check_annotated(typeset, locals())
    parts, end = [], 0
    for match in _TERM.finditer(text):
        parts += [escape(text[end : match.start()]), f"<math>{_term(match)}</math>"]
        end = match.end()
    return "".join([*parts, escape(text[end:])])


def _term(match: re.Match[str]) -> str:
    """Return the element of a base with its scripts, or of a Greek letter."""
    if match["greek"]:
        return f"<mi>{GREEK[match['greek']]}</mi>"
    parts = re.findall(rf"[_^]{_SCRIPT}", match["scripts"])
    scripts = {part[0]: _row(re.sub(r"^[({](.*)[)}]$", r"\1", part[1:])) for part in parts}
    base = _row(match["base"])
    if len(scripts) == 2:
        return f"<msubsup>{base}{scripts['_']}{scripts['^']}</msubsup>"
    ((mark, script),) = scripts.items()
    kind = {"_": "msub", "^": "msup"}[mark]
    return f"<{kind}>{base}{script}</{kind}>"


def _row(text: str) -> str:
    """Return one element for a text."""
    parts, end = [], 0
    for match in _TERM.finditer(text):
        parts += [*map(_element, _TOKEN.findall(text[end : match.start()])), _term(match)]
        end = match.end()
    parts += map(_element, _TOKEN.findall(text[end:]))
    made = [part for part in parts if part]
    if len(made) == 1:
        return made[0]
    return f"<mrow>{''.join(made)}</mrow>"


def _element(token: str) -> str:
    """Return the element of a name, a number or a sign."""
    if not token.strip():
        return ""
    text = escape(GREEK.get(token) or SIGNS.get(token) or token)
    if token[0].isalpha():
        return f"<mi>{text}</mi>"
    if token[0].isdigit():
        return f"<mn>{text}</mn>"
    if token in "()[]|":
        return f'<mo stretchy="false">{text}</mo>'
    return f"<mo>{text}</mo>"
