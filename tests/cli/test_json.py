"""JSON on standard output: valid, alone, and without numbers that JSON lacks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lamella.config import plain

from .conftest import lamella


def output(*arguments: object) -> Any:
    """Return what a command prints as JSON; numbers that JSON lacks are an error."""
    ended = lamella(*arguments, "--json")
    assert ended.status == 0

    def refuse(text: str) -> None:
        raise AssertionError(text)

    return json.loads(ended.out, parse_constant=refuse)


def test_numbers_that_are_not_finite_are_null():
    assert plain({"a": (float("nan"), float("inf"), 1.5), 2: {"b"}}) == {"a": [None, None, 1.5], "2": ["b"]}


@pytest.mark.slow
def test_the_record_of_a_run(survey, finished):
    run = output("coadd", survey.table, "-o", finished)
    assert run["page"] == str(finished / "index.html")
    assert [coadd["name"] for coadd in run["coadds"]] == ["g-0-0,0", "r-0-0,0"]
    for coadd in run["coadds"]:
        assert coadd["files"]["archive"] == str(finished / f"coadd-{coadd['name']}.fits")
        assert (coadd["summary"]["visits"], coadd["kept"]) == (2, True)
        assert len(coadd["position"]["corners"]) == 4
    assert "pictures" not in run
    assert run["settings"]["assemble"]["sigma_clip"] == 3.0


@pytest.mark.slow
def test_stacks_and_warps(coadds, survey, tmp_path):
    warps = sorted((coadds / "warps").glob("warp-r-*"))
    stack = output("stack", *warps, "-o", tmp_path / "a.fits")
    assert (stack["summary"]["band"], stack["summary"]["visits"]) == ("r", 2)
    run = output("warp", survey.table, "-o", tmp_path / "warps", "--band", "r")
    assert [row["name"] for row in run["warps"]] == [path.name for path in warps]
