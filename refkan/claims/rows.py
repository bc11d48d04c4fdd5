"""Rows of a ledger: statements, each with what is measured and the criterion, fixed before the run."""

from refkan.base.annotations import Checked


class Row(Checked):
    """A statement: its source, what it claims, what is measured, and the criterion by which it holds.

    Parameters
    ----------
    id : str
        A short name, used once.
    source : str
        Where the statement is made: a paper, with the place in it.
    claim : str
        What it says.
    measured : str
        What is measured.
    criterion : str
        What the measurement must be for the statement to hold, fixed before it is made.
    goal : bool
        Whether it is no claim but a goal: numbers asked for, and those that were reached. A goal that is missed refutes
        nothing; it stands in a table of its own.
    corrects : str
        For your own statement that corrects a printed one: the printed text, as "place: text".

    Examples
    --------
    >>> from refkan.claims import Row
    >>> row = Row("G1", "de Boor 2001", "lambda_1 is at least c_r h", "lambda_1/h", "within 10 % of that at n/2")
    >>> row.id, row.criterion
    ('G1', 'within 10 % of that at n/2')
    """

    id: str
    source: str
    claim: str
    measured: str
    criterion: str
    goal: bool = False
    corrects: str = ""
