"""Exposures that were given in Python, as recipes: rows of a table, or of any other reader."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lsst.images.psfs import PointSpreadFunction

from ...data.exposure import Exposure, ExposureInfo
from ...psf.measure import fwhm
from ...sky.footprint import pixel_scale
from ..row_places import RowPlaces
from ..source import Recipe
from ..table_row import TableRow
from .folder import told_as

__all__ = ("GivenRecipe", "GivenRow", "given_row")

_RIVALS = (
    (("zero_point",), ("flux_scale", "flux_reference", "unit")),
    (("flux_scale",), ("zero_point",)),
    (("unit",), ("flux_scale", "flux_reference", "zero_point")),
    (
        ("variance_hdu", "stddev_hdu", "weight_hdu"),
        ("noise", "variance_hdu", "stddev_hdu", "weight_hdu", "confidence_hdu"),
    ),
    (("mask_hdu",), ("defects",)),
    (
        ("psf_fwhm", "psf_fwhm_pixels", "psf_stamp_hdu"),
        ("psf_fwhm", "psf_fwhm_pixels", "psf_stamp_hdu", "psf_file"),
    ),
    (("date", "mjd"), ("date", "mjd")),
)
"""Cells that take the place of others."""
_NAMES = {
    "zero_point": "zero point",
    "flux_scale": "relative scale",
    "unit": "unit",
    "variance_hdu": "noise",
    "stddev_hdu": "noise",
    "weight_hdu": "noise",
    "mask_hdu": "mask",
    "psf_fwhm": "PSF",
    "psf_fwhm_pixels": "PSF",
    "psf_stamp_hdu": "PSF",
    "band": "band",
    "visit": "visit",
    "gain": "gain",
    "saturation": "saturation",
    "sky": "sky",
}
"""What cells are called where it is told where their values come from."""


@dataclasses.dataclass(frozen=True)
class GivenRow(TableRow):
    """A row of an image that was given in Python."""

    label: str = ""
    """What the user calls it."""
    model: PointSpreadFunction | None = None
    """Its PSF, where that was given as a model."""

    def describe(self) -> ExposureInfo:
        """Read headers only."""
        with told_as(self.table, self.label):
            info = super().describe()
            if self.model is None:
                return dataclasses.replace(info, path=self.label)
            x, y = info.bbox.x.center, info.bbox.y.center
            width = fwhm(self.model, x, y)
            arcsec = width * pixel_scale(info.projection, info.bbox)
            return dataclasses.replace(info, path=self.label, psf_fwhm=arcsec)

    def load(self, info: ExposureInfo, measurements: Any = None) -> Exposure:
        """Read the pixels, and apply the cells of the row."""
        with told_as(self.table, self.label):
            exposure = super().load(info, measurements)
        notes = (note.replace(str(self.table), self.label) for note in exposure.notes)
        return dataclasses.replace(exposure, notes=tuple(notes))

    def psf(self, places: RowPlaces, info: ExposureInfo) -> tuple[PointSpreadFunction, str]:
        """Return the PSF, and a note on it."""
        return super().psf(places, info) if self.model is None else (self.model, "")


@dataclasses.dataclass(frozen=True)
class GivenRecipe:
    """An exposure of HDUs that the reader of a survey knows."""

    recipe: Recipe
    path: Path
    label: str

    def describe(self) -> ExposureInfo:
        """Read headers only."""
        with told_as(self.path, self.label):
            return dataclasses.replace(self.recipe.describe(), path=self.label)

    def load(self, info: ExposureInfo) -> Exposure:
        """Read the pixels."""
        with told_as(self.path, self.label):
            exposure = self.recipe.load(dataclasses.replace(info, path=str(self.path)))
        notes = tuple(note.replace(str(self.path), self.label) for note in exposure.notes)
        return dataclasses.replace(exposure, info=info, notes=notes)

    def image_place(self) -> tuple[Path, int] | None:
        """Return file and HDU of the image, where the reader says it."""
        locate = getattr(self.recipe, "image_place", None)
        return None if locate is None else locate()


def given_row(
    row: TableRow, cells: Mapping[str, str], visit: int, label: str, model: PointSpreadFunction | None
) -> GivenRow:
    """Return a row with what its owner says over what its header tells.

    Parameters
    ----------
    row
        By the header.
    cells
        What the owner says.
    visit
        Number of the visit, where neither says it.
    label
        What the owner calls the image.
    model
        PSF, where it is given as a model.
    """
    values = dict(row.values)
    notes = _notes(values.get("notes", ""))
    for givers, rivals in _RIVALS:
        if any(column in cells for column in givers):
            for column in rivals:
                values.pop(column, None)
    if model is not None:
        values["psf_fwhm"] = "1"  # stands for the model, which has its own width
    if "visit" not in cells and notes.get("visit", "").startswith("assumed"):
        values["visit"] = str(visit)
        notes["visit"] = "assumed from the order of the inputs"
    told = {**cells, **({} if model is None else {"psf_fwhm": "1"})}
    notes |= {_NAMES[column]: "description given in Python" for column in told if column in _NAMES}
    values |= {**cells, "notes": "; ".join(f"{name}: {how}" for name, how in notes.items())}
    fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(TableRow)}
    # A unit that somebody says in Python is his word; one on a card may have been copied by a program.
    told_format = {"format": "array"} if "unit" in cells else {}
    return GivenRow(**fields | {"values": values} | told_format, label=label, model=model)


def _notes(text: str) -> dict[str, str]:
    items = (item.partition(":") for item in text.split(";"))
    return {name.strip(): how.strip() for name, _, how in items if name.strip()}
