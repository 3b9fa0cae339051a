"""Warps and coadds as files that the C++ stack of LSST, DS9 and astropy can open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from typing import IO

import numpy as np
import shapely
from astropy.io import fits
from lsst.images import Polygon, TractFrame

from ... import __version__
from ...data.coadd import PatchCoadd
from ...data.warp import Warp
from ...errors import InvalidPsfError, LamellaError, MissingPartError, OutputError
from ...files import atomic_path
from ...fits.compression import submit_tiles
from ...fits.headers import add_plane_cards, projection_header
from ...fits.text import to_fits, unit_text
from ...fits.write import Card, dump_header, write_hdu, write_image, write_tiles
from ...image.planes import mask_plane_of
from ..time_cards import in_tai, time_cards
from ..units import reference_cards
from .coverage import outlines
from .own import OWN_CARD, box_to_card
from .write_inputs import add_polygon, add_records
from .write_psf import add_psf
from .write_tables import Field, OutputArchive, Part, box_fields, box_values
from .write_wcs import add_projection

__all__ = ("write_afw",)

_LAYOUT = 2
"""Layout of the components (EXPINFO_V)."""
_ARCHIVE_HDU = 5
"""The archive follows the empty primary HDU and three planes; FITS counts from 1."""
_LABEL_LENGTH = 32


def write_afw(
    product: Warp | PatchCoadd, path: str | PathLike[str], *, compress: bool = True
) -> tuple[str, ...]:
    """Write a warp or a coadd as an exposure of the C++ stack (afw), all or nothing.

    The file has image (nJy, or the flux unit of the product), mask and variance,
    and an archive with projection, calibration, filter, inputs, valid region and PSF.  Equal products make
    equal files, byte by byte.

    Parameters
    ----------
    product
        What to write.
    path
        Final name; an existing file is replaced.
    compress
        Whether to compress the planes, without loss, as afw does by default.

    Returns
    -------
    tuple of str
        What the file does not say, or not exactly, because afw has no class for it.  Fluxes without a zero
        point are one such thing: there is no calibration then, and afw gives no magnitudes.

    Raises
    ------
    MissingPartError
        Raised when the product has no projection.
    ProjectionError
        Raised when afw has no way to hold the projection.
    OutputError
        Raised when the file cannot be written, or a value does not fit into it.

    Notes
    -----
    Without the C++ stack it could not be tried whether it opens these files.

    Examples
    --------
    >>> import lamella
    >>> coadd = lamella.read_product("demo/coadds/coadd-r-0-0,0.fits")
    >>> missing = lamella.write_afw(coadd, "deepCoadd-r.fits")
    >>> lamella.read_product("deepCoadd-r.fits").bbox == coadd.bbox
    True
    """
    try:
        archive = OutputArchive()
        numbers, notes = _add_components(archive, product, path)
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            write_hdu(stream, dump_header(fits.PrimaryHDU(header=_primary(product, numbers)).header))
            _write_planes(stream, product, path, compress=compress)
            archive.write(stream)
    except LamellaError:
        raise
    except (ValueError, OverflowError) as err:
        raise OutputError(path, reason=" ".join(str(err).split())) from err
    return notes


def _add_components(
    archive: OutputArchive, product: Warp | PatchCoadd, path: str | PathLike[str]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Add all components; return their numbers by name, and what is to be said of them."""
    projection = product.sky_projection
    if projection is None:
        raise MissingPartError(path, where="SKYWCS", found="a product without a projection", expected="one")
    frame = projection.pixel_frame
    wcs = add_projection(archive, projection, frame.bbox if isinstance(frame, TractFrame) else product.bbox)
    records = add_records(archive, product, wcs)
    psf, notes = records.psf, list(records.notes)
    if product.matched_psf is not None:
        try:
            psf, note = add_psf(archive, product.matched_psf, product.bbox)
        except InvalidPsfError as err:
            psf, note = 0, str(err)
        notes += [note] if note else []
    if psf == 0:
        notes.append("The file has no PSF.")
    unit = product.flux_unit
    if not unit.is_absolute:
        notes.append(f"{unit.note} The file has no calibration (PhotoCalib).")
    length = max(_LABEL_LENGTH, len(to_fits(product.band)))
    fields = (
        Field("band_exists", "X", "Existence flag for band"),
        Field("physical_exists", "X", "Existence flag for physical"),
        Field("band", "A", "Name of the band.", count=length),
        Field("physical", "A", "Name of the physical filter.", count=_LABEL_LENGTH),
    )
    row = {"band_exists": True, "physical_exists": False, "band": product.band, "physical": ""}
    numbers = {
        "SKYWCS": wcs,
        "PHOTOCALIB": _add_calibration(archive) if unit.is_absolute else 0,
        "FILTER": archive.add("FilterLabel", "lsst.afw.image", Part(fields, [row])),
        "COADD_INPUTS": records.inputs,
        "VALID_POLYGON": add_polygon(archive, _valid_region(product)),
        "PSF": psf,
    }
    return {name: number for name, number in numbers.items() if number}, tuple(notes)


def _add_calibration(archive: OutputArchive) -> int:
    """Add the calibration of pixels in nJy; afw gives a constant one as a polynomial without a box, too."""
    field = archive.add(
        "ChebyshevBoundedField",
        "lsst.afw.math",
        Part(
            (
                Field("order_x", "J", "maximum Chebyshev function order in x"),
                *box_fields("bounding box ({}imum)"),
                Field(
                    "coefficients", "D", "Chebyshev function coefficients, ordered by y then x", kind="Array"
                ),
            ),
            [{"order_x": 0, "coefficients": 1.0, **box_values(None)}],
        ),
    )
    fields = (
        Field("isConstant", "X", "Is this spatially-constant?"),
        Field("calibrationMean", "D", "mean calibration on this PhotoCalib's domain", "count"),
        Field("calibrationErr", "D", "1-sigma error on calibrationMean", "count"),
        Field("field", "J", "archive ID of the BoundedField object"),
        Field("version", "J", "version of this PhotoCalib"),
    )
    row = {"isConstant": True, "calibrationMean": 1.0, "calibrationErr": 0.0, "field": field, "version": 1}
    return archive.add("PhotoCalib", "lsst.afw.image", Part(fields, [row]))


