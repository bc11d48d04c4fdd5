"""Text of users and of their programs, as files, terminals and XML can take it."""

import re

UNPRINTABLE = re.compile(r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Control characters, which terminals obey, lone surrogates, which UTF-8 has not, and what XML has not."""


def printable(text: object) -> str:
    r"""Return a text with escapes in place of what cannot be printed.

    Examples
    --------
    >>> print(printable("a\x1b[2Jb\ud800"))
    a\x1b[2Jb\ud800
    """
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), str(text))
