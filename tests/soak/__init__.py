"""Run all laws on fresh draws for a given time: ``python -m tests.soak --minutes 60``."""
