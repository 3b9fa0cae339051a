"""Reader and writer of bright-object masks: DS9 region files of circles and boxes."""

from __future__ import annotations

import re
from os import PathLike

from ..coadd.brightmask import BrightObject, BrightObjectCatalog
from ..errors import ConfigError, InputError, MissingPartError
from ..texts import parse_whole, read_text

__all__ = ("read_bright_objects", "regions_to_text")

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_FRAME = re.compile(r"wcs\s*;\s*fk5", re.IGNORECASE)
_REMARK = re.compile(r"#\s*([A-Za-z][\w ]*?)\s*:\s*(.*)")
_REGION = re.compile(
    rf"""(?P<shape>circle|box)\s*
         (?P<numbers>\(\s*[^()#]*\)|\s[^()#]*?)\s*
         \#\s*ID\s*:\s*(?P<id>\d+)\s*
         (?:,?\s*mag\s*:\s*(?P<mag>{_NUMBER}|nan)\s*)?""",
    re.IGNORECASE | re.VERBOSE,
)
_DEGREES = re.compile(rf"({_NUMBER})d?", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s*,\s*|\s+")

_EXPECTED = (
    "'circle(ra, dec, radius) # ID: n, mag: m', 'box(ra, dec, width, height) # ID: n, mag: m' "
    "(degrees; no rotation), a comment, or 'wcs; fk5'"
)


def read_bright_objects(path: str | PathLike[str]) -> BrightObjectCatalog:
    """Read the masks of bright objects from a DS9 region file.

    Parameters
    ----------
    path
        Text file.  Comments ``# name: value`` are metadata; one line says
        ``wcs; fk5``; every other line is a region ``circle(ra, dec, radius)`` or
        ``box(ra, dec, width, height)`` in degrees, followed by
        ``# ID: number`` and optionally ``, mag: magnitude``.  Parentheses may be
        left out, numbers may be separated by commas or spaces and carry the
        suffix ``d``.

    Returns
    -------
    BrightObjectCatalog
        Regions in the order of the file.  Positions are taken as ICRS, which
        differs from FK5 by a few hundredths of an arcsecond.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent or not text.
    MissingPartError
        Raised when the line ``wcs; fk5`` is missing.
    InputError
        Raised when lines cannot be understood; it says how many, and which is
        the first.  A box with an angle other than zero is one of them.
    """
    objects: list[BrightObject] = []
    metadata: dict[str, str | int] = {}
    wrong: list[tuple[int, str]] = []
    has_frame = False
    text = read_text(path, "a DS9 region file")
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line:
            continue
        if line.startswith("#"):
            understood = _add_remark(line, metadata)
        elif _FRAME.fullmatch(line):
            understood = has_frame = True
        else:
            region = _parse_region(line)
            understood = region is not None
            if region is not None:
                objects.append(region)
        if not understood:
            wrong.append((number, line))
    if wrong:
        number, line = wrong[0]
        many = "1 line that is" if len(wrong) == 1 else f"{len(wrong)} lines that are"
        lines = f"{many} not understood, the first being {line[:100]!r}"
        raise InputError(path, where=f"line {number}", found=lines, expected=_EXPECTED)
    if not has_frame:
        raise MissingPartError(path, found="no line 'wcs; fk5'", expected="the frame of the positions")
    return BrightObjectCatalog(objects=tuple(objects), metadata=metadata)


def _add_remark(line: str, metadata: dict[str, str | int]) -> bool:
    """Record a comment of the form ``# name: value``, and tell whether it makes sense."""
    match = _REMARK.fullmatch(line)
    if match is None:
        return True
    name, value = match[1].lower(), match[2]
    if name == "tract":
        tract = parse_whole(value)
        if tract is None:
            return False
        metadata[name] = tract
    else:
        metadata[name] = value
    return True


def _parse_region(line: str) -> BrightObject | None:
    region = _REGION.fullmatch(line)
    if region is None:
        return None
    words = _SEPARATOR.split(region["numbers"].strip().removeprefix("(").removesuffix(")").strip())
    matches = [_DEGREES.fullmatch(word) for word in words]
    numbers = [float(match[1]) for match in matches if match is not None]
    if len(numbers) < len(words):
        return None
    sizes: dict[str, float]
    match region["shape"].lower(), numbers[2:]:
        case "circle", [radius]:
            sizes = {"radius": radius}
        case "box", [width, height] | [width, height, 0.0]:
            sizes = {"width": width, "height": height}
        case _:
            return None
    try:
        return BrightObject(
            id=int(region["id"]),
            ra=numbers[0],
            dec=numbers[1],
            mag=float(region["mag"] or "nan"),
            shape="box" if "width" in sizes else "circle",
            **sizes,
        )
    except ConfigError:
        return None


def regions_to_text(catalog: BrightObjectCatalog) -> str:
    """Return the regions of bright objects as a DS9 region file that `read_bright_objects` understands."""
    lines = [*(f"# {name}: {value}" for name, value in catalog.metadata.items()), "wcs; fk5"]
    for region in catalog:
        sizes = (region.radius,) if region.shape == "circle" else (region.width, region.height)
        numbers = ", ".join(f"{float(value)!r}d" for value in (region.ra, region.dec, *sizes))
        lines.append(f"{region.shape}({numbers}) # ID: {region.id}, mag: {float(region.mag)!r}")
    return "\n".join(lines) + "\n"
