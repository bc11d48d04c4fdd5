"""What tests of bad input share: calls that are to be refused, with the answer that they must get."""

import re

import pytest

NAN, INF = float("nan"), float("inf")


def refused(call, answer):
    """Check that a call raises what `answer` says, a pattern as "KnotError: knots must be finite"; return the message.

    A pattern that names no error stands for a ValueError. One that names an error means exactly this kind: a KnotError
    is a ValueError, but a TypeError must not hide behind one.
    """
    named = re.match(r"(\w+Error): ", answer)
    with pytest.raises(
        (ValueError, TypeError, RuntimeError, AssertionError, ArithmeticError, ImportError, OSError)
    ) as caught:
        call()
    if named:
        assert type(caught.value).__name__ == named[1]
    else:
        assert isinstance(caught.value, ValueError)
    message = str(caught.value)
    assert re.search(answer[named.end() if named else 0 :], message), message
    return message


def refusals(*rows, call=lambda made: made()):
    """Make a test of each row, the arguments of a call and the answer to it."""

    @pytest.mark.parametrize("row", rows, ids=[row[-1] for row in rows])
    def test(row):
        refused(lambda: call(*row[:-1]), row[-1])

    return test
