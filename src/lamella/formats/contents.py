"""What any FITS file holds, as far as its headers say: for people whose file no reader takes."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..fits.read import Header, header_text, image_axes, read_headers
from .bayer import is_spectral
from .plane_roles import hdu_role

__all__ = ("Card", "FitsContents", "HduContents", "contents_of")

# Names of cards by what they usually state.  They are shown to a person, who judges: a name too many does no
# harm, so that whole families are matched by their stems.
_SUBJECTS = {
    "zero point": r"MAGZ\w*|ZP\w*|\w*ZEROP\w*|L1ZP|PC-ZP|PHOT(Z\w*|FLAM|PLAM|FNU|_C|MJSR)|FLXSCALE|FLUX20",
    "gain": r"E?GAIN[A-D\d]?|EPADU|ATODGN\w|PHOTGAIN",
    "read noise": r"RO?N(OISE)?|RDN\w*|READNO\w*|RON\w*|ENOISE",
    "filter": r"FILTERS?\d?|FILT(NAM|ER)\w*|BAND|INSFLNAM|FLTRNM|WAVELENG|PUPIL",
    "saturation": r"SATUR\w*|SATLEVEL|MAXLIN|ESOSAT\w*",
    "seeing": r"SEEING\w*|FWHM\w*|PSF_?FWHM|L1FWHM|QAFWHM|IQMEASUR",
    "exposure time": r"EXPTIME|EXPOSURE|XPOSURE|DIT|EXP_TIME|TEXP\w*",
    "date": r"DATE-(OBS|BEG|AVG)|MJD(-?OBS|-(BEG|AVG))?",
    "identity": r"INSTRUME|EXPNUM|OBS_?ID|CCDNUM|DETECTOR|CHIP|FRAMENUM|RUN|ROOTNAME|EXPID",
    "colour": r"BAYERPAT|COLORTYP|ROWORDER",
}
_PATTERNS = {subject: re.compile(pattern) for subject, pattern in _SUBJECTS.items()}
_DISTORTIONS = {
    "lookup tables": re.compile(r"(CPDIS|CQDIS|D2IMDIS)\d"),
    "SIP": re.compile(r"[AB]_ORDER"),
    "PV": re.compile(r"PV[12]_\d+"),
    "TNX or ZPX": re.compile(r"WAT[12]_001"),
}


@dataclasses.dataclass(frozen=True)
class HduContents:
    """What the header of one HDU says of it."""

    index: int
    name: str
    """EXTNAME, with EXTVER where it is not 1; empty when there is none."""
    axes: tuple[int, ...]
    """Shape of the image, last axis first as numpy has it; empty when there is none."""
    rows: int | None
    """Rows of the table; `None` when it is none."""
    stored: str
    """Type of the pixels: ``uint8``, ``int16``, ``float32`` ..., with ``compressed`` where it is."""
    unit: str
    wcs: str
    """CTYPE1, kinds of distortion, and CTYPE3 of a cube; empty without a celestial WCS."""

    @property
    def is_flat(self) -> bool:
        """Whether it is one image, or one in three colours."""
        planes = math.prod(self.axes[:-2])
        return len(self.axes) >= 2 and (planes == 1 or (planes == 3 and _THIRD not in self.wcs))

    @property
    def holds(self) -> str:
        """The pixels or rows in a few words."""
        if self.rows is not None:
            return f"table of {self.rows} rows"
        sizes = "×".join(str(size) for size in reversed(self.axes))
        return f"{sizes} {self.stored}" if self.axes else "no data"


@dataclasses.dataclass(frozen=True)
class Card:
    """A card that a person may be looking for."""

    subject: str
    """What such cards usually state, e.g. ``"zero point"``."""
    hdu: int
    keyword: str
    value: str


@dataclasses.dataclass(frozen=True)
class FitsContents:
    """What the headers of a file say."""

    path: Path
    hdus: tuple[HduContents, ...]
    cards: tuple[Card, ...]
    """Cards that look like those that a coadd needs; of several HDUs with one value, the first."""

    def stated(self, subject: str) -> tuple[Card, ...]:
        """Return the cards of a subject, e.g. ``"gain"``."""
        return tuple(card for card in self.cards if card.subject == subject)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects that have a card."""
        return tuple(dict.fromkeys(card.subject for card in self.cards))

    @property
    def missing(self) -> tuple[str, ...]:
        """What a coadd cannot do without and this file lacks: an image, or its WCS."""
        if not any(len(hdu.axes) >= 2 for hdu in self.hdus):
            return ("an image",)
        planes = [hdu for hdu in self.hdus if hdu.axes and hdu_role({"EXTNAME": hdu.name})]
        if len(planes) == sum(bool(hdu.axes) for hdu in self.hdus):
            told = ", ".join(f"HDU {hdu.index} {hdu.name}" for hdu in planes[:_FEW])
            return (f"an image of the sky ({told} has the name of its noise, flags or the like)",)
        if not any(hdu.is_flat for hdu in self.hdus):
            return ("a 2-d image (a plane of a cube has to be written into a file of its own)",)
        return () if any(hdu.wcs for hdu in self.hdus) else ("a celestial WCS",)

    def __str__(self) -> str:
        """Say in one sentence what there is."""
        hdus = "; ".join(
            f"HDU {hdu.index}{' ' + hdu.name if hdu.name else ''}: {hdu.holds}" for hdu in self.hdus[:_FEW]
        )
        more = f" and {len(self.hdus) - _FEW} more" if len(self.hdus) > _FEW else ""
        wcs = sorted({hdu.wcs for hdu in self.hdus if hdu.wcs})
        first = [self.stated(subject)[0] for subject in self.subjects]
        cards = ", ".join(f"{card.keyword} = {card.value}" for card in first)
        return f"{hdus}{more}; WCS: {', '.join(wcs) or 'none'}" + (
            f"; cards that may tell something: {cards}" if cards else ""
        )


