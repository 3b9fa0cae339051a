"""The sections of a description, and the words that each may have."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

import pydantic

from ...planes import STANDARD_PLANES, plane_name, suggestion
from ..cards import Condition, compile_pattern, parse_condition
from ..table_flags import HARMLESS
from .values import CardTable, Value, parse_value

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


def _parse_text_value(told: object) -> Value:
    """Make a value that is a text: of arithmetic, nothing but a keyword."""
    value = parse_value(told)
    for way in (value, *value.alternatives):
        if way.expression is not None and not way.expression.is_keyword:
            raise ValueError(f"{way.expression.text!r} is no keyword; a text that is meant is {{is = '...'}}")
    return value


def _parse_literal_value(told: object) -> Value:
    return Value(literal=told) if isinstance(told, str) else _parse_text_value(told)


def _parse_hdu(told: object) -> int | re.Pattern[str]:
    if isinstance(told, int) and not isinstance(told, bool) and told >= 0:
        return told
    return compile_pattern(told)


def _parse_template(told: object) -> int | str:
    """Return an index, or a pattern of EXTNAME that may have groups of the image's (``\\1``) in it."""
    if isinstance(told, str):
        compile_pattern(re.sub(r"\\\d", "x", told))
        return told
    index = _parse_hdu(told)
    assert isinstance(index, int)
    return index


def _parse_companion(told: object) -> object:
    return {"replace": told} if isinstance(told, list) else told


def _parse_plane(told: object) -> object:
    return {"hdu": told} if isinstance(told, str | int) and not isinstance(told, bool) else told


def _parse_planes(told: object, *, bits: bool = False) -> dict[str, tuple[int, ...] | None]:
    """Return the numbers of each mask plane; `None` for all others (``'*'``)."""
    if not isinstance(told, dict):
        raise ValueError(f"{told!r} is no table of mask planes")
    planes: dict[str, tuple[int, ...] | None] = {}
    for name, numbers in told.items():
        if plane_name(name) not in STANDARD_PLANES and name != HARMLESS:
            raise ValueError(f"the unknown plane {name}; expected one of lamella's planes{suggestion(name)}")
        if numbers == "*":
            if name != HARMLESS:
                raise ValueError(f"'*' for {name}; only {HARMLESS} may be all others")
            planes[name] = None
            continue
        values = [_parse_bits(number) for number in (numbers if isinstance(numbers, list) else [numbers])]
        if bits and any(value > 63 for value in values):
            raise ValueError(f"{name} has a bit above 63")
        planes[name] = tuple(1 << value if bits else value for value in values)
    return planes


def _parse_bits(told: object) -> int:
    try:
        value = int(told, 0) if isinstance(told, str) else told
    except ValueError:
        value = None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
        raise ValueError(f"{told!r} is no whole number from 0 to 2^64 - 1")
    return value


def _parse_plane_name(told: object) -> str:
    if not isinstance(told, str) or plane_name(told) not in STANDARD_PLANES:
        raise ValueError(f"the unknown plane {told}{suggestion(str(told))}")
    return plane_name(told)


def parse_table(told: object) -> CardTable:
    """Make a table of numbers by the text of a card.

    Raises
    ------
    ValueError
        Raised when there is no ``card``, or something else than numbers; the message says what.
    """
    if not isinstance(told, dict) or not isinstance(told.get("card"), str):
        raise ValueError("a table needs a word card, which names the card")
    numbers = {key: value for key, value in told.items() if key != "card"}
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{value!r} for {key} is no number")
    default = numbers.pop("default", None)
    return CardTable(told["card"], tuple((compile_pattern(key), numbers[key]) for key in numbers), default)


type Number = Annotated[Value, pydantic.PlainValidator(parse_value)]
type Text = Annotated[Value, pydantic.PlainValidator(_parse_text_value)]
type Pattern = Annotated[re.Pattern[str], pydantic.PlainValidator(compile_pattern)]
type Hdu = Annotated[int | re.Pattern[str], pydantic.PlainValidator(_parse_hdu)]
type SiblingHdu = Annotated[int | str, pydantic.PlainValidator(_parse_template)]
type Planes = Annotated[dict[str, tuple[int, ...] | None], pydantic.PlainValidator(_parse_planes)]
type BitPlanes = Annotated[
    dict[str, tuple[int, ...] | None], pydantic.PlainValidator(lambda told: _parse_planes(told, bits=True))
]
type Conditions = dict[str, Annotated[Condition, pydantic.PlainValidator(parse_condition)]]


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
    optional: bool = False

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.replace is not None:
            try:
                compile_pattern(self.replace[0]).sub(self.replace[1], "")
            except (re.error, IndexError) as err:
                raise ValueError(f"replace: {err}") from None
        return self._require(("replace", "suffix", "extension"))


type CompanionTable = dict[str, Annotated[Companion, pydantic.BeforeValidator(_parse_companion)]]


class Plane(Section):
    """An HDU of the file, or of a companion."""

    hdu: SiblingHdu | None = None
    file: str | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.hdu is None and self.file is None:
            raise ValueError("neither hdu nor file")
        return self


type PlaneTable = Annotated[Plane, pydantic.BeforeValidator(_parse_plane)]

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
    nonzero: Annotated[str, pydantic.PlainValidator(_parse_plane_name)] | None = None
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
    unit: Annotated[Value, pydantic.PlainValidator(_parse_literal_value)] | None = None
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

    state: Annotated[Value, pydantic.PlainValidator(_parse_literal_value)] | None = None
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
