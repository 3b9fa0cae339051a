"""One afw-written file as a person sees it: pixels and components, each read when it is asked for."""

from __future__ import annotations

import functools
import math
from os import PathLike
from typing import Any

import astropy.units as u
from lsst.images import Box, MaskedImage, ObservationSummaryStats, Polygon, SkyProjection

from ...errors import ProjectionError, UnknownFormatError
from ...fits.hdus import Container, Unit
from ...fits.read import Header, header_text
from ...sky.projection import projection_from_header
from .afw_archive import Archive
from .info import DetectorInfo, FilterLabel
from .masks import read_masked_image
from .photo import PhotoCalib, photo_calib_from_header
from .plane_hdus import find_plane, plane_bbox, plane_unit, require_plane
from .visit_info import VisitInfo, visit_info_from_header

__all__ = ("AfwFile",)

_NEWEST = 2
"""Newest layout of the components (EXPINFO_V) that is known."""
_OLD_NAMES = {"SKYWCS": "WCS"}


class AfwFile:
    """An exposure, a coadd or another file of afw.

    Parameters
    ----------
    path
        The file.
    trust_pickles
        Whether components that are Python pickles (Piff models) may be loaded.
        A pickle can execute any code: say so only for files of your own making.

    Raises
    ------
    UnreadableFileError
        Raised, when something is asked for, when the file is absent or damaged.
    """

    def __init__(self, path: str | PathLike[str], *, trust_pickles: bool = False) -> None:
        self.container = Container(path)
        self._trust_pickles = trust_pickles

    @functools.cached_property
    def archive(self) -> Archive | None:
        """The archive of objects; `None` when the file has none."""
        return Archive.find(self.container, trust_pickles=self._trust_pickles)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was passed over so far."""
        if self.archive is not None:
            return tuple(self.archive.notes)
        if "AR_HDU" not in self.container.primary:
            return ()
        return (
            f"{self.container.path}: AR_HDU names an archive that the file does not have; what the headers "
            "say is used instead.",
        )

    @functools.cached_property
    def metadata(self) -> Header:
        """Header with the metadata: the primary one or, in files from before INHERIT, that of the image."""
        image = find_plane(self.container, "IMAGE")
        if image is None or image.index == 0 or image.cards.get("INHERIT") is True:
            return self.container.primary
        return image.header

    @functools.cached_property
    def layout(self) -> int:
        """Version of the layout of the components (EXPINFO_V).

        Raises
        ------
        UnknownFormatError
            Raised when it is newer than what is known.
        """
        version = self.container.primary.get("EXPINFO_V", 0)
        if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version <= _NEWEST:
            raise self.container.problem(
                f"a layout of version {version!r}", f"at most {_NEWEST}", "EXPINFO_V", kind=UnknownFormatError
            )
        return version

    def component_id(self, name: str) -> int:
        """Return the number in the archive of a component, e.g. ``"PSF"``; 0 without it, or an archive.

        Raises
        ------
        InputError
            Raised when a header gives something else than a number.
        UnknownFormatError
            Raised when the layout is newer than what is known.
        """
        keys = [f"ARCHIVE_ID_{name}", f"{name}_ID"]
        if name in _OLD_NAMES:
            keys.append(f"{_OLD_NAMES[name]}_ID")
        header = self.container.primary if self.layout else self.metadata
        for key in keys:
            for cards in (header, self.container.primary):
                if key not in cards:
                    continue
                number = cards[key]
                if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                    raise self.container.problem(repr(number), "a number of an object", key)
                return number if self.archive is not None else 0
        return 0

    def component(self, name: str, kind: type[Any] | None = None) -> Any:
        """Return a component, or `None` when there is none.

        Parameters
        ----------
        name
            E.g. ``"PSF"``, ``"COADD_INPUTS"``, ``"TRANSMISSION_CURVE"``.
        kind
            Type that it must have.

        Raises
        ------
        InputError
            Raised when the archive is damaged.
        MissingPartError
            Raised when the file refers to an object that is not there, or one
            of a class that lamella does not read and ``kind`` was asked for.
        """
        id = self.component_id(name)
        if id == 0 or self.archive is None:
            return None
        return self.archive.get(id) if kind is None else self.archive.get(id, kind)

    @property
    def image_hdu(self) -> Unit:
        """HDU of the image.

        Raises
        ------
        MissingPartError
            Raised when there is none.
        """
        return require_plane(self.container, "IMAGE")

    @property
    def has_image(self) -> bool:
        """Whether the file holds an image."""
        return find_plane(self.container, "IMAGE") is not None

    @property
    def bbox(self) -> Box:
        """Box of the pixels in the frame of the parent image."""
        return plane_bbox(self.image_hdu)

    @property
    def unit(self) -> u.UnitBase | None:
        """Unit of the pixels; `None` when the file does not say."""
        return plane_unit(self.image_hdu)

    def read(self, box: Box | None = None) -> MaskedImage:
        """Read image, mask and variance of a box, by default of all pixels; as they are in the file."""
        return read_masked_image(self.container, box)

    @functools.cached_property
    def projection(self) -> SkyProjection[Any]:
        """Pixels of the parent image to ICRS: that of the archive, which is exact, or else of the header.

        Raises
        ------
        ProjectionError
            Raised when there is neither, or the centre of the image is not on the sky.
        """
        projection: SkyProjection[Any] | None = self.component("SKYWCS", SkyProjection)
        if projection is None:
            unit, box, path = self.image_hdu, self.bbox, self.container.path
            projection = projection_from_header(
                unit.header, path=path, hdu=unit.index, start=(box.y.start, box.x.start)
            )
        if self.has_image:
            x, y = self.bbox.x.center, self.bbox.y.center
            centre = projection.pixel_to_sky_transform.apply_forward(x=x, y=y)
            if not (math.isfinite(centre.x) and abs(centre.y) <= math.pi / 2):
                stated = "a centre of the image that is not on the sky"
                raise self.container.problem(stated, "pixels to sky", "SKYWCS", kind=ProjectionError)
        return projection

    @functools.cached_property
    def photo_calib(self) -> PhotoCalib | None:
        """Calibration of the pixels; `None` when there is none."""
        if self.layout and self.archive is not None:
            # FLUXMAG0, if it is there, is a card of an older file that was copied.
            return self.component("PHOTOCALIB", PhotoCalib)  # type: ignore[no-any-return]
        return photo_calib_from_header(self.metadata, self.container.path)

    @functools.cached_property
    def filter(self) -> FilterLabel:
        """Names of the filter; in old files from the card FILTER, without a band."""
        label = self.component("FILTER", FilterLabel)
        return label if label is not None else FilterLabel(physical=header_text(self.metadata, "FILTER"))

    @functools.cached_property
    def visit_info(self) -> VisitInfo:
        """What the header says of the visit."""
        return visit_info_from_header(self.metadata)

    @functools.cached_property
    def detector(self) -> DetectorInfo | None:
        """Which detector it is of; `None` when it is of none."""
        return self.component("DETECTOR", DetectorInfo)  # type: ignore[no-any-return]

    @functools.cached_property
    def valid_polygon(self) -> Polygon | None:
        """Valid region; `None` means all pixels."""
        return self.component("VALID_POLYGON", Polygon)  # type: ignore[no-any-return]

    @functools.cached_property
    def aperture_corrections(self) -> dict[str, Any]:
        """Aperture corrections by name; empty when there are none."""
        return self.component("AP_CORR_MAP", dict) or {}

    @functools.cached_property
    def summary(self) -> ObservationSummaryStats | None:
        """Summary statistics; `None` when there are none."""
        return self.component("SUMMARY_STATS", ObservationSummaryStats)  # type: ignore[no-any-return]
