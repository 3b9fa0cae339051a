import json
import os

import pytest

from lamella.errors import ConfigError, OutputError, UnreadableFileError
from lamella.sky import KINDS
from lamella.sky.registry import SKYMAP_KINDS, load_skymap, make_skymap, skymap_from_json


@pytest.fixture
def skymap():
    options = {"num_rings": 12, "ra_start": 0.1, "version": 0, "projection": "TAN", "pixel_scale": 1 / 3}
    return make_skymap("rings", options, name="hsc-like")


def test_kinds():
    names = ("discrete", "dodeca", "equatorial", "field", "healpix", "image", "rings")
    assert tuple(SKYMAP_KINDS) == KINDS == names
    assert all(cls.kind == kind for kind, cls in SKYMAP_KINDS.items())


def test_unknown_kind_and_options():
    with pytest.raises(ConfigError, match="no kind of sky map 'ring'; there are: discrete, dodeca"):
        make_skymap("ring")
    with pytest.raises(ConfigError, match=r"no such option; there are: .*num_rings"):
        make_skymap("rings", {"num_rings": 3, "rings": 3})
    with pytest.raises(ConfigError, match="num_rings"):
        make_skymap("rings")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("discrete", {"ra": [0.1, 359.9], "dec": [-0.1, 1 / 7], "radius": [0.3, 1]}),
        ("dodeca", {"with_tracts_on_poles": True}),
        ("equatorial", {"dec_range": [-2, 1.5]}),
        ("field", {"ra": 1 / 3, "dec": 2.0, "width": 10, "height": 20}),
        ("healpix", {"log2_nside": 3, "nest": True, "patches": {"builder": "cells", "cells": 3}}),
        ("rings", {"num_rings": 120}),
    ],
)
def test_files_hold_every_digit(tmp_path, kind, options):
    skymap = make_skymap(kind, options, name="ä name")
    skymap.save(tmp_path / "skymap.json")
    again = load_skymap(tmp_path / "skymap.json")
    assert again == skymap
    assert again.identity == skymap.identity
    assert os.listdir(tmp_path) == ["skymap.json"]


def test_text_is_readable_json(skymap):
    content = json.loads(skymap.to_json())
    assert content["kind"] == "rings"
    assert content["name"] == "hsc-like"
    assert content["identity"] == skymap.identity
    assert content["config"]["patches"] == {"builder": "legacy", "inner": [4000, 4000], "border": 100}


def damaged(skymap, **changes):
    return json.dumps(json.loads(skymap.to_json()) | changes)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda s: s.to_json()[:-20], "broken JSON"),
        (lambda s: "", "broken JSON"),
        (lambda s: "[1, 2]", "format: found a list"),
        (lambda s: damaged(s, format="other"), "format: found 'other'; expected 'lamella-skymap-1'"),
        (lambda s: damaged(s, kind="ring"), "no kind of sky map 'ring'"),
        (lambda s: damaged(s, config={"num_rings": 0}), "num_rings"),
        (lambda s: damaged(s, config=3), "config"),
        (lambda s: damaged(s, config={"num_rings": 13}), "identity: found"),
        (lambda s: damaged(s, identity=None), "identity: found None"),
        (lambda s: json.dumps({"format": "lamella-skymap-1"}), "kind: found nothing"),
    ],
)
def test_damaged_files_say_what_is_wrong(tmp_path, skymap, damage, reason):
    path = tmp_path / "skymap.json"
    path.write_text(damage(skymap))
    with pytest.raises(UnreadableFileError, match=reason) as caught:
        load_skymap(path)
    assert caught.value.path == str(path)
    with pytest.raises(UnreadableFileError):
        skymap_from_json(path.read_text())


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UnreadableFileError, match="No such file"):
        load_skymap(tmp_path / "none.json")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(UnreadableFileError):
        load_skymap(tmp_path / "binary")


def test_saving_to_a_missing_folder_fails_whole(tmp_path, skymap):
    with pytest.raises(OutputError):
        skymap.save(tmp_path / "none" / "skymap.json")
    assert list(tmp_path.iterdir()) == []
