"""How a Butler repository reads and writes lamella's values."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from astropy.io import fits
from lsst.daf.butler import FormatterV2
from lsst.images import Box
from lsst.images.formatters import GenericFormatter
from lsst.images.serialization import open_archive
from lsst.resources import ResourcePath

from ..coadd.brightmask import BrightObjectCatalog
from ..data.coadd import PatchCoadd
from ..data.exposure import Exposure
from ..data.exposure_archive import ExposureImage
from ..data.times import TotalTimes
from ..data.warp import Warp
from ..files import sync
from ..fits.sums import append_sums
from ..formats.archive.products import afw
from ..formats.regions import read_bright_objects, regions_to_text
from ..formats.time_cards import set_time_cards
from ..psf.coadd import CoaddPsf
from ..sky.registry import load_skymap
from ..sky.skymap import SkyMap
from .recipes import source_from_json

__all__ = (
    "PLANES",
    "ArchiveFormatter",
    "BackgroundFormatter",
    "BrightObjectsFormatter",
    "ExposureFormatter",
    "SkyMapFormatter",
)

PLANES = ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked", "detectors/numbers")


class ArchiveFormatter(GenericFormatter):
    """Warps and coadds in `lsst.images` archives, whole, by box or by component.

    The write parameter ``recipe`` is ``uncompressed`` (the default, because
    reading is most of the work of a stack), ``lossless``, or a recipe of the
    repository for `lsst.images.formatters.GenericFormatter`.
    """

    supported_extensions: ClassVar[frozenset[str]] = frozenset({".fits"})
    _times: TotalTimes | None = None

    def write_local_file(self, in_memory_dataset: Any, uri: ResourcePath) -> None:
        """Write an archive with its provenance and times; it is on disk before it gets its name."""
        self._times = getattr(in_memory_dataset, "times", None)
        super().write_local_file(in_memory_dataset, uri)
        append_sums(uri.ospath)
        sync(uri.ospath)

    def _update_header(self, header: fits.Header) -> None:
        super()._update_header(header)
        if self._times is not None:
            set_time_cards(header, self._times)

    def _get_compression_options(self) -> dict[str, Any]:
        recipe = self.write_parameters.get("recipe", "uncompressed")
        if recipe == "uncompressed":
            return dict.fromkeys(PLANES)
        return {} if recipe == "lossless" else super()._get_compression_options()

    def _read_from_resource_path(self, uri: Any, component: str | None = None) -> Any:
        if component not in ("psf", "metadata"):
            return super()._read_from_resource_path(uri, component)
        # The PSF is that of the inputs of a warp or a coadd, or the model that they were matched to.
        kind: type[Warp | PatchCoadd] = self.file_descriptor.storageClass.pytype
        with open_archive(uri, cls=kind, partial=True) as reader:
            box: Box = reader.get_component("bbox")
            corner = Box.factory[box.y.start : box.y.start + 1, box.x.start : box.x.start + 1]
            if component == "metadata":  # with what the header tells
                return dict(reader.read(bbox=corner).metadata)
            projection = reader.get_component("sky_projection")
            psf = reader.read(bbox=corner).psf
            if not isinstance(psf, CoaddPsf):
                return psf
            return CoaddPsf(psf.components, projection=projection, bounds=box)


class ExposureFormatter(ArchiveFormatter):
    """Exposures: archives with a copy (``.fits``), or references to the original files (``.json``)."""

    supported_extensions: ClassVar[frozenset[str]] = frozenset({".fits", ".json"})

    def write_local_file(self, in_memory_dataset: Exposure, uri: ResourcePath) -> None:
        """Write a copy of an exposure."""
        super().write_local_file(ExposureImage(in_memory_dataset), uri)

    def _read_from_resource_path(self, uri: Any, component: str | None = None) -> Any:
        resource = ResourcePath(uri)
        parameters = dict(self.file_descriptor.parameters or {})
        if resource.getExtension() == ".json":
            source = source_from_json(resource.read().decode(), path=str(resource))
            if component == "info":
                return source.info
            if component in ("sky_projection", "bbox"):
                return getattr(source.info, {"sky_projection": "projection"}.get(component, component))
            exposure = source.read()
            if component == "psf":
                return exposure.psf
            section = (
                ExposureImage(exposure)[parameters["bbox"]]
                if "bbox" in parameters
                else ExposureImage(exposure)
            )
            if component is None:
                return section.exposure
            return section.exposure.pixels if component == "masked_image" else getattr(section, component)
        with open_archive(uri, cls=ExposureImage, partial=bool(component or parameters)) as reader:
            if component is not None:
                return reader.get_component(component, **parameters)
            image: ExposureImage = reader.read(**parameters)
            return image.exposure


class _TextFormatter(FormatterV2):
    """Base of formatters of small text files."""

    can_read_from_local_file = True

    def _text_of(self, value: Any) -> str:
        raise NotImplementedError

    def write_local_file(self, in_memory_dataset: Any, uri: ResourcePath) -> None:
        """Write the text; it is on disk before it gets its name."""
        Path(uri.ospath).write_text(self._text_of(in_memory_dataset), encoding="utf-8")
        sync(uri.ospath)


class SkyMapFormatter(_TextFormatter):
    """Sky maps as JSON, as ``lamella skymap`` writes them."""

    default_extension = ".json"

    def _text_of(self, value: SkyMap[Any]) -> str:
        return value.to_json()

    def read_from_local_file(self, path: str, component: str | None = None, expected_size: int = -1) -> Any:
        """Read a sky map."""
        return load_skymap(path)


class BrightObjectsFormatter(_TextFormatter):
    """Masks of bright objects as DS9 region files."""

    default_extension = ".reg"

    def _text_of(self, value: BrightObjectCatalog) -> str:
        return regions_to_text(value)

    def read_from_local_file(self, path: str, component: str | None = None, expected_size: int = -1) -> Any:
        """Read the regions."""
        return read_bright_objects(path)


class BackgroundFormatter(FormatterV2):
    """Backgrounds that afw wrote; they are ingested, not written."""

    can_read_from_local_file = True
    default_extension = ".fits"

    def read_from_local_file(self, path: str, component: str | None = None, expected_size: int = -1) -> Any:
        """Read the layers."""
        return afw("background").Background.read(path)
