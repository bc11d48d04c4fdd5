"""Enclosures of networks over boxes of inputs, by intervals with float64 ends."""
