"""Projections to the sky: from FITS headers, and made to measure.

A header is reduced to the keywords that define its celestial projection; each
of them is checked, and what would change positions without being understood is
refused by name.  The rest is left to AST, through `lsst.images`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any

import astropy.units as u
import numpy as np
from lsst.images import Box, GeneralFrame, SkyProjection, TractFrame

# `SkyProjection.from_ast_frame_set` is public, but what it takes is made here.
from lsst.images._transforms import _ast as astshim

from ..astlock import guard_ast
from ..errors import ProjectionError
from .distortion_kind import IRAF, PARAMETER, distortion_kind, distortion_notes
from .distortion_tables import TableReader, has_tables, header_tables
from .iraf import PlaneCorrection, read_correction
from .lookup import prepend_tables
from .sip import SipTerms
from .wcs_cards import LATITUDES, WcsCards
from .wcs_matrix import matrix_notes, pixel_matrix
from .wcs_system import system_cards, system_notes

__all__ = ("projection_cards", "projection_from_header", "projection_notes", "same_grid")

guard_ast()

_OLD_PV = re.compile(r"PROJP(\d)")
_MAX_TPV = 39
_AIPS = {"NCP": "SIN", "GLS": "SFL"}

type _Cards = list[tuple[str, Any]]


def projection_from_header(
    header: Mapping[str, Any],
    *,
    path: str | PathLike[str],
    hdu: int | str,
    pixel_frame: Any = None,
    start: tuple[int, int] = (0, 0),
    tables: TableReader | None = None,
) -> SkyProjection[Any]:
    """Return the projection that a FITS header defines, in ICRS.

    All projections of the FITS standard are understood, and these distortions:
    SIP on any of them (also where CTYPE does not say so, which is common), TPV,
    SCAMP's TAN with PV keywords, which means the same, TNX and ZPX of IRAF, and
    lookup tables (CPDIS, D2IMDIS, AXISCORR).  Where both SIP and
    PV are there CTYPE decides, and if it does not, the header is refused.  The
    inverse polynomials of SIP (AP, BP) are not used: inverses are computed.
    Of more than two axes the first two are taken, of several descriptions the primary one.

    Parameters
    ----------
    header
        Header, as `astropy.io.fits.Header` or a mapping of keywords.
    path, hdu
        Where the header stands, for messages.
    pixel_frame
        Frame of the pixels; by default a `lsst.images.GeneralFrame`.
    start
        Coordinates (y, x) of the first pixel of the array.
    tables
        What reads the HDUs of lookup tables: takes EXTNAME and EXTVER, and
        returns array and header.  Without it a header with tables is refused.

    Returns
    -------
    lsst.images.SkyProjection
        Pixels, the first of the array being that of ``start``, to ICRS.

    Raises
    ------
    ProjectionError
        Raised when the header has no celestial projection, one that is not
        finite or singular, or a distortion that is not understood.
    """
    cards = WcsCards.of(header, path, hdu)
    names, code, _ = cards.types()
    order = (1, 2) if names[0] in LATITUDES else (2, 1)
    # The first pixel is 1 in FITS.
    origin = (start[1] - 1.0, start[0] - 1.0)
    distortion = distortion_kind(cards, order)
    sip = SipTerms(cards) if distortion == "sip" else None
    lookups = header_tables(cards, tables, sip, origin)
    try:
        if code in IRAF:
            frames = _corrected_plane(cards, code, order, origin)
        else:
            frames = _read_frames(_plain_cards(cards, _plain_code(code, distortion), sip, order, origin))
        if lookups:
            prepend_tables(frames, lookups)
        # On the frame set, not on its frame: only so the mapping follows.
        frames.system = "ICRS"
        frame = pixel_frame if pixel_frame is not None else GeneralFrame(unit=u.pix)
        projection = SkyProjection.from_ast_frame_set(frames, frame)
        # Parameters of a projection that it lacks, or cannot have, are seen when it is first used.
        projection.pixel_to_sky_transform.apply_forward(x=0.0, y=0.0)
        return projection
    except ProjectionError:
        raise
    except Exception as err:
        reason = " ".join(str(err).split()) or type(err).__name__
        fault = f"a projection that AST cannot read ({reason})"
        raise ProjectionError(path, where=cards.where, found=fault, expected="a FITS WCS") from err


def projection_notes(
    header: Mapping[str, Any], *, path: str | PathLike[str], hdu: int | str
) -> tuple[str, ...]:
    """Return what `projection_from_header` took although another card of the header says something else.

    Raises
    ------
    ProjectionError
        Raised as there.
    """
    cards = WcsCards.of(header, path, hdu)
    order = (1, 2) if cards.types()[0][0] in LATITUDES else (2, 1)
    return (*matrix_notes(cards, order), *distortion_notes(cards, order), *system_notes(cards))


def _plain_code(code: str, distortion: str) -> str:
    return "TPV" if distortion == "tpv" else _AIPS.get(code, code)


def _plain_cards(
    cards: WcsCards, code: str, sip: SipTerms | None, order: tuple[int, int], origin: tuple[float, float]
) -> _Cards:
    """Return the keywords of a projection without lookup tables or corrections of IRAF."""
    taken = _linear_cards(cards, code if sip is None else f"{code}-SIP", order, origin)
    # TAN has no parameters: beside SIP they are left from SCAMP.
    taken += [] if sip is not None and code == "TAN" else _parameters(cards, order, code)
    return [*taken, *(sip.cards() if sip is not None else ())]


def projection_cards(
    header: Mapping[str, Any], *, path: str | PathLike[str], hdu: int | str
) -> tuple[tuple[str, int | float | str], ...]:
    """Return the keywords of the celestial projection of a header, and nothing else.

    The longitude is on the first axis, units are degrees, and the matrix is in CD keywords.

    Parameters
    ----------
    header, path, hdu
        As for `projection_from_header`.

    Raises
    ------
    ProjectionError
        Raised as by `projection_from_header`, and for distortions by lookup tables, TNX and ZPX.
    """
    cards = WcsCards.of(header, path, hdu)
    names, code, _ = cards.types()
    order = (1, 2) if names[0] in LATITUDES else (2, 1)
    distortion = distortion_kind(cards, order)
    if code in IRAF or has_tables(cards):
        distorted = f"a {code} distortion" if code in IRAF else "a distortion in lookup tables"
        raise ProjectionError(path, where=cards.where, found=distorted, expected="none, or SIP")
    sip = SipTerms(cards) if distortion == "sip" else None
    return tuple(_plain_cards(cards, _plain_code(code, distortion), sip, order, (0.0, 0.0)))


def same_grid(
    first: SkyProjection[Any], second: SkyProjection[Any], box: Box, *, tolerance: float = 1e-6
) -> bool:
    """Return whether two projections put the same pixels on the same sky.

    Parameters
    ----------
    first, second
        The projections; two that name tracts must name the same one.
    box
        Pixels; corners, edges and centre of the box are compared.
    tolerance
        Greatest difference in x and in y, in pixels.
    """
    if first == second:
        return True
    frames = first.pixel_frame, second.pixel_frame
    if all(isinstance(frame, TractFrame) for frame in frames) and frames[0] != frames[1]:
        return False
    x, y = np.meshgrid(*([i.start - 0.5, i.center, i.stop - 0.5] for i in (box.x, box.y)))
    there = second.sky_to_pixel(first.pixel_to_sky(x=x, y=y))
    # Where there is no pixel, AST gives numbers that are too large to be squared.
    return bool(np.maximum(np.abs(there.x - x), np.abs(there.y - y)).max() <= tolerance)


def _linear_cards(cards: WcsCards, ctype: str, order: tuple[int, int], origin: tuple[float, float]) -> _Cards:
    """Return the keywords of a header with longitude first, degrees, and a CD matrix."""
    matrix = _degrees(cards, order)
    taken = _sky_cards(cards, order, ctype)
    taken += [(f"CD{i}_{j}", float(matrix[i - 1, j - 1])) for i in (1, 2) for j in (1, 2)]
    return taken + [(f"CRPIX{axis}", cards.number(f"CRPIX{axis}") + origin[axis - 1]) for axis in (1, 2)]


def _degrees(cards: WcsCards, order: tuple[int, int]) -> np.ndarray:
    """Return the matrix from pixels to longitude and latitude, in degrees."""
    scales = np.array([[cards.unit_scale(axis)] for axis in (1, 2)])
    rows: np.ndarray = (pixel_matrix(cards, order) * scales)[np.array(order) - 1]
    return rows


def _sky_cards(cards: WcsCards, order: tuple[int, int], ctype: str) -> _Cards:
    """Return the keywords of the sky, longitude first: types, reference values and system."""
    names = cards.types()[0]
    taken: _Cards = []
    for i, axis in enumerate(order, start=1):
        taken.append((f"CTYPE{i}", f"{names[axis - 1]:-<4}-{ctype}"))
        taken.append((f"CUNIT{i}", "deg"))
        taken.append((f"CRVAL{i}", cards.number(f"CRVAL{axis}") * cards.unit_scale(axis)))
    return taken + list(system_cards(cards))


def _parameters(cards: WcsCards, order: tuple[int, int], code: str) -> Iterator[tuple[str, Any]]:
    """Yield the parameters of a projection, those of older conventions under their present names."""
    if cards.types()[1] in _AIPS:
        yield from _aips_parameters(cards, cards.types()[1], order)
        return
    for key in cards:
        if match := PARAMETER.fullmatch(key):
            axis, term = order.index(int(match[1])) + 1, int(match[2])
            if code == "TPV" and term > _MAX_TPV:
                raise cards.error(key, "a term", f"no term beyond {_MAX_TPV}")
            yield f"PV{axis}_{term}", cards.number(key)
        elif (match := _OLD_PV.fullmatch(key)) and f"PV{order[1]}_{match[1]}" not in cards:
            yield f"PV2_{match[1]}", cards.number(key)


def _aips_parameters(cards: WcsCards, code: str, order: tuple[int, int]) -> Iterator[tuple[str, Any]]:
    """Yield what makes SIN the NCP of AIPS, and SFL its GLS (FITS paper II, 6.1)."""
    latitude = cards.number(f"CRVAL{order[1]}") * cards.unit_scale(order[1])
    if code == "NCP":
        sine = math.sin(math.radians(latitude))
        if sine == 0.0:
            raise cards.error(f"CTYPE1, CRVAL{order[1]}", "NCP on the equator", "another projection")
        yield "PV2_1", 0.0
        yield "PV2_2", math.cos(math.radians(latitude)) / sine
    elif latitude:
        yield from (("PV1_0", 1.0), ("PV1_1", 0.0), ("PV1_2", latitude))


def _corrected_plane(cards: WcsCards, code: str, order: tuple[int, int], origin: tuple[float, float]) -> Any:
    """Return the frames of TNX or ZPX: matrix, correction of the plane in degrees, projection."""
    correction = read_correction(cards, order)
    if code == "ZPX" and not any(correction.parameters.values()):
        raise cards.error("WAT1_001, projp", "no parameters of ZPX", "the polynomial of ZPN")
    numbers = [(f"PV2_{index}", value) for index, value in correction.parameters.items() if code == "ZPX"]
    plane = [("CRPIX1", 0.0), ("CRPIX2", 0.0), ("CD1_1", 1.0), ("CD2_2", 1.0)]
    frames = _read_frames(_sky_cards(cards, order, IRAF[code]) + plane + numbers)
    centre = [-cards.number(f"CRPIX{axis}") - origin[axis - 1] for axis in (1, 2)]
    linear = astshim.ShiftMap(centre).then(astshim.MatrixMap(_degrees(cards, order)))
    mapping = linear.then(_surface_map(correction))
    current, base = frames.current, frames.base
    frames.addFrame(base, mapping.inverted(), astshim.Frame(2, "Domain=GRID"))
    frames.base, frames.current = frames.current, current
    return frames


def _surface_map(correction: PlaneCorrection) -> Any:
    """Return the mapping that adds a correction to both coordinates; its inverse is found by iteration."""
    rows = []
    for axis, surface in enumerate((correction.longitude, correction.latitude), start=1):
        own = (1, 0) if axis == 1 else (0, 1)
        powers = {own: 0.0} | {(int(i), int(j)): float(surface[i, j]) for i, j in np.argwhere(surface)}
        powers[own] += 1.0
        rows += [[value, axis, *power] for power, value in powers.items()]
    return astshim.PolyMap(np.array(rows), 2, "IterInverse=1, NIterInverse=20, TolInverse=1e-11")


def _read_frames(cards: _Cards) -> Any:
    texts = [f"'{value:<8}'" if isinstance(value, str) else f"{value!r:>20}".upper() for _, value in cards]
    text = "\n".join(f"{key:<8}= {value}".ljust(80) for (key, _), value in zip(cards, texts, strict=True))
    channel = astshim.FitsChan(astshim.StringStream(text), "Encoding=FITS-WCS, SipReplace=0, IWC=1")
    return channel.read()
