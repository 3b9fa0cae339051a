"""Dataset types with a prefix: lamella at work inside a repository of the stack."""

from __future__ import annotations

import dataclasses
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("lsst.ctrl.mpexec", reason="needs the extra [lsst]")

from lsst.ctrl.mpexec.cli.pipetask import cli as pipetask
from lsst.daf.butler import Butler, DatasetType
from lsst.daf.butler.cli.utils import LogCliRunner
from lsst.pex.config import Config
from lsst.pipe.base import TaskMetadata

from lamella.data.coadd import PatchCoadd
from lamella.errors import ConfigError
from lamella.formats.recognise import open_exposures
from lamella.formats.regions import read_bright_objects
from lamella.run.jobs import plan_jobs
from lamella.run.patch import make_patch
from lamella.run.patch_config import PatchConfig
from lamella.tasks.datasets import DATASETS, find_prefix
from lamella.tasks.manual.assembleCoaddConfig import AssembleCoaddConfig
from lamella.tasks.manual.makeCoaddTempExp import MakeCoaddTempExpConfig
from lamella.tasks.repository import CONFIG_FOLDER, create_repository, open_repository

from ..same import COUNTS, assert_same_planes
from .stack_repository import CALEXPS, CHAINS, TYPES, VISITS, Stack, files_of, run

PREFIX = "lamella_"
PIPELINE = "resource://lamella/pipelines/prefixed/coadd-noiseclip.yaml"
PLACE = {"skymap": "around", "tract": 0, "patch": 0, "band": "r"}
PATCH = ("--id", "tract=0", "patch=0,0", "filter=HSC-R")
SELECT = ("--selectId", "visit=7..9", "ccd=3")
MASK = "BrightObjectMask-0-0,0-HSC-R.reg"
REGIONS = """# Region file format: DS9
wcs; fk5
circle({ra:.9f},{dec:.9f},0.0006d) # ID: 1, mag: 5
"""


def checked(program: str, *arguments: Any) -> str:
    status, said = run(program, *arguments)
    assert status == 0, said
    return said


