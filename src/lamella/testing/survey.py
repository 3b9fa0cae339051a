"""A simulated survey, in memory and as files."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lsst.images import Box, GeneralFrame, SkyProjection

from ..errors import ConfigError, MissingPartError, OutputError
from ..files import atomic_path, make_folder, write_text
from ..run.folder import hold_folder, remove_leftovers
from ..texts import read_json
from .camera import INSTRUMENT
from .config import SurveyConfig
from .exposure import SimulatedExposure
from .hdus import exposure_hdus, truth_mask_hdus
from .truth import Truth, exposure_stem, write_table

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ("Survey", "exposure_table", "open_survey", "simulate_survey")

_CONFIG_FILE = "survey.json"
_PRODUCTS = re.compile(r".*\.(fits|ecsv|json)", re.DOTALL)
"""Names of all files of a survey."""
_MANIFEST_FILE = "manifest.json"
_LAYOUT = 1


@dataclasses.dataclass(frozen=True)
class Survey:
    """A simulated survey; its exposures are made when they are read.

    Attributes
    ----------
    config
        What is simulated.
    folder
        Where its files are; `None` for a survey in memory.
    """

    config: SurveyConfig = dataclasses.field(default_factory=SurveyConfig)
    folder: Path | None = None

    @property
    def truth(self) -> Truth:
        """What there is to be found."""
        return Truth(self.config)

    def exposures(self, band: str | None = None) -> list[SimulatedExposure]:
        """Return the exposures of a band, or of all, ordered by visit and detector."""
        simulated = [
            SimulatedExposure(self.config, visit, detector)
            for visit in self.config.visits
            for detector in self.config.detectors
        ]
        return [exposure for exposure in simulated if band in (None, exposure.plan.band)]

    @property
    def table(self) -> Path:
        """Path of the exposure table.

        Raises
        ------
        ConfigError
            Raised for a survey in memory.
        """
        return self._folder() / "exposures.ecsv"

    def file(self, visit: int, detector: int) -> Path:
        """Return the path of an exposure's FITS file; there is none for a survey in memory."""
        return self._folder() / _exposure_file(visit, detector)

    def _folder(self) -> Path:
        if self.folder is None:
            raise ConfigError("This survey is in memory only: it has no files.", option="folder")
        return self.folder

    def grid(self, pixel_scale: float | None = None) -> tuple[SkyProjection[GeneralFrame], Box]:
        """Return an undistorted pixel grid, north up, that covers the field.

        Parameters
        ----------
        pixel_scale
            Arcseconds per pixel; that of the camera if not given.
        """
        from astropy.units import pix
        from astropy.wcs import WCS

        scale = pixel_scale or self.config.pixel_scale
        rows, columns = (int(np.ceil(size / scale)) for size in self.config.field_size)
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.crval = [self.config.ra, self.config.dec]
        wcs.wcs.crpix = [(columns + 1) / 2, (rows + 1) / 2]
        wcs.wcs.cdelt = [-scale / 3600, scale / 3600]
        box = Box.factory[0:rows, 0:columns]
        return SkyProjection.from_fits_wcs(wcs, GeneralFrame(unit=pix), pixel_bounds=box), box


def simulate_survey(
    folder: str | PathLike[str],
    config: SurveyConfig | None = None,
    *,
    progress: Callable[[int, int], Any] | None = None,
) -> Survey:
    """Write a simulated survey, with the truth about it.

    A second call with the same configuration writes what is missing, and
    nothing where all is there.

    Parameters
    ----------
    folder
        Where to write; made if it is absent.
    config
        What to simulate; a small survey in three bands by default.
    progress
        Called after each exposure with the number of exposures done and in
        all.

    Returns
    -------
    `Survey`
        The survey; its `Survey.table` is what ``lamella coadd`` reads.

    Raises
    ------
    OutputError
        Raised when the folder cannot be written to, holds another survey, or is being written to by another
        process.

    Examples
    --------
    >>> from lamella.testing.config import SurveyConfig
    >>> from lamella.testing.survey import simulate_survey
    >>> config = SurveyConfig(bands=("r",), visits_per_band=1, detector_grid=(1, 1), detector_shape=(80, 90))
    >>> survey = simulate_survey("tiny", config)
    >>> survey.table.name, len(survey.exposures())
    ('exposures.ecsv', 1)
    """
    survey = Survey(config or SurveyConfig(), make_folder(folder))
    path = survey._folder() / _CONFIG_FILE
    description = {"layout": _LAYOUT, "config": survey.config.to_dict()}
    if not path.exists():
        write_text(path, json.dumps(description, indent=2) + "\n")
    elif _read_json(path) != description:
        raise OutputError(survey._folder(), reason="the folder holds a survey with other options")
    if not _is_complete(survey):
        with hold_folder(survey._folder(), _PRODUCTS):
            _write_survey(survey, progress)
    return survey


