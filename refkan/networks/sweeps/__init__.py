"""Sweeps through a network: values, pullbacks, pushforwards and second derivatives, by blocks of samples."""
