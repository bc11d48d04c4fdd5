"""Backends and cases that `refkan conform` and `refkan cases` are called with."""

PLAIN = "tests.broken_layers.plain_numpy:PlainNumpy"
BROKEN = "tests.broken_layers:Broken"
SELECT = ["layer/degree-3/uniform/3x2/"]
