"""Says that the theory is right: one file a claim or a family of claims, run by ``python -m validation``.

There is a folder for each subject; `refkan.claims` finds the files and runs them, ``records`` keeps what came out.

A claim file names the rows of :data:`validation.ledger.LEDGER` that it answers in ``CLAIMS`` and offers
``run(quick, progress)``, which returns one :class:`refkan.claims.verdicts.Verdict` a row, each with a status
computed from its measurements by :func:`refkan.claims.verdicts.judge`. Nothing runs on import.
"""
