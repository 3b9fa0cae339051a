"""The pixel grid that a person has asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..data.exposure import ExposureInfo
    from ..sky.skymap import SkyMap

__all__ = ("GridOptions", "choose_skymap")


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridOptions:
    """What a person said about the pixels, and about the bands and patches on them."""

    skymap: str | None = None
    center: tuple[float, float] | None = None
    """Right ascension and declination in degrees, ICRS."""
    size: tuple[float, float] | None = None
    """Width and height in degrees."""
    scale: float | None = None
    """Arcseconds per pixel."""
    bands: tuple[str, ...] = ()
    """Bands that are used; empty means all."""
    patches: tuple[str, ...] = ()
    """Patches that are used, by column and row, e.g. ``"5,4"``; empty means all."""

    @classmethod
    def take(cls, given: dict[str, Any]) -> Self:
        """Take these options out of those of a command."""
        names = [field.name for field in dataclasses.fields(cls) if field.name in given]
        return cls(**{name: given.pop(name) for name in names})

    def __bool__(self) -> bool:
        """Whether anything was said."""
        return self != type(self)()


def choose_skymap(grid: GridOptions, exposures: Sequence[ExposureInfo], **options: Any) -> SkyMap[Any]:
    """Return the sky map that was asked for, or one made around the exposures.

    Parameters
    ----------
    grid
        What was asked for.
    exposures
        The exposures; there may be none where the options say it all.
    **options
        Further options of `lamella.sky.field.FieldLayout`, and the ``name``, for one that is made.

    Raises
    ------
    ConfigError
        Raised when the options contradict each other.
    NoInputsError
        Raised when neither the options nor exposures say which pixels.
    UnreadableFileError
        Raised when the file of the sky map is absent, damaged or something else.
    """
    # Here, because options are also read where only help is asked for.
    import astropy.units as u
    import numpy as np
    from astropy.coordinates import SkyCoord

    from ..sky import KINDS
    from ..sky.field import skymap_for_area, skymap_from_exposures
    from ..sky.footprint import pixel_scale
    from ..sky.registry import load_skymap, make_skymap

    if grid.skymap is not None:
        if grid.center is not None or grid.size is not None or grid.scale is not None:
            raise ConfigError(
                "--skymap fixes the pixel grid; --center, --size and --scale are for making one."
            )
        if grid.skymap in KINDS:
            return make_skymap(grid.skymap)
        return load_skymap(Path(grid.skymap))
    if grid.center is None and grid.size is None:
        return skymap_from_exposures(exposures, pixel_scale=grid.scale, **options)
    if grid.center is None or grid.size is None:
        raise ConfigError("--center and --size go together.")
    if grid.scale is None and not exposures:
        raise ConfigError("--scale is needed where there are no exposures to take it from.", option="scale")
    scale = grid.scale or float(np.median([pixel_scale(info.projection, info.bbox) for info in exposures]))
    center = SkyCoord(*grid.center, unit="deg", frame="icrs")
    return skymap_for_area(center, grid.size * u.deg, scale * u.arcsec, **options)
