"""The verdicts that stand in the repository, and what is written from them.

``python -m validation.records RECORD...`` takes over the rows of a run's ``record.json``, those with verdicts, into
``quick.json`` or ``full.json``, goals into ``goals.json``; with ``--judge ID...`` rows at full size are judged again by
the present rules, from the numbers of every seed that they keep. Then it writes ``docs/verdicts.md``,
``docs/readings.md`` and ``docs/goals.md``. Nothing in them is typed.
"""
