"""Warps for tests of values, as the room of coadds makes them."""

from ..coadd.conftest import epochs, maker

__all__ = ("epochs", "maker")
