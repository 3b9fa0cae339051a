"""Resampling by the Python packages drizzle and reproject: one exposure after the other, to files.

Nothing of lamella is imported, so that another interpreter can run it.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

Planes = dict[str, np.ndarray]


def _drizzle(image: np.ndarray, weight: np.ndarray, source: WCS, patch: WCS) -> Planes:
    """Return image and weight; pixels are squares of full size."""
    from drizzle.resample import Drizzle
    from drizzle.utils import calc_pixmap

    driz = Drizzle(kernel="square", out_shape=patch.array_shape, disable_ctx=True)
    pixmap = calc_pixmap(source, patch, image.shape)
    driz.add_image(image, exptime=1.0, pixmap=pixmap, weight_map=weight, pixfrac=1.0)
    return {"": driz.out_img, "weight": driz.out_wht}


def _interp(image: np.ndarray, weight: np.ndarray, source: WCS, patch: WCS) -> Planes:
    from reproject import reproject_interp

    return {"": reproject_interp((image, source), patch, order="bilinear", return_footprint=False)}


def _adaptive(image: np.ndarray, weight: np.ndarray, source: WCS, patch: WCS) -> Planes:
    from reproject import reproject_adaptive

    found = reproject_adaptive((image, source), patch, conserve_flux=True, return_footprint=False)
    return {"": found}


METHODS: dict[str, Callable[[np.ndarray, np.ndarray, WCS, WCS], Planes]] = {
    "drizzle": _drizzle,
    "reproject_interp": _interp,
    "reproject_adaptive": _adaptive,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("grid", type=Path, help="header of the patch as text")
    parser.add_argument("output", type=Path, help="folder")
    parser.add_argument("images", type=Path, nargs="+", help="exposures, with a weight beside each")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    grid = fits.Header.fromtextfile(args.grid)
    for path in args.images:
        image, header = fits.getdata(path, header=True)
        weight = fits.getdata(path.with_suffix(".weight.fits"))
        native = [plane.astype(np.float32) for plane in (image, weight)]
        planes = METHODS[args.method](*native, WCS(header), WCS(grid))
        for kind, plane in planes.items():
            name = f"{path.stem}{f'.{kind}' if kind else ''}.fits"
            fits.writeto(args.output / name, plane.astype(np.float32), WCS(grid).to_header())


if __name__ == "__main__":
    main()
