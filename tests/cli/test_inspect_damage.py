"""`inspect` of plain coadds whose headers are damaged: one error that names file and card."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import change_fits, lamella


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize("key", ["BAND", "SKYMAP", "TRACT", "NVISITS"])
def test_missing_card(key: str, options: tuple[str, ...], finished: Path) -> None:
    path = next(finished.glob("*-plain.fits"))
    change_fits(path, lambda hdus: hdus[0].header.remove(key))
    ended = lamella("inspect", path, *options)
    assert ended.status == 1
    assert ended.err.count("\n") == 1
    assert f"{path}, HDU 0, {key}: " in ended.err


def test_patch_without_sense(finished: Path) -> None:
    path = next(finished.glob("*-plain.fits"))
    change_fits(path, lambda hdus: hdus[0].header.set("PATCH", "0,x"))
    ended = lamella("inspect", path, "--json")
    assert ended.status == 1
    assert f"{path}, HDU 0, PATCH: " in ended.err
