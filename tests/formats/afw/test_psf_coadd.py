import numpy as np
import pytest
from lsst.images import Box, Polygon
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.errors import InputError, LamellaError
from lamella.formats.afw.exposure import AfwFile
from lamella.formats.afw.psf import EVERYWHERE, read_psf
from lamella.psf.coadd import CoaddPsf, PsfComponent
from lamella.psf.warped import WarpedPsf
from lamella.sky.projection import projection_from_header

from .test_psf import gaussian

BOX = Box.factory[0:100, 0:200]
SIGMAS = (2.0, 3.0)
WEIGHTS = (1.0, 3.0)


def header(ra=40.0, dec=-30.0, scale=5e-5, x=50.0, y=60.0):
    texts = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg", "RADESYS": "ICRS"}
    numbers = {"CRVAL1": ra, "CRVAL2": dec, "CRPIX1": x + 1, "CRPIX2": y + 1}
    return texts | numbers | {"CD1_1": -scale, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": scale}


DETECTOR, COADD = header(), header(scale=4e-5, x=70.0, y=55.0)


def projection(cards):
    return projection_from_header(cards, path="t", hdu=0)


def add_wcs(writer, cards):
    text = b"1 SkyWcs 0 " + projection(cards).show(comments=False).encode()
    return writer.add("SkyWcs", {"wcs": [text]})


def inputs(wcs, psf, polygon=(0, 0), **more):
    """Return a table of inputs of a coadd."""
    count = len(wcs)
    ones = np.ones(count, dtype=np.int32)
    links = {"wcs": wcs, "psf": psf, "validPolygon": polygon}
    return {
        **{name: np.array(ids, dtype=np.int32) for name, ids in links.items()},
        "id": np.arange(count, dtype=np.int64) + 7,
        "bbox_min_x": 0 * ones,
        "bbox_min_y": 0 * ones,
        "bbox_max_x": 199 * ones,
        "bbox_max_y": 99 * ones,
        "weight": np.array(WEIGHTS[:count] + (0.0,) * (count - len(WEIGHTS))),
        **more,
    }


def expected(polygon=None):
    components = [
        PsfComponent(
            label="x",
            psf=GaussianPointSpreadFunction(sigma, BOX, 15),
            projection=projection(DETECTOR),
            bbox=BOX,
            weight=weight,
            polygon=polygon if sigma == SIGMAS[1] else None,
        )
        for sigma, weight in zip(SIGMAS, WEIGHTS, strict=True)
    ]
    return CoaddPsf(components, projection(COADD), BOX)


def settings(wcs, name="lanczos3"):
    return {
        "coaddwcs": np.array([wcs], dtype=np.int32),
        "cachesize": np.array([10000], dtype=np.int32),
        "avgpos_x": np.array([1.0]),
        "avgpos_y": np.array([2.0]),
        "warpingkernelname": np.array([name]),
    }


def add_inputs(writer):
    psfs = [writer.add("GaussianPsf", gaussian(sigma)) for sigma in SIGMAS]
    return [add_wcs(writer, DETECTOR)] * 2, psfs


def assert_same_psf(ours, wanted, places=((60.0, 50.0), (81.3, 44.8))):
    assert ours.kernel_bbox == wanted.kernel_bbox
    for x, y in places:
        first, second = (psf.compute_stellar_image(x=x, y=y).array for psf in (ours, wanted))
        np.testing.assert_allclose(first, second, atol=1e-7)


def test_the_psf_of_a_coadd_is_the_mean_of_those_of_its_inputs(writer):
    wcs, psfs = add_inputs(writer)
    id = writer.add(
        "CoaddPsf",
        settings(add_wcs(writer, COADD)),
        inputs(wcs, psfs, goodpix=np.array([10, 20], dtype=np.int32)),
    )
    archive = writer.archive()
    psf = archive.get(id)
    assert psf.bounds == EVERYWHERE
    assert [
        (component.label, component.weight, component.good_pixels, component.bbox)
        for component in psf.components
    ] == [
        ("input 7", 1.0, 10.0, BOX),
        ("input 8", 3.0, 20.0, BOX),
    ]
    assert_same_psf(psf, expected())
    assert archive.notes == []


def test_valid_regions_limit_the_inputs(writer):
    wcs, psfs = add_inputs(writer)
    corners = np.array([-0.5, 60.0, 60.0, -0.5, -0.5]), np.array([-0.5, -0.5, 99.5, 99.5, -0.5])
    polygon = writer.add("Polygon", {"vertices_x": corners[0], "vertices_y": corners[1]})
    id = writer.add("CoaddPsf", settings(add_wcs(writer, COADD)), inputs(wcs, psfs, (0, polygon)))
    region = Polygon(x_vertices=corners[0][:4], y_vertices=corners[1][:4])
    psf = writer.archive().get(id)
    assert_same_psf(psf, expected(region), places=((60.0, 50.0), (120.0, 50.0)))
    assert [len(psf.contributions(x, 50.0)) for x in (60.0, 120.0, 900.0)] == [2, 1, 0]


def test_the_one_table_of_old_coadds_ends_with_the_projection_of_the_coadd(writer):
    wcs, psfs = add_inputs(writer)
    id = writer.add("CoaddPsf", inputs([*wcs, add_wcs(writer, COADD)], [*psfs, 0], (0, 0, 0)))
    psf = writer.archive().get(id)
    assert len(psf.components) == 2
    assert_same_psf(psf, expected())


def test_the_bounds_of_a_coadds_psf_are_its_image(writer):
    wcs, psfs = add_inputs(writer)
    id = writer.add("CoaddPsf", settings(add_wcs(writer, COADD)), inputs(wcs, psfs))
    writer.primary = {"PSF_ID": id}
    psf = read_psf(AfwFile(writer.write()), BOX)
    assert psf.bounds == BOX
    assert_same_psf(psf, expected())


def test_another_way_of_resampling_is_noted(writer):
    wcs, psfs = add_inputs(writer)
    id = writer.add("CoaddPsf", settings(add_wcs(writer, COADD), "bilinear"), inputs(wcs, psfs))
    archive = writer.archive()
    archive.get(id)
    assert len(archive.notes) == 1
    assert "resampled with lanczos3; afw would take 'bilinear'" in archive.notes[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"psf": np.array([0, 0], dtype=np.int32)}, "no PSF or no box of input 7"),
        ({"wcs": np.array([0, 0], dtype=np.int32)}, "no projection of input 7"),
        ({"bbox_max_x": np.array([-1, -1], dtype=np.int32)}, "no PSF or no box of input 7"),
        ({"weight": np.array([np.nan, 1.0])}, "weight is nan"),
        ({"psf": np.array([3, 3], dtype=np.int32)}, "found a SkyProjection; expected a PointSpreadFunction"),
    ],
)
def test_inputs_without_sense_are_refused(writer, change, message):
    wcs, psfs = add_inputs(writer)
    id = writer.add("CoaddPsf", settings(add_wcs(writer, COADD)), inputs(wcs, psfs) | change)
    with pytest.raises(LamellaError, match=message):
        writer.archive().get(id)


