"""PSF models in an archive that refer to others: those of coadds, and those seen through a map."""

from __future__ import annotations

from typing import Any

from lsst.images import SkyProjection, Transform
from lsst.images.psfs import PointSpreadFunction

from ...psf.coadd import CoaddPsf
from ...psf.component import PsfComponent
from ...psf.warped import WarpedPsf
from .afw_archive import Archive, ObjectRecord, SkippedObject
from .catalogs import ExposureCatalog, ExposureRecord
from .persistables import persistable
from .plane_hdus import find_plane, plane_bbox
from .psf import EVERYWHERE

__all__ = ()

_KERNEL = "lanczos3"


@persistable("CoaddPsf")
def build_coadd_psf(record: ObjectRecord, archive: Archive) -> CoaddPsf:
    """Return the PSF of a coadd: the weighted mean of those of its inputs.

    Before July 2013 afw wrote one table, in whose last row was the projection
    of the coadd.
    """
    inputs = list(ExposureCatalog(record.rows(len(record) - 1), archive))
    if len(record) > 1:
        row = record.row()
        projection = archive.require(row.integer("coaddwcs"), SkyProjection)
        kernel = row.text("warpingkernelname", _KERNEL)
        if kernel != _KERNEL:
            path = archive.container.path
            archive.note(f"{path}: PSFs are resampled with {_KERNEL}; afw would take {kernel!r}.")
    elif inputs:
        projection = _projection(record, inputs.pop())
    components = []
    for entry in inputs:
        psf, bbox = entry.psf, entry.bbox
        if psf is None or bbox is None:
            record.fail(found=f"no PSF or no box of input {entry.id}", expected="both")
        component = PsfComponent(
            label=f"input {entry.id}",
            psf=psf,
            projection=_projection(record, entry),
            bbox=bbox,
            polygon=entry.polygon,
            weight=entry.row.number("weight", 1.0),
            good_pixels=entry.row.number("goodpix", 1.0),
        )
        components.append(component)
    if not components:
        record.fail(found="no inputs", expected="at least one")
    return CoaddPsf(components, projection, EVERYWHERE)


def _projection(record: ObjectRecord, entry: ExposureRecord) -> SkyProjection[Any]:
    projection = entry.projection
    if projection is None:
        record.fail(found=f"no projection of input {entry.id}", expected="one")
    return projection


@persistable("WarpedPsf")
def build_warped_psf(record: ObjectRecord, archive: Archive) -> WarpedPsf:
    """Return a PSF seen through a map."""
    row = record.row()
    # The control is of no use: there is one way to resample a PSF here.
    psf = archive.require(row.integer("psfIndex"), PointSpreadFunction)  # type: ignore[type-abstract]
    transform = archive.require(row.integer("transformIndex"), Transform)
    image = find_plane(archive.container, "IMAGE")
    return WarpedPsf(psf, transform, EVERYWHERE if image is None else plane_bbox(image))


@persistable("BilinearWarpingKernel", "LanczosWarpingKernel", "NearestWarpingKernel", "WarpingControl")
def skip_warping(record: ObjectRecord, archive: Archive) -> SkippedObject:
    """Pass over how afw resampled: PSFs are resampled with the Lanczos-3 function here."""
    return SkippedObject(record.id, record.name, "which lamella does not use")
