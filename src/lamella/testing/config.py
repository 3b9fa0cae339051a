"""Options of the simulated survey."""

from __future__ import annotations

from typing import Annotated, Any, Self

import pydantic

from ..config import Config, option

__all__ = ("BAND_WAVELENGTHS", "SurveyConfig")

BAND_WAVELENGTHS: dict[str, float] = {"u": 0.37, "g": 0.48, "r": 0.62, "i": 0.75, "z": 0.87, "y": 0.97}
"""Effective wavelengths of the simulated passbands, in micrometres: colours of sources follow from them."""

_BAND_LIST = ", ".join(BAND_WAVELENGTHS)

Positive = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, pydantic.Field(allow_inf_nan=False)]
Count = Annotated[int, pydantic.Field(ge=1)]


class SurveyConfig(Config):
    """What to simulate; equal configurations give equal bits.

    Pairs that are called ranges are drawn from uniformly.
    """

    seed: int = option(1, "Seed of all random numbers.", ge=0)
    ra: float = option(150.1, "Right ascension of the field's centre, ICRS.", unit="deg", ge=0, lt=360)
    dec: float = option(2.2, "Declination of the field's centre, ICRS.", unit="deg", ge=-90, le=90)

    bands: tuple[str, ...] = option(("g", "r", "i"), f"Passbands, from {_BAND_LIST}.", min_length=1)
    visits_per_band: int = option(5, "Number of visits in each band.", ge=1)
    first_visit: int = option(100, "Number of the first visit; visits are numbered in time order.", ge=0)
    first_mjd: float = option(61000.1, "Middle of the first visit, modified Julian date.", unit="d", ge=0)
    cadence: float = option(6.0, "Time from one visit to the next.", unit="min", ge=0)
    exposure_time: float = option(30.0, "Exposure time.", unit="s", gt=0)

    detector_grid: tuple[Count, Count] = option((2, 2), "Detectors of the camera: rows, columns.")
    detector_shape: tuple[Count, Count] = option((256, 280), "Rows and columns of a detector.", unit="px")
    chip_gap: int = option(12, "Gap between neighbouring detectors.", unit="px", ge=0)
    pixel_scale: float = option(0.2, "Pixel scale at the centre of a detector.", unit="arcsec", gt=0)
    distortion: float = option(
        1.5, "Largest TAN-SIP displacement on a detector; 0 for plain TAN.", unit="px", ge=0, le=5
    )
    dither: float = option(8.0, "Visits point up to this far from the centre, per axis.", unit="arcsec", ge=0)
    rotation: float = option(15.0, "Visits are rotated up to this far to either side.", unit="deg", ge=0)

    seeing: tuple[Positive, Positive] = option((0.65, 1.0), "Range of the PSF's FWHM.", unit="arcsec")
    sky_noise: tuple[Positive, Positive] = option((20.0, 32.0), "Range of the noise of the sky.", unit="nJy")
    zero_point: tuple[Finite, Finite] = option((29.5, 30.5), "Range of the zero point.", unit="mag(AB)")
    gain: float = option(1.0, "Electrons per count, for the photon noise of sources.", unit="electron", gt=0)
    saturation: float = option(12000.0, "Counts at which pixels are clipped.", unit="adu", gt=0)
    noise: bool = option(True, "Whether pixels have noise; the variance plane is the same either way.")

    stars: int = option(90, "Number of isolated stars.", ge=0)
    star_magnitudes: tuple[Finite, Finite] = option((17.0, 22.5), "Range in r.", unit="mag(AB)")
    bright_stars: int = option(6, "Number of stars that saturate.", ge=0)
    bright_magnitudes: tuple[Finite, Finite] = option((13.8, 15.0), "Range in r.", unit="mag(AB)")
    galaxies: int = option(240, "Number of galaxies.", ge=0)
    galaxy_magnitudes: tuple[Finite, Finite] = option((18.5, 24.5), "Range in r.", unit="mag(AB)")
    isolation: float = option(
        4.0, "No star is closer than this to another star, or to the half-light ellipse of a galaxy.",
        unit="arcsec", ge=0,
    )  # fmt: skip

    edge_width: int = option(5, "Width of the rim that carries DETECTION_EDGE.", unit="px", ge=0)
    bad_columns: int = option(2, "Hot columns per detector, BAD in the mask.", ge=0)
    dead_columns: int = option(1, "Columns per detector without data: NaN, NO_DATA in the mask.", ge=0)
    cosmic_rays: int = option(8, "Cosmic rays per detector and visit.", ge=0)
    unmasked_cosmic_rays: float = option(0.15, "Fraction of them that the mask misses.", ge=0, le=1)
    satellites: int = option(1, "Visits per band that a satellite crosses; the mask misses it.", ge=0)
    satellite_peak: float = option(15.0, "Peak of a satellite trail over the noise of the sky.", gt=0)
    asteroids: int = option(1, "Asteroids that move through the field; the mask misses them.", ge=0)
    asteroid_magnitude: float = option(19.0, "Magnitude of an asteroid in all bands.", unit="mag(AB)")
    asteroid_rate: float = option(0.4, "Motion of an asteroid.", unit="arcsec/min", ge=0)

    @pydantic.field_validator("bands")
    @classmethod
    def _check_bands(cls, bands: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [band for band in bands if band not in BAND_WAVELENGTHS]
        if unknown:
            raise ValueError(f"no such band: {', '.join(unknown)}; there are: {_BAND_LIST}")
        if len(set(bands)) < len(bands):
            raise ValueError("a band is named twice")
        return bands

    @pydantic.field_validator(
        "seeing", "sky_noise", "zero_point", "star_magnitudes", "bright_magnitudes", "galaxy_magnitudes"
    )
    @classmethod
    def _check_range(cls, limits: tuple[float, float]) -> tuple[float, float]:
        if limits[0] > limits[1]:
            raise ValueError("a range must have its lower limit first")
        return limits

    @pydantic.model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.bad_columns + self.dead_columns > self.detector_shape[1] - 2:
            raise ValueError("a detector has fewer inner columns than bad_columns + dead_columns")
        if self.satellites > self.visits_per_band:
            raise ValueError("there are more satellites than visits per band")
        return self

    @classmethod
    def on_common_grid(cls, **options: Any) -> SurveyConfig:
        """Return a configuration in which all exposures share one pixel grid.

        One undistorted detector, no dither and no rotation: a coadd of such
        exposures needs no resampling.

        Parameters
        ----------
        **options
            Options that shall not have their default.
        """
        fixed: dict[str, Any] = {"detector_grid": (1, 1), "dither": 0.0, "rotation": 0.0, "distortion": 0.0}
        return cls(**(fixed | options))

    @property
    def field_size(self) -> tuple[float, float]:
        """Height and width of the area that holds sources, in arcseconds.

        It is a square that covers the camera in all dithers and rotations.
        """
        heights = zip(self.detector_grid, self.detector_shape, strict=True)
        rows, columns = (n * size + (n - 1) * self.chip_gap for n, size in heights)
        side = float((rows**2 + columns**2) ** 0.5) * self.pixel_scale + 2 * self.dither
        return (side, side)

    @property
    def detectors(self) -> range:
        """Numbers of the detectors, row by row from the lower left."""
        return range(self.detector_grid[0] * self.detector_grid[1])

    @property
    def visits(self) -> range:
        """Numbers of the visits, in time order."""
        return range(self.first_visit, self.first_visit + len(self.bands) * self.visits_per_band)
