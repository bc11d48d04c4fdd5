"""Analysis of networks: spectra and conditioning in float64, and certificates in exact arithmetic."""
