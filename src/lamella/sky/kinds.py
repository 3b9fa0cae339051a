"""Names of the kinds of sky maps."""

from __future__ import annotations

__all__ = ("KINDS",)

KINDS = ("discrete", "dodeca", "equatorial", "field", "healpix", "rings")
"""What `lamella.sky.registry.make_skymap` knows."""
