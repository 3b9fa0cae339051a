"""Geometry on the sky: sky maps, tracts, patches, overlap tests, pixel-to-pixel maps."""

from __future__ import annotations

__all__ = ("KINDS",)

KINDS = ("discrete", "dodeca", "equatorial", "field", "healpix", "image", "rings")
"""Names of the kinds of sky maps, which `lamella.sky.registry.make_skymap` makes."""
