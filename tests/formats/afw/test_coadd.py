"""Files of afw on the way through the commands, as a user types them."""

import numpy as np
import pytest

from lamella import read_product
from lamella.cli.main import main
from lamella.formats.archive.products import is_product
from lamella.psf.measure import fwhm as psf_fwhm

from .exposures import CARDS, SIGMA, ZERO_POINT, write_exposure
from .test_products import write_coadd
from .test_source import write_summary

VISITS = (7, 8, 9)
COLUMNS = "file,band,visit,detector,image_hdu,variance_hdu,mask_hdu,zero_point,psf_fwhm,instrument,unit"


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code or 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("afw")
    for visit in VISITS:
        shifted = CARDS | {"CRPIX1": CARDS["CRPIX1"] + 0.4 * visit, "CRPIX2": CARDS["CRPIX2"] - 0.3 * visit}
        write_exposure(folder / f"calexp-{visit}.fits", visit=visit, cards=shifted)
    return folder


def coadd(tmp_path, name, *inputs):
    out = tmp_path / name
    assert run("coadd", *inputs, "-o", out, "--workers", 1, "-q") == 0
    (path,) = [p for p in out.glob("coadd-r-*.fits") if is_product(p)]
    return read_product(path)


def test_a_coadd_equals_that_of_the_same_exposures_in_a_table(folder, tmp_path):
    """The pixels of both are those of the same files; projection, scale and PSF come from elsewhere."""
    fwhm = SIGMA * 2.0 * np.sqrt(2.0 * np.log(2.0)) * 0.2
    rows = [
        f"{folder}/calexp-{visit}.fits,r,{visit},3,1,3,2,{ZERO_POINT},{float(fwhm)!r},HSC,"
        for visit in VISITS
    ]
    table = tmp_path / "exposures.csv"
    table.write_text("\n".join([COLUMNS, *rows]) + "\n")
    ours, theirs = coadd(tmp_path, "ours", folder), coadd(tmp_path, "theirs", table)
    assert ours.bbox == theirs.bbox
    np.testing.assert_array_equal(ours.mask.array, theirs.mask.array)
    np.testing.assert_array_equal(ours.exposure_count.array, theirs.exposure_count.array)
    assert ours.exposure_count.array.max() == 3
    good = np.isfinite(theirs.image.array)
    noise = float(np.sqrt(np.median(theirs.variance.array[good])))
    np.testing.assert_allclose(ours.image.array[good], theirs.image.array[good], rtol=1e-5, atol=1e-4 * noise)
    np.testing.assert_allclose(ours.variance.array, theirs.variance.array, rtol=1e-5)
    assert [(detector.id, detector.weight) for detector in ours.detectors] == [
        (detector.id, pytest.approx(detector.weight, rel=1e-5)) for detector in theirs.detectors
    ]
    widths = [psf_fwhm(c.psf, c.bbox.x.center, c.bbox.y.center) for c in (ours, theirs)]
    assert widths[0] == pytest.approx(widths[1], rel=1e-5)


def test_a_visit_summary_leaves_exposures_out(folder, tmp_path):
    summary = write_summary(
        tmp_path / "visitSummary.fits",
        visit=8,
        detectors=(3,),
        psfStarDeltaSizeScatter=np.array([0.5]),
    )
    out = tmp_path / "out"
    limit = "select.max_size_scatter=0.1"
    assert run("coadd", folder, summary, "-o", out, "--workers", 1, "-q", "--set", limit) == 0
    (path,) = [p for p in out.glob("coadd-r-*.fits") if is_product(p)]
    again = read_product(path)
    assert [detector.id.visit for detector in again.detectors] == [7, 9]
    (rejected,) = again.rejections
    assert (rejected.id.visit, rejected.stage) == (8, "select")


def test_inspect_shows_components_and_refusals(folder, tmp_path, capsys):
    def inspect(*files):
        status = run("inspect", *files)
        return status, " ".join(capsys.readouterr().out.split())

    status, text = inspect(folder / "calexp-7.fits")
    assert status == 0
    for piece in (
        "written by afw, layout 2",
        "planes image, mask, variance",
        "from the archive",
        "GaussianPointSpreadFunction, stamps of 21 pixels",
        "zero point 30.0000 AB mag",
        "band r, filter HSC-R",
        "an exposure: HSC visit 7 detector 3, band r",
    ):
        assert piece in text, piece
    status, text = inspect(write_exposure(tmp_path / "bare.fits", leave_out=("PSF", "PHOTOCALIB")))
    assert status == 0
    assert "not usable: found no PSF and no photometric calibration" in text
    status, text = inspect(write_coadd(tmp_path / "coadd.fits"))
    assert status == 0
    assert "inputs 2 detector images of 2 visits" in text
    assert "a PatchCoadd, see below" in text
    assert "tract 0, patch 0,0 of sky map none" in text
    status, text = inspect(write_summary(tmp_path / "s.fits"))
    assert status == 0
    assert "visit summary 2 detectors of visit 7" in text
    assert "0 of them have pixels, a projection and a calibration" in text


def test_inspect_understands_all_files_of_the_stack(afw_files, capsys):
    for path in sorted(afw_files.iterdir()):
        if ".fits" not in path.name:
            continue
        assert run("inspect", path) == 0, path.name
        text = capsys.readouterr().out
        assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