def _valid_region(product: Warp | PatchCoadd) -> Polygon | None:
    """Return a polygon around the data: the outlines of the inputs or, if they are several parts, their hull.

    afw has one polygon without holes; outside of it, there is nothing.
    """
    projection, box = product.sky_projection, product.bbox
    if projection is None:
        return None
    parts = [shapely.make_valid(shapely.Polygon(ring)) for ring in outlines(product.detectors, projection)]
    x, y = box.x, box.y
    pixels = shapely.box(x.start - 0.5, y.start - 0.5, x.stop - 0.5, y.stop - 0.5)
    region = shapely.union_all(parts).intersection(pixels)
    if region.geom_type != "Polygon":
        region = region.convex_hull
    if region.geom_type != "Polygon" or region.is_empty:
        return None
    corners = shapely.get_coordinates(shapely.Polygon(region.exterior).normalize())[:-1]
    return Polygon(x_vertices=corners[:, 0], y_vertices=corners[:, 1])


def _primary(product: Warp | PatchCoadd, numbers: dict[str, int]) -> fits.Header:
    """Return the header with the numbers of the components, and who is who."""
    header = fits.Header()
    header["HIERARCH EXPINFO_V"] = (_LAYOUT, "layout of the components")
    header["AR_HDU"] = (_ARCHIVE_HDU, "HDU (1-indexed) of the archive of components")
    for name, number in numbers.items():
        for key in (f"{name}_ID", f"ARCHIVE_ID_{name}"):
            header[f"HIERARCH {key}" if len(key) > 8 else key] = (number, "number in the archive")
    instruments = {detector.id.instrument for detector in product.detectors}
    if len(instruments) == 1:
        header["HIERARCH INSTRUMENT"] = to_fits(instruments.pop())
    if isinstance(product, Warp):
        header["HIERARCH INSTRUMENT"] = to_fits(product.instrument)
        header["IDNUM"] = (product.visit, "visit")
    header["TIMESYS"] = "TAI"  # afw refuses dates of another scale
    header.update(time_cards(in_tai(product.times), scale="TAI"))
    # What afw has no place for; it keeps these cards as metadata.
    header[OWN_CARD] = (__version__, "written by this version of lamella")
    header["PRODUCT"] = "warp" if isinstance(product, Warp) else "coadd"
    header["BAND"] = (to_fits(product.band), "passband")
    header.update(reference_cards(product.flux_unit))
    if product.sky_projection is not None and isinstance(product.sky_projection.pixel_frame, TractFrame):
        frame = product.sky_projection.pixel_frame
        header["SKYMAP"] = (to_fits(frame.skymap), "name of the sky map")
        header["TRACT"] = (frame.tract, "tract in the sky map")
        header["TRACTBOX"] = (box_to_card(frame.bbox), "pixels of the tract, rows first")
    if isinstance(product, PatchCoadd):
        header["SKYMAP"] = (to_fits(product.skymap), "name of the sky map")
        header["TRACT"] = (product.tract, "tract in the sky map")
        header["PATCH"] = (f"{product.patch[0]},{product.patch[1]}", "column,row of the patch in the tract")
        header["INNERBOX"] = (box_to_card(product.inner_bbox), "pixels of this patch alone, rows first")
    return header


def _write_planes(
    stream: IO[bytes], product: Warp | PatchCoadd, path: str | PathLike[str], *, compress: bool
) -> None:
    """Write the HDUs of the three planes."""
    fluxes = product.flux_unit
    planes: dict[str, tuple[np.ndarray, str]] = {
        "IMAGE": (product.image.array, unit_text(fluxes.unit)),
        "MASK": (mask_plane_of(product), ""),
        "VARIANCE": (product.variance.array, "nJy**2" if fluxes.is_absolute else unit_text(fluxes.unit**2)),
    }
    with ThreadPoolExecutor(1) as pool:
        for name, (array, unit) in planes.items():
            box, wcs = product.bbox, product.fits_wcs
            header = fits.Header() if wcs is None else projection_header(wcs, box, path)
            for axis, interval in ((1, box.x), (2, box.y)):
                header[f"LTV{axis}"] = (float(-interval.start), "parent pixel of the first one, negative")
                header[f"CTYPE{axis}A"] = ("LINEAR", "Type of projection")
                header[f"CRPIX{axis}A"] = (1.0, "first pixel")
                header[f"CRVAL{axis}A"] = (float(interval.start), "its place in the parent frame")
                header[f"CUNIT{axis}A"] = ("PIXEL", "unit")
            if unit:
                header["BUNIT"] = (unit, "unit of the pixels")
            header["INHERIT"], header["EXTTYPE"] = True, name
            if name == "MASK":
                add_plane_cards(header, product.mask.schema)
            named: list[Card] = [("EXTNAME", name, "extension name")]
            if not compress:
                write_image(stream, array, named, dump_header(header))
                continue
            if array.dtype.kind == "f":
                header["ZQUANTIZ"] = ("NONE", "lossless compression without quantization")
            write_tiles(stream, array, submit_tiles(array, pool), named, dump_header(header))
