from tests.shared.plain_engine import plain_engine  # noqa: F401
