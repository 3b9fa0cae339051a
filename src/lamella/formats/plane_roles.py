"""What an HDU or a file holds of an image: its noise, its flags, or something else, by what it is called."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..fits.read import header_text
from .noise_maps import KIND_BY_UTYPE

__all__ = (
    "CONFIDENCE_KINDS",
    "TRUST",
    "PlaneRole",
    "hdu_role",
    "hdu_words",
    "image_words",
    "name_words",
    "word_roles",
)

# Nobody says whether weights are inverse variances or relative to each other: their scale is measured.  The
# time, or the number of exposures, that went into a pixel is a relative weight, too.
_WORDS = {
    "stddev": "ERR ERROR ERRORS RMS SIGMA UNC UNCERT UNCERTAINTY",
    "variance": "VAR VARIANCE STAT",
    "weight": "IVAR INVVAR INVVARIANCE",
    "scatter": "STD STDEV STDDEV NOISE",
    "confidence": "WHT WGT WT WEI WEIGHT WEIGHTS WTMAP WEIGHTMAP IVM CONF CONFIDENCE",
    "coverage": "COV COVERAGE EXPMAP NEXP NSAMP NIMG RRHR",
    "mask": "DQ DQM DQMASK MASK MASKS MSK BPM BADPIX BADPIXEL FLAG FLAGS FLG QUALITY QUAL MASKBITS",
    "other": "BKG BACKGROUND PSF CTX CON CONTEXT SEG SEGM SEGMAP CHI CHI2 MODEL DEPTH SKYBG",
}
_KINDS = {word: kind for kind, words in _WORDS.items() for word in words.split()}
_FILE_KINDS = _KINDS | {"EXP": "coverage", "CNT": "other"}
"""HDUs of these names are more often exposures than a map of their times, or counts beside a rate."""
TRUST = ("stddev", "variance", "weight", "scatter", "confidence", "coverage")
"""Kinds of maps of the noise, the most trusted first: a scatter may be that of the inputs of a stack."""
CONFIDENCE_KINDS = ("confidence", "coverage")
"""Those of which only the ratios mean something."""
_IMAGE_WORDS = frozenset(("SCI", "SCIE", "IMG", "IMAGE", "INT", "DATA", "CAL", "MAP", "PRIMARY"))
_BY_CLASS = {"MSE": "variance", "RMSE": "stddev", "INVMSE": "weight", "MASKONE": "good"}
"""Kinds by HDUCLAS3, as ESO has it (VLT-SPE-ESO-19500-5667); MASKONE is 1 where a pixel is good."""


@dataclasses.dataclass(frozen=True)
class PlaneRole:
    """What a plane is to an image."""

    kind: str
    """One of `TRUST`, ``mask``, ``good`` (a mask that is not 0 where a pixel is good), or ``other``."""
    rest: tuple[str, ...]
    """Words of the name that do not say so, in capitals: those of the image."""
    image: str = ""
    """EXTNAME of the image, in capitals, where the header tells it."""


def name_words(name: str) -> tuple[str, ...]:
    """Return the words of a name, in capitals."""
    return tuple(filter(None, re.split(r"[^A-Z0-9+]+", name.upper())))


def image_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return words without those that say that something is an image."""
    return tuple(word for word in words if word not in _IMAGE_WORDS)


def word_roles(words: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Iterate over the kinds that words of the name of a file tell, each with the words that are left."""
    for number, word in enumerate(words):
        if word in _FILE_KINDS:
            yield _FILE_KINDS[word], words[:number] + words[number + 1 :]


def hdu_role(header: Mapping[str, Any]) -> PlaneRole | None:
    """Return what an HDU is to an image of its file; `None` for one that may be an image itself.

    Its class (HDUCLAS2 and HDUCLAS3, as ESO and HEASARC have them) and kind of uncertainty (UTYPE) go before
    the words of its EXTNAME.
    """
    words = hdu_words(header)
    named = next((_KINDS[word] for word in reversed(words) if word in _KINDS), None)
    rest = tuple(word for word in words if word not in _KINDS)
    kind = _kind_by_class(header) or KIND_BY_UTYPE.get(header_text(header, "UTYPE").lower()) or named
    if kind is None:
        return None
    return PlaneRole(kind, image_words(rest), header_text(header, "SCIDATA").upper())


def hdu_words(header: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the words and numbers of an EXTNAME, in capitals: DET11.SCI has three."""
    return tuple(re.findall(r"[A-Z]+|\d+", header_text(header, "EXTNAME").upper()))


def _kind_by_class(header: Mapping[str, Any]) -> str | None:
    told = header_text(header, "HDUCLAS2").upper()
    kind = _BY_CLASS.get(header_text(header, "HDUCLAS3").upper())
    if told == "ERROR":
        return kind or "other"
    return (kind or "mask") if told == "QUALITY" else None
