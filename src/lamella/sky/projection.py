"""Projections to the sky: from FITS headers, and made to measure.

A header is reduced to the keywords that define its celestial projection; each
of them is checked, and what would change positions without being understood is
refused by name.  The rest is left to AST, through `lsst.images`.
"""

from __future__ import annotations

import dataclasses
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

__all__ = ("projection_from_header", "same_grid")

guard_ast()

_AXES = {"RA": "DEC", "GLON": "GLAT", "ELON": "ELAT", "SLON": "SLAT"}
_LONGITUDES = {latitude: longitude for longitude, latitude in _AXES.items()}
# The projections of FITS paper II, HPX, and TPV (TAN with a polynomial in PV).
_CODES = re.compile(
    "AZP|SZP|TAN|STG|SIN|ARC|ZPN|ZEA|AIR|CYP|CEA|CAR|MER|COP|COE|COD|COO|"
    "SFL|PAR|MOL|AIT|BON|PCO|TSC|CSC|QSC|HPX|TPV"
)
_SYSTEMS = frozenset({"ICRS", "FK5", "FK4", "FK4-NO-E"})
_DISTORTION = re.compile(r"(CPDIS|CQDIS|D2IMDIS)\d|D[PQ]\d(\..*)?$|AXISCORR$|D2IM\d|PC\d{6}$")
_SIP = re.compile(r"([AB])_(\d+)_(\d+)$")
_INVERSE_SIP = re.compile(r"[AB]P_(ORDER|\d+_\d+)$")
_PV = re.compile(r"PV([12])_(\d+)$")
_MIN_SIP, _MAX_SIP = 2, 9
_MAX_TPV = 39


def projection_from_header(
    header: Mapping[str, Any],
    *,
    path: str | PathLike[str],
    hdu: int | str,
    pixel_frame: Any = None,
    x0: int = 0,
    y0: int = 0,
) -> SkyProjection[Any]:
    """Return the projection that a FITS header defines, in ICRS.

    All projections of the FITS standard are understood, and three kinds of
    distortion: SIP (also where CTYPE does not say so, which is common), TPV,
    and SCAMP's TAN with PV keywords, which means the same.  Where both SIP and
    PV are there CTYPE decides, and if it does not, the header is refused.  The
    inverse polynomials of SIP (AP, BP) are not used: inverses are computed.

    Parameters
    ----------
    header
        Header, as `astropy.io.fits.Header` or a mapping of keywords.
    path, hdu
        Where the header stands, for messages.
    pixel_frame
        Frame of the pixels; by default a `lsst.images.GeneralFrame`.
    x0, y0
        Coordinates of the first pixel of the array.

    Returns
    -------
    lsst.images.SkyProjection
        Pixels, the first of the array being ``(x0, y0)``, to ICRS.

    Raises
    ------
    ProjectionError
        Raised when the header has no celestial projection, one that is not
        finite or singular, or a distortion that is not understood.
    """
    where = f"HDU {hdu}" if isinstance(hdu, int) else str(hdu)
    cards = list(_Reader(header, path, where).cards(x0, y0))
    return _read_cards(cards, path, where, pixel_frame)


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


