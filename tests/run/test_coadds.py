"""Exposures to coadds in one call."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

import lamella
from lamella.cli.main import main
from lamella.errors import NoInputsError
from lamella.resources import Resources
from lamella.run.coadds import coadd_exposures
from lamella.run.execute import run_jobs
from lamella.run.jobs import plan_jobs
from lamella.run.patch import make_patch
from lamella.run.patch_config import PatchConfig
from lamella.sky.discrete import FieldSkyMap
from lamella.testing.survey import Survey

from ..plainfields import PlainField
from ..same import COUNTS, assert_same_planes
from ..starfields import draw_stars
from .test_patch import same_bits


def test_one_coadd_per_band_and_patch(survey: Survey, skymap: FieldSkyMap) -> None:
    coadds = list(coadd_exposures(survey.exposures()[::-1], skymap, resources=Resources(threads=2)))
    assert [(coadd.band, coadd.patch) for coadd in coadds] == [("r", (x, y)) for y in (0, 1) for x in (0, 1)]
    jobs = plan_jobs(survey.exposures(), skymap, PatchConfig().select)
    with ThreadPoolExecutor(2) as pool:
        pooled = {o.job.patch: o.unwrap() for o in run_jobs(jobs, _Make(), pool)}
    assert all(same_bits(coadd, pooled[coadd.patch]) for coadd in coadds)


class _Make:
    def __call__(self, job):  # type: ignore[no-untyped-def]
        return make_patch(job, PatchConfig())


def test_by_default_one_tract_around_the_exposures(survey: Survey) -> None:
    (coadd,) = coadd_exposures(survey.exposures(), bands=["r"])
    assert coadd.patch == (0, 0)
    assert {(d.id.visit, d.id.detector) for d in coadd.detectors} == {
        (v, d) for v in (100, 101, 102) for d in (0, 1)
    }


def test_without_exposures_there_is_nothing_to_do() -> None:
    with pytest.raises(NoInputsError):
        list(coadd_exposures([]))


@functools.cache
def ten_images() -> tuple[tuple[np.ndarray, WCS], ...]:
    """Ten different arrays, of different shapes, seeing and pointing."""
    field, rng = PlainField(3, stars=12, side=110), np.random.default_rng(7)
    ra, dec, flux = field.truth()
    images = []
    for number in range(10):
        wcs, shape = field._wcs(rng.uniform(-4.0, 4.0, 2)), (100 + 3 * number, 110)
        x, y = wcs.world_to_pixel_values(ra, dec)
        light = draw_stars(shape, x, y, flux / field.to_njy(number % 4), fwhm=2.2 + 0.1 * number)
        image = (400.0 + light + 10.0 * rng.normal(size=shape)).astype(np.float32)
        images.append((image, wcs))
    return tuple(images)


def test_ten_arrays_have_the_bits_of_the_command_for_their_files(tmp_path: Path) -> None:
    (coadd,) = lamella.coadd_exposures(ten_images())
    for number, (image, wcs) in enumerate(ten_images()):
        # Another order than that of the arrays.
        fits.writeto(tmp_path / f"{(7 * number) % 10}-x{number}.fits", image, wcs.to_header())
    with pytest.raises(SystemExit):
        main(["coadd", *map(str, sorted(tmp_path.glob("*.fits"))), "-o", str(tmp_path / "out"), "-q"])
    made = lamella.read_product(tmp_path / "out" / "coadd-unknown-0-0,0.fits")
    assert_same_planes(coadd, made, *COUNTS)
    assert [row["path"] for row in coadd.inputs] == [f"inputs[{number}]" for number in range(10)]
    assert any(note.startswith("PSF measured from a fit to stars") for note in coadd.notes)
    assert any(note.startswith("Noise measured in the pixels") for note in coadd.notes)
    assert any(note.startswith("Relative scale measured by stars in common") for note in coadd.notes)


def test_an_array_that_is_given_twice_is_used_once(caplog: pytest.LogCaptureFixture) -> None:
    (coadd,) = lamella.coadd_exposures([*ten_images()[:3], ten_images()[1]])
    assert len(coadd.inputs) == 3
    assert any("inputs[3]" in note and "Left out" in note for note in coadd.notes)
    assert "inputs[3]" in caplog.text
