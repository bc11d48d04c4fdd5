"""Certificates that an independent program checks again: statements about a network, each with what proves it."""
