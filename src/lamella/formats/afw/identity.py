"""Which exposure an afw-written file is of: instrument, visit, detector and band, in files of any age."""

from __future__ import annotations

import dataclasses
import math
import re

from ...data.exposure import ExposureId
from ...fits.read import header_text
from .exposure import AfwFile
from .info import FilterLabel

__all__ = ("Identity", "band_of", "identify", "instrument_of")

_LETTERS = re.compile(r"[A-Za-z]\w*")
_HSC_BROAD = re.compile(r"HSC-([A-Z])2?")
_HSC_NARROW = re.compile(r"([NI])B0?(\d{3,4})")
_FIRST_LETTER = re.compile(r"([A-Za-z])[ ._].*")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)")
_UNKNOWN = {"", "_unknown_", "unknown", "none"}
_EXPOSURES_PER_VISIT = {"HSC": 200, "MegaPrime": 36}
"""Old files number the exposure of each detector: visit times this, plus the detector."""


@dataclasses.dataclass(frozen=True)
class Identity:
    """Which exposure a file is of."""

    id: ExposureId
    band: str
    notes: tuple[str, ...] = ()
    """What had to be taken from elsewhere than usual."""


def identify(file: AfwFile) -> Identity:
    """Return which exposure a file is of.

    The visit is that of the archive or of the header (IDNUM); in files from
    before there were such numbers it follows from the number of the exposure
    (EXPID) or the time (DATE-AVG, or else DATE), which a note says; so does
    another note for a detector or a band that the file does not name.

    Raises
    ------
    MissingPartError
        Raised when nothing says which band, or which visit, it is of.
    InputError
        Raised when the archive is damaged.
    """
    notes: list[str] = []
    instrument = instrument_of(file)
    number = file.metadata.get("DET-ID")
    if file.detector is not None:
        number = file.detector.id
    elif isinstance(number, int) and not isinstance(number, bool) and number >= 0:
        notes.append(f"Detector {number} taken from DET-ID of the header.")
    else:
        number = 0
        notes.append("Detector taken as 0: the file has none.")
    visit, note = _visit(file, instrument, number)
    band = band_of(file.filter)
    if not band:
        raise file.container.missing(
            f"band {file.filter.band!r} and filter {file.filter.physical!r}", "a passband", "filter"
        )
    if band != file.filter.band:
        notes.append(f"Band {band} taken from the name of the filter, {file.filter.physical}.")
    return Identity(ExposureId(instrument, visit, number), band, (*([note] if note else []), *notes))


def instrument_of(file: AfwFile) -> str:
    """Return the name of the instrument: of the visit, else of the filter or the header, or ``"unknown"``."""
    if file.visit_info.instrument:
        return file.visit_info.instrument
    if file.filter.physical.startswith("HSC-"):
        return "HSC"
    return header_text(file.metadata, "INSTRUME") or "unknown"


def band_of(label: FilterLabel) -> str:
    """Return the short name of a passband, e.g. ``"i"`` for HSC-I2; empty when the label names none.

    The band of the label is used where it begins with a letter; otherwise the
    name of the filter is shortened.
    """
    if _LETTERS.fullmatch(label.band):
        return label.band
    name = label.physical.strip()
    if name.lower() in _UNKNOWN:
        return ""
    broad = _HSC_BROAD.fullmatch(name)
    if broad:
        return broad[1].lower()
    narrow = _HSC_NARROW.fullmatch(name)
    if narrow:
        return f"{narrow[1]}{narrow[2]}"
    first = _FIRST_LETTER.fullmatch(name)
    if first:
        return first[1]
    return name if _LETTERS.fullmatch(name) else ""


def _visit(file: AfwFile, instrument: str, detector: int) -> tuple[int, str]:
    """Return the number of the visit, and what is to be said of it."""
    info = file.visit_info
    if info.id > 0:
        return info.id, ""
    if info.exposure_id > 0:
        count = _EXPOSURES_PER_VISIT.get(instrument)
        if count is not None and info.exposure_id % count == detector:
            visit = info.exposure_id // count
            return visit, f"Visit {visit} taken from the exposure number {info.exposure_id}."
        return info.exposure_id, f"Visit taken as the exposure number {info.exposure_id} (EXPID)."
    card = "DATE-AVG" if math.isfinite(info.mjd) else "DATE"
    text = header_text(file.metadata, card)
    digits = _DATE.match(text)
    if digits is None:
        raise file.container.missing(
            "neither a visit, nor the number of an exposure, nor a time", "one of them", "DATE"
        )
    return int("".join(digits.groups())), f"Visit taken as the time {text} ({card}): the file has no number."
