"""Whether the noise that exposures state is that of their pixels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..coadd.visitcheck import noise_warning
from ..data.exposure import Exposure, ExposureSource
from ..errors import LamellaError
from ..image.measured_noise import measure_noise
from ..planes import BAD_MASK_PLANES, Layout
from .exposure_stars import row_of
from .noise_maps import usable

__all__ = ("check_noise",)

_STATING = ("variance", "weight", "stddev")
"""Maps that say more than how pixels compare."""


def check_noise(sources: Iterable[ExposureSource]) -> tuple[tuple[ExposureSource, str], ...]:
    """Compare the noise that rows state with that of the pixels, which are read of the first of each kind.

    Parameters
    ----------
    sources
        Exposures; of one kind are those of an instrument whose noise is in the same column and HDU.

    Returns
    -------
    tuple
        Exposures whose noise is not what they state, and a sentence on each.
    """
    checked: set[tuple[str, ...]] = set()
    warnings = []
    for source in sources:
        kind = _kind_of(source)
        if kind is None or kind in checked:
            continue
        checked.add(kind)
        try:
            warning = noise_warning(_noise_ratio(source.read()))
        except LamellaError:  # told by who needs the pixels
            continue
        if warning:
            warnings.append((source, warning))
    return tuple(warnings)


def _kind_of(source: ExposureSource) -> tuple[str, ...] | None:
    """Return what exposures whose noise is stated alike have in common; `None` where it is not stated."""
    row = row_of(source)
    if row is None:
        return None
    columns = [column for column in row.values if column.startswith(tuple(f"{kind}_" for kind in _STATING))]
    stated = [
        f"{column}={row.values[column] if column.endswith('_hdu') else ''}" for column in sorted(columns)
    ]
    return (source.info.format, source.info.id.instrument, *stated) if stated else None


def _noise_ratio(exposure: Exposure) -> float:
    """Return the noise of blank sky over what the variance says, the median of all good pixels."""
    pixels = exposure.pixels
    image, variance = pixels.image.array, pixels.variance.array
    bits = Layout(pixels.mask.schema).bits(BAD_MASK_PLANES, missing_ok=True)
    good = (pixels.mask.array[..., 0] & bits == 0) & usable(variance) & np.isfinite(image)
    measured = measure_noise(image, ~good, path=exposure.info.path)
    return float(np.sqrt(np.median(measured[good] / variance[good])))
