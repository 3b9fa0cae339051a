"""Draw the pictures of the tutorial: ``python docs/draw_tutorial.py demo docs/images``.

The first folder is the one that ``lamella demo`` makes.  JPEG files of some ten kilobytes are written.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import lamella
from lamella.report.picture import count_picture, image_picture, mask_picture

BAND = "r"
SIDE = 420
"""Pixels of a panel."""


def draw(demo: Path, folder: Path) -> None:
    """Write the colour picture, and the strip that goes from one visit to the coadd."""
    color = Image.open(demo / "coadds" / "color-0-0,0.png").convert("RGB")
    color.thumbnail((900, 900))
    color.save(folder / "tutorial-color.jpg", quality=85)
    coadd = lamella.read_product(demo / "coadds" / f"coadd-{BAND}-0-0,0.fits")
    visit = next(iter(coadd_of_one_visit(demo)))
    strip("tutorial-deeper.jpg", folder, [image_picture(visit).pixels, image_picture(coadd).pixels])
    strip("tutorial-planes.jpg", folder, [count_picture(coadd).pixels, mask_picture(coadd).pixels])


def coadd_of_one_visit(demo: Path) -> list[lamella.PatchCoadd]:
    """Return the coadd of a single visit, on the pixels of the others."""
    sources = lamella.open_exposures([demo / "survey" / "exposures.ecsv"]).sources
    red = [source for source in sources if source.info.band == BAND]
    first = [source for source in red if source.info.id.visit == red[0].info.id.visit]
    return list(lamella.coadd_exposures(first, lamella.load_skymap(demo / "coadds" / "skymap.json")))


def strip(name: str, folder: Path, panels: list[np.ndarray]) -> None:
    """Write pictures side by side, with a white line between them."""
    images = [Image.fromarray(panel).convert("RGB") for panel in panels]
    for image in images:
        image.thumbnail((SIDE, SIDE))
    width = sum(image.width for image in images) + 8 * (len(images) - 1)
    canvas = Image.new("RGB", (width, max(image.height for image in images)), "white")
    for number, image in enumerate(images):
        canvas.paste(image, (number * (images[0].width + 8), 0))
    canvas.save(folder / name, quality=85)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
