"""The verdicts that stand in the repository, and what is written from them.

``python -m validation.records RECORD...`` takes over the rows of a run's ``record.json``, those with verdicts, into
``quick.json`` or ``full.json``, then writes ``docs/verdicts.md``. Without a record it only writes the page. Nothing in
it is typed.
"""
