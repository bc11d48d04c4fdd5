"""How fast refkan is against what users could pick instead: ``python -m validation.benchmarks [NAME ...]``.

A time is only printed once the results of all contestants agree; repetitions are interleaved; what is
reported is the median and the median of the ratios within rounds. A peer that is not installed is skipped
by name. Importing this package imports no numerical library, so that the numbers of threads can be set
before one starts.
"""
