"""Adapters: how a backend is built and asked, and the backends that refkan knows."""
