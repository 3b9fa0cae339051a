"""PSF models in archives that lamella writes: read again, they are what they were, or it is said."""

import numpy as np
import pytest
from astropy.io import fits
from lsst.images import Box
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.errors import InvalidPsfError
from lamella.fits.hdus import Container
from lamella.formats.afw.afw_archive import Archive
from lamella.formats.afw.exposure import AfwFile
from lamella.formats.afw.psf import read_psf
from lamella.formats.afw.write_psf import add_psf
from lamella.formats.afw.write_tables import OutputArchive
from lamella.formats.psfex import read_psfex
from lamella.psf.basis import PolynomialBasisPsf
from lamella.psf.gaussian import DoubleGaussianPsf
from lamella.psf.gridded import GriddedPsf
from lamella.psf.psfex import PsfexPsf

BBOX = Box.factory[0:400, 0:300]
PLACES = [(x, y) for x in (0.0, 33.0, 151.0, 299.0) for y in (0.0, 87.0, 399.0)]


def round_trip(tmp_path, psf, bbox=BBOX):
    """Write a model into an archive that stands alone; return what is read, its class, and the note."""
    archive = OutputArchive()
    number, note = add_psf(archive, psf, bbox)
    primary = b"SIMPLE  =                    T".ljust(80) + b"BITPIX  =                    8".ljust(80)
    primary += b"NAXIS   =                    0".ljust(80) + b"AR_HDU  =                    2".ljust(80)
    path = tmp_path / "psf.fits"
    with path.open("wb") as stream:
        stream.write((primary + b"END".ljust(80)).ljust(2880))
        archive.write(stream)
    reader = Archive(Container(path))
    return reader.get(number), reader.record(number).name, note


def worst(psf, wanted, places=PLACES):
    stamps = [[model.compute_kernel_image(x=x, y=y).array for x, y in places] for model in (psf, wanted)]
    return max(np.abs(a - b).max() / b.max() for a, b in zip(*stamps, strict=True))


def gaussian_stamps(sigmas, side=15):
    y, x = np.mgrid[:side, :side] - side // 2
    stamps = np.array([[np.exp(-0.5 * (x**2 + y**2) / s**2) for s in row] for row in sigmas])
    return stamps / stamps.sum(axis=(2, 3), keepdims=True)


def test_gaussians_are_the_same(tmp_path):
    psf, name, note = round_trip(tmp_path, GaussianPointSpreadFunction(1.7, BBOX, 19))
    assert (name, note, psf.sigma, psf.kernel_bbox.x.size) == ("GaussianPsf", "", 1.7, 19)
    model = DoubleGaussianPsf(1.5, 3.2, 0.07, BBOX, 23)
    psf, name, note = round_trip(tmp_path, model)
    assert (name, note, psf.parameters()) == ("DoubleGaussianPsf", "", model.parameters())


@pytest.mark.parametrize("zero", [(-0.5, -0.5), (150.0, 200.0)])
def test_images_with_polynomials_are_a_kernel(tmp_path, zero):
    rng = np.random.default_rng(5)
    images = np.concatenate([gaussian_stamps([[2.0]])[0], rng.normal(0, 1e-3, (3, 15, 15))])
    coefficients = rng.normal(0, 0.3, (4, 3, 4))
    coefficients[0] = 0.0
    coefficients[0, 0, 0] = 1.0
    model = PolynomialBasisPsf(images, coefficients, BBOX, zero=zero, scale=(1000.0, 900.0))
    psf, name, note = round_trip(tmp_path, model)
    assert (name, note) == ("KernelPsf", "")
    assert worst(psf, model) < 1e-12


def test_models_of_psfex_are_the_same(tmp_path, afw_files):
    file = AfwFile(afw_files / "jointcal_cfht_calexp-849375-12.fits.fz")
    model = read_psf(file)
    psf, name, note = round_trip(tmp_path, model, file.bbox)
    assert (name, note) == ("PsfexPsf", "")
    places = [(10.0, 20.0), (1000.0, 2500.0), (2040.0, 4600.0)]
    assert worst(psf, model, places) == 0.0


def columns(path):
    """Return names, types, kinds and units of the columns of PSFEx models, table by table."""
    tables = []
    with fits.open(path, disable_image_compression=True) as hdus:
        for hdu in hdus[1:]:
            if hdu.header.get("AR_NAME") == "PsfexPsf":
                cards, numbers = hdu.header, range(1, hdu.header["TFIELDS"] + 1)
                keys = ("TTYPE", "TFORM", "TCCLS", "TUNIT")
                tables.append([[cards.get(f"{key}{number}") for key in keys] for number in numbers])
    return tables


def test_columns_of_psfex_models_are_those_that_afw_wrote(tmp_path, afw_files):
    path = afw_files / "jointcal_cfht_calexp-849375-12.fits.fz"
    file = AfwFile(path)
    round_trip(tmp_path, read_psf(file), file.bbox)
    ours, theirs = columns(tmp_path / "psf.fits"), columns(path)
    assert len(ours) == 2
    assert ours == theirs


def test_files_of_psfex_are_kept_in_single_precision(tmp_path, shared):
    for path in sorted((shared / "data" / "psf_and_regions").glob("*.psf")):
        model = read_psfex(path, bounds=BBOX)
        assert isinstance(model, PsfexPsf)
        psf, name, _ = round_trip(tmp_path, model)
        assert name == "PsfexPsf"
        assert worst(psf, model) < 1e-6


def test_two_stamps_along_an_axis_are_exact_in_between(tmp_path):
    model = GriddedPsf(gaussian_stamps([[1.5, 2.0], [1.8, 2.4]]), [0.0, 299.0], [0.0, 399.0], BBOX)
    psf, name, note = round_trip(tmp_path, model)
    assert (name, note) == ("KernelPsf", "")
    assert worst(psf, model) < 1e-12
    (single, _, _) = round_trip(tmp_path, GriddedPsf(gaussian_stamps([[1.5]]), [3.0], [4.0], BBOX))
    np.testing.assert_allclose(
        single.compute_kernel_image(x=200, y=10).array, gaussian_stamps([[1.5]])[0, 0], atol=1e-14
    )


def test_larger_grids_are_approximated_which_is_said(tmp_path):
    nodes = np.linspace(0.0, 299.0, 6)
    sigmas = [[2.0 + 0.2 * np.sin(x / 200.0) for x in nodes]] * 2
    model = GriddedPsf(gaussian_stamps(sigmas), nodes, [0.0, 399.0], BBOX)
    psf, name, note = round_trip(tmp_path, model)
    assert name == "KernelPsf"
    assert note.startswith("PSF (GriddedPsf) written as polynomials through samples, 0.")
    assert 0 < worst(psf, model) < 0.01


def test_models_that_nothing_comes_close_to_are_refused(tmp_path):
    nodes = np.linspace(0.0, 299.0, 8)
    wild = GriddedPsf(gaussian_stamps([[1.5 + i % 2 for i in range(8)]]), nodes, [0.0], BBOX)
    with pytest.raises(InvalidPsfError, match=r"No class of afw comes close to this GriddedPsf"):
        round_trip(tmp_path, wild)
    stamps = gaussian_stamps([[1.5, 2.0]])
    stamps[0, 1] = np.nan
    with pytest.raises(InvalidPsfError, match="not defined at some places"):
        round_trip(tmp_path, GriddedPsf(stamps, [0.0, 299.0], [0.0], BBOX))
