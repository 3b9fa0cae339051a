"""Warps and coadds written for the C++ stack: read back, by astropy, and by the rules of the layout."""

import dataclasses
import time

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from lsst.images import Box, Image, Polygon, TractFrame
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella import read_product, write_afw, write_archive
from lamella.data.coadd import PatchCoadd
from lamella.data.exposure import ExposureId
from lamella.data.times import ExposureTimes
from lamella.data.warp import Warp
from lamella.errors import MissingPartError, OutputError
from lamella.formats.afw.exposure import AfwFile
from lamella.formats.afw.kinds import Kind, kind_of
from lamella.formats.afw.visit_info import visit_info_from_header
from lamella.planes import STANDARD_PLANES, Layout, legacy_name, make_schema
from lamella.psf.coadd import CoaddPsf
from lamella.psf.gaussian import DoubleGaussianPsf
from lamella.sky.projection import projection_from_header

from ... import makers
from ...same import assert_same_planes
from .test_psf_coadd import header

TRACT = TractFrame(skymap="rings", tract=42, bbox=Box.factory[0:400, 0:500])
BOX = Box.factory[100:140, 200:250]
DETECTOR = Box.factory[0:90, 0:110]
SCALE = 0.2 / 3600


def detector_projection(visit):
    # The tract's pixels 195 to 254 and 95 to 144 are on the detector.
    cards = header(scale=SCALE, x=249.5 - 180.0 + 2.3 * (visit % 7), y=199.5 - 80.0)
    return projection_from_header(cards, path="d", hdu=0)


def detectors(visits, psf=None, weight=0.5):
    polygon = Polygon(x_vertices=[1.0, 100.0, 100.0, 1.0], y_vertices=[1.0, 1.0, 80.0, 80.0])
    return [
        makers.make_detector(
            visit,
            number,
            DETECTOR,
            detector_projection(visit),
            instrument="HSC",
            band="i2",
            psf=psf or GaussianPointSpreadFunction(2.0 + 0.1 * visit, DETECTOR, 21),
            polygon=polygon if number == 3 else None,
            good_pixels=1000 + visit,
            weight=weight,
        )
        for visit in visits
        for number in (3, 50)
    ]


def planes(box=BOX):
    rng = np.random.default_rng(3)
    schema = make_schema(["EXTRA_PLANE"])
    mask = np.zeros(box.shape, np.int32)
    mask[:5] |= Layout(schema).bits(["NO_DATA", "EXTRA_PLANE"])
    mask[7, 9] = Layout(schema).bits(["SATURATED", "STREAK"])
    image, variance = rng.normal(size=box.shape), rng.uniform(1, 2, size=box.shape)
    image[:3], variance[:3] = np.nan, np.inf
    # Rows 3 and 4 hold gaps that were filled.
    cards = header(scale=SCALE, x=249.5, y=199.5)
    projection = projection_from_header(cards, path="t", hdu=0, pixel_frame=TRACT)
    return makers.make_planes(image, variance, mask, box=box, schema=schema, projection=projection)


def make_warp(**changes):
    values = {"visit": 7, "detectors": detectors([7], weight=1.0), "instrument": "HSC", "band": "i2"}
    return makers.make_warp(planes(), **(values | changes))


def make_coadd(**changes):
    identity = {"band": "i2", "skymap": "rings", "tract": 42, "patch": (5, 4)}
    values = {"inner_bbox": Box.factory[105:135, 205:245], "detectors": detectors([7, 8])}
    return makers.make_coadd(planes(), np.full(BOX.shape, 2), **(identity | values | changes))


def worst_pixel(ours, wanted, box):
    x, y = (axis.ravel() for axis in np.meshgrid(box.x.arange, box.y.arange))
    there = ours.sky_to_pixel(wanted.pixel_to_sky(x=x, y=y))
    return max(np.abs(there.x - x).max(), np.abs(there.y - y).max())


# Read back.


@pytest.mark.parametrize("compress", [True, False])
def test_a_coadd_comes_back_with_all_components(tmp_path, compress):
    coadd, path = make_coadd(), tmp_path / "coadd.fits"
    assert write_afw(coadd, path, compress=compress) == ()
    again = read_product(path)
    assert isinstance(again, PatchCoadd)
    assert_same_planes(again, coadd)
    for name in ("band", "skymap", "tract", "patch", "inner_bbox", "name"):
        assert getattr(again, name) == getattr(coadd, name), name
    assert again.sky_projection.pixel_frame == TRACT
    assert worst_pixel(again.sky_projection, coadd.sky_projection, BOX) < 1e-6
    for ours, wanted in zip(again.detectors, coadd.detectors, strict=True):
        for name in ("id", "band", "bbox", "good_pixels", "weight"):
            assert getattr(ours, name) == getattr(wanted, name), name
        assert worst_pixel(ours.projection, wanted.projection, DETECTOR) < 1e-6
        assert (ours.polygon is None) == (wanted.polygon is None)
        assert ours.psf.sigma == wanted.psf.sigma
    np.testing.assert_array_equal(again.detectors[0].polygon.x_vertices, [1.0, 100.0, 100.0, 1.0])
    stamps = [product.psf.compute_kernel_image(x=225.0, y=120.0).array for product in (again, coadd)]
    np.testing.assert_allclose(stamps[0], stamps[1], atol=1e-9)


