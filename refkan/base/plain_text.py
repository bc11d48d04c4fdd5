"""Text that files, terminals and XML can hold, and decimals rounded to one side."""

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

UNPRINTABLE = re.compile(r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Control characters, which terminals obey, lone surrogates (invalid in UTF-8), characters not allowed in XML."""


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
    """Round a number down, or up with above=True, to a decimal of so many digits.

    Examples
    --------
    >>> from fractions import Fraction
    >>> str(rounded(Fraction(2, 3), 3)), str(rounded(Fraction(2, 3), 3, above=True)), str(rounded(Fraction(1, 2), 3))
    ('0.666', '0.667', '0.5')
    """
    rounding = {False: ROUND_FLOOR, True: ROUND_CEILING}[above]
    context = Context(prec=digits, rounding=rounding)
    return context.divide(Decimal(number.numerator), Decimal(number.denominator))
