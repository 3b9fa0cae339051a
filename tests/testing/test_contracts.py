import dataclasses

import numpy as np
import pytest
from astropy.wcs import WCS
from lsst.images import Box, GeneralFrame, Image, Mask, MaskedImage, MaskPlane, MaskSchema, SkyProjection
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.testing.config import SurveyConfig
from lamella.testing.contracts import check_exposure, check_exposure_source
from lamella.testing.exposure import SimulatedExposure

EXPOSURE = SimulatedExposure(SurveyConfig(detector_shape=(80, 90)), 100, 0)


@dataclasses.dataclass
class Source:
    """A source whose parts a test can break."""

    exposure: object = EXPOSURE

    @property
    def info(self):
        return self.exposure.info

    def read(self):
        return self.exposure.read()


def test_good_sources_pass():
    check_exposure_source(Source())
    check_exposure(EXPOSURE.read())


def with_pixels(exposure, **planes):
    old = exposure.pixels
    parts = {"image": old.image, "mask": old.mask, "variance": old.variance} | planes
    pixels = MaskedImage(parts["image"], mask=parts["mask"], variance=parts["variance"])
    return dataclasses.replace(exposure, pixels=pixels)


def with_info(exposure, **fields):
    return dataclasses.replace(exposure, info=dataclasses.replace(exposure.info, **fields))


def set_value(plane, value):
    def change(exposure):
        getattr(exposure.pixels, plane).array[10, 20] = value
        return exposure

    return change


def foreign_mask(exposure):
    schema = MaskSchema([MaskPlane("BAD", ""), MaskPlane("NO_DATA", "")], dtype=np.int32)
    return with_pixels(exposure, mask=Mask(0, schema=schema, bbox=exposure.pixels.bbox))


def byte_mask(exposure):
    schema = MaskSchema([MaskPlane("NO_DATA", "")], dtype=np.uint8)
    return with_pixels(exposure, mask=Mask(0, schema=schema, bbox=exposure.pixels.bbox))


class Dim(GaussianPointSpreadFunction):
    def compute_kernel_image(self, *, x, y):
        kernel = super().compute_kernel_image(x=x, y=y)
        return Image(0.9 * kernel.array, bbox=kernel.bbox)


class Shifted(GaussianPointSpreadFunction):
    def compute_stellar_image(self, *, x, y):
        return super().compute_stellar_image(x=x + 0.5, y=y)


def psf_of(kind, sigma=1.7):
    return lambda e: dataclasses.replace(e, psf=kind(sigma, e.info.bbox, stamp_size=31))


def nowhere(exposure):
    wcs = WCS(naxis=2)
    # Beyond 57 pixels of one degree the orthographic projection shows no sky.
    wcs.wcs.ctype = ["RA---SIN", "DEC--SIN"]
    wcs.wcs.cdelt = [-1.0, 1.0]
    projection = SkyProjection.from_fits_wcs(wcs, GeneralFrame(unit="pix"))
    return with_info(exposure, projection=projection)


@pytest.mark.parametrize(
    ("breaking", "words"),
    [
        (set_value("image", np.nan), "1 pixels are NaN without NO_DATA; the first at row 10, column 20"),
        (set_value("image", np.inf), "are infinite"),
        (set_value("variance", np.nan), "variance of NaN"),
        (set_value("variance", 0.0), "not positive"),
        (set_value("variance", np.inf), "infinite variance without NO_DATA"),
        (set_value("mask", 1 << 8), "NO_DATA but not NaN"),
        (lambda e: with_pixels(e, image=Image(e.pixels.image.array.astype(float))), "the image is <f8"),
        (
            lambda e: with_pixels(e, variance=Image(e.pixels.variance.array.astype(">f4"))),
            "the variance is >f4",
        ),
        (foreign_mask, "no plane SATURATED"),
        (foreign_mask, "NO_DATA is not at its standard bit"),
        (byte_mask, "expected one int32"),
        (psf_of(Dim), "sums to 0.9; expected 1"),
        (psf_of(Shifted), "is centred on"),
        (psf_of(GaussianPointSpreadFunction, 4.0), "sigma for FWHM"),
        (lambda e: dataclasses.replace(e, to_njy=-1.0), "to_njy is -1.0"),
        (lambda e: dataclasses.replace(e, to_njy=float("nan")), "to_njy is nan"),
        (lambda e: with_info(e, band=""), "band is empty"),
        (lambda e: with_info(e, psf_fwhm=-1.0), "psf_fwhm is -1.0"),
        (lambda e: with_info(e, bbox=Box.factory[0:80, 0:91]), "the box of the pixels is"),
        (nowhere, "not finite"),
    ],
)
def test_each_broken_promise_is_named(breaking, words):
    with pytest.raises(AssertionError, match=words):
        check_exposure(breaking(EXPOSURE.read()))


def test_all_broken_promises_are_listed_at_once():
    exposure = with_info(dataclasses.replace(EXPOSURE.read(), to_njy=0.0), band="")
    with pytest.raises(AssertionError, match=r"breaks 2 promise.*\n.*band.*\n.*to_njy"):
        check_exposure(exposure)


class Remembering(Source):
    """Gives the same arrays each time."""

    kept = EXPOSURE.read()

    def read(self):
        return self.kept


class Noisy(Source):
    """Reads something else each time."""

    count = 0

    def read(self):
        type(self).count += 1
        exposure = super().read()
        exposure.pixels.image.array[0, 0] = self.count
        return exposure


class Local(Source):
    """Cannot be pickled."""

    def __reduce__(self):
        raise TypeError("no pickles here")


class Contradictory(Source):
    """Describes something else than it reads."""

    @property
    def info(self):
        return dataclasses.replace(self.exposure.info, band="z")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Remembering, "a second read.* gives other pixels"),
        (Noisy, "a second read.* gives other pixels"),
        (Local, "cannot be pickled .TypeError: no pickles here"),
        (Contradictory, r"band in read\(\).info is 'g', but 'z' in info"),
    ],
)
def test_promises_of_sources(kind, words):
    with pytest.raises(AssertionError, match=words):
        check_exposure_source(kind())