def test_a_warp_comes_back_as_a_warp(tmp_path):
    warp, path = make_warp(), tmp_path / "warp.fits"
    assert write_afw(warp, path) == ()
    again = read_product(path)
    assert isinstance(again, Warp)
    assert_same_planes(again, warp)
    assert (again.instrument, again.visit, again.band, again.matched_psf) == ("HSC", 7, "i2", None)
    assert [(detector.id, detector.weight) for detector in again.detectors] == [
        (ExposureId("HSC", 7, 3, "i2"), 1.0), (ExposureId("HSC", 7, 50, "i2"), 1.0)
    ]  # fmt: skip
    box = Box.factory[110:120, 210:220]
    assert_same_planes(read_product(path, bbox=box), warp[box])


def test_a_coadd_of_one_visit_of_weight_one_is_no_warp(tmp_path):
    coadd = make_coadd(detectors=detectors([7], weight=1.0))
    write_afw(coadd, tmp_path / "coadd.fits")
    assert isinstance(read_product(tmp_path / "coadd.fits"), PatchCoadd)


def test_matched_products_have_the_model_as_their_psf(tmp_path):
    model = DoubleGaussianPsf(3.0, 7.5, 0.1, BOX, 25)
    for number, product in enumerate([make_warp(matched_psf=model), make_coadd(matched_psf=model)]):
        path = tmp_path / f"{number}.fits"
        assert write_afw(product, path) == ()
        again = read_product(path)
        assert again.matched_psf.parameters() == model.parameters()
        assert len(again.detectors) == len(product.detectors)


def test_instruments_of_inputs_are_kept_apart(tmp_path):
    both = detectors([7])
    both += [
        dataclasses.replace(detector, id=ExposureId("DECam", 7, detector.id.detector)) for detector in both
    ]
    write_afw(make_coadd(detectors=both), tmp_path / "a.fits")
    again = read_product(tmp_path / "a.fits")
    assert {detector.id for detector in again.detectors} == {detector.id for detector in both}


def test_what_was_read_is_written_and_read_again_without_loss(tmp_path):
    first, second = tmp_path / "1.fits", tmp_path / "2.fits"
    write_afw(make_coadd(), first)
    coadd = read_product(first)
    write_afw(coadd, second)
    assert second.read_bytes() == first.read_bytes()
    write_archive(coadd, str(tmp_path / "archive.fits"))
    assert_same_planes(read_product(tmp_path / "archive.fits"), coadd)


def test_equal_products_are_equal_files_at_any_time(tmp_path, monkeypatch):
    write_afw(make_coadd(), tmp_path / "1.fits")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1e6)
    write_afw(make_coadd(), tmp_path / "2.fits")
    assert (tmp_path / "1.fits").read_bytes() == (tmp_path / "2.fits").read_bytes()


def test_a_psf_that_cannot_be_written_is_named_and_the_rest_is_there(tmp_path, monkeypatch):
    class Strange(GaussianPointSpreadFunction):
        def compute_kernel_image(self, *, x, y):
            # A PSF that differs from node to node as no polynomial does.
            wild = int(x * 7 + y * 13) % 5
            return GaussianPointSpreadFunction(1.0 + wild, DETECTOR, 21).compute_kernel_image(x=0, y=0)

    from lamella.formats.afw import write_psf

    monkeypatch.setattr(write_psf, "GaussianPointSpreadFunction", DoubleGaussianPsf)
    monkeypatch.setattr("lamella.formats.afw.plain_psf._SPACING", 10)
    coadd = make_coadd(detectors=detectors([7, 8], psf=Strange(2.0, DETECTOR, 21)))
    notes = write_afw(coadd, tmp_path / "a.fits")
    assert any(
        "HSC visit 7 detector 3 is not complete: No class of afw comes close" in note for note in notes
    )
    assert notes[-1] == "The file has no PSF."
    again = read_product(tmp_path / "a.fits")
    assert_same_planes(again, coadd)
    assert again.detectors == ()
    assert "4 of 4 inputs have no PSF or no projection." in again.notes


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path):
    bare = make_warp()
    bare._image = Image(bare.image.array, bbox=BOX)
    with pytest.raises(MissingPartError, match="a product without a projection"):
        write_afw(bare, tmp_path / "a.fits")
    big = make_warp(detectors=[dataclasses.replace(detectors([7])[0], good_pixels=2**40)])
    with pytest.raises(OutputError, match=r"out of bounds|too large"):
        write_afw(big, tmp_path / "a.fits")
    with pytest.raises(OutputError, match="nowhere"):
        write_afw(make_warp(), tmp_path / "nowhere" / "a.fits")
    assert list(tmp_path.iterdir()) == []


