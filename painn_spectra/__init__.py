"""Anharmonic IR and Raman spectra from PaiNN molecular dynamics."""

__version__ = "0.1.0"
