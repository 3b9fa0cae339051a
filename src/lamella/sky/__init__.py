"""Geometry on the sky: sky maps, tracts, patches, overlap tests, pixel-to-pixel maps."""
