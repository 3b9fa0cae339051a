import math

import numpy as np
import pytest
from lsst.images import Box, Polygon

from lamella.errors import InputError
from lamella.fits.hdus import Container
from lamella.formats.afw.afw_archive import Archive, SkippedObject
from lamella.formats.afw.exposure import AfwFile
from lamella.formats.afw.info import DetectorInfo, FilterLabel, parse_summary
from lamella.formats.afw.visit_info import VisitInfo, visit_info_from_header


@pytest.mark.parametrize(
    ("version", "visit", "exposure"), [(1, 0, 10313423), (4, 987654, 10313423), (5, 987654, 0)]
)
def test_versions_of_visit_info(afw_files, version, visit, exposure):
    info = Archive(Container(afw_files / f"afw_visitInfo-version-{version}.fits")).get(1)
    assert (info.id, info.exposure_id, info.instrument) == (visit, exposure, "TestCameraOne")
    assert (info.exposure_time, info.mjd) == (10.01, pytest.approx(65321.1))


def test_the_header_of_an_exposure_says_what_its_visit_summary_says(afw_files):
    header = AfwFile(afw_files / "jointcal_cfht_calexp-849375-12.fits.fz").visit_info
    table = Archive(Container(afw_files / "visitSummary-849375.fits")).get(4)
    assert isinstance(table, VisitInfo)
    assert table.id == header.id == 849375
    assert table.exposure_time == header.exposure_time
    assert table.mjd == pytest.approx(header.mjd, abs=1e-9)


def test_what_is_not_in_a_header_is_not_known():
    assert repr(visit_info_from_header({})) == repr(VisitInfo())
    assert math.isnan(visit_info_from_header({"DATE-AVG": "nonsense"}).mjd)
    utc = visit_info_from_header({"DATE-AVG": "2015-01-01T00:00:00.0", "TIMESYS": "UTC"}).mjd
    assert (utc - 57023.0) * 86400.0 == pytest.approx(35.0, abs=1e-4)
    tai = visit_info_from_header({"DATE-AVG": "2015-01-01T00:00:00.0"}).mjd
    assert tai == 57023.0


def test_filters_have_names_or_none(writer):
    def table(band, physical):
        flags = {"band_exists": [bool(band)], "physical_exists": [bool(physical)]}
        return {"flags": flags, "band": np.array([band]), "physical": np.array([physical])}

    writer.add("FilterLabel", table("r", "HSC-R"))
    writer.add("FilterLabel", table("", "HSC-R"))
    archive = writer.archive()
    assert archive.get(1) == FilterLabel("r", "HSC-R")
    assert archive.get(2) == FilterLabel("", "HSC-R")


def test_identity_of_a_detector_and_its_valid_polygon(afw_files):
    file = AfwFile(afw_files / "obs_base_calexp_hsc.fits")
    assert file.detector == DetectorInfo(4, "1_42", Box.factory[0:4176, 0:2048])
    polygon = file.valid_polygon
    assert polygon.n_vertices == 7
    # HSC's corner detectors are partly vignetted.
    assert polygon.contains(x=1000.0, y=100.0)
    assert not polygon.contains(x=20.0, y=4000.0)
    assert len(file.aperture_corrections) == 46


def test_a_polygon_is_one_row_per_vertex(writer):
    def table(x, y):
        return {"vertices_x": np.array(x, dtype=float), "vertices_y": np.array(y, dtype=float)}

    writer.add("Polygon", table([0, 10, 10, 0, 0], [0, 0, 5, 5, 0]))
    writer.add("Polygon", table([0, 10, 0], [0, 0, 0]))
    writer.add("Polygon", table([0, 10, 0, 10], [0, 10, 10, 0]))
    writer.add("Polygon", table([0, 10, np.nan], [0, 10, 10]))
    archive = writer.archive()
    assert archive.get(1) == Polygon(x_vertices=[0.0, 10, 10, 0], y_vertices=[0.0, 0, 5, 5])
    for id in (2, 3, 4):
        with pytest.raises(InputError, match=r"\(Polygon\)"):
            archive.get(id)


def test_summary_statistics_are_read_from_yaml_of_numbers(writer, afw_files):
    real = AfwFile(afw_files / "jointcal_cfht_calexp-849375-12.fits.fz").summary
    assert real.psfSigma == pytest.approx(2.4520119284)
    assert real.dec == pytest.approx(52.7761863919)
    assert real.raCorners[2] == pytest.approx(215.134212577)
    writer.add(
        "ExposureSummaryStats", {"bytes": [b"psfSigma: 2.5\nnPsfStar: 7\nmagLim: .nan\nnoSuchThing: 3\n"]}
    )
    writer.add("ExposureSummaryStats", {"bytes": [b"!!python/object/apply:os.system ['touch /tmp/never']"]})
    writer.add("ExposureSummaryStats", {"bytes": [b"[1, 2]"]})
    writer.add("ExposureSummaryStats", {"bytes": [b"a: 1\n" * 20_000]})
    archive = writer.archive()
    assert (archive.get(1).psfSigma, archive.get(1).nPsfStar) == (2.5, 7)
    assert math.isnan(archive.get(1).magLim)
    for id, message in ((2, "could not determine a constructor"), (3, "a list"), (4, "bytes of YAML")):
        with pytest.raises(InputError, match=message):
            archive.get(id)


def test_names_of_the_base_classes_are_no_statistics():
    assert parse_summary({"schema_url": "x", "psfSigma": True, "zeroPoint": 31.5}).zeroPoint == 31.5


def test_transmission_curves_are_passed_over_with_a_note(afw_files):
    archive = Archive(Container(afw_files / "obs_base_calexp_hsc.fits"))
    curve = archive.get(233)
    assert isinstance(curve, SkippedObject)
    assert curve.name == "ProductTransmissionCurve"
    archive.get(243)
    assert [note.split(": ")[-1] for note in archive.notes] == ["transmission curves are not read."]
