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
from pathlib import Path

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from ..errors import UnreadableFileError
from .cards import irregular_cards
from .quick_header import QuickHeader

__all__ = ("Header", "lenient_header", "quiet_astropy")

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


def lenient_header(text: str, path: Path, where: str) -> Header:
    """Return a header whose malformed cards, e.g. with an unquoted NaN, are texts.

    Parameters
    ----------
    text
        The cards, one behind the other, without END.
    path, where
        File and HDU, for messages.

    Raises
    ------
    UnreadableFileError
        Raised when a card cannot be parsed.
    """
    with quiet_astropy():
        header = QuickHeader.fromstring(text)
        # astropy parses a card when it is asked for, which takes long for all of them; those that it
        # would warn about or fail on are parsed now.
        irregular = irregular_cards(text)
        for number in irregular:
            card = header.cards[number]
            try:
                with contextlib.suppress(fits.VerifyError):
                    card.value  # noqa: B018
                    continue
                card.verify("silentfix")
            except (ValueError, fits.VerifyError) as err:
                raise UnreadableFileError(
                    path,
                    where=f"{where}, card {number}",
                    found="what is no card of FITS",
                    expected="a keyword and a value",
                ) from err
        header.speed_up(text, irregular)
    return header
