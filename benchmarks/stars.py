"""What resampling does to the flux, the position and the width of stars."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from astropy.io import fits

from lamella.sky.pixelmap import PixelMap

from .exposures import FLUX, SIGMA, STAMP, Exposures, exposure_header, projection_of, star_places

RADIUS = 10.0
"""Of the aperture, in pixels."""


def measure_stars(
    image: np.ndarray, header: fits.Header, i: int, of: Exposures, *, brightness: bool
) -> np.ndarray:
    """Return relative flux error, centroid error (x, y) and width of the stars of an exposure; shape (n, 4).

    Flux and width are moments in an aperture, centroids are weighted with the
    profile.  ``header`` has the projection of the resampled image; ``brightness``
    says that resampling kept the surface brightness and not the counts.
    """
    pixel_map = PixelMap(projection_of(exposure_header(i, of, of.distortion)), projection_of(header))
    x, y = star_places(i, of)
    expected = np.full(x.size, FLUX)
    if brightness:
        # The number of pixels into which one pixel of the exposure goes.
        (right, left), (up, down) = (
            [np.stack(pixel_map.to_destination(x + s * dx, y + s * dy)) for s in (0.5, -0.5)]
            for dx, dy in ((1.0, 0.0), (0.0, 1.0))
        )
        (xx, xy), (yx, yy) = right - left, up - down
        expected = FLUX * np.abs(xx * yy - xy * yx)
    rows = []
    for a, b, flux in zip(*pixel_map.to_destination(x, y), expected, strict=True):
        i0, j0 = round(a) - STAMP, round(b) - STAMP
        if min(i0, j0) < 0:
            continue
        at = slice(j0, j0 + 2 * STAMP + 1), slice(i0, i0 + 2 * STAMP + 1)
        stamp = image[at].astype(np.float64)
        if min(stamp.shape) <= 2 * STAMP or not np.isfinite(stamp).all() or (stamp == 0).mean() > 0.2:
            continue
        dy, dx = np.mgrid[: len(stamp), : len(stamp)] - np.array([b - j0, a - i0])[:, np.newaxis, np.newaxis]
        r2 = dx**2 + dy**2
        inside = np.where(r2 <= RADIUS**2, stamp, 0.0)
        window = stamp * np.exp(-0.5 * r2 / SIGMA**2)
        centre = [2.0 * (window * d).sum() / window.sum() for d in (dx, dy)]
        rows.append((inside.sum() / flux - 1.0, *centre, math.sqrt((inside * r2).sum() / inside.sum() / 2.0)))
    return np.array(rows).reshape(-1, 4)


def summarise(stars: np.ndarray) -> dict[str, Any]:
    """Return the numbers of a table from what `measure_stars` found."""
    if len(stars) == 0:
        return {"stars": 0}
    return {
        "stars": len(stars),
        "flux_median": float(np.median(stars[:, 0])),
        "flux_scatter": float(stars[:, 0].std()),
        "flux_worst": float(np.abs(stars[:, 0]).max()),
        "centroid_rms_px": float(np.sqrt((stars[:, 1:3] ** 2).sum(axis=1).mean())),
        "width_px": float(np.median(stars[:, 3])),
    }
