"""Numbers of every type, functions of them, and Taylor numbers, which carry derivatives along."""
