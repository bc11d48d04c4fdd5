"""Proven errors of networks as solutions of boundary value problems."""
