"""The sections of a description, and the words that each may have."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

import pydantic

from ..cards import compile_pattern
from .values import Value
from .words import (
    BitPlanes,
    Conditions,
    Hdu,
    Number,
    Pattern,
    Planes,
    SiblingHdu,
    Text,
    parse_companion,
    parse_literal_value,
    parse_plane,
    parse_plane_name,
    parse_table,
    without_groups,
)

__all__ = (
    "NOISE_MAPS",
    "Companion",
    "CompanionTable",
    "Flux",
    "Identity",
    "Images",
    "Mask",
    "Match",
    "Noise",
    "Pattern",
    "Plane",
    "Psf",
    "Refusal",
    "Section",
    "Sky",
    "Wcs",
    "parse_table",
)


class Section(pydantic.BaseModel):
    """A part of a description."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def given(self, *words: str) -> list[str]:
        """Return those of some words that are set."""
        return [word for word in words if getattr(self, word) not in (None, False)]

    def _require(self, words: tuple[str, ...], least: int = 1) -> Self:
        given = self.given(*words)
        if not least <= len(given) <= 1:
            raise ValueError(f"{' and '.join(given) or 'none'} of {', '.join(words)}; expected one")
        return self


class Match(Section):
    """How a file is recognised; all must hold."""

    name: Pattern | None = None
    cards: Conditions = {}
    hdus: tuple[Hdu, ...] = ()

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.name is None and not self.cards and not self.hdus:
            raise ValueError("nothing to recognise a file by; expected name, cards or hdus")
        return self


class Images(Section):
    """The HDUs with images: one exposure for each."""

    hdu: Hdu | None = None
    siblings: Literal["extver", "name"] = "extver"


class Companion(Section):
    """Name of a file that belongs to an image, made from that of the image."""

    replace: tuple[str, str] | None = None
    suffix: str | None = None
    extension: str | None = None
    like: tuple[str, str] | None = None
    """A pattern for the name of the image, and one for those of the files, with groups of the first."""
    optional: bool = False
    product: str | None = None
    """What the file is that was made of this exposure and others, and is left out beside them."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.replace is not None:
            try:
                compile_pattern(self.replace[0]).sub(self.replace[1], "")
            except (re.error, IndexError) as err:
                raise ValueError(f"replace: {err}") from None
        if self.like is not None:
            compile_pattern(self.like[0])
            compile_pattern(without_groups(self.like[1]))
            if self.product is None:
                raise ValueError("like without product")
        return self._require(("replace", "suffix", "extension", "like"))


type CompanionTable = dict[str, Annotated[Companion, pydantic.BeforeValidator(parse_companion)]]


class Plane(Section):
    """An HDU of the file, or of a companion."""

    hdu: SiblingHdu | None = None
    file: str | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.hdu is None and self.file is None:
            raise ValueError("neither hdu nor file")
        return self


type PlaneTable = Annotated[Plane, pydantic.BeforeValidator(parse_plane)]

NOISE_MAPS = ("stddev", "variance", "weight", "confidence")


class Noise(Section):
    """One kind of noise: a map, by gain and read noise (``counts``), or measured."""

    stddev: PlaneTable | None = None
    variance: PlaneTable | None = None
    weight: PlaneTable | None = None
    confidence: PlaneTable | None = None
    utype: PlaneTable | None = None
    counts: bool = False
    measured: bool = False
    gain: Number | None = None
    read_noise: Number | None = None
    saturation: Number | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        self._require((*NOISE_MAPS, "utype", "counts", "measured"))
        if self.counts and self.gain is None:
            raise ValueError("counts without gain")
        return self


class Mask(Section):
    """Flags of pixels, and what they mean."""

    hdu: SiblingHdu | None = None
    file: str | None = None
    flags: Planes | None = None
    bits: BitPlanes | None = None
    codes: Planes | None = None
    nonzero: Annotated[str, pydantic.PlainValidator(parse_plane_name)] | None = None
    bad_value: float | None = None
    optional: bool = False
    """Whether an image without this HDU has no bad pixels."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.hdu is None and self.file is None and self.bad_value is None:
            raise ValueError("none of hdu, file, bad_value")
        # Without any, the header of the flags must say what they mean.
        return self._require(("flags", "bits", "codes", "nonzero"), least=0)


class Flux(Section):
    """What a count is: the first that can be had of zero point, unit, scale, and a measurement."""

    zero_point: Number | None = None
    unit: Annotated[Value, pydantic.PlainValidator(parse_literal_value)] | None = None
    flux_scale: Number | None = None
    measured: bool = False
    pixel_area: Number | None = None
    pixel_area_map: PlaneTable | None = None
    softening: Number | None = None
    offset: Number | None = None


class Psf(Section):
    """One kind of PSF."""

    fwhm: Number | None = None
    fwhm_pixels: Number | None = None
    file: str | None = None
    stamp: PlaneTable | None = None
    measured: bool = False

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        return self._require(("fwhm", "fwhm_pixels", "file", "stamp", "measured"))


class Sky(Section):
    """Whether the sky is in the pixels, or a map of it."""

    state: Annotated[Value, pydantic.PlainValidator(parse_literal_value)] | None = None
    hdu: SiblingHdu | None = None
    file: str | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        states = ("present", "subtracted")
        if self.state is not None:
            literals = [way.literal for way in (self.state, *self.state.alternatives) if not way.is_empty]
            if wrong := [text for text in literals if text is not None and text not in states]:
                raise ValueError(f"state {wrong[0]!r}; expected {' or '.join(states)}")
        elif self.hdu is None and self.file is None:
            raise ValueError("none of state, hdu, file")
        return self


class Identity(Section):
    """Which exposure it is."""

    band: Text
    physical_filter: Text | None = None
    visit: Number = Value(hash=True)
    detector: Number | None = None
    instrument: Text | None = None
    exposure_time: Number | None = None
    mjd: Number | None = None
    date: Text | None = None


class Wcs(Section):
    """What is put over the WCS of the header."""

    head: str | None = None
    radesys: str | None = None


class Refusal(Section):
    """When an exposure is not to be used, and why."""

    when: Conditions
    because: str