_THIRD = "third axis"
_FEW = 6
"""HDUs that a message tells."""


def contents_of(path: Path) -> FitsContents:
    """Look at the headers of a FITS file of any kind.

    Parameters
    ----------
    path
        The file, compressed or not.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, truncated, or not FITS.
    """
    headers = read_headers(path)
    hdus = tuple(_describe_hdu(index, header) for index, header in enumerate(headers))
    return FitsContents(path, hdus, tuple(_telling_cards(headers)))


def _describe_hdu(index: int, header: Header) -> HduContents:
    version = header.get("EXTVER", 1)
    name = header_text(header, "EXTNAME")
    axes = image_axes(header)
    compressed = bool(header.get("ZIMAGE"))
    is_table = header_text(header, "XTENSION") in ("BINTABLE", "TABLE") and not compressed
    return HduContents(
        index=index,
        name=f"{name},{version}" if name and version != 1 else name,
        axes=axes,
        rows=int(header.get("NAXIS2", 0)) if is_table else None,
        stored=_pixel_type(header) + (" compressed" if compressed else "") if axes else "",
        unit=header_text(header, "BUNIT"),
        wcs=_wcs_kind(header),
    )


def _pixel_type(header: Header) -> str:
    """Return the name of the type of the pixels; an offset of half their range makes integers unsigned."""
    bits = int(header.get("ZBITPIX", header.get("BITPIX", 0)))
    if bits < 0:
        return f"float{-bits}"
    unsigned = header.get("BSCALE", 1) == 1 and header.get("BZERO", 0) == 2 ** (bits - 1)
    return f"uint{bits}" if unsigned or bits == 8 else f"int{bits}"


def _wcs_kind(header: Header) -> str:
    ctype = header_text(header, "CTYPE1")
    if not re.search(r"RA|DEC|LON|LAT", ctype):
        return ""
    kinds = [
        kind
        for kind, pattern in _DISTORTIONS.items()
        if kind not in ctype and any(pattern.fullmatch(key) for key in header)
    ]
    third = header_text(header, "CTYPE3") if is_spectral(header) else ""
    told = " with ".join([ctype, ", ".join(kinds)]) if kinds else ctype
    return f"{told}, {_THIRD} {third}" if third and len(image_axes(header)) > 2 else told


def _telling_cards(headers: Sequence[Header]) -> Iterator[Card]:
    told: set[tuple[str, str]] = set()
    for subject, pattern in _PATTERNS.items():
        for index, header in enumerate(headers):
            for keyword in header:
                value = header_text(header, keyword) if pattern.fullmatch(keyword) else ""
                if value and (keyword, value) not in told:
                    told.add((keyword, value))
                    yield Card(subject, index, keyword, value)
