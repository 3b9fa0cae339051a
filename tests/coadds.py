"""Coadds made by hand."""

from __future__ import annotations

from typing import Any

from lsst.images import Image

from lamella.data.coadd import PatchCoadd, PatchId

PLANES = ("mask", "variance", "exposure_count", "exposure_count_unmasked", "metadata")


def coadd_of_planes(image: Image, **values: Any) -> PatchCoadd:
    """Return a coadd of its planes and of fields of `PatchId` and `Provenance`."""
    planes = {name: values.pop(name) for name in PLANES if name in values}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return PatchCoadd(image, **planes, id=PatchId("", "", 0, (0, 0), image.bbox)).replace(**values)
