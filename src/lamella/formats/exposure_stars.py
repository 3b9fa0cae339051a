"""The stars of exposures, read from their pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..coadd.star_matches import StarCatalog
from ..data.exposure import ExposureInfo, ExposureSource
from ..data.photometry import calibration_at
from ..errors import LamellaError
from ..image.blank_pixels import take_off_sky
from ..image.stars import StarField, StarWidth, measure_stars
from ..planes import BAD_MASK_PLANES, Layout
from ..sky.footprint import pixel_scale, to_sky
from .noise_maps import usable
from .row_flags import unusable
from .row_measurements import RowMeasurements
from .row_pixels import read_row_pixels
from .row_places import RowPlaces
from .source import FileSource, typed_errors
from .table_row import TableRow

__all__ = ("ExposureStars", "read_stars", "row_of")


@dataclasses.dataclass(frozen=True)
class ExposureStars:
    """The stars of an exposure."""

    catalog: StarCatalog
    """Fluxes of a row are in the unit of its pixels, those of other exposures in nJy."""
    width: StarWidth | None
    """In pixels; `None` where there is no star."""
    measurements: RowMeasurements | None = None
    """What else was measured in the pixels of a row."""


def row_of(source: ExposureSource) -> TableRow | None:
    """Return the row of an exposure table that a source reads, if it does."""
    recipe = source.recipe if isinstance(source, FileSource) else None
    return recipe if isinstance(recipe, TableRow) else None


def read_stars(
    sources: Sequence[ExposureSource],
    threads: int,
    on_measured: Callable[[int, int], None] | None = None,
) -> list[ExposureStars | LamellaError]:
    """Read the pixels of exposures and measure their stars.

    Parameters
    ----------
    sources
        The exposures.
    threads
        Number of threads; the results do not depend on it.
    on_measured
        Called with the numbers of exposures that were measured, and of all: first with 0, then after each.

    Returns
    -------
    list
        In the order of the sources; the error of one that cannot be read.
    """
    with ThreadPoolExecutor(threads) as pool:
        tell = on_measured or (lambda done, total: None)
        tell(0, len(sources))
        results = []
        for done, result in enumerate(pool.map(_stars_or_error, sources), start=1):
            results.append(result)
            tell(done, len(sources))
        return results


def _stars_or_error(source: ExposureSource) -> ExposureStars | LamellaError:
    try:
        row = row_of(source)
        with typed_errors(source.info.path):
            return _stars_of_exposure(source) if row is None else _stars_of_row(row, source.info)
    except LamellaError as err:
        return err


def _stars_of_row(row: TableRow, info: ExposureInfo) -> ExposureStars:
    pixels = read_row_pixels(RowPlaces(row.cells), row.control)
    image = np.asarray(pixels.image, np.float32)
    bad = unusable(pixels.flags, image.shape) | ~usable(pixels.variance) | ~np.isfinite(image)
    stars = _measure(image, pixels.variance, bad, info, pixels.residual)
    return dataclasses.replace(_catalog(stars, info, 1.0), measurements=pixels.measurements)


def _stars_of_exposure(source: ExposureSource) -> ExposureStars:
    """Measure the stars of an exposure that another reader makes, in nJy."""
    exposure, info = source.read(), source.info
    pixels = exposure.pixels
    image, variance = pixels.image.array, pixels.variance.array
    bits = Layout(pixels.mask.schema).bits(BAD_MASK_PLANES, missing_ok=True)
    bad = (pixels.mask.array[..., 0] & bits != 0) | ~usable(variance) | ~np.isfinite(image)
    stars = _measure(image, variance, bad, info)
    x, y = stars.x + info.bbox.x.start, stars.y + info.bbox.y.start
    scale = calibration_at(exposure.to_njy, x, y, info.bbox, pixels.unit, info.path) if len(x) else 1.0
    return _catalog(stars, info, scale)


def _measure(
    image: np.ndarray,
    variance: np.ndarray,
    bad: np.ndarray,
    info: ExposureInfo,
    residual: np.ndarray | None = None,
) -> StarField:
    if residual is None:
        # What is left of the sky in a mesh of the coadd is too much for the wings of stars.
        residual, _, _ = take_off_sky(image, bad, path=info.path)
    return measure_stars(residual, variance, bad)


def _catalog(stars: StarField, info: ExposureInfo, scale: float | np.ndarray) -> ExposureStars:
    vectors = np.empty((0, 3))
    if len(stars):  # AST takes no empty arrays
        vectors = to_sky(info.projection, stars.x + info.bbox.x.start, stars.y + info.bbox.y.start)
    pixel = pixel_scale(info.projection, info.bbox)
    catalog = StarCatalog(
        name=str(info.id),
        visit=f"{info.id.instrument} visit {info.id.visit}",
        ra=np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])),
        dec=np.degrees(np.arcsin(vectors[:, 2])),
        position_error=pixel * stars.position_error,
        flux=scale * stars.flux,
        flux_error=scale * stars.flux_error,
        pixel=pixel,
        shared_error=stars.shared_error,
    )
    return ExposureStars(catalog, stars.width)
