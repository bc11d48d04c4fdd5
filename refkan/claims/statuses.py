"""Statuses: what a statement comes out with, computed from measurements and never typed in."""

from typing import Literal, get_args

from refkan.base.annotations import check_annotated

Status = Literal[
    "holds", "holds under some readings", "holds as corrected", "refuted", "not reproduced", "undecided", "pending"
]

STATUSES: tuple[Status, ...] = get_args(Status)

FAILING: tuple[Status, ...] = ("refuted", "not reproduced", "undecided")
"""The statuses that a mutated claim must come out with."""


def judge(as_printed: bool, as_corrected: bool | None = None, experiment: bool = False) -> Status:
    """Turn the outcome of a criterion into a status; only this function and `Readings.status` make statuses.

    Parameters
    ----------
    as_printed
        Whether the claim met its criterion as printed.
    as_corrected
        Whether the corrected claim met its criterion; None where there is no correction.
    experiment
        True for a claim about an experiment whose description leaves details open. Where one set-up alone was run, a
        claim that fails there is "undecided": only `refkan.claims.readings.Readings`, which knows the published
        numbers and all the readings, may say "not reproduced".

    Returns
    -------
    Status
        "holds" if `as_printed`, else "holds as corrected" if `as_corrected`, else "refuted" (or "undecided").

    Raises
    ------
    TypeError
        For what is neither True nor False: a measured number, or a word, would count as true.

    Examples
    --------
    >>> from refkan.claims import judge
    >>> judge(True), judge(False, True)
    ('holds', 'holds as corrected')
    >>> judge(False), judge(False, False, experiment=True)
    ('refuted', 'undecided')
    """
    check_annotated(judge, locals())
    if as_printed:
        return "holds"
    if as_corrected:
        return "holds as corrected"
    if experiment:
        return "undecided"
    return "refuted"