def test_a_coadd_without_inputs_is_refused(writer):
    wcs = add_wcs(writer, COADD)
    id = writer.add("CoaddPsf", inputs([wcs], [0], (0,)))
    with pytest.raises(InputError, match=r"object 2 \(CoaddPsf\): found no inputs"):
        writer.archive().get(id)


def test_a_psf_of_a_coadd_in_itself_is_refused(writer):
    wcs = add_wcs(writer, COADD)
    id = writer.add("CoaddPsf", settings(wcs), inputs([wcs], [2], (0,)))
    assert id == 2
    with pytest.raises(InputError, match="contain themselves"):
        writer.archive().get(id)


def test_a_warped_psf(writer):
    psf = writer.add("GaussianPsf", gaussian(2.0))
    text = "Begin ZoomMap\n Nin = 2\n IsA Mapping\n Zoom = 1.25\nEnd ZoomMap\n"
    transform = writer.add(
        "TransformPoint2ToPoint2", {"bytes": [b"1 TransformPoint2ToPoint2 " + text.encode()]}
    )
    control = writer.add("WarpingControl", {"cacheSize": np.array([0], dtype=np.int32)})
    links = {"psfIndex": psf, "transformIndex": transform, "controlIndex": control}
    id = writer.add("WarpedPsf", {name: np.array([n], dtype=np.int32) for name, n in links.items()})
    archive = writer.archive()
    warped = archive.get(id)
    assert isinstance(warped, WarpedPsf)
    assert archive.get(control).name == "WarpingControl"
    assert warped.kernel_bbox.shape == (19, 19)
    star = warped.compute_stellar_image(x=50.0, y=25.0)
    wide = GaussianPointSpreadFunction(2.5, BOX, 19).compute_stellar_image(x=50.0, y=25.0)
    np.testing.assert_allclose(star.array, wide.array, atol=0.02 * wide.array.max())
