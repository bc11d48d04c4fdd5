"""Certificates attacked by searches that share no code with `refkan.analysis.exact`."""
