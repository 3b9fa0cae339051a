"""Pixel grids for the regions of `hsc_records`: coarse ones.

A detector of 2048 x 4176 pixels of 0.168 arcsec has about 50 x 90 of 8.4
arcsec here, and a patch of 4000 x 4000 has 80 x 80.
"""

from __future__ import annotations

import math

import numpy as np
from astropy.io.fits import Header
from lsst.images import Box

from lamella.sky.discrete import DiscreteConfig, DiscreteSkyMap
from lamella.sky.footprint import to_sky
from lamella.sky.layout import LegacyPatches
from lamella.sky.vectors import to_lonlat

from .hsc_records import DetectorRegion, hsc_records

__all__ = ("detector_geometry", "hsc_skymap")

_PATCH_PIXELS = 80
_SCALE = 4000 * 0.168 / _PATCH_PIXELS  # arcsec; a patch is as large as a real one
_BORDER = 2  # pixels; 100 of the real ones
_RADIUS = 1.49  # degrees; the square around such a circle takes 16 patches on a side


def hsc_skymap() -> DiscreteSkyMap:
    """Return a sky map with the recorded tract, cut into 16 x 16 patches of coarse pixels."""
    records = hsc_records()
    center = _lonlat(records.tract.sum(axis=0))
    # The reference point is the centre of a pixel, and there is an even number of
    # pixels: the middle of the box is half a pixel beyond.
    trial = _skymap(center, "")[0]
    reference = trial.fits_wcs.wcs.crpix - 1.0
    middle = np.array([trial.bbox.x.center, trial.bbox.y.center])
    shifted = to_sky(trial.projection, *(2.0 * reference - middle))
    return _skymap(_lonlat(shifted), records.skymap)


def _skymap(center: tuple[float, float], name: str) -> DiscreteSkyMap:
    config = DiscreteConfig(
        ra=center[:1],
        dec=center[1:],
        radius=(_RADIUS,),
        tract_overlap=0.0,
        pixel_scale=_SCALE,
        projection="TAN",
        patches=LegacyPatches(inner=(_PATCH_PIXELS, _PATCH_PIXELS), border=_BORDER),
    )
    return DiscreteSkyMap(config, name=name)


def _lonlat(vector: np.ndarray) -> tuple[float, float]:
    lon, lat = np.degrees(to_lonlat(vector / np.linalg.norm(vector)))
    return round(float(lon) % 360.0, 9), round(float(lat), 9)


def detector_geometry(region: DetectorRegion) -> tuple[Header, Box]:
    """Return the projection and the box of pixels that fill a region.

    Parameters
    ----------
    region
        A region of four corners.

    Returns
    -------
    astropy.io.fits.Header
        TAN-SIP projection that puts the corners of the pixels on the corners
        of the region; x runs along the short side.
    lsst.images.Box
        Pixels of about 8.4 arcsec.
    """
    # In the order of pixels: counterclockwise on the sky as we see it, a short side first.
    seen = region.corners[::-1]
    first, second = (np.linalg.norm(seen[k] - seen[k + 1]) for k in (0, 1))
    corners = seen if first < second else np.roll(seen, -1, axis=0)
    sides = np.degrees(np.arccos(np.sum(corners * np.roll(corners, -1, axis=0), axis=1))) * 3600.0
    width, height = (math.ceil(sides[k::2].max() / _SCALE) for k in (0, 1))
    # The tangent point is put on the middle of the box, from which pixels x and y count.
    x, y = np.array([-1, 1, 1, -1]) * width / 2, np.array([-1, -1, 1, 1]) * height / 2
    terms = np.stack([np.ones(4), x, y, x * y], axis=-1)
    axis = corners.sum(axis=0)
    for _ in range(5):
        axis /= np.linalg.norm(axis)
        east = np.cross([0.0, 0.0, 1.0], axis)
        basis = np.stack([east / np.linalg.norm(east), np.cross(axis, east) / np.linalg.norm(east)])
        plane = np.linalg.solve(terms, (corners @ basis.T) / (corners @ axis)[:, None])
        crval, axis = axis, axis + plane[0] @ basis
    crval, plane = np.degrees(to_lonlat(crval)) % 360.0, np.degrees(plane)
    cd = plane[1:3].T
    bend = np.linalg.solve(cd, plane[3])
    header = Header()
    header.update({"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "RADESYS": "ICRS"})
    header.update({"CUNIT1": "deg", "CUNIT2": "deg"})
    header.update({"CRPIX1": (width + 1) / 2, "CRPIX2": (height + 1) / 2})
    header.update({"CRVAL1": float(crval[0]), "CRVAL2": float(crval[1])})
    header.update({f"CD{i + 1}_{j + 1}": float(cd[i, j]) for i, j in np.ndindex(2, 2)})
    header.update({"A_ORDER": 2, "B_ORDER": 2, "A_1_1": float(bend[0]), "B_1_1": float(bend[1])})
    return header, Box.factory[0:height, 0:width]
