from __future__ import annotations

import pickle

import numpy as np
import pytest
from lsst.images import Bounds, Box, Image
from lsst.images.psfs import GaussianPointSpreadFunction, PiffWrapper, PointSpreadFunction

from lamella.errors import InvalidPsfError
from lamella.psf.basis import PolynomialBasisPsf
from lamella.psf.gaussian import DoubleGaussianPsf
from lamella.psf.gridded import GriddedPsf
from lamella.psf.parameters import KINDS, psf_from_parameters, psf_to_parameters
from lamella.psf.psfex import PsfexPolynomial, PsfexPsf

BOX = Box.factory[0:100, 0:100]
RNG = np.random.default_rng(0)
MODELS: list[PointSpreadFunction] = [
    GaussianPointSpreadFunction(1.3, BOX, 21),
    DoubleGaussianPsf(1.3, 2.7, 0.11, BOX, 21),
    PsfexPsf(
        RNG.uniform(size=(6, 9, 9)).astype(np.float32),
        PsfexPolynomial((1.5, 2.5), (30.0, 40.0), (1, 1), (2,)),
        0.9,
        BOX,
    ),
    PsfexPsf(RNG.uniform(size=(4, 9, 9)), PsfexPolynomial(groups=(1, 2), degrees=(1, 1)), 1.1, BOX),
    PolynomialBasisPsf(RNG.uniform(size=(2, 5, 5)), RNG.uniform(size=(2, 3, 2)), BOX, zero=(-0.5, 1.0)),
    GriddedPsf(RNG.uniform(size=(2, 3, 7, 7)), [0.0, 1.0, 4.0], [0.1, 0.7], BOX),
]


@pytest.mark.parametrize("psf", MODELS, ids=lambda psf: type(psf).__name__)
def test_models_come_back_bit_for_bit(psf: PointSpreadFunction) -> None:
    kind, parameters = psf_to_parameters(psf)
    assert kind in KINDS
    assert all(isinstance(value, np.ndarray | float | int | str) for value in parameters.values())
    back = psf_from_parameters(kind, parameters, BOX)
    assert back == psf
    np.testing.assert_array_equal(
        back.compute_stellar_image(x=10.3, y=20.8).array, psf.compute_stellar_image(x=10.3, y=20.8).array
    )


@pytest.mark.parametrize("psf", MODELS, ids=lambda psf: type(psf).__name__)
def test_models_come_back_from_float64_arrays(psf: PointSpreadFunction) -> None:
    kind, parameters = psf_to_parameters(psf)
    wide = {n: np.asarray(v, dtype=float) if isinstance(v, np.ndarray) else v for n, v in parameters.items()}
    assert psf_from_parameters(kind, wide, BOX) == psf


@pytest.mark.parametrize("psf", MODELS, ids=lambda psf: type(psf).__name__)
def test_models_can_be_sent_to_other_processes(psf: PointSpreadFunction) -> None:
    assert pickle.loads(pickle.dumps(psf)) == psf


def test_bounds_are_those_given() -> None:
    other = Box.factory[5:6, 7:8]
    kind, parameters = psf_to_parameters(MODELS[1])
    assert psf_from_parameters(kind, parameters, other).bounds == other


def test_unknown_kind() -> None:
    with pytest.raises(InvalidPsfError, match="There is no PSF model 'moffat'; there are: double_gaussian"):
        psf_from_parameters("moffat", {}, BOX)


def test_missing_parameter() -> None:
    with pytest.raises(InvalidPsfError, match="'double_gaussian' needs parameter 'sigma2'; found: sigma1"):
        psf_from_parameters("double_gaussian", {"sigma1": 1.0}, BOX)


class Foreign(PointSpreadFunction):
    """A model that we do not know."""

    @property
    def bounds(self) -> Bounds:
        return BOX

    @property
    def kernel_bbox(self) -> Box:
        return Box.factory[-1:2, -1:2]

    def compute_kernel_image(self, *, x: float, y: float) -> Image:
        return Image(np.full((3, 3), 1.0 / 9.0), bbox=self.kernel_bbox)

    compute_stellar_image = compute_kernel_image

    def compute_stellar_bbox(self, *, x: float, y: float) -> Box:
        return self.kernel_bbox


def test_foreign_model_must_be_sampled_first() -> None:
    with pytest.raises(InvalidPsfError, match=r"class Foreign cannot be written .* GriddedPsf.from_psf"):
        psf_to_parameters(Foreign())
    kind, _ = psf_to_parameters(GriddedPsf.from_psf(Foreign(), [0.0], [0.0]))
    assert kind == "gridded"


def test_piff_model() -> None:
    piff = pytest.importorskip("piff")
    galsim = pytest.importorskip("galsim")
    model = piff.SimplePSF(piff.Gaussian(), piff.Mean())
    star = piff.Star.makeTarget(x=50.0, y=50.0, scale=1.0, stamp_size=21)
    star = model.model.initialize(star)
    star.fit.params = np.array([2.0, 0.05, -0.02])
    model.stars = [star]
    model.wcs, model.pointing, model.bandpass = {0: galsim.PixelScale(1.0)}, None, None
    model.interp.mean = star.fit.params
    psf = PiffWrapper(model, BOX, 21)
    if tuple(int(part) for part in piff.__version__.split(".")[:2]) >= (1, 7):
        # lsst-images does not know what Piff writes since 1.7.
        with pytest.raises(InvalidPsfError, match=r"cannot be read back: piff 1\.\d+.* do not fit"):
            psf_to_parameters(psf)
        return
    kind, parameters = psf_to_parameters(psf)
    back = psf_from_parameters(kind, parameters, Box.factory[0:7, 0:7])
    np.testing.assert_allclose(
        back.compute_kernel_image(x=3.0, y=4.0).array,
        psf.compute_kernel_image(x=3.0, y=4.0).array,
        rtol=1e-12,
    )
    assert back.bounds == Box.factory[0:7, 0:7]


def test_piff_model_without_piff() -> None:
    try:
        import piff  # noqa: F401
    except ImportError:
        with pytest.raises(InvalidPsfError, match="need the package piff"):
            psf_to_parameters(PiffWrapper(None, BOX, 21))
    else:
        pytest.skip("piff is installed")
