"""The truth about a simulated survey."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lsst.images import Box, SkyProjection

from ..files import atomic_path, make_folder
from .artifacts import Artifact, inject_artifacts
from .camera import Visit, plan_visits
from .config import SurveyConfig
from .render import render
from .sky import make_asteroids, make_catalogue, sources_in_band

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ("Truth", "exposure_stem", "write_table")

_UNITS = {
    "ra": "deg", "dec": "deg", "rotation": "deg", "mjd": "d", "psf_fwhm": "arcsec", "sky_noise": "nJy",
    "zero_point": "mag", "x": "pix", "y": "pix", "x_end": "pix", "y_end": "pix", "peak": "nJy", "flux": "nJy",
}  # fmt: skip


def exposure_stem(visit: int, detector: int) -> str:
    """Return the file name of an exposure, without its suffix."""
    return f"visit-{visit:04d}-detector-{detector:02d}"


def write_table(table: Table, path: Path) -> None:
    """Write a table as ECSV, all or nothing."""
    with atomic_path(path) as temporary:
        table.write(temporary, format="ascii.ecsv")


@dataclasses.dataclass(frozen=True)
class Truth:
    """What a survey shows, known without looking at its pixels.

    Attributes
    ----------
    config
        The survey.
    """

    config: SurveyConfig

    @cached_property
    def catalogue(self) -> Table:
        """Stars and galaxies, as `lamella.testing.sky.make_catalogue` describes them."""
        return make_catalogue(self.config)

    @property
    def stars(self) -> Table:
        """The rows of the catalogue that are stars."""
        return self.catalogue[self.catalogue["kind"] == "star"]

    def render(self, projection: SkyProjection[Any], box: Box, psf_sigma: float, band: str) -> np.ndarray:
        """Return the noiseless static sky on any pixel grid, seen with a Gaussian PSF.

        Parameters
        ----------
        projection
            Pixels to sky.
        box
            Which pixels.
        psf_sigma
            Standard deviation of the PSF, in pixels of this grid.
        band
            Passband.

        Returns
        -------
        `numpy.ndarray`
            Image of shape (y, x), float64, nJy per pixel.
        """
        return render(sources_in_band(self.catalogue, band), projection, box, psf_sigma)

    @cached_property
    def visits(self) -> Table:
        """Pointing, seeing, sky noise and zero point of each visit."""
        return _record_table(Visit, list(plan_visits(self.config).values()))

    @cached_property
    def artifacts(self) -> Table:
        """The artifacts of all exposures; columns as in `lamella.testing.artifacts.Artifact`."""
        records: list[Artifact] = []
        for visit in self.config.visits:
            for detector in self.config.detectors:
                records += inject_artifacts(self.config, visit, detector).records
        return _record_table(Artifact, records)

    @property
    def asteroids(self) -> Table:
        """Positions (degrees) and fluxes (nJy) of the asteroids in each visit."""
        from astropy.table import Table

        rows = [
            (asteroid.number, visit.visit, *asteroid.position(visit.mjd), asteroid.flux)
            for visit in plan_visits(self.config).values()
            for asteroid in make_asteroids(self.config)
        ]
        names, dtypes = ("number", "visit", "ra", "dec", "flux"), (int, int, float, float, float)
        return Table(rows=rows or None, names=names, dtype=dtypes, units={n: _UNITS[n] for n in names[2:]})

    def artifact_planes(self, visit: int, detector: int) -> dict[str, np.ndarray]:
        """Return, by kind, the pixels of an exposure into which artifacts were injected.

        Returns
        -------
        `dict`
            Boolean arrays of shape (y, x) for each of ``COSMIC_RAY``,
            ``SATELLITE`` and ``ASTEROID``.
        """
        return inject_artifacts(self.config, visit, detector).planes

    def write(self, folder: Path) -> list[Path]:
        """Write the tables of the truth, and return their paths."""
        tables = {
            "catalogue": self.catalogue,
            "visits": self.visits,
            "artifacts": self.artifacts,
            "asteroids": self.asteroids,
        }
        make_folder(folder)
        paths = [folder / f"{name}.ecsv" for name in tables]
        for path, table in zip(paths, tables.values(), strict=True):
            if not path.exists():
                write_table(table, path)
        return paths


def _record_table(kind: type, records: list[Any]) -> Table:
    from astropy.table import Table

    names = [field.name for field in dataclasses.fields(kind)]
    dtypes = [
        {"int": int, "float": float, "bool": bool}.get(str(f.type), str) for f in dataclasses.fields(kind)
    ]
    rows = [dataclasses.astuple(record) for record in records]
    units = {name: _UNITS[name] for name in names if name in _UNITS}
    return Table(rows=rows or None, names=names, dtype=dtypes, units=units)
