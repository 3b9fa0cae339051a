"""The pixel grid that a person has asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..errors import ConfigError, UnreadableFileError
from ..suggestions import nearest

if TYPE_CHECKING:
    from ..data.exposure import ExposureInfo
    from ..sky.skymap import SkyMap

__all__ = ("GridOptions", "choose_skymap")

_ANGLE_DIGITS = 6
"""Digits behind the point of a rotation in degrees: 0.03 milliarcseconds half a degree away."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridOptions:
    """What a person said about the pixels, and about the bands and patches on them."""

    skymap: str | None = None
    """File of a sky map, or name of its kind."""
    grid: str | None = None
    """FITS image, or text of header cards, whose pixels are taken, as ``FILE`` or ``FILE,HDU``."""
    center: tuple[float, float] | None = None
    """Right ascension and declination in degrees, ICRS."""
    size: tuple[float, float] | None = None
    """Width and height in degrees."""
    scale: float | None = None
    """Arcseconds per pixel."""
    like_first: bool = False
    """Whether pixels are turned as those of the first exposure by identity; by default north is up."""
    bands: tuple[str, ...] = ()
    """Bands that are used; empty means all."""
    tracts: tuple[int, ...] = ()
    """Tracts that are used; empty means all."""
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
        _require_alone(grid, "skymap")
        if grid.skymap in KINDS:
            try:
                return make_skymap(grid.skymap)
            except ConfigError as err:
                told = f"lamella skymap make --kind {grid.skymap} --set {err.option}=... -o FILE.json"
                raise ConfigError(
                    f"--skymap {grid.skymap}: {err.option}: {err.reason}; make the sky map with `{told}`.",
                    option="skymap",
                    found=grid.skymap,
                ) from None
        if not Path(grid.skymap).exists():
            raise UnreadableFileError(
                grid.skymap,
                found="no such file",
                expected=f"a sky map in JSON, or one of {', '.join(KINDS)}{nearest(grid.skymap, KINDS)}",
            )
        return load_skymap(Path(grid.skymap))
    if grid.grid is not None:
        _require_alone(grid, "grid")
        return _image_skymap(grid.grid, options)
    if grid.like_first:
        options = {"rotation": _turn_of_first(exposures), **options}
    if grid.center is None and grid.size is None:
        return skymap_from_exposures(exposures, pixel_scale=grid.scale, **options)
    if grid.center is None or grid.size is None:
        raise ConfigError("--center and --size go together.")
    if grid.scale is None and not exposures:
        raise ConfigError("--scale is needed where there are no exposures to take it from.", option="scale")
    scale = grid.scale or float(np.median([pixel_scale(info.projection, info.bbox) for info in exposures]))
    center = SkyCoord(*grid.center, unit="deg", frame="icrs")
    return skymap_for_area(center, grid.size * u.deg, scale * u.arcsec, **options)


_MAKING = ("center", "size", "scale", "like_first")


def _require_alone(grid: GridOptions, chosen: str) -> None:
    """Refuse options that a grid which is chosen whole leaves nothing to say for."""
    others = [name for name in ("skymap", "grid", *_MAKING) if name != chosen and getattr(grid, name)]
    if others:
        given = ", ".join(f"--{name.replace('_', '-')}" for name in others)
        raise ConfigError(f"--{chosen} fixes the pixel grid; found {given} beside it.", option=others[0])


def _image_skymap(text: str, options: dict[str, Any]) -> SkyMap[Any]:
    from ..formats.grid_file import skymap_from_image, split_hdu

    unknown = set(options) - {"name", "patch_size", "patch_border"}
    if unknown:
        name = min(unknown)
        raise ConfigError(
            f"--grid fixes the pixel grid; it has patch_size and patch_border to set, not {name}.",
            option=name,
        )
    path, hdu = split_hdu(text)
    return skymap_from_image(path, hdu, **options)


def _turn_of_first(exposures: Sequence[ExposureInfo]) -> float:
    """Return the angle from north through east to the y axis of the first exposure, in degrees."""
    if not exposures:
        raise ConfigError("--like-first needs exposures.", option="like_first")
    first = min(exposures, key=lambda info: info.id)
    x, y = first.bbox.x.center, first.bbox.y.center
    below, above = (first.projection.pixel_to_sky(x=x, y=y + step) for step in (-0.5, 0.5))
    return round(float(below.position_angle(above).wrap_at("180d").deg), _ANGLE_DIGITS)
