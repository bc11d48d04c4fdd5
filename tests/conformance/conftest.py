"""What several tests of the judge ask for; all of them use the plain engine, which has no forms to compile."""

from tests.shared.plain_engine import plain_engine  # noqa: F401
