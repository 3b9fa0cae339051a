"""A coadd that leaves out other planes than its warps were made without says so."""

from __future__ import annotations

import pytest

from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.summary import summarize
from lamella.coadd.warp.warp_control import WarpControl
from lamella.coadd.warp_planes import plane_notices, planes_record
from lamella.data.inputs import CoaddTarget
from lamella.formats.archive.open_warp import open_warp
from lamella.formats.archive.products import read_product
from lamella.formats.archive.write import write_archive
from lamella.report.record import coadd_record

DEFAULT = WarpControl().bad_mask_planes
ASKED = AssembleConfig().bad_mask_planes


def notices(made_with, asked=ASKED) -> tuple[str, ...]:
    return plane_notices(planes_record(made_with, asked))


def test_the_usual_planes_are_no_reason_to_say_anything() -> None:
    assert notices([DEFAULT] * 3) == notices([None] * 3) == ()
    assert planes_record([None], ASKED) == {}
    assert planes_record([DEFAULT], ["SAT", "NO_DATA", "BAD", "EDGE", "CLIPPED"])["warps"]["notices"] == []


def test_each_cause_is_one_sentence_with_a_count() -> None:
    made_with = [DEFAULT, (), (), (*DEFAULT, "CR")]
    entered, taken = notices(made_with)
    assert "BAD, SATURATED, whose values entered" in entered
    assert "2 warps made with bad_mask_planes none" in entered
    assert "does not leave out pixels under COSMIC_RAY" in taken
    assert "1 warp made with bad_mask_planes NO_DATA, BAD, SATURATED, COSMIC_RAY" in taken


@pytest.mark.parametrize("asked", [("NO_DATA", "BAD", "SUSPECT"), ("NO_DATA", "BAD", "SATURATED")])
def test_planes_go_with_warps_through_files_into_coadds(maker, tmp_path, asked) -> None:
    warps = [maker.warp(visit) for visit in (1, 2)]
    for warp in warps:
        warp.bad_mask_planes = ("NO_DATA", "BAD", "SATURATED")
        write_archive(warp, tmp_path / f"{warp.visit}.fits")
        assert warp[warp.bbox].bad_mask_planes == warp.copy().bad_mask_planes == warp.bad_mask_planes
    inputs = [open_warp(tmp_path / f"{visit}.fits").as_input() for visit in (1, 2)]
    config = AssembleConfig(bad_mask_planes=asked)
    target = CoaddTarget(outer_bbox=maker.bbox, projection=maker.projection)
    coadd = assemble(inputs, config, target=target)
    assert coadd.settings["warps"]["bad_mask_planes"] == [
        {"planes": ["NO_DATA", "BAD", "SATURATED"], "warps": 2}
    ]
    write_archive(coadd, tmp_path / "coadd.fits")
    read = read_product(tmp_path / "coadd.fits")
    told = [one.reason for one in coadd_record(read, summarize(read), pictures=()).warnings]
    assert len(told) == (2 if "SUSPECT" in asked else 0)
