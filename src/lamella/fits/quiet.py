"""Calls of astropy without its warnings.

Real surveys bend the FITS standard in harmless ways (units without quotes,
old keywords), and astropy warns about each.  Those warnings are of no use to a
person who wants a coadd.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

__all__ = ("Header", "quiet_astropy")

type Header = fits.Header
"""Header of one HDU."""

# `warnings.catch_warnings` changes the state of the whole process, so that two
# threads that read at a time would undo each other's filters.
_FILTERS = threading.RLock()


@contextlib.contextmanager
def quiet_astropy() -> Iterator[None]:
    """Drop the warnings of astropy, in one thread at a time."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        yield
