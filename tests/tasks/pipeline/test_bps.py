"""``bps submit`` with Parsl on this machine, with the configuration that the documentation shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")
pytest.importorskip("lsst.ctrl.bps", reason="needs the extra [bps]")
pytest.importorskip("parsl", reason="needs the extra [bps]")

from lamella.formats.recognise import open_exposures
from lamella.run.coadds import coadd_exposures
from lamella.sky.field import skymap_from_exposures
from lamella.tasks.ingest import defaults_chain, ingest_exposures
from lamella.tasks.repository import create_repository, open_repository, register_skymap
from lamella.testing.asserts import assert_bits_equal
from lamella.testing.survey import simulate_survey

from ...surveys import TINY

PAGE = Path(__file__).parents[3] / "docs" / "pipelines.md"
SURVEY = TINY.replace(detector_grid=(1, 1), detector_shape=(60, 60), stars=3, galaxies=1, bright_stars=0)


@pytest.mark.slow
def test_the_configuration_of_the_page_makes_the_coadd(tmp_path: Path) -> None:
    sources = open_exposures([simulate_survey(tmp_path / "survey", SURVEY).table]).sources
    skymap = skymap_from_exposures([source.info for source in sources], name="field")
    repo = tmp_path / "repo"
    create_repository(repo)
    with open_repository(repo, writeable=True) as butler:
        register_skymap(butler, skymap)
        ingest_exposures(butler, sources)
    (text,) = re.findall(r"^```yaml\n(# coadd-bps\.yaml\n.*?)^```$", PAGE.read_text(), flags=re.M | re.S)
    content: dict[str, Any] = yaml.safe_load(text)
    inputs = defaults_chain(sources[0].info.id.instrument)
    # Statistics only: what compare-warp does on the middleware is tested elsewhere.
    content["pipelineYaml"] = "resource://lamella/pipelines/coadd-noiseclip.yaml"
    content["payload"] |= {"butlerConfig": str(repo), "inCollection": inputs}
    (tmp_path / "coadd-bps.yaml").write_text(yaml.safe_dump(content))

    programs = Path(sys.executable).parent
    done = subprocess.run(
        [programs / "bps", "submit", "coadd-bps.yaml"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=1800,
        # bps takes the current folder from the environment.
        env={**os.environ, "PWD": str(tmp_path), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip

    logs = list((tmp_path / "submit").rglob("*.std*"))
    said = "\n".join([done.stderr, *(f"{path.name}:\n{path.read_text()}" for path in logs)])
    assert done.returncode == 0, said
    # The first and the last are of bps itself.
    assert {path.parts[path.parts.index("logs") + 1] for path in logs} == {
        "pipetaskInit", "patch", "summary", "finalJob"
    }, said  # fmt: skip
    with open_repository(repo, collections="u/me/coadd") as butler:
        place = {"skymap": "field", "tract": 0, "patch": 0, "band": "r"}
        assert butler.find_dataset("deepCoadd", place) is not None, said
        coadd = butler.get("deepCoadd", place)
        table = butler.get("deepCoadd_inputSummary", skymap="field")
    (expected,) = coadd_exposures(sources, skymap)
    assert_bits_equal(coadd.image.array, expected.image.array)
    assert_bits_equal(coadd.mask.array, expected.mask.array)
    assert [one.id for one in coadd.detectors] == [source.info.id for source in sources]
    assert len(table) == len(sources)
