"""How contestants are run: the harness, timers, threads, and the record of what was measured."""
