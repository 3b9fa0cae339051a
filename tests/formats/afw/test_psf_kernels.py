import numpy as np
import pytest
from astropy.io import fits
from lsst.images import Box

from lamella.errors import InputError, LamellaError
from lamella.formats.afw.exposure import AfwFile
from lamella.formats.afw.psf import read_psf

PCA = "meas_modelfit_calexp_pcapsf.fits"
RNG = np.random.default_rng(5)
IMAGES = RNG.uniform(0.1, 1.0, size=(2, 5, 5))


def pair(name, x, y, kind=np.int32):
    return {f"{name}_x": np.array([x], dtype=kind), f"{name}_y": np.array([y], dtype=kind)}


def fixed(image, x=None, y=None):
    height, width = image.shape
    center = pair("center", width // 2 if x is None else x, height // 2 if y is None else y)
    return {**pair("dimensions", width, height), **center, "image": image.reshape(1, -1)}


def combination(components, size=5, **factors):
    return {
        **pair("dimensions", size, size),
        **pair("center", size // 2, size // 2),
        "components": np.array([components], dtype=np.int32),
        **{
            name: np.array([values], dtype=np.int32 if name == "spatialfunctions" else np.float64)
            for name, values in factors.items()
        },
    }


def chebyshev(coefficients, low=(0.0, 0.0), high=(100.0, 200.0)):
    limits = {**pair("min", *low, np.float64), **pair("max", *high, np.float64)}
    return {"coefficients": np.array([coefficients], dtype=np.float64), **limits}


def psf_of(writer, kernel):
    id = writer.add("KernelPsf", {"kernel": np.array([kernel], dtype=np.int32)})
    return writer.archive().get(id)


def kernel_image(psf, x=0.0, y=0.0):
    return psf.compute_kernel_image(x=x, y=y).array


def normal(image):
    return image / image.sum()


# A real one.


def direct(path, x, y):
    """Evaluate the PCA model by its definition, from nothing but what astropy reads."""
    with fits.open(path) as hdus:
        assert [hdu.header.get("AR_NAME") for hdu in hdus[5:9]] == [
            "PcaPsf",
            "LinearCombinationKernel",
            "Chebyshev1Function2D",
            "FixedKernel",
        ]
        rows = list(zip(hdus[7].data, hdus[8].data, strict=True))
    total = 0.0
    for function, kernel in rows:
        c = function["coefficients"]
        # Ordered as 1, x, y, xx, xy, yy.
        matrix = np.array([[c[0], c[2], c[5]], [c[1], c[4], 0.0], [c[3], 0.0, 0.0]])
        low, high = function["min"], function["max"]
        u, v = 2.0 * (np.array([x, y]) - low) / (high - low) - 1.0
        total = total + np.polynomial.chebyshev.chebval2d(u, v, matrix) * kernel["image"].reshape(25, 25)
    return normal(total)


def test_the_pca_model_of_an_lsst_file_is_the_sum_of_its_kernels(afw_files):
    psf = read_psf(AfwFile(afw_files / PCA))
    assert psf.bounds == Box.factory[2100:2201, 1868:1969]
    for x, y in RNG.uniform((0, 0), (4000, 4072), size=(20, 2)):
        np.testing.assert_allclose(kernel_image(psf, x, y), direct(afw_files / PCA, x, y), atol=1e-14)
    corner = kernel_image(psf, 0.0, 0.0)
    # It hardly varies, but does so far beyond the tolerance.
    assert np.abs(corner - kernel_image(psf, 4000.0, 4072.0)).max() > 5e-5


# Kernels.


def test_a_fixed_kernel_is_an_image(writer):
    psf = psf_of(writer, writer.add("FixedKernel", fixed(IMAGES[0])))
    np.testing.assert_allclose(kernel_image(psf, 17.0, 3.0), normal(IMAGES[0]), rtol=1e-14)


def test_a_kernel_that_is_not_square_or_not_centred_gets_zeros_around_it(writer):
    image = np.arange(1.0, 13.0).reshape(3, 4)
    kernel = kernel_image(psf_of(writer, writer.add("FixedKernel", fixed(image, x=3, y=0))))
    assert kernel.shape == (7, 7)
    np.testing.assert_allclose(kernel[3:6, 0:4], normal(image), rtol=1e-14)
    assert kernel.sum() == pytest.approx(1.0)
    assert kernel[:3].max() == kernel[:, 4:].max() == 0.0


def test_numbers_as_factors(writer):
    ids = [writer.add("FixedKernel", fixed(image)) for image in IMAGES]
    psf = psf_of(writer, writer.add("LinearCombinationKernel", combination(ids, amplitudes=[2.0, -0.5])))
    expected = normal(2.0 * IMAGES[0] - 0.5 * IMAGES[1])
    np.testing.assert_allclose(kernel_image(psf, 30.0, 40.0), expected, rtol=1e-13)


def test_functions_as_factors(writer):
    ids = [writer.add("FixedKernel", fixed(image)) for image in IMAGES]
    first = writer.add("PolynomialFunction2D", {"coefficients": np.array([[1.0, 0.01, -0.02]])})
    second = writer.add(
        "PolynomialFunction2D", {"coefficients": np.array([[0.5, 0.0, 0.0, 1e-4, 2e-4, 3e-4]])}
    )
    psf = psf_of(
        writer, writer.add("LinearCombinationKernel", combination(ids, spatialfunctions=[first, second]))
    )
    x, y = 12.0, 31.0
    a, b = 1.0 + 0.01 * x - 0.02 * y, 0.5 + 1e-4 * x * x + 2e-4 * x * y + 3e-4 * y * y
    np.testing.assert_allclose(kernel_image(psf, x, y), normal(a * IMAGES[0] + b * IMAGES[1]), rtol=1e-12)


@pytest.mark.parametrize("order", [0, 1, 4, 9])
def test_chebyshev_functions_of_any_order(writer, order):
    count = (order + 1) * (order + 2) // 2
    sets = RNG.normal(size=(2, count))
    sets[:, 0] = 5.0 * count
    functions = [writer.add("Chebyshev1Function2D", chebyshev(values)) for values in sets]
    ids = [writer.add("FixedKernel", fixed(image)) for image in IMAGES]
    psf = psf_of(writer, writer.add("LinearCombinationKernel", combination(ids, spatialfunctions=functions)))
    places = [(total - power, power) for total in range(order + 1) for power in range(total + 1)]
    for x, y in ((0.0, 0.0), (33.3, 171.0), (100.0, 200.0)):
        factors = []
        for values in sets:
            matrix = np.zeros((order + 1, order + 1))
            for position, value in zip(places, values, strict=True):
                matrix[position] = value
            factors.append(np.polynomial.chebyshev.chebval2d(x / 50.0 - 1.0, y / 100.0 - 1.0, matrix))
        expected = normal(np.tensordot(factors, IMAGES, axes=1))
        np.testing.assert_allclose(kernel_image(psf, x, y), expected, rtol=1e-10)


def test_a_basis_of_single_pixels(writer):
    shape = {**pair("dimensions", 3, 3), **pair("center", 1, 1)}
    ids = [writer.add("DeltaFunctionKernel", {**shape, **pair("pixel", x, y)}) for x, y in ((1, 1), (2, 0))]
    psf = psf_of(writer, writer.add("LinearCombinationKernel", combination(ids, 3, amplitudes=[3.0, 1.0])))
    expected = np.zeros((3, 3))
    expected[1, 1], expected[0, 2] = 0.75, 0.25
    np.testing.assert_allclose(kernel_image(psf), expected, rtol=1e-15)


def add_varying(writer):
    image = writer.add("FixedKernel", fixed(IMAGES[0]))
    function = writer.add("PolynomialFunction2D", {"coefficients": np.array([[1.0, 1.0, 1.0]])})
    return writer.add("LinearCombinationKernel", combination([image], spatialfunctions=[function]))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda w: w.add("FixedKernel", fixed(IMAGES[0], x=5)), "a centre"),
        (lambda w: w.add("FixedKernel", fixed(IMAGES[0]) | pair("dimensions", 4, 5)), "25 values"),
        (lambda w: w.add("FixedKernel", fixed(np.zeros((3, 3)))), "sum 0"),
        (lambda w: w.add("FixedKernel", fixed(np.full((3, 3), np.nan))), "not finite"),
        (
            lambda w: w.add(
                "DeltaFunctionKernel",
                pair("dimensions", 3, 3) | pair("center", 1, 1) | pair("pixel", 3, 0),
            ),
            r"pixel \(3, 0\) of 3 x 3",
        ),
        (
            lambda w: w.add(
                "DeltaFunctionKernel",
                pair("dimensions", 1 << 30, 1 << 30) | pair("center", 1, 1) | pair("pixel", 0, 0),
            ),
            "of 1073741824 x 1073741824",
        ),
        (
            lambda w: w.add(
                "LinearCombinationKernel",
                combination([w.add("FixedKernel", fixed(IMAGES[0]))] * 3, amplitudes=[1.0, 2.0]),
            ),
            "2 factors; expected 3",
        ),
        (
            lambda w: w.add("LinearCombinationKernel", combination([0], amplitudes=[1.0])),
            "no object; expected a StoredKernel",
        ),
        (
            lambda w: w.add(
                "LinearCombinationKernel",
                combination([w.add("FixedKernel", fixed(IMAGES[0]))], 7, amplitudes=[1.0]),
            ),
            "other sizes; expected 7 x 7",
        ),
        (
            lambda w: w.add("LinearCombinationKernel", combination([add_varying(w)], amplitudes=[1.0])),
            "components that vary",
        ),
        (
            lambda w: w.add("LinearCombinationKernel", combination([1], 1 << 20, amplitudes=[1.0])),
            "1 kernels of 1048576 x 1048576",
        ),
        (lambda w: add_function(w, "PolynomialFunction2D", {"coefficients": np.ones((1, 4))}), "4 coeff"),
        (lambda w: add_function(w, "PolynomialFunction2D", {"coefficients": np.ones((1, 300))}), "300 coeff"),
        (lambda w: add_function(w, "Chebyshev1Function2D", chebyshev([1.0], high=(100.0, 0.0))), "a range"),
        (lambda w: add_function(w, "Chebyshev1Function2D", chebyshev([1.0], low=(np.nan, 0.0))), "a range"),
    ],
)
def test_kernels_without_sense_are_refused(writer, build, message):
    with pytest.raises(LamellaError, match=message):
        kernel_image(psf_of(writer, build(writer)))


def add_function(writer, name, table):
    image, function = writer.add("FixedKernel", fixed(IMAGES[0])), writer.add(name, table)
    return writer.add("LinearCombinationKernel", combination([image], spatialfunctions=[function]))


def test_functions_of_different_ranges_are_refused(writer):
    ids = [writer.add("FixedKernel", fixed(image)) for image in IMAGES]
    functions = [
        writer.add("Chebyshev1Function2D", chebyshev([1.0, 0.1, 0.2], high=(100.0, top)))
        for top in (50.0, 60.0)
    ]
    kernel = writer.add("LinearCombinationKernel", combination(ids, spatialfunctions=functions))
    with pytest.raises(InputError, match="functions of different ranges"):
        psf_of(writer, kernel)


def test_a_kernel_in_itself_is_refused(writer):
    table = combination([1], amplitudes=[1.0])
    assert writer.add("LinearCombinationKernel", table) == 1
    with pytest.raises(InputError, match="contain themselves"):
        psf_of(writer, 1)


def test_kernels_far_off_their_centre_are_refused(writer):
    line = writer.add("FixedKernel", fixed(np.ones((1, 1500)), x=0))
    with pytest.raises(InputError, match="1 images that reach 1499 pixels from the centre"):
        psf_of(writer, line)
