import numpy as np
import pytest
from astropy.io import fits
from lsst.images import Box
from lsst.images.psfs import GaussianPointSpreadFunction, PointSpreadFunction

from lamella.errors import InputError, InvalidPsfError, MissingPartError
from lamella.formats.afw.exposure import AfwFile
from lamella.formats.afw.psf import EVERYWHERE, read_psf, within
from lamella.formats.afw.summaries import VisitSummary
from lamella.psf.gaussian import DoubleGaussianPsf
from lamella.psf.measure import adaptive_moments, effective_area

from ..psfex_definition import star_of

BOX = Box.factory[10:60, 20:90]
CFHT = "jointcal_cfht_calexp-849375-12.fits.fz"


def point(name, x, y):
    return {f"{name}_x": np.array([x], dtype=np.int32), f"{name}_y": np.array([y], dtype=np.int32)}


def gaussian(sigma=2.0, width=15, height=15):
    return {**point("dimensions", width, height), "sigma": np.array([sigma])}


def double_gaussian(sigma1=1.5, sigma2=3.0, b=0.1, side=25):
    sizes = {"sigma1": sigma1, "sigma2": sigma2, "b": b}
    return {**point("dimensions", side, side), **{name: np.array([value]) for name, value in sizes.items()}}


# Gaussians.


@pytest.mark.parametrize("name", ["obs_base_calexp_hsc.fits", "obs_base_small_v0coaddinputs.fits"])
def test_the_gaussians_of_lsst_files(afw_files, name):
    file = AfwFile(afw_files / name)
    psf = read_psf(file)
    assert isinstance(psf, GaussianPointSpreadFunction)
    assert (psf.sigma, psf.kernel_bbox.shape, psf.bounds) == (4.0, (3, 3), file.bbox)
    profile = np.exp(-0.5 * np.array([1.0, 0.0, 1.0]) / 16.0)
    expected = np.outer(profile, profile) / profile.sum() ** 2
    np.testing.assert_allclose(psf.compute_kernel_image(x=3, y=4).array, expected, rtol=1e-14)


def test_a_file_without_a_psf(afw_files):
    assert read_psf(AfwFile(afw_files / "pipe_tasks_testCoaddInputs_coadd_v1.fits")) is None


@pytest.mark.parametrize("name", ["GaussianPsf", "SingleGaussianPsf"])
def test_gaussians_have_stamps_with_a_centre(writer, name):
    writer.add(name, gaussian(2.5, 15, 15))
    writer.add(name, gaussian(2.5, 14, 18))
    archive = writer.archive()
    assert archive.get(1) == GaussianPointSpreadFunction(2.5, EVERYWHERE, 15)
    assert archive.get(2).kernel_bbox.shape == (19, 19)


def test_a_double_gaussian(writer):
    writer.add("DoubleGaussianPsf", double_gaussian())
    writer.add("DoubleGaussianPsf", double_gaussian(sigma2=0.0, b=0.0))
    archive = writer.archive()
    assert archive.get(1) == DoubleGaussianPsf(1.5, 3.0, 0.1, EVERYWHERE, 25)
    single = GaussianPointSpreadFunction(1.5, EVERYWHERE, 25).compute_kernel_image(x=0, y=0)
    np.testing.assert_allclose(archive.get(2).compute_kernel_image(x=0, y=0).array, single.array, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "table", "message"),
    [
        ("GaussianPsf", gaussian(0.0), "found sigma 0; expected 0.05 pixels or more"),
        ("GaussianPsf", gaussian(np.nan), "found sigma nan"),
        ("GaussianPsf", gaussian(width=0), "stamps of 0 x 15"),
        (
            "GaussianPsf",
            gaussian(height=2_000_000_000),
            "stamps of 15 x 2000000000 pixels; expected 1 to 2001",
        ),
        ("DoubleGaussianPsf", double_gaussian(sigma1=-1.0), "sigma1 -1"),
        ("DoubleGaussianPsf", double_gaussian(sigma2=0.0), "sigma2 0"),
        ("DoubleGaussianPsf", double_gaussian(b=-0.5), "amplitude -0.5"),
    ],
)
def test_gaussians_without_sense_are_refused(writer, name, table, message):
    writer.add(name, table)
    with pytest.raises(InputError, match=rf"object 1 \({name}\).*{message}"):
        writer.archive().get(1)


# PSFEx.


def direct(path, x, y, box):
    """Evaluate the PSFEx model of an afw file by its definition, from nothing but what astropy reads."""
    with fits.open(path) as hdus:
        first, second = hdus[11].data[0], hdus[12].data[0]
        assert hdus[12].header["AR_NAME"] == "PsfexPsf"
    width, height, terms = second["_size"]
    cube = second["_comp"].astype(float).reshape(terms, height, width)
    u, v = (np.array([x, y]) - second["_context_first"]) / second["_context_second"]
    degree = int(second["degree"])
    powers = [(i, j) for j in range(degree + 1) for i in range(degree + 1 - j)]
    assert len(powers) == terms == first["ncoeff"]
    model = sum(u**i * v**j * image for (i, j), image in zip(powers, cube, strict=True))
    return star_of(model, float(first["_pixstep"]), x, y, box)


