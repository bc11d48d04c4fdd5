"""Text of users and of their programs, as files, terminals and XML can take it; bounds in decimals that are bounds."""

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

UNPRINTABLE = re.compile(r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Control characters, which terminals obey, lone surrogates, which UTF-8 has not, and what XML has not."""


def printable(text: object) -> str:
    r"""Return a text with escapes instead of characters that cannot be printed.

    Examples
    --------
    >>> print(printable("a\x1b[2Jb\ud800"))
    a\x1b[2Jb\ud800
    """
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), str(text))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "row"), counted(2, "row")
    ('1 row', '2 rows')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def rounded(number: Fraction, digits: int, above: bool = False) -> Decimal:
    """Return the nearest decimal of so many digits that is not above the number, or not below it.

    Examples
    --------
    >>> from fractions import Fraction
    >>> str(rounded(Fraction(2, 3), 3)), str(rounded(Fraction(2, 3), 3, above=True)), str(rounded(Fraction(1, 2), 3))
    ('0.666', '0.667', '0.5')
    """
    context = Context(prec=digits, rounding=ROUND_CEILING if above else ROUND_FLOOR)
    return context.divide(Decimal(number.numerator), Decimal(number.denominator))
