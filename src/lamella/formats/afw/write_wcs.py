"""Projections to the sky as afw writes them: the text of AST, with the frames that a SkyWcs must have."""

from __future__ import annotations

from typing import Any

import numpy as np
from lsst.images import Box, SkyProjection

# The mapping of a projection is only to be had in these wrappers.
from lsst.images._transforms import _ast as astshim

from ...astlock import guard_ast
from ...errors import ProjectionError
from .astcheck import check_ast
from .asttext import parse_ast
from .write_tables import Field, OutputArchive, Part

__all__ = ("add_projection", "sky_wcs_text")

guard_ast()

_FIELDS = (Field("wcs", "B", "wcs string representation", count=0),)
_PLANE = "FITS Intermediate World Coordinates"


def add_projection(archive: OutputArchive, projection: SkyProjection[Any], bbox: Box) -> int:
    """Add a projection as a SkyWcs; one that is there already is not added again.

    Returns
    -------
    int
        Number of the object.

    Raises
    ------
    ProjectionError
        Raised when the projection has no text that afw could read.
    """
    text = sky_wcs_text(projection, bbox)
    return archive.shared(
        ("SkyWcs", text), lambda: archive.add("SkyWcs", "lsst.afw.geom", Part(_FIELDS, [{"wcs": text}]))
    )


def sky_wcs_text(projection: SkyProjection[Any], bbox: Box) -> bytes:
    """Return the text of a projection as a SkyWcs holds it.

    afw asks for the frames PIXELS, IWC and SKY.  A projection that has them,
    because afw wrote it, is written as it is.  For others, the frame in the
    middle is the plane that touches the sky at a reference position, in
    degrees: that of the projection where it has one, and otherwise where the
    middle of its pixels is.

    Parameters
    ----------
    projection
        Pixels, from 0, to ICRS.
    bbox
        The pixels.

    Raises
    ------
    ProjectionError
        Raised when it consists of parts that the text cannot hold.
    """
    mapping: Any = projection.pixel_to_sky_transform._ast_mapping
    try:
        complete = False
        if _has_frames(mapping):
            domains = [mapping.getFrame(number).domain for number in range(1, mapping.nFrame + 1)]
            ends = domains[mapping.base - 1], domains[mapping.current - 1]
            complete = ends in (("PIXELS", "SKY"), ("ACTUAL_PIXELS", "SKY"))
            complete = complete and {"PIXELS", "IWC"} <= set(domains)
        frames = mapping if complete else _complete(projection, mapping, bbox)
        tree = parse_ast(frames.show(False))
        check_ast(tree)
    except (ValueError, RuntimeError, TypeError) as err:
        reason = " ".join(str(err).split())[:200]
        raise ProjectionError("afw", where="SkyWcs", found=reason, expected="a projection") from err
    return f"1 SkyWcs 0 {tree.write()}".encode("ascii")


def _complete(projection: SkyProjection[Any], mapping: Any, bbox: Box) -> Any:
    """Return frames that are linked by the parts of a projection."""
    # Right ascension and declination of the point of reference, in degrees.
    frame = parse_ast(mapping.getFrame(mapping.current).show(False)) if _has_frames(mapping) else None
    reference = [None if frame is None else frame.own.get(key) for key in ("SRef1", "SRef2")]
    if all(isinstance(value, str) for value in reference):
        lon, lat = (float(np.degrees(float(str(value)))) for value in reference)
    else:
        centre = projection.pixel_to_sky(x=float(bbox.x.center), y=float(bbox.y.center))
        lon, lat = float(centre.ra.deg), float(centre.dec.deg)
    # The map from the plane that touches the sky at this point, in degrees, and the frame of the sky.
    numbers = {"CRPIX1": 0.0, "CRPIX2": 0.0, "CRVAL1": lon, "CRVAL2": lat, "CD1_1": 1.0, "CD2_2": 1.0}
    texts = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "RADESYS": "ICRS"}
    cards = [f"{key:<8}= {value!r:>20}".upper() for key, value in numbers.items()]
    cards += [f"{key:<8}= '{value:<8}'" for key, value in texts.items()]
    stream = astshim.StringStream("\n".join(card.ljust(80) for card in cards))
    tangent = astshim.FitsChan(stream, "Encoding=FITS-WCS").read()
    plane = tangent.getMapping(tangent.base, tangent.current)
    frames = astshim.FrameSet(astshim.Frame(2, "Domain=PIXELS"))
    options = f"Domain=IWC, Title={_PLANE}, Unit(1)=deg, Unit(2)=deg"
    total = mapping.getMapping(mapping.base, mapping.current) if _has_frames(mapping) else mapping
    frames.addFrame(1, total.then(plane.inverted()).simplified(), astshim.Frame(2, options))
    frames.addFrame(2, plane.simplified(), tangent.getFrame(tangent.current))
    return frames


def _has_frames(mapping: Any) -> bool:
    return isinstance(mapping, astshim.FrameSet)
