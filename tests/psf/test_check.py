from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from lsst.images import Box
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.errors import InputError
from lamella.psf.basis import PolynomialBasisPsf
from lamella.psf.check import MAX_STAMP_SIDE, check_psf
from lamella.testing.config import SurveyConfig
from lamella.testing.exposure import SimulatedExposure

from .conftest import make_gaussian

BOX = Box.factory[0:1000, 0:1000]


def sloped(rise: float) -> PolynomialBasisPsf:
    """Make a PSF whose sum is 1 at x = 0 and grows by ``rise`` per 1000 pixels."""
    image = make_gaussian(3.0, 3.0).compute_kernel_image(x=0, y=0).array
    return PolynomialBasisPsf(
        np.stack([image, rise * image]),
        np.array([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]]),
        BOX,
        scale=(1000.0, 1000.0),
    )


@pytest.mark.parametrize(
    "psf",
    [
        make_gaussian(3.0, 3.0),
        GaussianPointSpreadFunction(0.5, BOX, 15),
        sloped(-0.9),
        sloped(+5.0),
    ],
)
def test_a_model_with_values_from_rim_to_rim_passes(psf: PolynomialBasisPsf) -> None:
    check_psf(psf, BOX, "e.fits")


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        (sloped(-1.5), r"^e.fits, PSF at x=979.0, y=20.0: found none \(.*has the sum -"),
        (GaussianPointSpreadFunction(1e-6, BOX, 15), r"PSF at x=20.0, y=20.0: found values that are not fin"),
        (
            GaussianPointSpreadFunction(850.0, BOX, 8501),
            r"stamps of 8501 x 8501 pixels; expected at most 1023",
        ),
    ],
)
def test_what_fails_anywhere_is_refused_with_file_and_position(psf: PolynomialBasisPsf, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_psf(psf, BOX, "e.fits")


class Patchwork(GaussianPointSpreadFunction):
    """A PSF that some positions do not have, as that of a coadd."""

    def __init__(self, limit: float) -> None:
        super().__init__(2.0, BOX, 21)
        self.limit = limit

    def is_defined(self, x: float, y: float) -> bool:
        return x < self.limit

    def compute_stellar_image(self, *, x: float, y: float):  # type: ignore[no-untyped-def]
        assert x < self.limit
        return super().compute_stellar_image(x=x, y=y)


def test_where_a_model_has_no_value_it_is_not_asked() -> None:
    check_psf(Patchwork(300.0), BOX, "e.fits")
    with pytest.raises(InputError, match="a model without a value"):
        check_psf(Patchwork(0.0), BOX, "e.fits")


@pytest.mark.parametrize("total", [0.0, -1.0, np.nan])
def test_no_exposure_is_made_with_a_psf_that_cannot_be_used(
    total: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    exposure = SimulatedExposure(SurveyConfig(detector_shape=(60, 60)), 100, 0).read()
    image = make_gaussian(3.0, 3.0).compute_kernel_image(x=0, y=0).array
    psf = GaussianPointSpreadFunction(2.0, BOX, 31)
    draw: Callable[..., object] = lambda **_: type("Stamp", (), {"array": total * image})  # noqa: E731
    monkeypatch.setattr(psf, "compute_stellar_image", draw)
    with pytest.raises(InputError, match=r"PSF at x=.*: found (the sum|values that are not finite)"):
        dataclasses.replace(exposure, psf=psf)


def test_the_greatest_stamp_is_far_from_what_surveys_have() -> None:
    assert MAX_STAMP_SIDE > 10 * 63
