"""What several tests of the judge ask for; all of them use the plain engine, which has no forms to compile."""

from contextlib import suppress

from tests.shared.plain_engine import plain_engine  # noqa: F401

with suppress(ImportError):
    import rich.console  # noqa: F401  # which draws from `random` when it is imported, and tests must not
