"""Readers of the exposures of single surveys."""
