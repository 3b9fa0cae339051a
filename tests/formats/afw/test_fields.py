import numpy as np
import pytest
from lsst.images import Box
from lsst.images.fields import ChebyshevField

from lamella.errors import InputError
from lamella.formats.afw.fields import CoaddField, evaluate

BOX = {"bbox_min_x": 10, "bbox_min_y": -5, "bbox_max_x": 29, "bbox_max_y": 34}


def ints(**values):
    return {key: np.array([value], dtype=np.int32) for key, value in values.items()}


def doubles(**values):
    return {key: np.array([value], dtype=np.float64) for key, value in values.items()}


def chebyshev(coefficients, order_x, **box):
    return ints(order_x=order_x, **(box or BOX)) | doubles(coefficients=coefficients)


def test_coefficients_are_rows_of_powers_of_x(writer):
    writer.add("ChebyshevBoundedField", chebyshev([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2))
    field = writer.archive().get(1)
    assert field.bounds == Box.factory[-5:35, 10:30]
    x, y = np.array([10.0, 25.0]), np.array([0.0, 34.0])
    # From the edges of the first and last pixels to [-1, 1].
    u, v = (x - 19.5) / 10.0, (y - 14.5) / 20.0
    expected = np.polynomial.chebyshev.chebval2d(v, u, np.arange(1.0, 7.0).reshape(2, 3))
    np.testing.assert_allclose(evaluate(field, x, y), expected, rtol=1e-14)


def test_a_constant_without_a_box_is_a_number(writer):
    empty = {"bbox_min_x": 0, "bbox_min_y": 0, "bbox_max_x": -1, "bbox_max_y": -1}
    writer.add("ChebyshevBoundedField", chebyshev([2.5], 0, **empty))
    writer.add("ChebyshevBoundedField", chebyshev([2.5, 1.0], 1, **empty))
    archive = writer.archive()
    assert archive.get(1) == 2.5
    assert evaluate(archive.get(1), np.zeros(3), np.zeros(3)).tolist() == [2.5] * 3
    with pytest.raises(InputError, match="without a box"):
        archive.get(2)


@pytest.mark.parametrize(
    ("coefficients", "order_x"), [([1.0, 2.0, 3.0], 1), ([1.0], -1), ([np.nan, 1.0], 1), ([1.0], 2**31 - 1)]
)
def test_coefficients_that_make_no_rows_are_refused(writer, coefficients, order_x):
    writer.add("ChebyshevBoundedField", chebyshev(coefficients, order_x))
    with pytest.raises(InputError, match=r"object 1 \(ChebyshevBoundedField\)"):
        writer.archive().get(1)


def test_a_product_multiplies_fields_and_numbers(writer):
    empty = {"bbox_min_x": 0, "bbox_min_y": 0, "bbox_max_x": -1, "bbox_max_y": -1}
    writer.add("ChebyshevBoundedField", chebyshev([1.0, 0.5], 1))
    writer.add("ChebyshevBoundedField", chebyshev([2.0, 0.25], 0))
    writer.add("ChebyshevBoundedField", chebyshev([3.0], 0, **empty))
    writer.add("ProductBoundedField", {"id": np.array([1, 2, 3], dtype=np.int32)})
    archive = writer.archive()
    x, y = np.array([12.0, 28.0]), np.array([-4.0, 30.0])
    expected = 3.0 * evaluate(archive.get(1), x, y) * evaluate(archive.get(2), x, y)
    np.testing.assert_allclose(evaluate(archive.get(4), x, y), expected, rtol=1e-14)


def tan_table(scale, crpix=(0.0, 0.0), crval=(50.0, 0.0)):
    texts = {"ctype1": "RA---TAN", "ctype2": "DEC--TAN", "radesys": "ICRS", "cunit1": "deg", "cunit2": "deg"}
    numbers = doubles(
        crval_x=crval[0],
        crval_y=crval[1],
        crpix_x=crpix[0],
        crpix_y=crpix[1],
        cd=[-scale, 0.0, 0.0, scale],
        equinox=2000.0,
    )
    return numbers | {key: np.array([text]) for key, text in texts.items()}


def test_the_area_of_pixels_follows_the_projection(writer):
    scale = 5e-4
    writer.add("TanWcs", tan_table(scale))
    box = {"bbox_min_x": 0, "bbox_min_y": 0, "bbox_max_x": 1999, "bbox_max_y": 3999}
    writer.add("PixelAreaBoundedField", ints(wcs=1, **box) | doubles(scaling=7.0))
    field = writer.archive().get(2)
    assert isinstance(field, ChebyshevField)
    x, y = np.array([0.0, 1000.0, 1999.0]), np.array([0.0, 3999.0, 2000.0])
    rho2 = np.radians(scale) ** 2 * (x**2 + y**2)
    # Solid angle of a small element of a tangent plane.
    expected = 7.0 * np.radians(scale) ** 2 * (1.0 + rho2) ** -1.5
    np.testing.assert_allclose(evaluate(field, x, y), expected, rtol=3e-6)
    assert np.ptp(expected) / expected.mean() > 1e-3


def test_the_field_of_a_coadd_is_the_weighted_mean_of_its_inputs(writer):
    scale = 5e-5
    square = {"bbox_min_x": 0, "bbox_min_y": 0, "bbox_max_x": 99, "bbox_max_y": 99}
    writer.add("ChebyshevBoundedField", chebyshev([2.0], 0, **square))
    writer.add("ChebyshevBoundedField", chebyshev([5.0, 1.0], 1, **square))
    writer.add("TanWcs", tan_table(scale))
    writer.add("TanWcs", tan_table(scale, crpix=(-50.0, 0.0)))
    corners = np.array([[-0.5, -0.5], [99.5, -0.5], [99.5, 20.0], [-0.5, 20.0], [-0.5, -0.5]])
    writer.add("Polygon", {"vertices_x": corners[:, 0].copy(), "vertices_y": corners[:, 1].copy()})
    box = {"bbox_min_x": -100, "bbox_min_y": 0, "bbox_max_x": 199, "bbox_max_y": 99}
    writer.add(
        "CoaddBoundedField",
        ints(coaddWcs=3, **box) | doubles(default=0.0) | {"flags": {"throwOnMissing": [True]}},
        {
            "field": np.array([1, 2], np.int32),
            "wcs": np.array([3, 4], np.int32),
            "validPolygon": np.array([0, 5], np.int32),
            "weight": np.array([1.0, 3.0]),
        },
    )
    field = writer.archive().get(6)
    assert isinstance(field, CoaddField)
    x, y = np.array([20.0, 60.0, 60.0, 120.0, -30.0]), np.array([10.0, 10.0, 50.0, 10.0, 10.0])
    second = 5.0 + (x - 50.0 - 49.5) / 50.0
    expected = [2.0, (2.0 + 3.0 * second[1]) / 4.0, 2.0, second[3], np.nan]
    np.testing.assert_allclose(evaluate(field, x, y), expected, rtol=1e-7)


def test_aperture_corrections_are_fields_by_name(writer):
    writer.add("ChebyshevBoundedField", chebyshev([1.25], 0))
    writer.add(
        "ApCorrMap",
        {"name": np.array(["flux", "flux_err"]), "field": np.array([1, 1], dtype=np.int32)},
    )
    corrections = writer.archive().get(2)
    assert list(corrections) == ["flux", "flux_err"]
    assert evaluate(corrections["flux"], np.array([15.0]), np.array([0.0])).tolist() == [1.25]
