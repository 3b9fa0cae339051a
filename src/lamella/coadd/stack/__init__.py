"""Combination of warps, pixel by pixel."""
