"""What all tests of commands share: the plain engine, and pictures that are not rendered."""

from tests.shared.pictures import unrendered  # noqa: F401
from tests.shared.plain_engine import plain_engine  # noqa: F401