# The valid region.


def test_the_valid_region_is_around_the_data(tmp_path):
    write_afw(make_warp(), tmp_path / "a.fits")
    whole = AfwFile(tmp_path / "a.fits").valid_polygon
    # Detectors cover all of the box.
    assert whole.area == pytest.approx(40 * 50, rel=1e-6)
    detector = dataclasses.replace(detectors([7])[1], bbox=Box.factory[30:90, 0:110])
    write_afw(make_warp(detectors=[detector]), tmp_path / "b.fits")
    polygon = AfwFile(tmp_path / "b.fits").valid_polygon
    assert polygon.area == pytest.approx(50 * (139.5 - 109.5), rel=1e-6)
    far = dataclasses.replace(detector, bbox=Box.factory[0:5, 0:5])
    write_afw(make_warp(detectors=[far]), tmp_path / "c.fits")
    assert AfwFile(tmp_path / "c.fits").valid_polygon is None


def test_regions_in_parts_have_one_hull(tmp_path):
    first, second = detectors([7])
    low = dataclasses.replace(first, bbox=Box.factory[0:40, 0:110], polygon=None)
    high = dataclasses.replace(second, bbox=Box.factory[50:90, 0:110])
    write_afw(make_warp(detectors=[low, high]), tmp_path / "a.fits")
    assert AfwFile(tmp_path / "a.fits").valid_polygon.area == pytest.approx(40 * 50, rel=1e-6)


# As astropy sees it.


@pytest.mark.parametrize("compress", [True, False])
def test_astropy_reads_pixels_projection_and_planes(tmp_path, compress):
    coadd, path = make_coadd(), tmp_path / "coadd.fits"
    write_afw(coadd, path, compress=compress)
    with fits.open(path) as hdus:
        hdus.verify("exception")
        image, mask, variance = (hdus[name] for name in ("IMAGE", "MASK", "VARIANCE"))
        np.testing.assert_array_equal(image.data, coadd.image.array)
        np.testing.assert_array_equal(mask.data, coadd.mask.array[..., 0])
        np.testing.assert_array_equal(variance.data, coadd.variance.array)
        assert (image.header["BUNIT"], variance.header["BUNIT"]) == ("nJy", "nJy**2")
        sky = WCS(image.header).pixel_to_world(10.0, 20.0)
        ours = coadd.sky_projection.pixel_to_sky(x=BOX.x.start + 10.0, y=BOX.y.start + 20.0)
        assert sky.separation(ours).to_value("mas") < 1e-3
        # The second projection has the pixels of the parent frame.
        # afw writes the unit in capitals, which astropy mends, and says so.
        with pytest.warns(FITSFixedWarning, match="PIXEL"):
            position = WCS(image.header, key="A").wcs_pix2world([[0, 0]], 0)[0]
        np.testing.assert_allclose(position, [BOX.x.start, BOX.y.start])
        assert (image.header["LTV1"], image.header["LTV2"]) == (-BOX.x.start, -BOX.y.start)
        bits = {key[3:]: value for key, value in mask.header.items() if key.startswith("MP_")}
    wanted = {legacy_name(name): bit for bit, name in enumerate(STANDARD_PLANES)}
    assert bits == wanted | {"EXTRA_PLANE": len(wanted)}
    # The first planes are those of afw's own table, in its order.
    assert [name for name, bit in sorted(bits.items(), key=lambda item: item[1])][:11] == [
        "BAD", "SAT", "INTRP", "CR", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "SUSPECT", "NO_DATA",
        "VIGNETTED", "STREAK",
    ]  # fmt: skip


# The rules of the layout.


@pytest.fixture
def hdus(tmp_path):
    write_afw(make_coadd(), tmp_path / "coadd.fits")
    with fits.open(tmp_path / "coadd.fits", disable_image_compression=True) as opened:
        yield opened


