"""What failures say together: of explanations that fit one case alike, the one that fits all cases is kept.

A factor of 0.5 may be the spacing, one over the number of inputs or one over the order; zero gradients at knots may be
zero everywhere. One case cannot tell, the others can.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding, Hint

FACTOR = "constant factor"
ZERO, DETACHED, AT_KNOTS = "all values zero", "detached gradient", "zero at knots"

ENOUGH = 3
"""Cases that suffice to say of others what they leave open."""

RIVALS = ((FACTOR, "basis not normalised"), ("inputs mixed up", "inputs reordered"))
"""Names of which a case may bear both, though one is meant."""


def agreed(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with the hints that are left once those of all cases are seen; twice changes nothing more."""
    out = list(findings)
    _zero_throughout(out)
    _zero_values(out)
    for quantity in dict.fromkeys(_compared(out[k]) for k in _bad(out)):
        members = [k for k in _bad(out) if _compared(out[k]) == quantity]
        for pair in RIVALS:
            _rivals(out, members, pair)
        _factors(out, members)
    return out


def factor_evidence(findings: Sequence[Finding]) -> list[tuple[str, int]]:
    """Sentences on what a constant factor is, with the number of failures that each fits."""
    out = []
    for quantity in dict.fromkeys(map(_compared, findings)):
        hints = [hint for x in findings if _compared(x) == quantity for hint in x.hints if hint.name == FACTOR]
        for names, count in Counter(hint.may_be for hint in hints if hint.may_be).most_common():
            out.append((f"the factor in {quantity} is {told(names)}: it fits {count} of {len(hints)}", count))
    return sorted(out, key=lambda pair: -pair[1])


def told(names: Sequence[str]) -> str:
    """Name what a factor may be."""
    return " or ".join(names)


COMPARED = {"values": "values", "inputs": "input-gradients", "coefficients": "coefficient-gradients"}
"""By the first word of what a comparison of many samples says."""


def _compared(finding: Finding) -> str:
    """The quantity that was compared: of many samples the first that is wrong."""
    first = finding.message.partition(" ")[0]
    return COMPARED.get(first, finding.quantity) if finding.quantity == "repeatability" else finding.quantity


def _bad(findings: Sequence[Finding]) -> Iterator[int]:
    return (k for k, finding in enumerate(findings) if finding.status in f.BAD)


def _throughout(finding: Finding) -> bool:
    return finding.hint == AT_KNOTS or (finding.hint == DETACHED and "throughout" in finding.hints[0].text)


def _zero_throughout(out: list[Finding]) -> None:
    """Derivatives that are zero elsewhere too are not zero at knots alone."""
    elsewhere = Counter(x.quantity for x in out if x.hint == DETACHED and _throughout(x))
    for k in _bad(out):
        quantity = out[k].quantity
        if out[k].hint == AT_KNOTS and elsewhere[quantity] >= ENOUGH:
            text = f"{quantity} are zero throughout: no gradient arrives"
            out[k] = replace(out[k], hints=(Hint(DETACHED, text),))


def _zero_values(out: list[Finding]) -> None:
    """Gradients of values that are all zero are zero for the same reason."""
    zero = {_setting(x) for x in out if x.hint == ZERO}
    if not zero:
        return
    valued = {_setting(x) for x in out if x.quantity == "values"}
    for k in _bad(out):
        there = _setting(out[k])
        if _throughout(out[k]) and (there in zero or (there not in valued and len(zero) >= ENOUGH)):
            text = f"{out[k].quantity} are zero where all values are zero"
            out[k] = replace(out[k], hints=(Hint(ZERO, text),))


def _setting(finding: Finding) -> str:
    return finding.key.rpartition("/")[0]


def _rivals(out: list[Finding], members: list[int], pair: tuple[str, str]) -> None:
    """Drop the one of two names whose failures are some of those of the other."""
    alone = [k for k in members if not any(hint.also for hint in out[k].hints)]  # two that are both meant are no rivals
    first, second = ({k for k in alone if any(hint.name == name for hint in out[k].hints)} for name in pair)
    loser = pair[1] if second < first else pair[0] if first < second else ""
    for k in first & second if loser else ():
        out[k] = replace(out[k], hints=tuple(hint for hint in out[k].hints if hint.name != loser))


def _factors(out: list[Finding], members: list[int]) -> None:
    """Name each factor by the size that fits most failures, then what is left by the next; a number is one too."""
    left: dict[int, Hint] = {k: hint for k in members for hint in out[k].hints if hint.name == FACTOR}
    fits: dict[str, set[int]] = {}
    for k, hint in left.items():
        for name in (*hint.may_be, _number(hint)):
            fits.setdefault(name, set()).add(k)
    while left:
        # Sizes come before numbers, so that of equals a size is named.
        best = max(fits, key=lambda name: (len(fits[name] & left.keys()), name in _sizes(left)))
        where = fits[best] & left.keys()
        names = tuple(name for name in fits if name in _sizes(left) and fits[name] & left.keys() == where)
        for k in where:
            hint = left.pop(k)
            text = ", ".join(filter(None, [_number(hint), told(names)]))
            _replace(out, k, hint, replace(hint, text=text, may_be=names))


def _sizes(hints: dict[int, Hint]) -> set[str]:
    return {name for hint in hints.values() for name in hint.may_be}


def _number(hint: Hint) -> str:
    """The sentence without the names of its factor."""
    return hint.text.partition(", ")[0] if hint.may_be else hint.text


def _replace(out: list[Finding], k: int, old: Hint, new: Hint) -> None:
    hints = tuple(new if hint is old else hint for hint in out[k].hints)
    out[k] = replace(out[k], hints=hints)
