"""What the trial of Slurm takes from the page is still there; Slurm itself is run by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from benchmarks.batch.__main__ import Bench, configuration
from benchmarks.batch.slurm import Slurm
from lamella.sky.discrete import FieldConfig, FieldSkyMap


def test_the_configuration_is_that_of_the_page_for_this_slurm(tmp_path: Path) -> None:
    skymap = tmp_path / "skymap.json"
    skymap.write_text(FieldSkyMap(FieldConfig(ra=10.0, dec=0.0, width=300, height=200), name="f").to_json())
    bench = Bench(tmp_path, tmp_path / "table.ecsv", skymap, Slurm(tmp_path / "slurm.conf"))
    content = configuration(tmp_path / "repo", "Cam/defaults", bench)
    assert content["wmsServiceClass"] == "lsst.ctrl.bps.parsl.ParslService"
    assert content["computeSite"] == "slurm"
    assert content["payload"]["butlerConfig"] == str(tmp_path / "repo")
    assert content["payload"]["dataQuery"] == "skymap = 'f'"
    assert content["site"]["slurm"] | {"walltime": ""} == {
        "class": "lsst.ctrl.bps.parsl.sites.Slurm",
        "nodes": 1,
        "cores_per_node": 2,
        "walltime": "",
        "scheduler_options": "#SBATCH --partition=debug\n",
    }