def test_hdus_are_where_afw_looks_for_them(hdus):
    kinds = [hdu.header.get("EXTTYPE") for hdu in hdus[1:]]
    assert kinds[:4] == ["IMAGE", "MASK", "VARIANCE", "ARCHIVE_INDEX"]
    assert set(kinds[4:]) == {"ARCHIVE_DATA"}
    primary = hdus[0].header
    assert (primary["NAXIS"], primary["EXPINFO_V"], primary["AR_HDU"]) == (0, 2, 5)
    assert hdus[primary["AR_HDU"] - 1].header["EXTTYPE"] == "ARCHIVE_INDEX"
    for hdu in hdus[1:4]:
        assert hdu.header["INHERIT"] is True
        assert hdu.header["EXTNAME"] == hdu.header["EXTTYPE"]
        for axis, start in ((1, BOX.x.start), (2, BOX.y.start)):
            cards = [hdu.header[f"{key}{axis}A"] for key in ("CTYPE", "CRPIX", "CRVAL", "CUNIT")]
            assert cards == ["LINEAR", 1.0, float(start), "PIXEL"]
    assert kind_of(hdus.filename()) is Kind.IMAGE


def test_components_have_their_numbers_under_both_names(hdus):
    primary = hdus[0].header
    index = {row["id"]: row["name"] for row in hdus[4].data}
    wanted = {
        "SKYWCS": "SkyWcs",
        "PHOTOCALIB": "PhotoCalib",
        "FILTER": "FilterLabel",
        "COADD_INPUTS": "CoaddInputs",
        "VALID_POLYGON": "Polygon",
        "PSF": "CoaddPsf",
    }
    for name, kind in wanted.items():
        assert primary[f"{name}_ID"] == primary[f"ARCHIVE_ID_{name}"]
        assert index[primary[f"{name}_ID"]] == kind
    assert "IDNUM" not in primary
    assert primary["INSTRUMENT"] == "HSC"


@pytest.mark.parametrize("make", [make_warp, make_coadd])
def test_the_primary_header_has_the_times_in_tai(tmp_path, make):
    times = ExposureTimes.of(begin=60000.25, exposure_time=100.0)
    dated = [dataclasses.replace(detector, times=times) for detector in make().detectors]
    write_afw(make(detectors=dated), tmp_path / "dated.fits")
    primary = fits.getheader(tmp_path / "dated.fits", 0)
    assert (primary["TIMESYS"], primary["DATE-OBS"]) == ("TAI", "2023-02-25T06:00:37.000")
    assert primary["DATE-AVG"] == "2023-02-25T06:01:27.000"
    dates = [primary[f"MJD-{event}"] for event in ("BEG", "AVG", "END")]
    assert dates == pytest.approx([60000.25 + seconds / 86400 for seconds in (37, 87, 137)], abs=1e-9)
    visits = len({detector.id.visit for detector in dated})
    assert (primary["EXPTIME"], primary["NDATED"]) == (100.0 * visits, visits)
    assert visit_info_from_header(primary).times.middle == pytest.approx(times.middle, abs=1e-8)
    assert read_product(tmp_path / "dated.fits").times.begin == pytest.approx(times.begin, abs=1e-8)


def test_the_index_says_which_rows_are_whose(hdus):
    index = hdus[4]
    assert index.columns.names == ["id", "cat.archive", "cat.persistable", "row0", "nrows", "name", "module"]
    assert index.columns.formats == ["1J", "1J", "1J", "1J", "1J", "64A", "64A"]
    tables = hdus[5:]
    assert (index.header["AR_NCAT"], index.header["AR_CATN"]) == (len(tables) + 1, 0)
    assert [table.header["AR_CATN"] for table in tables] == list(range(1, len(tables) + 1))
    taken = [np.zeros(table.header["NAXIS2"], int) for table in tables]
    for row in index.data:
        table = tables[row["cat.archive"] - 1]
        assert table.header["AR_NAME"] == row["name"]
        assert row["module"].startswith("lsst.")
        taken[row["cat.archive"] - 1][row["row0"] : row["row0"] + row["nrows"]] += 1
    assert all((count == 1).all() for count in taken)


