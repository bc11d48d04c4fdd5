"""The peers, a file for each kind of them: functions of a case return a Timed.

Nothing here is imported before its contestant is built, so that a peer that is not installed is only skipped.
All layers are put on the knots and coefficients of the case. Where a peer adds a SiLU branch that cannot be
switched off, its weight is set to zero: its cost is part of the peer's time. Only gradients with respect to
coefficients and inputs are asked for.
"""