def _read_cards(
    cards: list[tuple[str, Any]], path: str | PathLike[str], where: str, pixel_frame: Any
) -> SkyProjection[Any]:
    texts = [f"'{value:<8}'" if isinstance(value, str) else f"{value!r:>20}".upper() for _, value in cards]
    text = "\n".join(f"{key:<8}= {value}".ljust(80) for (key, _), value in zip(cards, texts, strict=True))
    try:
        channel = astshim.FitsChan(astshim.StringStream(text), "Encoding=FITS-WCS, SipReplace=0, IWC=1")
        frames = channel.read()
        # On the frame set, not on its frame: only so the mapping follows.
        frames.system = "ICRS"
        frame = pixel_frame if pixel_frame is not None else GeneralFrame(unit=u.pix)
        return SkyProjection.from_ast_frame_set(frames, frame)
    except Exception as err:
        reason = " ".join(str(err).split()) or type(err).__name__
        raise ProjectionError(
            path, where=where, found=f"a projection that AST cannot read ({reason})", expected="a FITS WCS"
        ) from err


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Takes the celestial projection out of a header, and checks each keyword on the way."""

    header: Mapping[str, Any]
    path: str | PathLike[str]
    where: str

    def error(self, keyword: str, value: str, expected: str) -> ProjectionError:
        return ProjectionError(self.path, where=f"{self.where}, {keyword}", found=value, expected=expected)

    def number(self, keyword: str, default: float | None = None) -> float:
        value = self.header.get(keyword, default)
        if value is None:
            raise self.error(keyword, "nothing", "a number")
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise self.error(keyword, f"{value!r}", "a number")
        if not math.isfinite(value):
            raise self.error(keyword, f"{value}", "a finite number")
        return float(value)

    def text(self, *keywords: str) -> str:
        for keyword in keywords:
            value = str(self.header.get(keyword) or "").strip()
            if value:
                return value
        return ""

    def cards(self, x0: int, y0: int) -> Iterator[tuple[str, Any]]:
        """Yield the keywords of a header with longitude first, degrees, and a CD matrix."""
        names, code, suffix = self.types()
        self.refuse_unknown()
        distortion = self.distortion(code, suffix)
        ctype = {"sip": "TAN-SIP", "tpv": "TPV"}.get(distortion, code)
        order = (1, 2) if names[0] in _AXES else (2, 1)
        matrix, scales = self.matrix(order), [self.unit_scale(axis) for axis in (1, 2)]
        for i, axis in enumerate(order, start=1):
            yield f"CTYPE{i}", f"{names[axis - 1]:-<4}-{ctype}"
            yield f"CUNIT{i}", "deg"
            yield f"CRVAL{i}", self.number(f"CRVAL{axis}") * scales[axis - 1]
            yield from ((f"CD{i}_{j}", float(matrix[axis - 1, j - 1]) * scales[axis - 1]) for j in (1, 2))
        # The array's first pixel is 1 in FITS and (x0, y0) here.
        yield "CRPIX1", self.number("CRPIX1") - 1.0 + x0
        yield "CRPIX2", self.number("CRPIX2") - 1.0 + y0
        yield from self.sip() if distortion == "sip" else self.pv(order, distortion == "tpv")
        yield from self.system()

    def types(self) -> tuple[tuple[str, str], str, str]:
        """Return the names of both axes, the code of the projection, and what follows it."""
        ctypes = [self.text(f"CTYPE{axis}") for axis in (1, 2)]
        if not all(ctypes):
            raise self.error("CTYPE1, CTYPE2", "no projection to the sky", "a celestial WCS")
        matches = [re.fullmatch(r"([A-Z]+)-+([A-Z]{3})(-[A-Z]+)?", ctype) for ctype in ctypes]
        for axis, (ctype, match) in enumerate(zip(ctypes, matches, strict=True), start=1):
            if match is None or not _CODES.fullmatch(match[2]) or match[3] not in (None, "-SIP"):
                raise self.error(
                    f"CTYPE{axis}", f"{ctype!r}", "a projection of the FITS standard, TAN-SIP or TPV"
                )
        names = (str(matches[0][1]), str(matches[1][1]))  # type: ignore[index]
        tails = {(match[2], match[3] or "") for match in matches if match}
        if names[1] not in (_AXES.get(names[0]), _LONGITUDES.get(names[0])) or len(tails) != 1:
            raise self.error("CTYPE1, CTYPE2", f"{ctypes[0]!r} and {ctypes[1]!r}", "a pair of celestial axes")
        return names, *tails.pop()

    def refuse_unknown(self) -> None:
        for keyword, value in self.header.items():
            if _DISTORTION.match(keyword):
                raise self.error(keyword, f"{value!r}", "no distortion but SIP or TPV")
            if keyword.startswith("WAT") and re.search(r"lngcor|latcor", str(value)):
                raise self.error(keyword, "a TNX or ZPX distortion", "no distortion but SIP or TPV")

    def distortion(self, code: str, suffix: str) -> str:
        """Return ``"sip"``, ``"tpv"`` or an empty string."""
        forward = [key for key in self.header if _SIP.match(key) or key in ("A_ORDER", "B_ORDER")]
        inverse = [key for key in self.header if _INVERSE_SIP.match(key)]
        if inverse and not forward:
            raise self.error(inverse[0], "an inverse distortion alone", "the forward distortion (A, B)")
        if code == "TPV" and not suffix:
            return "tpv"
        if suffix and code != "TAN":
            raise self.error("CTYPE1", f"SIP on a {code} projection", "TAN-SIP")
        if suffix:
            return "sip"
        scamp = code == "TAN" and self.has_scamp_terms()
        if forward and (scamp or code != "TAN"):
            raise self.error(
                forward[0], f"SIP terms beside {code} with PV terms", "one distortion, named in CTYPE"
            )
        return "sip" if forward else "tpv" if scamp else ""

    def has_scamp_terms(self) -> bool:
        # On the longitude axis the standard itself gives a meaning to PVi_0 to PVi_4.
        axis = 1 if self.text("CTYPE1")[:2] == "RA" or self.text("CTYPE1")[1:4] == "LON" else 2
        matches = [match for key in self.header if (match := _PV.match(key))]
        return any(int(match[1]) != axis or int(match[2]) > 4 for match in matches)

    def matrix(self, order: tuple[int, int]) -> np.ndarray:
        """Return the matrix from pixels to intermediate coordinates, in the units of the header."""
        pairs = [(i, j) for i in (1, 2) for j in (1, 2)]
        if any(f"CD{i}_{j}" in self.header for i, j in pairs):
            values = [self.number(f"CD{i}_{j}", 0.0) for i, j in pairs]
            matrix = np.array(values).reshape(2, 2)
            self.require_same_as_pc(matrix)
        else:
            matrix = self.scaled_matrix(order)
        if abs(np.linalg.det(matrix)) <= 1e-12 * np.abs(matrix).max() ** 2:
            raise self.error("CD matrix", f"the singular matrix {matrix.tolist()}", "an invertible matrix")
        return matrix

    def require_same_as_pc(self, matrix: np.ndarray) -> None:
        """Refuse a CD matrix beside a PC matrix that says something else.

        The standard forbids one beside the other, and programs differ in which of them they take.
        """
        cards = [f"PC{i}_{j}" for i in (1, 2) for j in (1, 2) if f"PC{i}_{j}" in self.header]
        if not cards:
            return
        scale = np.array([self.number(f"CDELT{axis}", 1.0) for axis in (1, 2)])
        other = np.diag(scale) @ self.pc_matrix()
        # Both are often rounded to seven digits or so.
        if np.abs(other - matrix).max() > 1e-6 * np.abs(matrix).max():
            raise self.error(
                f"CD1_1, {cards[0]}",
                f"the CD matrix {matrix.tolist()} beside CDELT and PC, whose product is {other.tolist()}",
                "one of them, or the same in both",
            )

    def pc_matrix(self) -> np.ndarray:
        return np.array([[self.number(f"PC{i}_{j}", float(i == j)) for j in (1, 2)] for i in (1, 2)])

    def scaled_matrix(self, order: tuple[int, int]) -> np.ndarray:
        if "CDELT1" not in self.header or "CDELT2" not in self.header:
            raise self.error("CD1_1", "neither a CD matrix nor CDELT", "a scale of the pixels")
        scale = np.array([self.number("CDELT1"), self.number("CDELT2")])
        turn = math.radians(self.number(f"CROTA{order[1]}", 0.0))
        if any(f"PC{i}_{j}" in self.header for i in (1, 2) for j in (1, 2)):
            return np.asarray(np.diag(scale) @ self.pc_matrix())
        if turn and order == (2, 1):
            raise self.error("CROTA1", "a rotation with latitude on the first axis", "a CD or PC matrix")
        rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        return np.asarray(rotation @ np.diag(scale))

    def unit_scale(self, axis: int) -> float:
        unit = self.text(f"CUNIT{axis}") or "deg"
        try:
            return float(u.Unit(unit).to(u.deg))
        except (ValueError, u.UnitConversionError) as err:
            raise self.error(f"CUNIT{axis}", f"{unit!r}", "a unit of angle") from err

    def sip(self) -> Iterator[tuple[str, Any]]:
        """Yield all terms of SIP up to the order, those that are zero and not in the header included.

        Without a term in its own coordinate, AST takes that coordinate for
        lost, and with it the identity that SIP adds its terms to.
        """
        terms = {name: self.sip_terms(name) for name in "AB"}
        order = max(self.sip_order(name, terms[name]) for name in "AB")
        for name in "AB":
            yield f"{name}_ORDER", order
            for power in range(order + 1):
                for other in range(order + 1 - power):
                    yield f"{name}_{power}_{other}", terms[name].get((power, other), 0.0)

    def sip_terms(self, name: str) -> dict[tuple[int, int], float]:
        """Return the terms of one axis in the header, by the powers of both coordinates."""
        matches = [match for key in self.header if (match := _SIP.match(key)) and match[1] == name]
        return {(int(match[2]), int(match[3])): self.number(match[0]) for match in matches}

    def sip_order(self, name: str, terms: Mapping[tuple[int, int], float]) -> int:
        """Return the order of one axis, but 2 at least."""
        order = self.number(f"{name}_ORDER")
        if order not in range(_MAX_SIP + 1):
            raise self.error(f"{name}_ORDER", f"{order:g}", f"an integer from 0 to {_MAX_SIP}")
        beyond = next((power for power in terms if sum(power) > order), None)
        if beyond is not None:
            key = f"{name}_{beyond[0]}_{beyond[1]}"
            raise self.error(key, "a term", f"no term beyond {name}_ORDER = {order:g}")
        return max(int(order), _MIN_SIP)

    def pv(self, order: tuple[int, int], tpv: bool) -> Iterator[tuple[str, Any]]:
        for key in self.header:
            if match := _PV.match(key):
                axis, term = order.index(int(match[1])) + 1, int(match[2])
                if tpv and term > _MAX_TPV:
                    raise self.error(key, "a term", f"no term beyond {_MAX_TPV}")
                yield f"PV{axis}_{term}", self.number(key)

    def system(self) -> Iterator[tuple[str, Any]]:
        """Yield what defines the celestial system, by the rules of the standard where it is implicit."""
        system = self.text("RADESYS", "RADECSYS").upper()
        if system:
            if system not in _SYSTEMS:
                raise self.error("RADESYS", f"{system!r}", f"one of {', '.join(sorted(_SYSTEMS))}")
            yield "RADESYS", system
        for keyword in ("EQUINOX", "EPOCH"):
            if keyword in self.header:
                yield "EQUINOX", self.number(keyword)
                break
        for keyword in ("LONPOLE", "LATPOLE"):
            if keyword in self.header:
                yield keyword, self.number(keyword)
        if system.startswith("FK4") and "MJD-OBS" in self.header:
            yield "MJD-OBS", self.number("MJD-OBS")
