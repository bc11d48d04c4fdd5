"""All tests of this folder are about something else than engines: the plain one has no forms to compile."""

from tests.shared.plain_engine import plain_engine  # noqa: F401
