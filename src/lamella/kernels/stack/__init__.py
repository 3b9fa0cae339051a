"""Combination of the values of one pixel."""
