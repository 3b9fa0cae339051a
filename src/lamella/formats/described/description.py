"""The description of a survey's files: TOML, read and checked as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import pydantic

from ...errors import InputError
from ...suggestions import nearest
from ...texts import parse_toml, read_text
from .sections import (
    NOISE_MAPS,
    CompanionTable,
    Flux,
    Identity,
    Images,
    Mask,
    Match,
    Noise,
    Pattern,
    Plane,
    Psf,
    Refusal,
    Section,
    Sky,
    Wcs,
    parse_table,
)
from .values import CardTable, Value

__all__ = ("Description", "read_description")


def _as_list(told: object) -> object:
    return [told] if isinstance(told, dict) else told


class Description(Section):
    """How the files of a survey are recognised, and what in them is what.

    Where a section is a list, the first entry is taken whose HDU, file or cards are there.
    """

    name: str
    path: Path
    text: str = pydantic.Field(repr=False)
    """The file as it was written."""
    description: str
    match: Match
    image: Images = Images()
    companions: CompanionTable = pydantic.Field(default_factory=dict)
    ignore: tuple[Pattern, ...] = ()
    noise: Annotated[tuple[Noise, ...], pydantic.BeforeValidator(_as_list)] = (Noise(measured=True),)
    mask: Annotated[tuple[Mask, ...], pydantic.BeforeValidator(_as_list)] = ()
    flux: Flux = Flux(measured=True)
    psf: Annotated[tuple[Psf, ...], pydantic.BeforeValidator(_as_list)] = (Psf(measured=True),)
    sky: Sky | None = None
    identity: Identity
    wcs: Wcs = Wcs()
    refuse: tuple[Refusal, ...] = ()
    tables: dict[str, Annotated[CardTable, pydantic.PlainValidator(parse_table)]] = pydantic.Field(
        default_factory=dict
    )
    sources: dict[str, str] = pydantic.Field(default_factory=dict)

    def planes(self) -> Iterator[tuple[str, Plane]]:
        """Iterate over all HDUs and files that are named, with the words that name them."""
        for noise in self.noise:
            for word in (*NOISE_MAPS, "utype"):
                if (plane := getattr(noise, word)) is not None:
                    yield f"noise.{word}", plane
        for psf in self.psf:
            if psf.stamp is not None:
                yield "psf.stamp", psf.stamp
        if self.flux.pixel_area_map is not None:
            yield "flux.pixel_area_map", self.flux.pixel_area_map

    def values(self) -> Iterator[tuple[str, Value]]:
        """Iterate over all ways to values, with the words that name them."""
        sections = {"flux": [self.flux], "noise": self.noise, "psf": self.psf, "identity": [self.identity]}
        for name, entries in sections.items():
            for section in entries:
                for word in type(section).model_fields:
                    value = getattr(section, word)
                    if isinstance(value, Value):
                        yield from ((f"{name}.{word}", way) for way in (value, *value.alternatives))


def read_description(path: Path) -> Description:
    """Read a description.

    Parameters
    ----------
    path
        A TOML file in UTF-8; the name of the format is that of the file without its suffix.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent or no TOML.
    InputError
        Raised when something in it is wrong: one error that names all faults, with the nearest word where
        one is not known.
    """
    expected = "a description in TOML"
    text = read_text(path, expected)
    content = parse_toml(text, path, expected)
    companions = content.get("companions")
    if isinstance(companions, dict) and "ignore" in companions:
        content["companions"] = {name: companions[name] for name in companions if name != "ignore"}
        content["ignore"] = companions["ignore"]
    faults = []
    try:
        description = Description(**(content | {"name": path.stem.lower(), "path": path, "text": text}))
        faults = list(_faults_of_names(description))
    except pydantic.ValidationError as err:
        faults = [_told(error) for error in err.errors()]
    if faults:
        count = f"{len(faults)} faults: " if len(faults) > 1 else ""
        raise InputError(path, found=count + "; ".join(faults), expected="a description of a format")
    return description


def _told(error: Mapping[str, Any]) -> str:
    """Return one fault in words: where it is, and what."""
    where = ".".join(str(step) for step in error["loc"] if not isinstance(step, int)) or "the file"
    match error["type"]:
        case "extra_forbidden":
            *section, word = error["loc"]
            words = [name for name in _words(section) if name not in ("name", "path", "text") or section]
            return f"{where}: the unknown word {word!r} (there are {', '.join(words)}){nearest(word, words)}"
        case "missing" | "too_long" if isinstance(error["loc"][-1], int) or error["type"] == "too_long":
            return f"{where}: {error['input']!r} is of another length"
        case "missing":
            return f"{where} is missing"
        case "value_error":
            return f"{where}: {error['ctx']['error']}"
    return f"{where}: {error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}"


def _words(steps: list[str | int]) -> tuple[str, ...]:
    """Return the words of the section that some steps lead to."""
    section: type[Section] = Description
    for step in steps:
        if isinstance(step, str) and step in section.model_fields:
            section = next(_sections_in(section.model_fields[step].annotation), section)
    return tuple(section.model_fields)


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for inner in (*get_args(annotation), getattr(annotation, "__value__", None)):
        if inner is not None:
            yield from _sections_in(inner)


def _faults_of_names(description: Description) -> Iterator[str]:
    """Yield names of companions, tables and sections that there are not."""
    files = [(word, plane.file) for word, plane in description.planes()]
    files += [("mask.file", mask.file) for mask in description.mask]
    files += [("psf.file", psf.file) for psf in description.psf]
    files.append(("wcs.head", description.wcs.head))
    if description.sky is not None:
        files.append(("sky.file", description.sky.file))
    for word, name in files:
        if name is not None and name not in description.companions:
            names = description.companions
            known = f"there are {', '.join(names)}" if names else "there is none"
            yield f"{word}: no companion {name!r} ({known}){nearest(name, names)}"
    for word, value in description.values():
        for name in value.expression.names if value.expression is not None else ():
            # Keywords are written in capitals, tables are not.
            if name != name.upper() and name not in description.tables:
                tables = (
                    f"there are {', '.join(description.tables)}" if description.tables else "there is none"
                )
                hint = nearest(name, description.tables)
                yield f"{word}: {name!r} is no keyword (in capitals), and no table ({tables}){hint}"
    for name in description.sources:
        if name not in Description.model_fields:
            yield f"sources: no section {name!r}{nearest(name, Description.model_fields)}"
