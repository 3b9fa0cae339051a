"""Writers: `lsst.images` archives, and plain FITS files for every other tool."""

from __future__ import annotations

import contextlib
import functools
from concurrent.futures import ThreadPoolExecutor
from os import PathLike

import numpy as np
from astropy.io import fits
from lsst.images import Image, MaskedImage, MaskPlane, MaskSchema
from lsst.images.fits import ExtensionKey, add_offset_wcs

from ...coadd.skynoise import covered_pixels
from ...coadd.summary import CoaddSummary, summarize
from ...data.coadd import PatchCoadd
from ...data.warp import Warp
from ...errors import InvalidPsfError
from ...files import atomic_path
from ...fits.headers import add_plane_cards, projection_header
from ...fits.sums import append_sums
from ...fits.text import table_hdu, to_fits, unit_text
from ...fits.write import dump_header
from ...image.planes import mask_plane_of
from ...psf.coadd import CoaddPsf
from ..time_cards import set_time_cards, time_cards
from ..units import reference_cards
from .archive_file import ArchiveFile
from .flatmask import is_flat, with_flat_mask

__all__ = ("plain_hdus", "plane_headers", "psf_position", "write_archive", "write_plain_fits")


def write_archive(
    image: Warp | PatchCoadd, path: str | PathLike[str], *, compress: bool = True, threads: int = 1
) -> None:
    """Write a warp or a coadd as an `lsst.images` archive, all or nothing.

    Behind its index are checksums of all that it holds (`lamella.fits.sums`), with which lamella compares
    what it reads.  `lsst.images` does not look at them.
    Its primary header has the cards of the times of the inputs, and of a unit of fluxes without magnitudes.

    Parameters
    ----------
    image
        What to write.
    path
        Final name; an existing file is replaced.
    compress
        Whether to compress the planes (lossless).
    threads
        Number of threads that compress; the file does not depend on it.

    Raises
    ------
    OutputError
        Raised when the file cannot be written.

    Examples
    --------
    >>> import lamella
    >>> coadd = lamella.read_product("demo/coadds/coadd-r-0-0,0.fits")
    >>> lamella.write_archive(coadd, "copy.fits")
    >>> lamella.read_product("copy.fits").name == coadd.name
    True
    """
    with atomic_path(path) as temporary, ThreadPoolExecutor(threads) as pool:
        archive = ArchiveFile(
            pool if compress else None,
            image._opaque_metadata,
            plane_headers(image),
            functools.partial(_set_cards, image=image),
        )
        tree = archive.serialize_root(with_flat_mask(image))
        with temporary.open("wb") as stream:
            archive.write(stream, tree)
        append_sums(temporary)


def _set_cards(header: fits.Header, image: Warp | PatchCoadd) -> None:
    set_time_cards(header, image.times)
    header.update(reference_cards(image.flux_unit))


def plane_headers(image: MaskedImage) -> dict[ExtensionKey, bytes]:
    """Return the headers that `lsst.images` gives to image, variance, and mask if it is flat.

    The cards are as they stand in a file, without those that say how the
    pixels are stored.  `lsst.images` has astropy put each header together card by card, which takes
    longer than to write a small image, and most of the cards are the same.
    """
    header = image.fits_wcs.to_header(relax=True) if image.fits_wcs else fits.Header()
    add_offset_wcs(header, x=image.bbox.x.start, y=image.bbox.y.start)
    offsets = dump_header(header)
    headers = {
        ExtensionKey("IMAGE"): _unit_card(image.image) + offsets,
        ExtensionKey("VARIANCE"): _unit_card(image.variance) + offsets,
    }
    if is_flat(image.mask.schema):
        headers[ExtensionKey("MASK")] = _schema_cards(tuple(image.mask.schema)) + offsets
    return headers


def _unit_card(plane: Image) -> bytes:
    header = fits.Header()
    if plane.unit is not None:
        header["BUNIT"] = unit_text(plane.unit)
    return dump_header(header)


@functools.lru_cache(maxsize=4)
def _schema_cards(planes: tuple[MaskPlane | None, ...]) -> bytes:
    header = fits.Header()
    MaskSchema(planes, dtype=np.int32).update_header(header)
    return dump_header(header)


def write_plain_fits(coadd: PatchCoadd, path: str | PathLike[str]) -> None:
    """Write a coadd as a FITS file that needs nothing of lamella to be read.

    The extensions are IMAGE (nJy, or the flux unit of the coadd), MASK (one bit per plane, named by ``MP_*``
    cards and described by comments), VARIANCE, COUNT (visits used), PSF (at the
    position in its header), INPUTS and REJECTED (tables), and, where artifacts
    were looked for, ARTIFACTS (a table of what each visit lost).  All images
    carry the projection to the sky in their headers.

    Parameters
    ----------
    coadd
        What to write.
    path
        Final name; an existing file is replaced.

    Raises
    ------
    OutputError
        Raised when the file cannot be written.
    ProjectionError
        Raised when a FITS header cannot hold the projection.

    Examples
    --------
    >>> import lamella
    >>> from astropy.io import fits
    >>> coadd = lamella.read_product("demo/coadds/coadd-r-0-0,0.fits")
    >>> lamella.write_plain_fits(coadd, "plain.fits")
    >>> [hdu.name for hdu in fits.open("plain.fits")[1:5]]
    ['IMAGE', 'MASK', 'VARIANCE', 'COUNT']
    """
    hdus = plain_hdus(coadd, path)
    with atomic_path(path) as temporary:
        hdus.writeto(temporary)


