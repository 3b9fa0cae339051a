"""Figures of images with their axes on the sky, for people with matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.coadd import PatchCoadd
from ..data.warp import Warp
from ..errors import MissingPackageError
from ..image.blanksky import clipped_sky
from ..image.planes import plane_pixels
from ..planes import plane_name

__all__ = ("plot_image",)

_SKY_DEPTH = 2.5
"""Standard deviations of the sky below it that are black."""
_SOFTENING = 0.02
"""Share of the range from which the stretch is logarithmic."""


def plot_image(image: PatchCoadd | Warp, plane: str = "image", *, ax: Any = None, **options: Any) -> Any:
    """Draw a plane of an image, see `lamella.PatchCoadd.plot`."""
    pyplot = _matplotlib()
    values, defaults, label = _plane(image, plane)
    if plane == "image" and "norm" not in options:
        defaults["norm"] = _stretch(values, options)
    axes = pyplot.figure().add_subplot(projection=image.fits_wcs) if ax is None else ax
    picture = axes.imshow(values, **{"origin": "lower", "interpolation": "nearest"} | defaults | options)
    if values.dtype != bool:
        axes.figure.colorbar(picture, ax=axes, label=label, shrink=0.8)
    axes.set_title(_title(image, plane))
    if ax is None:
        axes.set_xlabel("right ascension")
        axes.set_ylabel("declination")
    return axes


def _matplotlib() -> Any:
    try:
        import matplotlib.pyplot
    except ImportError as err:
        raise MissingPackageError("matplotlib", extra="plot", purpose="plot()") from err
    return matplotlib.pyplot


def _plane(image: PatchCoadd | Warp, plane: str) -> tuple[np.ndarray, dict[str, Any], str]:
    """Return the pixels of a plane, how they are drawn, and what the colours mean."""
    from matplotlib.colors import Normalize

    unit = image.flux_unit.name
    if plane == "image":
        return image.image.array, {"cmap": "gray"}, unit
    if plane == "variance":
        variance = np.where(np.isfinite(image.variance.array), image.variance.array, np.nan)
        return variance, {"cmap": "viridis"}, f"{unit}²"
    if plane == "exposure_count" and isinstance(image, PatchCoadd):
        return image.exposure_count.array, {"cmap": "viridis"}, "visits"
    limits = Normalize(0, 1)  # also where all pixels are the same
    return plane_pixels(image.mask, plane), {"cmap": "gray_r", "norm": limits}, ""


def _stretch(values: np.ndarray, options: dict[str, Any]) -> Any:
    """Return a stretch that shows the noise of the sky and the stars."""
    from astropy.visualization import AsinhStretch, ImageNormalize

    finite = values[np.isfinite(values)]
    sky, noise = clipped_sky(values) if finite.size else (0.0, 1.0)
    if not noise > 0:
        noise = float(np.ptp(finite)) / 100.0 or 1.0 if finite.size else 1.0
    white = float(np.percentile(finite, 99.9)) if finite.size else sky + 1.0
    low = options.pop("vmin", sky - _SKY_DEPTH * noise)
    high = options.pop("vmax", max(white, sky + 20.0 * noise))
    return ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch(_SOFTENING), clip=False)


def _title(image: PatchCoadd | Warp, plane: str) -> str:
    told = "" if plane == "image" else f", {plane_name(plane).replace('_', ' ')}"
    if isinstance(image, PatchCoadd):
        return f"{image.band}, tract {image.tract}, patch {image.patch[0]},{image.patch[1]}{told}"
    return f"{image.instrument} visit {image.visit}, {image.band}{told}"