def test_the_psfex_model_of_a_cfht_exposure_is_what_psfex_defines(afw_files):
    psf = read_psf(AfwFile(afw_files / CFHT))
    assert psf.bounds == Box.factory[0:4612, 0:2048]
    # 81 samples, two to a pixel.
    assert psf.kernel_bbox.shape == (41, 41)
    rng = np.random.default_rng(3)
    for x, y in rng.uniform((0, 0), (2047, 4611), size=(20, 2)):
        star = psf.compute_stellar_image(x=x, y=y)
        np.testing.assert_allclose(star.array, direct(afw_files / CFHT, x, y, star.bbox), atol=1e-12)


def test_the_psfex_model_of_a_cfht_exposure_has_the_size_that_lsst_measured(afw_files):
    file = AfwFile(afw_files / CFHT)
    psf, centre = read_psf(file), {"x": file.bbox.x.center, "y": file.bbox.y.center}
    lsst = VisitSummary.read(afw_files / "visitSummary-849375.fits")[0].quality
    # Half a pixel farther the area is 1.5e-6 larger: positions have the right origin.
    assert effective_area(psf, **centre) == pytest.approx(lsst["psfArea"], rel=1e-6)
    moments = adaptive_moments(psf.compute_kernel_image(**centre))
    # Two ways to find a Gaussian that fits best.
    assert moments.radius == pytest.approx(lsst["psfSigma"], rel=1e-3)
    for name in ("xx", "yy", "xy"):
        assert getattr(moments, name) == pytest.approx(lsst[f"psfI{name}"], rel=1e-3)


def psfex(**changes):
    """Return the tables of a model of 3 terms of 5 x 5 samples."""
    values = {
        "group": [0, 0],
        "degree": [1],
        "_size": [5, 5, 3],
        "_comp": np.arange(75.0),
        "_context_first": [9.0, 19.0],
        "_context_second": [4.0, 8.0],
    } | changes
    step = values.pop("_pixstep", 0.8)
    integers = ("group", "degree", "_size")
    second = {
        name: np.array([value], dtype=np.int32 if name in integers else np.float64)
        for name, value in values.items()
    }
    return {"_pixstep": np.array([step], dtype=np.float32)}, second


def test_positions_of_psfex_models_count_from_zero(writer):
    writer.add("PsfexPsf", *psfex())
    psf = writer.archive().get(1)
    images = np.arange(75.0).reshape(3, 5, 5)
    np.testing.assert_allclose(psf.samples(9.0, 19.0), images[0], atol=1e-12)
    np.testing.assert_allclose(psf.samples(13.0, 23.0), images[0] + images[1] + 0.5 * images[2], atol=1e-12)
    assert psf.sampling == pytest.approx(0.8)
    assert psf.kernel_bbox.shape == (5, 5)


def test_a_psfex_model_that_does_not_vary(writer):
    writer.add("PsfexPsf", *psfex(degree=[0], _size=[5, 5], _comp=np.ones(25)))
    np.testing.assert_array_equal(writer.archive().get(1).samples(1e3, -7.0), np.ones((5, 5)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"group": [0], "_context_first": [1.0], "_context_second": [1.0]}, "a model of 1 variables"),
        ({"degree": [2]}, r"expected \(6, side, side\)"),
        ({"degree": [2_000_000_000]}, "polynomials of degree"),
        ({"degree": [-1]}, "polynomials of degree"),
        ({"group": [0, 1]}, "groups"),
        ({"_size": [5, 5, 4]}, "75 samples of sizes"),
        ({"_size": [-5, -5, 3]}, "75 samples of sizes"),
        ({"_size": [5, 15], "degree": [0]}, "square"),
        ({"_size": [1 << 30, 1 << 30, 1 << 30]}, "75 samples of sizes"),
        ({"_pixstep": 0.0}, "0 pixels apart"),
        ({"_pixstep": np.nan}, "nan pixels apart"),
        ({"_pixstep": 1e9}, "1e[+]09 pixels apart"),
        ({"_context_second": [0.0, 1.0]}, "scale"),
        ({"_comp": np.full(75, np.nan)}, "not finite"),
    ],
)
def test_psfex_models_without_sense_are_refused(writer, changes, message):
    writer.add("PsfexPsf", *psfex(**changes))
    with pytest.raises(InputError, match=rf"object 1 \(PsfexPsf\).*{message}"):
        writer.archive().get(1)


# Bounds.


def test_bounds_can_be_given_to_each_model(writer):
    writer.add("GaussianPsf", gaussian())
    writer.add("DoubleGaussianPsf", double_gaussian())
    writer.add("PsfexPsf", *psfex())
    archive = writer.archive()
    for id in archive.ids:
        psf = archive.get(id, PointSpreadFunction)
        assert psf.bounds == EVERYWHERE
        bound = within(psf, BOX)
        assert (type(bound), bound.bounds, bound.kernel_bbox) == (type(psf), BOX, psf.kernel_bbox)
        first, second = (model.compute_stellar_image(x=30.2, y=40.7).array for model in (psf, bound))
        np.testing.assert_array_equal(first, second)
    with pytest.raises(InvalidPsfError, match="bounds of a object cannot be changed"):
        within(object(), BOX)


def test_a_psf_of_an_unknown_class_is_named(writer):
    writer.primary = {"PSF_ID": 1}
    writer.add("ShapeletPsf", {"a": np.array([1.0])}, module="lsst.other")
    file = AfwFile(writer.write())
    with (
        pytest.warns(UserWarning, match="ShapeletPsf of lsst.other"),
        pytest.raises(MissingPartError, match="ShapeletPsf"),
    ):
        read_psf(file, BOX)
