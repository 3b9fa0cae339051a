"""Exposures of every layout, so that what reads and measures them is compiled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..formats.recognise import open_exposures
from ..run.coadd_run import CoaddRun
from ..testing.config import SurveyConfig
from ..testing.exposure import SimulatedExposure
from ..testing.layouts.frame import Frame, Number, image_hdu, primary_hdu, save, with_cards
from ..testing.layouts.layouts import LAYOUTS, write_layout
from ..testing.survey import Survey

__all__ = ("formats_done", "write_plain")

_STRAIGHT = SurveyConfig(
    bands=("r",),
    visits_per_band=2,
    detector_grid=(1, 1),
    detector_shape=(120, 130),
    stars=40,
    star_magnitudes=(17.5, 20.0),
    galaxies=4,
    dither=3.0,
    satellites=0,
    asteroids=0,
    distortion=0.0,
)
_TABLES = ("CPDIS", "DP", "WCSDVARR"), ("D2IMDIS", "D2IM", "D2IMARR")
_NODES = 6, 5


def formats_done(folder: Path) -> Iterator[str]:
    """Read exposures of each layout, and coadd plain images: yield what was done."""
    exposures = Survey(_STRAIGHT).exposures()
    for name in LAYOUTS:
        for source in open_exposures([write_layout(name, exposures, folder / name)]).sources:
            source.read()
    yield "layouts of surveys"
    # With all that a run of the command makes: pictures and the page, too.
    CoaddRun(output=folder / "coadds")([write_plain(exposures, folder / "plain")])
    yield "coadd of plain images"


def write_plain(exposures: Sequence[SimulatedExposure], folder: Path) -> Path:
    """Write images with their sky, and lookup tables of their projection; relative weights are beside one.

    Returns
    -------
    pathlib.Path
        The folder, made anew.
    """
    folder.mkdir()
    for number, frame in enumerate(map(Frame.of, exposures)):
        cards: dict[str, Number] = {
            "INSTRUME": "Camera",
            "FILTER": "r",
            "GAIN": frame.gain,
            "DATE-OBS": frame.date,
        }
        header = with_cards(frame.wcs(), cards)
        tables = []
        for card, record, name in _TABLES:
            for axis in (1, 2):
                header[f"{card}{axis}"] = "LOOKUP"
                for field in (f"EXTVER: {axis}", "NAXES: 2", "AXIS.1: 1", "AXIS.2: 2"):
                    header.append((f"{record}{axis}", field))
                tables.append(_lookup_table(frame, name, axis))
        path = folder / f"image{number}.fits"
        save(path, [primary_hdu({}), image_hdu(frame.image(sky=100.0), header, "SCI"), *tables])
        if number == 0:
            weight = (~frame.has("BAD", "NO_DATA")).astype(np.float32)
            save(path.with_suffix(".weight.fits"), [image_hdu(weight)])
    return folder


def _lookup_table(frame: Frame, name: str, axis: int) -> Any:
    """Return a table that shifts pixels by up to a tenth of one."""
    shape = frame.pixels.mask.shape
    steps = {
        f"CDELT{n}": size / (nodes - 1) for n, size, nodes in zip((1, 2), shape[::-1], _NODES, strict=True)
    }
    shifts = np.linspace(-0.1, 0.1, _NODES[0] * _NODES[1], dtype=np.float32).reshape(_NODES[::-1])
    places = dict.fromkeys(("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2"), 1.0)
    return image_hdu(shifts, with_cards(None, places | steps), name, axis)