def open_survey(folder: str | PathLike[str]) -> Survey:
    """Return the survey that `simulate_survey` wrote into a folder.

    Raises
    ------
    MissingPartError
        Raised when there is none, or when it is not complete.
    UnreadableFileError
        Raised when its description is damaged.
    """
    path = Path(folder) / _CONFIG_FILE
    if not path.exists():
        raise MissingPartError(path, found="no such file", expected="a folder with a simulated survey")
    options = _read_json(path).get("config", {})
    survey = Survey(SurveyConfig(**options), Path(folder))
    if not _is_complete(survey):
        raise MissingPartError(folder, found="an incomplete survey", expected="all files of its manifest")
    return survey


def exposure_table(survey: Survey) -> Table:
    """Return the table of a survey's exposures, as ``exposures.ecsv`` holds it."""
    from astropy.table import Table

    rows = [
        {
            "file": _exposure_file(exposure.visit, exposure.detector).as_posix(),
            "image_hdu": "IMAGE",
            "variance_hdu": "VARIANCE",
            "mask_hdu": "MASK",
            "zero_point": exposure.plan.zero_point,
            "psf_fwhm": exposure.plan.psf_fwhm,
            "band": exposure.plan.band,
            "visit": exposure.visit,
            "detector": exposure.detector,
            "instrument": INSTRUMENT,
            "mjd": exposure.plan.mjd,
            "exposure_time": exposure.config.exposure_time,
        }
        for exposure in survey.exposures()
    ]
    units = {"zero_point": "mag", "psf_fwhm": "arcsec", "mjd": "d", "exposure_time": "s"}
    return Table(rows=rows, units=units)


def _exposure_file(visit: int, detector: int) -> Path:
    return Path("exposures") / f"{exposure_stem(visit, detector)}.fits"


def _read_json(path: Path) -> dict[str, Any]:
    content = read_json(path, "a JSON file")
    return content if isinstance(content, dict) else {}


def _listed_sizes(folder: Path) -> dict[str, int]:
    path = folder / _MANIFEST_FILE
    return _read_json(path).get("bytes", {}) if path.exists() else {}


def _is_complete(survey: Survey) -> bool:
    folder = survey._folder()
    sizes = _listed_sizes(folder)
    return bool(sizes) and all(_has_size(folder / name, size) for name, size in sizes.items())


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _write_survey(survey: Survey, progress: Callable[[int, int], Any] | None) -> None:
    folder = survey._folder()
    # Without the manifest, and the files that are not as it says, an interrupted survey is continued.
    for name, size in _listed_sizes(folder).items():
        if not _has_size(folder / name, size):
            (folder / name).unlink(missing_ok=True)
    (folder / _MANIFEST_FILE).unlink(missing_ok=True)
    for name in ("exposures", "truth/masks"):
        make_folder(folder / name)
    remove_leftovers(folder / "truth", _PRODUCTS)  # those one floor up are removed by who holds the folder
    exposures = survey.exposures()
    written = []
    for done, exposure in enumerate(exposures, start=1):
        # Files get their names when they are whole, so that one that is there is whole.
        key = exposure.visit, exposure.detector
        paths = [folder / _exposure_file(*key), folder / "truth" / "masks" / f"{exposure_stem(*key)}.fits"]
        if not all(path.exists() for path in paths):
            pixels = exposure.pixels()
            for path, hdus in zip(
                paths, (exposure_hdus(exposure, pixels), truth_mask_hdus(pixels)), strict=True
            ):
                with atomic_path(path) as temporary:
                    hdus.writeto(temporary)
        written += paths
        if progress is not None:
            progress(done, len(exposures))
    written += survey.truth.write(folder / "truth")
    write_table(exposure_table(survey), survey.table)
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in [*written, survey.table]}
    write_text(folder / _MANIFEST_FILE, json.dumps({"bytes": sizes}, indent=1) + "\n")
