"""What tests of bad input share: tables of calls that are to be refused, and the check of the refusal."""

from __future__ import annotations

import pytest

NAN, INF = float("nan"), float("inf")


def bad(*cases):
    return pytest.mark.parametrize(
        ("call", "error", "message"), [pytest.param(*case[1:], id=case[0]) for case in cases]
    )


def check(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    # exactly this kind: a KnotError is a ValueError, but a TypeError must not hide behind one
    assert isinstance(caught.value, ValueError | TypeError)
    return str(caught.value)