def test_columns_say_what_afw_takes_them_for(hdus):
    allowed = {"Scalar", "Array", "String", "Angle"}
    for table in hdus[4:]:
        header = table.header
        assert header["AFW_TABLE_VERSION"] == 3
        packed = [number for number in range(1, header["TFIELDS"] + 1) if header[f"TTYPE{number}"] == "flags"]
        assert packed == ([1] if "FLAGCOL" in header else [])
        for number in range(1, header["TFIELDS"] + 1):
            if number not in packed:
                assert header[f"TCCLS{number}"] in allowed
                assert header[f"TDOC{number}"]
    by_name = {}
    for table in hdus[5:]:
        by_name.setdefault(table.header["AR_NAME"], []).append(table)
    assert by_name["SkyWcs"][0].header["TFORM1"].startswith("1QB(")
    (filter_label,) = by_name["FilterLabel"]
    assert [filter_label.header[f"TFLAG{n}"] for n in (1, 2)] == ["band_exists", "physical_exists"]
    assert filter_label.data["flags"].tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("file", "name", "ours_has_more"),
    [
        ("obs_base_calexp_hsc.fits", "PhotoCalib", ()),
        ("obs_base_calexp_hsc.fits", "FilterLabel", ()),
        ("obs_base_calexp_hsc.fits", "Polygon", ()),
        ("obs_base_calexp_hsc.fits", "ChebyshevBoundedField", ()),
        ("obs_base_calexp_hsc.fits", "GaussianPsf", ()),
        ("obs_base_calexp_hsc.fits", "SkyWcs", ()),
        ("obs_base_calexp_hsc.fits", "CoaddInputs", ("goodpix", "weight", "filter", "ccd", "visit")),
        ("afw_visitInfo-version-5.fits", "VisitInfo", ()),
    ],
)
def test_columns_are_those_of_files_that_afw_wrote(hdus, afw_files, file, name, ours_has_more):
    """Names, types, kinds and flags; lengths of texts and arrays differ."""

    def columns(table):
        cards = table.header
        numbers = range(1, cards["TFIELDS"] + 1)
        rows = {
            (
                cards[f"TTYPE{n}"],
                cards[f"TFORM{n}"].partition("(")[0],
                cards.get(f"TCCLS{n}"),
                cards.get(f"TUNIT{n}") if cards[f"TTYPE{n}"] != "rottype" else None,
            )
            for n in numbers
            if cards[f"TTYPE{n}"] not in ours_has_more
        }
        return rows, {value for key, value in cards.items() if key.startswith("TFLAG")}

    ours = next(table for table in hdus[5:] if table.header["AR_NAME"] == name)
    with fits.open(afw_files / file, disable_image_compression=True) as theirs:
        table = next(table for table in theirs[1:] if table.header.get("AR_NAME") == name)
        assert columns(ours) == columns(table)


def test_inputs_are_catalogues_of_visits_and_detectors(hdus):
    visits, ccds = (table for table in hdus[5:] if table.header["AR_NAME"] == "CoaddInputs")
    assert visits.data["id"].tolist() == [7, 8]
    assert visits.data["goodpix"].tolist() == [2014, 2016]
    assert visits.data["weight"].tolist() == [0.5, 0.5]
    assert len(set(ccds.data["id"].tolist())) == 4
    assert list(zip(ccds.data["visit"].tolist(), ccds.data["ccd"].tolist(), strict=True)) == [
        (7, 3), (7, 50), (8, 3), (8, 50)
    ]  # fmt: skip
    assert set(ccds.data["filter"].tolist()) == {"i2"}
    names = {row["id"]: row["name"] for row in hdus[4].data}
    for row in ccds.data:
        kinds = [names.get(row[link]) for link in ("wcs", "psf", "validPolygon", "visitInfo", "photoCalib")]
        assert kinds == ["SkyWcs", "GaussianPsf", "Polygon" if row["ccd"] == 3 else None, "VisitInfo", None]
        box = [row[f"bbox_{side}"] for side in ("min_x", "min_y", "max_x", "max_y")]
        assert box == [0, 0, 109, 89]


def test_the_psf_of_a_coadd_is_that_of_its_inputs(hdus):
    main, rows = (table for table in hdus[5:] if table.header["AR_NAME"] == "CoaddPsf")
    assert main.data["warpingkernelname"].tolist() == ["lanczos3"]
    assert main.data["coaddwcs"][0] == hdus[0].header["SKYWCS_ID"]
    assert rows.data["weight"].tolist() == [0.5] * 4
    assert 200 <= main.data["avgpos_x"][0] < 250
    assert isinstance(make_coadd().psf, CoaddPsf)


def test_the_polygon_ends_where_it_begins(hdus):
    number = hdus[0].header["VALID_POLYGON_ID"]
    (row,) = (row for row in hdus[4].data if row["id"] == number)
    table = hdus[4 + row["cat.archive"]].data[row["row0"] : row["row0"] + row["nrows"]]
    assert (table["vertices_x"][0], table["vertices_y"][0]) == (
        table["vertices_x"][-1],
        table["vertices_y"][-1],
    )
