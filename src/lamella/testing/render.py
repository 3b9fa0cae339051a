"""Noiseless images of stars and galaxies on any pixel grid.

The PSF is that of `lsst.images.psfs.GaussianPointSpreadFunction`: a Gaussian
*sampled* at pixel centres.  A star of flux F at (x, y) has the value

    F / (2 pi s^2) exp(-r^2 / 2 s^2)

in a pixel whose centre is at distance r.  Summed over all pixels this is F to
2 exp(-2 pi^2 s^2) (Poisson's summation formula): to 4e-6 for s = 0.8 px and to
5e-9 for s = 1 px.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from lsst.images import Box, SkyProjection

from ..kernels._jit import jit
from .profiles import gaussian_mixture
from .spherical import offset_sky, separation

__all__ = ("FLOOR", "Gaussians", "SkySources", "draw_gaussians", "project", "render")

FLOOR = 1e-5
"""Tails of sources below this many nJy per pixel are left out."""

_STEP = 0.1  # arcseconds over which the local map from sky to pixels is taken
_MARGIN = 45.0  # arcseconds beyond a box in which a galaxy can still reach into it


@dataclasses.dataclass(frozen=True)
class SkySources:
    """Stars and galaxies on the sky, in one band; arrays of shape (n,).

    Attributes
    ----------
    ra, dec
        ICRS, degrees.
    flux
        nJy.
    radius
        Half-light radius along the major axis in arcseconds; 0 for a star.
    index
        Sersic index; of no meaning for a star.
    axis_ratio
        Minor over major axis.
    angle
        Position angle of the major axis in degrees, east of north.
    """

    ra: np.ndarray
    dec: np.ndarray
    flux: np.ndarray
    radius: np.ndarray
    index: np.ndarray
    axis_ratio: np.ndarray
    angle: np.ndarray

    def select(self, chosen: np.ndarray) -> SkySources:
        """Return some of the sources, by a boolean array or by indices."""
        return SkySources(**{f.name: getattr(self, f.name)[chosen] for f in dataclasses.fields(self)})

    def __len__(self) -> int:
        return len(self.ra)


@dataclasses.dataclass(frozen=True)
class Gaussians:
    """Gaussians on a pixel grid; contiguous arrays of shape (n,), float64.

    Attributes
    ----------
    x, y
        Centres; pixel centres are at integers.
    flux
        Integrals.
    xx, xy, yy
        Covariance in square pixels.
    """

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray


@jit
def _draw(
    image: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    flux: np.ndarray,
    xx: np.ndarray,
    xy: np.ndarray,
    yy: np.ndarray,
    floor: float,
) -> None:
    rows, columns = image.shape
    for k in range(x.size):
        determinant = xx[k] * yy[k] - xy[k] * xy[k]
        peak = flux[k] / (2.0 * math.pi * math.sqrt(determinant))
        if peak <= floor:
            continue
        reach = math.sqrt(2.0 * math.log(peak / floor))
        wide = reach * math.sqrt(xx[k])
        high = reach * math.sqrt(yy[k])
        first_row = max(0, math.ceil(y[k] - high))
        last_row = min(rows - 1, math.floor(y[k] + high))
        first_column = max(0, math.ceil(x[k] - wide))
        last_column = min(columns - 1, math.floor(x[k] + wide))
        a = -0.5 * yy[k] / determinant
        b = xy[k] / determinant
        c = -0.5 * xx[k] / determinant
        for i in range(first_row, last_row + 1):
            dy = i - y[k]
            for j in range(first_column, last_column + 1):
                dx = j - x[k]
                image[i, j] += peak * math.exp(a * dx * dx + b * dx * dy + c * dy * dy)


def draw_gaussians(sources: Gaussians, box: Box, *, floor: float = FLOOR) -> np.ndarray:
    """Draw Gaussians, sampled at pixel centres.

    Parameters
    ----------
    sources
        What to draw.
    box
        Which pixels.
    floor
        Tails below this value are left out.

    Returns
    -------
    `numpy.ndarray`
        Image of shape (y, x), float64, in the unit of the fluxes per pixel.
    """
    image = np.zeros((box.y.size, box.x.size))
    x, y = sources.x - box.x.start, sources.y - box.y.start
    _draw(image, x, y, sources.flux, sources.xx, sources.xy, sources.yy, floor)
    return image


def render(sources: SkySources, projection: SkyProjection[Any], box: Box, psf_sigma: float) -> np.ndarray:
    """Return the noiseless image of sources on a pixel grid.

    A pixel holds the flux that falls on it, so that stars and galaxies keep
    their flux whatever the local area of the pixels is.

    Parameters
    ----------
    sources
        What is on the sky; what is further than 45 arcseconds from the box is left out.
    projection
        Pixels to sky.
    box
        Which pixels.
    psf_sigma
        Standard deviation of the Gaussian PSF, in pixels of this grid.

    Returns
    -------
    `numpy.ndarray`
        Image of shape (y, x), float64, nJy per pixel.
    """
    # Sources that are too far from the box to reach into it are left out.  Far from its detector a
    # distortion is not invertible, and may put a source anywhere.
    x = np.array([box.x.center, box.x.start, box.x.stop, box.x.start, box.x.stop])
    y = np.array([box.y.center, box.y.start, box.y.start, box.y.stop, box.y.stop])
    sky = projection.pixel_to_sky_transform.apply_forward(x=x, y=y)
    ra, dec = np.degrees(sky.x), np.degrees(sky.y)
    reach = separation(ra[0], dec[0], ra[1:], dec[1:]).max() + _MARGIN
    near = sources.select(separation(ra[0], dec[0], sources.ra, sources.dec) <= reach)
    if len(near):
        x, y = _to_pixels(projection, near.ra, near.dec)
        back = projection.pixel_to_sky_transform.apply_forward(x=x, y=y)
        near = near.select(separation(np.degrees(back.x), np.degrees(back.y), near.ra, near.dec) <= _STEP)
    return draw_gaussians(project(near, projection, psf_sigma), box)


def project(sources: SkySources, projection: SkyProjection[Any], psf_sigma: float) -> Gaussians:
    """Return the Gaussians that sources make on a pixel grid.

    Parameters
    ----------
    sources
        What is on the sky.
    projection
        Pixels to sky.
    psf_sigma
        Standard deviation of the Gaussian PSF, in pixels.
    """
    x, y = _to_pixels(projection, sources.ra, sources.dec)
    # d(x, y) / d(east, north) in pixels per arcsecond, shape (n, 2, 2).
    step = np.array(_STEP)
    columns = []
    for east, north in ((step, 0 * step), (0 * step, step)):
        ahead = _to_pixels(projection, *offset_sky(sources.ra, sources.dec, east, north))
        behind = _to_pixels(projection, *offset_sky(sources.ra, sources.dec, -east, -north))
        columns.append([(a - b) / (2 * _STEP) for a, b in zip(ahead, behind, strict=True)])
    jacobian = np.stack([np.stack(column, axis=-1) for column in columns], axis=-1)
    rows, shares, lengths = [], [], []
    for k, (flux, radius, index) in enumerate(zip(sources.flux, sources.radius, sources.index, strict=True)):
        weights, widths = gaussian_mixture(float(index)) if radius > 0 else ((1.0,), (0.0,))
        rows += [k] * len(weights)
        shares += [flux * weight for weight in weights]
        lengths += [radius * width for width in widths]
    which, fluxes, sigmas = (
        np.array(rows, dtype=np.intp),
        np.array(shares, dtype=float),
        np.array(lengths, dtype=float),
    )
    # Covariances over (east, north) in square arcseconds, shape (n, 2, 2).
    selected = sources.select(which)
    angle = np.radians(selected.angle)
    sin, cos = np.sin(angle), np.cos(angle)
    major = np.stack([sin, cos], axis=-1)
    minor = np.stack([cos, -sin], axis=-1) * selected.axis_ratio[:, None]
    outer = major[:, :, None] * major[:, None, :] + minor[:, :, None] * minor[:, None, :]
    covariance: np.ndarray = outer * (sigmas**2)[:, None, None]
    local = jacobian[which]
    covariance = local @ covariance @ local.transpose(0, 2, 1)
    return Gaussians(
        x=x[which],
        y=y[which],
        flux=fluxes,
        xx=covariance[:, 0, 0] + psf_sigma**2,
        xy=np.ascontiguousarray(covariance[:, 0, 1]),
        yy=covariance[:, 1, 1] + psf_sigma**2,
    )


def _to_pixels(
    projection: SkyProjection[Any], ra: np.ndarray, dec: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if not len(ra):  # AST refuses to transform nothing
        return np.zeros(0), np.zeros(0)
    point = projection.sky_to_pixel_transform.apply_forward(x=np.radians(ra), y=np.radians(dec))
    return np.asarray(point.x), np.asarray(point.y)
