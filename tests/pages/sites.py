"""What lies in the folder where the blocks of a page are run: one function per page that needs files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

import lamella
from lamella.data.photometry import njy_per_count
from lamella.testing.config import SurveyConfig
from lamella.testing.layouts.layouts import write_layout
from lamella.testing.survey import Survey, simulate_survey

from ..formats.afw.conftest import ArchiveWriter
from ..formats.afw.exposures import CARDS, ZERO_POINT, write_exposure
from ..formats.afw.test_catalogs import catalog_hdu, rows
from ..formats.afw.test_photo import calibration
from ..formats.afw.test_psf_coadd import add_wcs
from ..formats.described.acam import write_night

__all__ = ("SITES", "write_nights")

_ONE_DETECTOR = {"detector_grid": (1, 1), "detector_shape": (150, 160), "stars": 30, "galaxies": 20}


def write_nights(folder: Path, *, ra: float = 10.6847, dec: float = 41.2688) -> None:
    """Write two nights of three visits in r, each with a table of its exposures."""
    config = SurveyConfig(**_ONE_DETECTOR, bands=("r",), visits_per_band=6, ra=ra, dec=dec)
    survey = simulate_survey(folder / "both", config)
    exposures = Table.read(survey.table)
    for number, night in enumerate(("night1", "night2")):
        (folder / night).mkdir()
        of_night = exposures[3 * number : 3 * number + 3]
        names = [Path(name).name for name in of_night["file"]]
        if night == "night1":
            names[0] = "exposure.fits"
        for old, new in zip(of_night["file"], names, strict=True):
            (folder / "both" / old).rename(folder / night / new)
        of_night["file"] = names
        of_night["psf_ellipticity_residual"] = 0.004
        of_night.write(folder / night / "exposures.ecsv")
    shutil.rmtree(folder / "both")


def write_first_night(folder: Path) -> None:
    """Write one night, and an image whose pixels are wanted."""
    write_nights(folder, ra=150.1, dec=2.2)
    (folder / "night1").rename(folder / "night")
    for name in ("other/deep.fits", "mosaic.fits"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(folder / "night" / "exposure.fits", folder / name)


def write_loose_night(folder: Path) -> None:
    """Write exposures into the folder itself."""
    write_nights(folder)
    for path in folder.glob("night*/*.fits"):
        path.rename(folder / path.name)


def write_night_and_image(folder: Path) -> None:
    """Write nights, and an image whose pixels are wanted."""
    write_nights(folder)
    (folder / "other").mkdir()
    shutil.copy(folder / "night1" / "exposure.fits", folder / "other" / "image.fits")


def write_inputs(folder: Path) -> None:
    """Write a night with a table, one in the layout of an observatory, and a table of further exposures."""
    write_nights(folder, ra=150.1, dec=2.2)
    shutil.rmtree(folder / "night2")
    simulated = Survey(
        SurveyConfig(**_ONE_DETECTOR, bands=("r",), visits_per_band=2, first_visit=300, distortion=0)
    )
    write_layout("noirlab-cp", simulated.exposures("r"), folder / "night2")
    mine = SurveyConfig(**_ONE_DETECTOR, bands=("r",), visits_per_band=1, first_visit=400)
    simulate_survey(folder / "mine", mine)
    further = Table.read(folder / "mine" / "exposures.ecsv")
    further["file"] = [f"mine/{name}" for name in further["file"]]
    further.write(folder / "mine.ecsv")
    (folder / "mine" / "exposures.ecsv").unlink()
    write_mycam(folder / "mycam")


def write_mycam(folder: Path) -> None:
    """Write an image of a camera for which the page has a reader."""
    folder.mkdir()
    pixels = np.random.default_rng(4).normal(0, 5, (60, 70)).astype(np.float32)
    cards = {"INSTRUME": "MyCam", "EXPNUM": 7, "FILTER": "r", "SEEING": 0.8, "PIXSCALE": 0.2, "MAGZP": 27.0}
    cards |= {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2}
    cards |= {"CRPIX1": 35.0, "CRPIX2": 30.0, "CDELT1": -0.2 / 3600, "CDELT2": 0.2 / 3600}
    primary = fits.PrimaryHDU(pixels)
    primary.header.update(cards)
    variance = fits.ImageHDU(np.full(pixels.shape, 25, np.float32), name="VARIANCE")
    bad = fits.ImageHDU(np.zeros(pixels.shape, np.uint8), name="BAD")
    fits.HDUList([primary, variance, bad]).writeto(folder / "a.fits")


def write_camera(folder: Path) -> None:
    """Write the night of a camera that nobody knows."""
    (folder / "night1").mkdir()
    write_night(folder / "night1")


def write_lsst_files(folder: Path) -> None:
    """Write exposures and warps as afw does, with the summary of a visit."""
    for name in ("calexps", "summaries"):
        (folder / name).mkdir()
    for number, visit in enumerate((904010, 904012, 904014)):
        shifted = CARDS | {"CRPIX1": CARDS["CRPIX1"] + 0.4 * number, "CRPIX2": CARDS["CRPIX2"] - 0.3 * number}
        path = folder / "calexps" / f"calexp-HSC-I-{visit}-50.fits"
        write_exposure(path, visit=visit, detector=50, band="i", physical="HSC-I", cards=shifted)
    shutil.copy(folder / "calexps" / "calexp-HSC-I-904010-50.fits", folder)
    for path in (folder / "visitSummary-904010.fits", folder / "summaries" / "visitSummary-904012.fits"):
        _write_summary(path)
    write_warps(folder)


def _write_summary(path: Path) -> None:
    """Write what a summary has to have, of the detector 50 of a visit."""
    writer = ArchiveWriter(path)
    links = {
        "wcs": add_wcs(writer, CARDS),
        "photoCalib": writer.add(
            "PhotoCalib", calibration(njy_per_count(ZERO_POINT), 0.001, constant=True, field=0)
        ),
    }
    table = rows(1, **{name: np.array([number], dtype=np.int32) for name, number in links.items()})
    visit = int(path.stem.partition("-")[2])
    table |= {"visit": np.array([visit]), "id": np.array([50]), "band": np.array(["i"])}
    table |= {"psfStarDeltaSizeScatter": np.array([0.02], dtype=np.float32)}
    writer.units = [catalog_hdu(table)]
    writer.write()


def write_warps(folder: Path) -> None:
    """Write the warps of the exposures, and their coadd, as afw and as lamella do."""
    sources = lamella.open_exposures([folder / "calexps"]).sources
    patch = lamella.skymap_from_exposures([source.info for source in sources])[0].patch("0,0")
    warps = [lamella.make_warp([source.read()], patch.projection, patch.outer_bbox) for source in sources]
    for warp in warps:
        lamella.write_afw(warp, folder / f"warp-HSC-I-{warp.visit}.fits")
    (folder / "coadds").mkdir()
    lamella.write_archive(lamella.assemble(warps), folder / "coadds" / "coadd-i-0-0,0.fits")


def write_frames(folder: Path) -> None:
    """Write biases, darks, flat fields and aligned images."""
    rng = np.random.default_rng(3)
    (folder / "flats").mkdir()
    pixels = 1 + 0.02 * rng.normal(size=(60, 70))
    for number in range(5):
        level = 20000 + 2000 * number
        frames = {
            f"bias{number}.fits": 1000 + rng.normal(0, 5, pixels.shape),
            f"dark{number}.fits": 1100 + rng.normal(0, 6, pixels.shape),
            f"flat-r-{number}.fits": rng.poisson(level * pixels),
            f"flats/flat{number}.fits": rng.poisson(level * pixels),
        }
        for name, frame in frames.items():
            fits.writeto(folder / name, frame.astype(np.float32))
    aligned = SurveyConfig.on_common_grid(
        bands=("r",), detector_shape=(220, 230), stars=60, galaxies=10, sky_noise=(20, 21), seeing=(0.7, 0.75)
    )
    for exposure in Survey(aligned).exposures():
        image = exposure.read().pixels.image.array
        name = f"aligned{exposure.plan.visit}.fits"
        fits.writeto(folder / name, np.nan_to_num(image + 500.0).astype(np.float32))


SITES: dict[str, Callable[[Path], object]] = {
    "README.md": write_loose_night,
    "docs/artifacts.md": write_nights,
    "docs/coming-from.md": write_nights,
    "docs/frames.md": write_frames,
    "docs/inputs.md": write_inputs,
    "docs/lsst-files.md": write_lsst_files,
    "docs/quick-start.md": write_night_and_image,
    "docs/selection.md": write_nights,
    "docs/skymaps.md": write_first_night,
    "docs/your-camera.md": write_camera,
}
"""By page; ``demo`` is in every folder."""
