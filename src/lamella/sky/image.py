"""A sky map whose one tract is the pixel grid of an image."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from os import PathLike
from typing import Any, Self

import numpy as np
import pydantic
from lsst.images import Box

from ..config import option
from ..errors import ProjectionError
from .footprint import pixel_scale
from .layout import LegacyPatches, TractSite
from .projection import projection_cards, projection_from_header, same_grid
from .skymap import SkyMap, SkyMapConfig

__all__ = ("ImageConfig", "ImageSkyMap", "skymap_from_header")

_IN_CARDS = {"tract_overlap", "projection", "rotation"}
"""Options of other sky maps that the cards say."""


class ImageConfig(SkyMapConfig):
    """Options of a sky map of one tract: the pixels of an image."""

    tract_overlap: float = option(0.0, "Not used: the tract is the image.", unit="deg", ge=0.0, le=0.0)
    cards: tuple[tuple[str, int | float | str], ...] = option(
        help="Keywords and values of the FITS projection of the image."
    )
    width: int = option(help="Pixels along x.", unit="pixel", gt=0)
    height: int = option(help="Pixels along y.", unit="pixel", gt=0)
    patches: LegacyPatches = option(LegacyPatches(), "How the image is cut into patches.")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        try:
            projection_from_header(dict(self.cards), path="cards", hdu="cards")
        except ProjectionError as err:
            raise ValueError(str(err)) from err
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the options that say something, as plain values."""
        return {name: value for name, value in super().to_dict().items() if name not in _IN_CARDS}


class ImageSkyMap(SkyMap[ImageConfig]):
    """The pixel grid of an image as one tract; where it is cut, the last patches may be smaller."""

    kind = "image"
    identity_name = "ImageSkyMap"
    config_class = ImageConfig

    def __len__(self) -> int:
        return 1

    @property
    def _centers(self) -> tuple[np.ndarray, np.ndarray]:
        ra, dec = self._site(0).center
        return np.array([ra]), np.array([dec])

    def _site(self, tract: int) -> TractSite:
        config = self.config
        projection = projection_from_header(dict(config.cards), path=self.name, hdu="cards")
        centre = projection.pixel_to_sky(x=0.5 * (config.width - 1), y=0.5 * (config.height - 1)).icrs
        return TractSite.of_image(
            (float(centre.ra.deg), float(centre.dec.deg)), config.cards, (config.width, config.height)
        )

    def _state(self) -> bytes:
        cards = hashlib.sha1(json.dumps(self.config.cards).encode()).digest()
        return struct.pack("<ii", self.config.width, self.config.height) + cards


def skymap_from_header(
    header: Mapping[str, Any],
    shape: tuple[int, int],
    *,
    path: str | PathLike[str],
    hdu: int | str = 0,
    name: str = "",
    patch_size: int | None = None,
    patch_border: int = 100,
) -> ImageSkyMap:
    """Make a sky map of one tract with exactly the pixels of an image.

    Parameters
    ----------
    header
        Header with its projection.
    shape
        Rows and columns (y, x) of the image.
    path, hdu
        Where the header stands, for messages.
    name
        Name of the sky map.
    patch_size, patch_border
        Width and height of the inner box of a patch, and pixels added on each side where patches meet; by
        default the image is one patch.

    Raises
    ------
    ProjectionError
        Raised when the header has no projection that is understood, or one that headers of results cannot
        hold (TPV).
    """
    height, width = shape
    cards = projection_cards(header, path=path, hdu=hdu)
    projection, box = projection_from_header(dict(cards), path=path, hdu=hdu), Box.from_shape(shape)
    written = projection.as_fits_wcs(box, allow_approximation=True)
    if written is None or not same_grid(
        projection, projection_from_header(written.to_header(relax=True), path=path, hdu=hdu), box
    ):
        raise ProjectionError(
            path,
            where=f"HDU {hdu}",
            found=f"the projection {dict(cards)['CTYPE1']}, which cannot be written exactly",
            expected="a projection of the FITS standard, or TAN-SIP",
        )
    inner = (width, height) if patch_size is None else (min(patch_size, width), min(patch_size, height))
    return ImageSkyMap(
        ImageConfig(
            cards=cards,
            width=width,
            height=height,
            pixel_scale=float(f"{pixel_scale(projection, box):.9g}"),
            patches=LegacyPatches(inner=inner, border=patch_border),
        ),
        name=name,
    )
