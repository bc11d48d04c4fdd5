"""What all tests of benchmarks share: pictures that are not rendered."""

from tests.shared.pictures import unrendered  # noqa: F401
