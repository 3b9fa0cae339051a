"""The layouts in which a simulated survey can be written, by the names of lamella's descriptions."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Literal

from ...errors import ConfigError
from ...files import make_folder
from ..exposure import SimulatedExposure
from . import mosaics, observatories, space, surveys
from .frame import Frame

__all__ = ("LAYOUTS", "Layout", "write_layout")

type Writer = Callable[[Sequence[Frame], Path], None]


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a survey writes its exposures, and what its files tell.

    Attributes
    ----------
    write
        Writes the detectors of one visit into a folder.
    band
        What the band of the files is called.
    noise
        Whether files have a map of the noise, gain and read noise for ``counts``, or nothing.
    masked
        Planes of lamella whose pixels files tell to be unusable.
    calibrated
        Whether there is an absolute zero point.
    rounding
        Largest error of a pixel, in units of the noise of the sky.
    distorted
        Whether the projection has SIP.
    """

    write: Writer
    band: str = "r"
    noise: Literal["map", "counts", "measured"] = "map"
    masked: tuple[str, ...] = ("BAD", "SATURATED", "COSMIC_RAY", "NO_DATA")
    calibrated: bool = True
    rounding: float = 1e-5
    distorted: bool = False


_UNPACKED = 0.07  # fpack rounds to 1/16 of the noise
_INTEGERS = 0.1  # half a count of at least five
_HIDDEN = ("BAD", "COSMIC_RAY", "NO_DATA")

LAYOUTS: dict[str, Layout] = {
    "2mass": Layout(mosaics.write_2mass, "J", noise="measured", masked=()),
    "blackgem": Layout(surveys.write_blackgem, noise="counts", rounding=_UNPACKED),
    "ccddata": Layout(observatories.write_ccddata, "R", calibrated=False),
    "cfht-megacam": Layout(observatories.write_megacam, noise="measured", masked=_HIDDEN, rounding=_INTEGERS),
    "des": Layout(surveys.write_des, calibrated=False, rounding=_UNPACKED),
    "dragons": Layout(observatories.write_dragons, calibrated=False),
    "euclid-vis": Layout(space.write_euclid, "VIS"),
    "hst-acs": Layout(space.write_acs, "F606W", distorted=True),
    "hst-wfc3": Layout(space.write_wfc3, "F160W", distorted=True),
    "irac-mosaic": Layout(mosaics.write_irac_mosaic, "I2"),
    "irac": Layout(space.write_irac, "I1", distorted=True),
    "jwst": Layout(space.write_jwst, "F150W", distorted=True),
    "lco": Layout(observatories.write_lco, rounding=_UNPACKED),
    "noirlab-cp": Layout(observatories.write_noirlab, "z", rounding=_UNPACKED),
    "ps1-stack": Layout(surveys.write_ps1_stack, rounding=_UNPACKED),
    "ps1-warp": Layout(surveys.write_ps1, rounding=_UNPACKED),
    "sdss-frame": Layout(surveys.write_sdss, noise="measured", masked=(), rounding=0.02),
    "skymapper": Layout(surveys.write_skymapper, noise="measured", masked=(), rounding=_INTEGERS),
    "unwise": Layout(mosaics.write_unwise, "W1"),
    "vista": Layout(observatories.write_vista, "J", "measured", _HIDDEN, rounding=_INTEGERS),
    "wfcam": Layout(
        observatories.write_wfcam, "K", "measured", _HIDDEN, calibrated=False, rounding=_INTEGERS
    ),
    "wise-atlas": Layout(mosaics.write_wise_atlas, "W2"),
    "wise": Layout(space.write_wise, "W1", distorted=True),
    "ztf": Layout(surveys.write_ztf, noise="counts"),
}
"""The layouts, by name."""


def write_layout(name: str, exposures: Iterable[SimulatedExposure], folder: str | PathLike[str]) -> Path:
    """Write simulated exposures as a survey would.

    Parameters
    ----------
    name
        Name of a layout of `LAYOUTS`.
    exposures
        Exposures, of one band, ordered by visit.
    folder
        Where to; made if it is absent.

    Returns
    -------
    `~pathlib.Path`
        The folder.

    Raises
    ------
    ConfigError
        Raised when there is no such layout, or when the exposures have a distortion and it has none.
    OutputError
        Raised when the folder cannot be written to.
    """
    layout = LAYOUTS.get(name)
    if layout is None:
        raise ConfigError(f"There is no layout {name!r}; there are {', '.join(LAYOUTS)}.", option="name")
    path = make_folder(folder)
    for _, visit in itertools.groupby(exposures, key=lambda exposure: exposure.visit):
        frames = [Frame.of(exposure) for exposure in visit]
        if frames[0].exposure.config.distortion > 0 and not layout.distorted:
            raise ConfigError(f"The projections of {name} have no SIP.", option="distortion")
        layout.write(frames, path)
    return path
