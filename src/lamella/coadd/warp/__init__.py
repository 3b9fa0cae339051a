"""Resampling of exposures to the grid of a patch, and PSF matching."""
