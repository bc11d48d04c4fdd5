"""Conditioning studies: the spectra of many networks in one table."""