def plain_hdus(coadd: PatchCoadd, path: str | PathLike[str]) -> fits.HDUList:
    """Return the HDUs of `write_plain_fits`, with their checksums; ``path`` is for messages.

    Raises
    ------
    ProjectionError
        Raised when a FITS header cannot hold the projection.
    """
    unit = coadd.flux_unit.unit
    psf, position = [], psf_position(coadd)
    if position is not None:
        with contextlib.suppress(InvalidPsfError):
            stamp = coadd.psf.compute_kernel_image(x=position[0], y=position[1])
            psf.append(fits.ImageHDU(stamp.array.astype(np.float32), name="PSF"))
            psf[0].header["PSFX"] = (position[0], "pixel x of the PSF, 0-based, parent frame")
            psf[0].header["PSFY"] = (position[1], "pixel y of the PSF, 0-based, parent frame")
    mask = _image_hdu(coadd, "MASK", mask_plane_of(coadd), "", path)
    add_plane_cards(mask.header, coadd.mask.schema)
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(header=_primary_header(coadd)),
            _image_hdu(coadd, "IMAGE", coadd.image.array, unit_text(unit), path),
            mask,
            _image_hdu(coadd, "VARIANCE", coadd.variance.array, unit_text(unit**2), path),
            _image_hdu(coadd, "COUNT", coadd.exposure_count.array, "", path),
            *psf,
            table_hdu(coadd.inputs, "INPUTS"),
            table_hdu(coadd.rejected, "REJECTED"),
            *([table_hdu(coadd.artifacts, "ARTIFACTS")] if coadd.removals else []),
        ]
    )
    for hdu in hdus:
        # Without the time that is the default, so that equal coadds are equal files.
        hdu.add_checksum(when="of the HDU")
    return hdus


def psf_position(coadd: PatchCoadd) -> tuple[float, float] | None:
    """Return a pixel (x, y) near the centre of the data at which the PSF is defined.

    It is the one at which `lamella.coadd.summary.summarize` measures the PSF,
    where that lies within an input.  `None` when there is no such pixel.
    """
    covered = covered_pixels(coadd)
    if not coadd.detectors or not covered.count:
        return None
    x, y = (float(axis) for axis in covered.centre)
    # A model that all inputs were matched to is valid everywhere.
    if not isinstance(coadd.psf, CoaddPsf) or coadd.psf.is_defined(x=x, y=y):
        return x, y
    try:
        return coadd.psf.average_position()
    except InvalidPsfError:
        return None


def _primary_header(coadd: PatchCoadd) -> fits.Header:
    header = fits.Header()
    header["BAND"] = (to_fits(coadd.band), "passband")
    header["SKYMAP"] = (to_fits(coadd.skymap), "name of the sky map")
    header["TRACT"] = (coadd.tract, "tract in the sky map")
    header["PATCH"] = (f"{coadd.patch[0]},{coadd.patch[1]}", "column,row of the patch in the tract")
    header["NVISITS"] = (
        len({(d.id.instrument, d.id.visit) for d in coadd.detectors}),
        "visits in this coadd",
    )
    summary = summarize(coadd)
    header.update(_depth_cards(summary))
    header.update(reference_cards(coadd.flux_unit))
    header.update(time_cards(coadd.times))
    if coadd.noise is not None:
        for key, ratio, comment in (
            ("NOISEPIX", coadd.noise.pixel, "variance of pixels, measured / propagated"),
            ("NOISEPSF", coadd.noise.psf, "the same for fluxes of point sources"),
            ("VARSCALE", coadd.noise.applied, "propagated variance was multiplied by this"),
        ):
            if ratio is not None:
                header[key] = (ratio, comment)
    header["CREATOR"] = (f"lamella {coadd.versions.get('lamella', '')}".strip(), "software")
    return header


def _depth_cards(summary: CoaddSummary) -> list[tuple[str, float, str]]:
    cards = (
        ("DEPTH", summary.depth, "[mag] AB, 5 sigma point source, at blank places"),
        ("DEPTHVAR", summary.depth_stated, "[mag] the same by the variance plane"),
    )
    if not summary.fluxes.is_absolute:
        cards = (
            ("FLUXLIM", summary.flux_limit, "5 sigma point source, at blank places"),
            ("FLUXLVAR", summary.flux_limit_stated, "the same by the variance plane"),
        )
    return [(key, float(f"{value:.6g}"), comment) for key, value, comment in cards if value is not None]


def _image_hdu(
    coadd: MaskedImage, name: str, array: np.ndarray, unit: str, path: str | PathLike[str]
) -> fits.ImageHDU:
    header = projection_header(coadd.fits_wcs, coadd.bbox, path)
    if unit:
        header["BUNIT"] = unit
    return fits.ImageHDU(array, header=header, name=name)