@pytest.fixture(scope="module")
def site(stack_original: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A repository of the stack in which lamella has exposures, the sky map and a mask, too."""
    stack = stack_original.copy(tmp_path_factory.mktemp("prefix"))
    # References to the files of the stack's own run.
    said = checked(
        "lamella", "butler", "ingest", stack.repo, stack.repo / CALEXPS / "calexp", "--dataset-prefix", PREFIX
    )
    counted, hint = said.splitlines()
    assert counted == f"The repository has 3 exposures of 3 visits in HSC/{PREFIX}calexp."
    assert hint.endswith("export DAF_BUTLER_CONFIG_PATH=$(lamella butler config)")
    assert checked("lamella", "butler", "skymap", stack.repo, stack.map_file).endswith(f"{hint}\n")
    center = stack.skymap[0].projection.pixel_to_sky(x=30.0, y=25.0)
    mask = stack.repo.parent / MASK
    mask.write_text(REGIONS.format(ra=center.ra.deg, dec=center.dec.deg))
    checked("lamella", "butler", "regions", stack.repo, mask, "--skymap", "around")
    return stack


def assert_same_as_the_function(found: PatchCoadd, stack: Stack, config: PatchConfig) -> None:
    """Require the bits of the coadd that is made of the files without a repository."""
    sources = open_exposures([stack.calexps]).sources
    (job,) = plan_jobs(sources, stack.skymap, config.select)
    masked = dataclasses.replace(job, bright_objects=read_bright_objects(stack.repo.parent / MASK))
    wanted = make_patch(masked, config)
    assert found.mask.get("BRIGHT_OBJECT").any()
    assert_same_planes(found, wanted, *COUNTS)
    assert [(d.id, d.weight) for d in found.detectors] == [(d.id, d.weight) for d in wanted.detectors]
    assert [d.id.visit for d in found.detectors] == list(VISITS)


def test_the_stacks_own_things_stay(stack_original: Stack, site: Stack) -> None:
    before, after = files_of(stack_original.repo), files_of(site.repo)
    assert {name: after[name] for name in before if name != "gen3.sqlite3"} == {
        name: content for name, content in before.items() if name != "gen3.sqlite3"
    }
    with Butler.from_config(site.repo) as butler:
        assert find_prefix(butler) == PREFIX
        kinds = {kind.name: kind for kind in butler.registry.queryDatasetTypes()}
        for name, (storage_class, _) in TYPES.items():
            assert kinds[name].storageClass_name == storage_class
        for dataset in DATASETS:
            assert kinds[f"{PREFIX}{dataset.name}"].storageClass_name == dataset.storage_class
        for chain, children in CHAINS.items():
            assert tuple(butler.collections.get_info(chain).children) == children
        own = ("HSC/lamella_calexp", "lamella_skymaps", "lamella_brightObjectMasks")
        assert tuple(butler.collections.get_info("HSC/lamella_defaults").children) == own
        assert len(butler.query_datasets("skyMap", "skymaps")) == 1


def test_the_pipeline_makes_the_coadd_of_the_function(site: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAF_BUTLER_CONFIG_PATH", CONFIG_FOLDER)
    arguments = f"-b {site.repo} -i HSC/lamella_defaults -o u/me/coadd -p {PIPELINE} --register-dataset-types"
    done = LogCliRunner().invoke(pipetask, ["run", *arguments.split(), "-d", "skymap = 'around'"])
    assert done.exit_code == 0, done.output
    with Butler.from_config(site.repo, collections="u/me/coadd") as butler:
        coadd = butler.get("lamella_deepCoadd", PLACE)
        table = butler.get("lamella_deepCoadd_inputSummary", skymap="around")
        assert butler.query_datasets("deepCoadd", "u/me/coadd", explain=False) == []
    assert_same_as_the_function(coadd, site, PatchConfig())
    assert table["visit"].tolist() == list(VISITS)


def test_the_pipeline_reads_the_calexps_of_the_stack_as_they_are(
    site: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAF_BUTLER_CONFIG_PATH", CONFIG_FOLDER)
    inputs = "HSC/runs/RC2,lamella_skymaps,lamella_brightObjectMasks"
    words = f"-b {site.repo} -i {inputs} -o u/me/afw -p {PIPELINE} --register-dataset-types"
    options = ["-c", "parameters:exposures=calexp", "-c", "parameters:exposureStorageClass=ExposureF"]
    done = LogCliRunner().invoke(pipetask, ["run", *words.split(), *options, "-d", "skymap = 'around'"])
    assert done.exit_code == 0, done.output
    with Butler.from_config(site.repo, collections="u/me/afw") as butler:
        coadd = butler.get("lamella_deepCoadd", PLACE)
    assert_same_as_the_function(coadd, site, PatchConfig())


def test_the_commands_of_the_manual_find_the_prefix(site: Stack, tmp_path: Path) -> None:
    checked("makeCoaddTempExp.py", site.repo, "--rerun", "me", *PATCH, *SELECT)
    options = ("--rerun", "me", "-c", "doMaskBrightObjects=True", *PATCH, *SELECT)
    checked("assembleCoadd.py", "--legacyCoadd", site.repo, *options)
    with open_repository(site.repo, collections="rerun/me") as butler:
        coadd = butler.get("lamella_deepCoadd", PLACE)
        names = {ref.datasetType.name for ref in butler.query_all_datasets("rerun/me", limit=None)}
    assert {
        "lamella_deepCoadd",
        "lamella_deep_assembleCoadd_metadata",
        "lamella_deepCoadd_directWarp",
    } <= names
    assert all(name.startswith(PREFIX) for name in names)
    warp = MakeCoaddTempExpConfig().warpAndPsfMatch.value.toCore()
    config = PatchConfig(warp=warp, assemble=AssembleCoaddConfig().toCore())
    assert_same_as_the_function(coadd, site, config)
    checked("lamella", "butler", "export", site.repo, tmp_path, "-i", "rerun/me")
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {"deepCoadd/HSC-R/0/0,0.fits", "deepCoadd/skyMap.json"} <= written
    assert (tmp_path / "deepCoadd" / "BrightObjectMasks" / "0" / MASK).is_file()


def test_cleaning_touches_no_run_of_the_stack(site: Stack, tmp_path: Path) -> None:
    stack = site.copy(tmp_path)
    theirs = stack.repo / CALEXPS / "notes.txt"
    ours = stack.repo / "HSC" / "lamella_calexp" / "half.tmp.json"
    for path in (theirs, ours):
        path.write_text("not in the registry")
    with Butler.from_config(stack.repo, writeable=True, run=CALEXPS) as butler:
        for name, kind in {"metadata": "TaskMetadata", "log": "ButlerLogRecords", "config": "Config"}.items():
            dimensions = [] if name == "config" else ["instrument", "visit", "detector"]
            butler.registry.registerDatasetType(
                DatasetType(f"isr_{name}", dimensions, kind, universe=butler.dimensions)
            )
        butler.put(Config(), "isr_config")
        unlogged = butler.put(TaskMetadata(), "isr_metadata", instrument="HSC", visit=7, detector=3)
    said = checked("lamella", "butler", "clean", stack.repo, "--older-than", "0", "--forget-unlogged")
    assert said == f"Forgot 0 tasks.\n{ours}\nRemoved 1 file.\n"
    assert theirs.exists()
    with Butler.from_config(stack.repo) as butler:
        assert butler.stored(unlogged)


def test_a_repository_has_one_prefix(site: Stack) -> None:
    with pytest.raises(ConfigError, match="have the prefix 'lamella_', not 'other_'"):
        open_repository(site.repo, prefix="other_")
    status, said = run("lamella", "butler", "ingest", site.repo, site.calexps, "--dataset-prefix", "other_")
    assert (status, len(said.splitlines())) == (2, 1)


@pytest.mark.parametrize("prefix", ["1x", "a b", "a.b", "ä"])
def test_a_prefix_begins_a_name(prefix: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be of letters, digits and _"):
        create_repository(tmp_path / "repo", prefix=prefix)
    assert not (tmp_path / "repo").exists()


def test_a_new_repository_can_leave_the_names_to_others(tmp_path: Path) -> None:
    create_repository(tmp_path, prefix="mine_")
    with open_repository(tmp_path, writeable=True) as butler:
        assert {kind.name for kind in butler.registry.queryDatasetTypes()} == {
            f"mine_{dataset.name}" for dataset in DATASETS
        }
        assert set(butler.collections.query("*")) == {"mine_skymaps", "mine_brightObjectMasks"}
        for name, (storage_class, dimensions) in TYPES.items():
            kind = DatasetType(name, dimensions, storage_class, universe=butler.dimensions)
            assert butler.registry.registerDatasetType(kind)
    with open_repository(tmp_path) as butler:
        assert find_prefix(butler) == "mine_"


@pytest.mark.parametrize("name", ["coadd.yaml", "coadd-noiseclip.yaml"])
def test_the_prefixed_pipelines_are_the_others_with_other_labels(name: str) -> None:
    folder = files("lamella") / "pipelines"
    plain = yaml.safe_load((folder / name).read_text())
    prefixed = yaml.safe_load((folder / "prefixed" / name).read_text())
    labels = "|".join(plain["tasks"])
    label = re.compile(rf"\b({labels})(?=_metadata|\b)")

    def renamed(value: Any) -> Any:
        match value:
            case dict():
                return {
                    renamed(key) if key in plain["tasks"] else key: renamed(item)
                    for key, item in value.items()
                }
            case list():
                return [renamed(item) for item in value]
            case str():
                return label.sub(lambda found: PREFIX + found[0], value)
        return value

    wanted = renamed({key: value for key, value in plain.items() if key not in ("description", "imports")})
    if "parameters" in wanted:
        wanted["parameters"] |= {"datasetPrefix": PREFIX}
    assert {key: value for key, value in prefixed.items() if key not in ("description", "imports")} == wanted
