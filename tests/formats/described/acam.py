"""The night of the page about a camera of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lamella.testing.config import SurveyConfig
from lamella.testing.exposure import SimulatedExposure
from lamella.testing.layouts.frame import Frame, Number, primary_hdu, save, with_cards
from lamella.testing.survey import Survey

__all__ = ("write_night",)


def write_night(folder: Path) -> list[SimulatedExposure]:
    """Write the night of the page: images on their sky, and flags in files of their own."""
    from astropy.io import fits

    config = SurveyConfig(
        bands=("r",), visits_per_band=2, detector_grid=(1, 1), detector_shape=(160, 170), stars=40, galaxies=5
    )
    exposures = [*Survey(config).exposures()]
    flags = {"BAD": 1, "SATURATED": 2, "COSMIC_RAY": 4, "NO_DATA": 1}
    for number, exposure in enumerate(exposures, start=41):
        frame = Frame.of(exposure)
        cards: dict[str, Number] = {"INSTRUME": "ACAM", "FILTNAM": "Sloan r'", "EXPTIME": frame.seconds}
        cards |= {"DATE-OBS": frame.date, "FRAMENO": number, "CCDGAIN": frame.gain, "RON": 5.0}
        cards |= {"MZERO": round(frame.rate_zero_point, 4), "FWHMPIX": round(frame.fwhm, 2)}
        sky = (frame.plan.sky_noise / frame.plan.to_njy) ** 2 * frame.gain - 5.0**2 / frame.gain
        image = fits.PrimaryHDU(np.nan_to_num(frame.image(sky=sky)), with_cards(frame.wcs(), cards))
        image.header.remove("RADESYS", ignore_missing=True)
        save(folder / f"acam{number:04d}.fits", [image])
        planes = frame.flags(flags, "u1")
        planes[:, :9] |= 8  # vignetted
        save(folder / f"acam{number:04d}_flag.fits", [fits.PrimaryHDU(planes, primary_hdu({}).header)])
    return exposures
