"""Projections to the sky in an archive: SkyWcs (text of AST), and the TanWcs and Wcs tables before it."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
from lsst.images import GeneralFrame, SkyProjection, Transform

# What `SkyProjection.from_ast_frame_set` takes is made here from text.
from lsst.images._transforms import _ast as astshim

from ...astlock import guard_ast
from ...sky.projection import projection_from_header
from .afw_archive import Archive, ObjectRecord
from .astcheck import check_ast
from .asttext import parse_ast
from .persistables import persistable

__all__ = ("read_ast",)

guard_ast()

_FRAME = GeneralFrame(unit=u.pix)
_MAX_TEXT = 4_000_000
_PROBES = np.array([0.0, 1000.0, 2000.0, 4000.0])
"""Pixels along x and y at which a projection is tried."""
_POLE = np.pi / 2 + 1e-9
_NOWHERE = 1e100
"""AST marks what is not on the projection with the most negative number."""
_MAX_TAN = 1e10
"""No header has an equinox or a pixel beyond this; wcslib writes 1e107 for numbers that are not set."""


def read_ast(data: bytes | np.ndarray, kind: str) -> Any:
    """Return an object of AST from the text in which afw wrote it.

    Parameters
    ----------
    data
        Bytes of the text: a version, the name of the class, for some classes
        a flag, and what AST's own channel wrote.
    kind
        Class that the text must name, e.g. ``"SkyWcs"``.

    Returns
    -------
    object
        The object, as `lsst.images` wraps those of AST.

    Raises
    ------
    ValueError
        Raised when the text is of another class or version, is not
        well-formed, or holds objects that AST could not read safely.
    """
    raw = bytes(data)
    if len(raw) > _MAX_TEXT:
        raise ValueError(f"a text of {len(raw)} bytes")
    text = raw.rstrip(b"\0").decode("ascii")
    head, begin, rest = text.partition("Begin")
    words = head.split()
    if words[:2] != ["1", kind] or not begin:
        raise ValueError(f"a text that begins with {head[:40]!r}, not with '1 {kind}'")
    tree = parse_ast(begin + rest)
    check_ast(tree)
    return astshim.Object.fromString(tree.write())


@persistable("SkyWcs")
def build_sky_wcs(record: ObjectRecord, archive: Archive) -> SkyProjection[Any]:
    """Return the projection that a SkyWcs is; pixels are those of the parent image, from 0."""
    frames = read_ast(record.row().array("wcs"), "SkyWcs")
    if not isinstance(frames, astshim.FrameSet):
        record.fail(found=f"a {type(frames).__name__}", expected="a FrameSet of AST")
    sky = frames.getFrame(frames.current)
    if not isinstance(sky, astshim.SkyFrame) or (sky.lonAxis, sky.latAxis) != (1, 2):
        record.fail(found="a frame of another kind", expected="longitude and latitude on the sky")
    projection = SkyProjection.from_ast_frame_set(frames, _FRAME)
    # A damaged projection may lead beyond the poles, where astropy would fail later.
    x, y = np.meshgrid(_PROBES, _PROBES)
    latitudes = np.abs(projection.pixel_to_sky_transform.apply_forward(x=x, y=y).y)
    if ((latitudes > _POLE) & (latitudes < _NOWHERE)).any():
        record.fail(found="latitudes beyond the poles", expected="positions on the sky")
    return projection


@persistable("TransformPoint2ToPoint2")
def build_transform(record: ObjectRecord, archive: Archive) -> Transform[Any, Any]:
    """Return the transformation of points that a TransformPoint2ToPoint2 is."""
    mapping = read_ast(record.row().array("bytes"), "TransformPoint2ToPoint2")
    if not isinstance(mapping, astshim.Mapping):
        record.fail(found=f"a {type(mapping).__name__}", expected="a mapping of AST")
    return Transform(_FRAME, _FRAME, mapping)


@persistable("TanWcs", "Wcs")
def build_old_wcs(record: ObjectRecord, archive: Archive) -> SkyProjection[Any]:
    """Return the projection of the tables of old files: a FITS header in columns, with SIP in a second table.

    CRPIX counts pixels of the parent image from 0 there.  Matrices are stored
    column by column, which the inverse polynomials of a SIP table confirm.
    """
    row = record.row()
    pixel, sky, matrix = row.point("crpix"), row.point("crval"), row.array("cd")
    if matrix.size != 4:
        raise ValueError(f"a matrix of {matrix.size} elements")
    cards: dict[str, Any] = {"RADESYS": row.text("radesys", "")}
    equinox = row.number("equinox", 2000.0)
    if abs(equinox) < _MAX_TAN:
        cards["EQUINOX"] = equinox
    for axis in (0, 1):
        number = axis + 1
        cards[f"CTYPE{number}"] = row.text(f"ctype{number}")
        cards[f"CUNIT{number}"] = row.text(f"cunit{number}", "deg") or "deg"
        cards[f"CRPIX{number}"] = pixel[axis] + 1.0
        cards[f"CRVAL{number}"] = sky[axis]
        for other in (0, 1):
            cards[f"CD{number}_{other + 1}"] = float(matrix[axis + 2 * other])
    cards = {key: value for key, value in cards.items() if value != ""}
    for name in ("A", "B") if len(record) > 1 else ():
        values = record.row(1).array(name)
        size = round(values.size**0.5)
        if size * size != values.size or size < 1:
            raise ValueError(f"a polynomial {name} of {values.size} coefficients")
        cards[f"{name}_ORDER"] = size - 1
        terms = values.reshape((size, size), order="F")
        cards |= {f"{name}_{p}_{q}": float(terms[p, q]) for p, q in zip(*np.nonzero(terms), strict=True)}
    # A frame without a name is that of the equinox, by the rule of FITS.
    return projection_from_header(cards, path=archive.container.path, hdu=f"object {record.id}")
