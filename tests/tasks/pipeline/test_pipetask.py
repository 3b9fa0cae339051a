"""The pipeline with the middleware's own commands: bits, reruns, failures, quantum-backed Butler."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from astropy.io import fits
from astropy.table import MaskedColumn, Table

pytest.importorskip("lsst.ctrl.mpexec", reason="needs the extra [lsst]")

from click.testing import Result
from lsst.ctrl.mpexec.cli.pipetask import cli as pipetask
from lsst.daf.butler import Butler
from lsst.daf.butler.cli.butler import cli as butler_command
from lsst.daf.butler.cli.utils import LogCliRunner
from lsst.pipe.base import Pipeline
from lsst.pipe.base.pipelineIR import ContractError
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

from lamella.cli.main import main as lamella
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.reject.reject_control import RejectControl
from lamella.coadd.stack.prepare import same_psf
from lamella.data.coadd import PatchCoadd
from lamella.formats.archive.products import is_product, read_product
from lamella.formats.recognise import open_exposures
from lamella.psf.match_control import MatchControl
from lamella.run.coadds import coadd_exposures
from lamella.run.patch_config import PatchConfig
from lamella.sky.field import skymap_from_exposures
from lamella.sky.skymap import SkyMap
from lamella.tasks.bright_objects import ingest_bright_objects
from lamella.tasks.ingest import defaults_chain, ingest_exposures
from lamella.tasks.repository import open_repository, register_skymap
from lamella.testing.survey import Survey, simulate_survey

from ...surveys import TINY
from ..hsc_fixture import run_here
from ..registries import Registry

pytestmark = pytest.mark.slow

PIPELINE = "resource://lamella/pipelines/coadd.yaml"
WHERE = "skymap = 'tiny'"
PLACE = {"skymap": "tiny", "tract": 0, "patch": 0, "band": "r"}
SURVEY = TINY.replace(
    detector_shape=(120, 100), stars=5, galaxies=3, bright_stars=0, cosmic_rays=2, asteroids=1
)
STEPS = ("select", "warp", "match", "matching", "assemble")
# What the pipeline does.
CONFIG = PatchConfig(
    match=MatchControl(fwhm=7.7), assemble=AssembleConfig(reject=RejectControl(method="compare_warp"))
)
COMPARE = (
    *("-c", "makeWarp:matchCompared=False"),
    *("-c", "assembleCoadd:assemble.reject.method=compare_warp"),
)
"""Options with which two visits are compared, too."""
PIXELS = ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked")


@dataclasses.dataclass(frozen=True)
class Site:
    """A repository with a survey, one patch, and a run of the pipeline."""

    repo: Path
    survey: Survey
    skymap: SkyMap[Any]
    inputs: str
    screen: str

    def open(self, collection: str) -> Butler:
        return open_repository(self.repo, collections=collection)

    def common(self, output: str, *options: str, where: str = WHERE) -> list[str]:
        return ["-b", str(self.repo), "-i", self.inputs, "-o", output, "-p", PIPELINE, "-d", where, *options]

    def run(self, output: str, *options: str, where: str = WHERE) -> Result:
        """Run the pipeline in this process, which spares the start of another one."""
        arguments = ["run", *self.common(output, "--register-dataset-types", *options, where=where)]
        return LogCliRunner().invoke(pipetask, arguments)

    def runs(self, collection: str) -> list[str]:
        with open_repository(self.repo) as butler:
            return list(butler.collections.query(f"{collection}/*"))


@pytest.fixture(scope="module")
def site(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    survey = simulate_survey(folder / "survey", SURVEY)
    sources = open_exposures([survey.table]).sources
    skymap = skymap_from_exposures([source.info for source in sources], name="tiny")
    repo = folder / "repo"
    registry.create(repo)
    with open_repository(repo, writeable=True) as butler:
        register_skymap(butler, skymap)
        ingest_exposures(butler, sources)
    site = Site(repo, survey, skymap, defaults_chain(sources[0].info.id.instrument), "")
    arguments = site.common("first", "--register-dataset-types", *COMPARE)
    done = run_here(["pipetask", "run", *arguments], folder)
    assert done.returncode == 0, done.stdout
    return dataclasses.replace(site, screen=done.stdout)


@pytest.fixture(scope="module")
def expected(site: Site) -> PatchCoadd:
    """The coadd as the function makes it."""
    (coadd,) = coadd_exposures(open_exposures([site.survey.table]).sources, site.skymap, CONFIG)
    return coadd


def assert_same(found: PatchCoadd, expected: PatchCoadd) -> None:
    for name in PIXELS:
        assert getattr(found, name) == getattr(expected, name), name
    assert found.rejections == expected.rejections
    assert found.removals == expected.removals
    assert found.notes == expected.notes
    for step in STEPS:
        assert found.settings.get(step) == expected.settings.get(step), step
    assert [(one.id, one.weight, one.good_pixels) for one in found.detectors] == [
        (one.id, one.weight, one.good_pixels) for one in expected.detectors
    ]


def test_bits_are_those_of_the_function(site: Site, expected: PatchCoadd) -> None:
    with site.open("first") as butler:
        coadd = butler.get("deepCoadd", PLACE)
    assert_same(coadd, expected)
    assert int(expected.exposure_count.array.max()) == 2
    assert coadd.settings["assemble"]["statistic"] == "MEAN"


@pytest.mark.any_database
def test_bits_are_those_of_the_command(site: Site, tmp_path: Path) -> None:
    with site.open("first") as butler:
        coadd = butler.get("deepCoadd", PLACE)
    site.skymap.save(tmp_path / "tiny.json")
    options = {"match": {"fwhm": 7.7}, "assemble": {"reject": {"method": "compare_warp"}}}
    (tmp_path / "options.yaml").write_text(yaml.safe_dump(options))
    arguments = ["coadd", str(site.survey.table), "-o", str(tmp_path / "out"), "-q"]
    arguments += ["--config", str(tmp_path / "options.yaml")]
    with pytest.raises(SystemExit) as ended:
        lamella([*arguments, "--skymap", str(tmp_path / "tiny.json")])
    assert ended.value.code == 0
    (path,) = filter(is_product, (tmp_path / "out").rglob("*.fits"))
    assert_same(coadd, read_product(path))


@pytest.mark.any_database
def test_matched_warps_and_masks_of_artifacts_are_datasets(site: Site) -> None:
    where = {**PLACE, "instrument": "LamellaSim", "visit": 100}
    options = ["-c", "assembleCoadd:doWriteArtifactMasks=True", *COMPARE]
    result = site.run("masks", *options, "-c", "makeWarp:match.fwhm=7.0")
    assert result.exit_code == 0, result.output
    with site.open("masks") as butler:
        matched, direct = (
            butler.get("deepCoadd_psfMatchedWarp", where),
            butler.get("deepCoadd_directWarp", where),
        )
        psf = butler.get("deepCoadd_psfMatchedWarp.psf", where)
        masks = [butler.get("deepCoadd_artifactMask", where | {"visit": visit}) for visit in (100, 101)]
        coadd = butler.get("deepCoadd", PLACE)
    assert matched.bbox == direct.bbox == masks[0].bbox
    assert coadd.settings["matching"]["fwhm"] == 7.0
    x, y = matched.bbox.x.center, matched.bbox.y.center
    assert (
        psf.compute_kernel_image(x=x, y=y).array == matched.psf.compute_kernel_image(x=x, y=y).array
    ).all()
    for mask, removal in zip(masks, coadd.removals, strict=True):
        assert mask.get("CLIPPED").sum() >= removal.removed
    assert sum(removal.removed for removal in coadd.removals) > 0


@pytest.mark.any_database
def test_coadds_of_matched_warps_have_names_of_their_own(site: Site) -> None:
    with SimplePipelineExecutor.prep_butler(str(site.repo), inputs=["first"], output="matched") as butler:
        pipeline = Pipeline.from_uri(f"{PIPELINE}#assembleCoadd")
        pipeline.addConfigOverride("assembleCoadd", "warpType", "psfMatched")
        executor = SimplePipelineExecutor.from_pipeline(pipeline, where=WHERE, butler=butler)
        executor.run(register_dataset_types=True)
        coadd = butler.get("deepCoaddPsfMatched", PLACE)
        warp = butler.get("deepCoadd_psfMatchedWarp", PLACE, instrument="LamellaSim", visit=100)
        assert butler.find_dataset("deepCoadd", PLACE, collections="matched").run.startswith("first")
    config = CONFIG.replace(warp_type="psf_matched")
    (expected,) = coadd_exposures(open_exposures([site.survey.table]).sources, site.skymap, config)
    for name in PIXELS:
        assert getattr(coadd, name) == getattr(expected, name), name
    assert same_psf(coadd.psf, warp.psf)


def test_warps_to_compare_must_be_made() -> None:
    pipeline = Pipeline.from_uri(PIPELINE)
    pipeline.addConfigOverride("makeWarp", "makePsfMatched", False)
    with pytest.raises(ContractError, match="makeWarp makes none"):
        pipeline.to_graph()
    pipeline.addConfigOverride("assembleCoadd", "assemble.reject.method", "safe_clip")
    assert "assembleCoadd" in pipeline.to_graph().tasks


@pytest.mark.any_database
def test_messages_reach_the_screen_and_the_log_dataset(site: Site) -> None:
    with site.open("first") as butler:
        records = butler.get("assembleCoadd_log", PLACE)
        metadata = butler.get("assembleCoadd_metadata", PLACE)
    ours = [record.message for record in records if record.name == "lsst.lamella.assembleCoadd"]
    assert ours[0].startswith("Coadded 2 visits with 4 exposures;")
    # The rims of these small detectors are much of them.
    assert all("look at its photometric scale" in message for message in ours[1:])
    assert ours[0] in site.screen
    assert "lsst.lamella.makeWarp INFO: Warped 2 of 2 exposures" in site.screen
    assert metadata["assembleCoadd"]["visits"] == 2


def test_warps_selection_and_summary_are_datasets(site: Site) -> None:
    with site.open("first") as butler:
        warp = butler.get("deepCoadd_directWarp", PLACE, instrument="LamellaSim", visit=100)
        content = butler.get("deepVisits", PLACE)
        table = butler.get("deepCoadd_inputSummary_tract", skymap="tiny", tract=0, band="r")
        whole = butler.get("deepCoadd_inputSummary", skymap="tiny")
        coadd = butler.get("deepCoadd", PLACE)
    assert (warp.instrument, warp.visit, warp.band) == ("LamellaSim", 100, "r")
    assert [(row["visit"], row["detectors"]) for row in content["selected"]] == [(100, [0, 1]), (101, [0, 1])]
    assert list(table["weight"]) == [one.weight for one in coadd.detectors]
    assert list(table["detector"]) == [0, 1, 0, 1]
    # The sky map has no other tract and band.
    assert whole.pformat(show_unit=True) == table.pformat(show_unit=True)


@pytest.mark.any_database
def test_options_and_connections_can_be_set(site: Site) -> None:
    result = site.run(
        "options", *COMPARE,
        "-c", "assembleCoadd:assemble.statistic=MEAN", "-c", "assembleCoadd:doNImage=True",
        "-c", "makeWarp:select.excludeVisits=[100]", "-c", "selectDeepCoaddVisits:select.excludeVisits=[100]",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    with site.open("options") as butler:
        coadd, count = butler.get("deepCoadd", PLACE), butler.get("deepCoadd_nImage", PLACE)
        config = butler.get("assembleCoadd_config")
    assert {one.id.visit for one in coadd.detectors} == {101}
    assert {(one.id.visit, one.stage, one.reason) for one in coadd.rejections} == {
        (100, "select", "visit 100 is excluded")
    }
    assert count.array.tolist() == coadd.exposure_count_unmasked.array.tolist()
    assert coadd.settings["assemble"]["statistic"] == config.assemble.statistic == "MEAN"
    assert coadd.settings["select"]["exclude_visits"] == [100]


OWN_TASK = """
from lamella.tasks.pipeline import AssembleWarpsTask


class FirstWarpTask(AssembleWarpsTask):
    def run(self, inputs, target, **others):
        return super().run(inputs[:1], target, **others)
"""
RETARGET = "from own_assemble import FirstWarpTask\nconfig.assemble.retarget(FirstWarpTask)\n"


@pytest.fixture
def own_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with a module of a subtask of one's own, which can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_assemble", raising=False)
    (tmp_path / "own_assemble.py").write_text(OWN_TASK)
    return tmp_path


@pytest.mark.any_database
def test_subtasks_are_retargeted_by_a_file(site: Site, own_task: Path) -> None:
    overrides = own_task / "overrides.py"
    overrides.write_text(RETARGET)
    result = site.run("own", "-C", f"assembleCoadd:{overrides}")
    assert result.exit_code == 0, result.output
    with site.open("own") as butler:
        coadd, config = butler.get("deepCoadd", PLACE), butler.get("assembleCoadd_config")
    assert config.assemble.target.__name__ == "FirstWarpTask"
    assert {one.id.visit for one in coadd.detectors} == {100}


def test_subtasks_are_retargeted_by_a_pipeline(own_task: Path) -> None:
    (own_task / "own.yaml").write_text(yaml.safe_dump({
        "description": "With a subtask of one's own.",
        "imports": [{"location": PIPELINE}],
        "tasks": {"assembleCoadd": {
            "class": "lamella.tasks.pipeline.AssembleCoaddPipelineTask", "config": [{"python": RETARGET}],
        }},
    }))  # fmt: skip
    config = Pipeline.from_uri(str(own_task / "own.yaml")).to_graph().tasks["assembleCoadd"].config
    assert config.assemble.target.__name__ == "FirstWarpTask"


def test_different_selections_are_refused() -> None:
    pipeline = Pipeline.from_uri(PIPELINE)
    pipeline.addConfigOverride("makeWarp", "select.maxPsfFwhm", 2.0)
    with pytest.raises(ContractError, match=r"selectDeepCoaddVisits\.select differ"):
        pipeline.to_graph()
    pipeline.addConfigOverride("selectDeepCoaddVisits", "select.maxPsfFwhm", 2.0)
    assert set(pipeline.to_graph().tasks) == set(pipeline.task_labels)


@pytest.mark.any_database
def test_nothing_selected_is_no_failure_and_no_coadd(site: Site) -> None:
    both = [item for task in ("makeWarp", "selectDeepCoaddVisits")
            for item in ("-c", f"{task}:select.maxPsfFwhm=0.05")]  # fmt: skip
    result = site.run("none", *both)
    assert result.exit_code == 0, result.output
    with site.open("none") as butler:
        assert butler.find_dataset("deepCoadd", PLACE, collections="none") is None
        log = butler.get("selectDeepCoaddVisits_log", PLACE)
    assert any("PSF FWHM" in record.message for record in log)


@pytest.mark.any_database
def test_a_failure_is_seen_and_a_rerun_makes_what_is_missing(site: Site, tmp_path: Path) -> None:
    path = site.survey.file(100, 0)
    strict = (*COMPARE, "-c", "makeWarp:strict=True", "-c", "selectDeepCoaddVisits:strict=True")
    moved = shutil.move(path, tmp_path / path.name)
    try:
        assert site.run("broken", *strict).exit_code == 1
    finally:
        shutil.move(moved, path)
    with site.open("broken") as butler:
        assert butler.find_dataset("deepCoadd", PLACE, collections="broken") is None
        kept = butler.find_dataset("deepCoadd_directWarp", PLACE, instrument="LamellaSim", visit=101)
    result = site.run("broken", *strict, "--extend-run", "--skip-existing", "--clobber-outputs")
    assert result.exit_code == 0, result.output
    assert len(site.runs("broken")) == 1
    with site.open("broken") as butler, site.open("first") as first:
        again = butler.find_dataset("deepCoadd_directWarp", PLACE, instrument="LamellaSim", visit=101)
        assert again == kept
        assert_same(butler.get("deepCoadd", PLACE), first.get("deepCoadd", PLACE))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def blank(path: Path) -> None:
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            if hdu.is_image and hdu.data is not None and hdu.data.dtype.kind == "f":
                hdu.data[:] = np.nan


def hide_wcs(path: Path) -> None:
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            for card in ("CTYPE1", "CTYPE2"):
                hdu.header.pop(card, None)


DAMAGES: dict[str, dict[tuple[int, int], Callable[[Path], None]]] = {
    "a detector each": {(100, 0): truncate, (101, 1): blank},
    "another detector each": {(100, 1): hide_wcs, (101, 0): Path.unlink},
    "a visit": {(101, 0): truncate, (101, 1): blank},
    "another visit": {(100, 0): hide_wcs, (100, 1): Path.unlink},
}
"""What is done to the exposures of which visits and detectors."""


@pytest.fixture
def damaged(
    request: pytest.FixtureRequest, site: Site, tmp_path: Path
) -> Iterator[dict[tuple[int, int], Path]]:
    """Damage some exposures until the test ends."""
    paths = {pair: site.survey.file(*pair) for pair in request.param}
    for number, path in enumerate(paths.values()):
        shutil.copy(path, tmp_path / f"{number}.fits")
    for pair, damage in request.param.items():
        damage(paths[pair])
    yield paths
    for number, path in enumerate(paths.values()):
        shutil.copy(tmp_path / f"{number}.fits", path)


@pytest.mark.parametrize("damaged", DAMAGES.values(), ids=DAMAGES, indirect=True)
@pytest.mark.any_database
def test_an_exposure_that_cannot_be_used_costs_itself(
    site: Site, damaged: dict[tuple[int, int], Path], request: pytest.FixtureRequest
) -> None:
    """As in ``lamella coadd``: it is left out of the coadd, which has the reason, and so has the table."""
    run = request.node.callspec.id.replace(" ", "-")
    result = site.run(run)
    assert result.exit_code == 0, result.output
    with site.open(run) as butler:
        coadd = butler.get("deepCoadd", PLACE)
        table = butler.get("deepCoadd_inputSummary", skymap="tiny")
    unused = [(item.id.visit, item.id.detector) for item in coadd.rejections]
    assert unused == list(damaged)
    assert all((item.stage, item.id.band) == ("read", "r") for item in coadd.rejections)
    assert all(
        str(path) in item.reason for path, item in zip(damaged.values(), coadd.rejections, strict=True)
    )
    pairs = {(one.id.visit, one.id.detector) for one in coadd.detectors}
    assert pairs == {(visit, detector) for visit in (100, 101) for detector in (0, 1)} - set(damaged)
    rows = table[table["weight"] == 0]
    assert list(zip(rows["visit"], rows["detector"], strict=True)) == unused
    assert list(rows["reason"]) == [item.reason for item in coadd.rejections]


@pytest.mark.parametrize("damaged", list(DAMAGES.values())[:2], ids=list(DAMAGES)[:2], indirect=True)
@pytest.mark.any_database
def test_where_each_exposure_counts_one_that_cannot_be_used_is_a_failure(
    site: Site, damaged: dict[tuple[int, int], Path], caplog: pytest.LogCaptureFixture
) -> None:
    result = site.run("strict", "-c", "makeWarp:strict=True", "-p", f"{PIPELINE}#patches")
    assert result.exit_code == 1
    assert all(f"{path}" in caplog.text for path in damaged.values()), caplog.text


def test_what_another_run_has_is_not_made_again(site: Site) -> None:
    options = ("-c", "coaddInputSummary:saveLogOutput=False", "--skip-existing-in", "first")
    result = site.run("second", *options)
    # The whole graph is there already, which the middleware calls an error.
    assert result.exit_code == 1
    assert "QuantumGraph was empty" in result.output + str(result.exception)


@pytest.mark.any_database
def test_a_visit_without_a_zero_point_is_left_out_where_another_has_one(site: Site, tmp_path: Path) -> None:
    """As in ``lamella coadd``, with the same bits."""
    table = Table.read(site.survey.table)
    without = np.array(table["visit"]) == 101
    table["zero_point"] = MaskedColumn(np.array(table["zero_point"], dtype=float), mask=without)
    table["flux_scale"] = MaskedColumn(np.ones(len(table)), mask=~without)
    table["file"] = [str(site.survey.table.parent / name) for name in table["file"]]
    table.write(tmp_path / "exposures.ecsv")
    sources = open_exposures([tmp_path / "exposures.ecsv"]).sources
    with open_repository(site.repo, writeable=True) as butler:
        ingest_exposures(butler, sources, run="without")
    result = dataclasses.replace(site, inputs=f"without,{site.inputs}").run("mixed", *COMPARE)
    assert result.exit_code == 0, result.output
    with site.open("mixed") as butler:
        coadd = butler.get("deepCoadd", PLACE)
    assert [(item.id.visit, item.stage) for item in coadd.rejections] == [(101, "select")] * 2
    assert all("fluxes are in adu" in item.reason for item in coadd.rejections)
    (expected,) = coadd_exposures(sources, site.skymap, CONFIG)
    assert_same(coadd, expected)


@pytest.fixture
def lose(site: Site) -> Iterator[Callable[..., Path]]:
    """Take the file of a dataset away until the test ends."""
    moved: list[Path] = []

    def lose(name: str, collection: str, **key: Any) -> Path:
        with site.open(collection) as butler:
            path = Path(butler.getURI(name, key).ospath)
        moved.append(path)
        path.rename(path.with_suffix(".moved"))
        return path

    yield lose
    for path in moved:
        path.with_suffix(".moved").rename(path)


@pytest.mark.any_database
def test_an_exposure_that_the_store_has_lost_is_on_record(site: Site, lose: Callable[..., Path]) -> None:
    lose("calexp", site.inputs, instrument="LamellaSim", visit=101, detector=1)
    result = site.run("lost")
    assert result.exit_code == 0, result.output
    with site.open("lost") as butler:
        coadd = butler.get("deepCoadd", PLACE)
    assert [(item.id.visit, item.id.detector, item.stage) for item in coadd.rejections] == [(101, 1, "read")]
    assert "is gone" in coadd.rejections[0].reason


@pytest.mark.any_database
def test_a_sky_map_or_masks_that_the_store_has_lost_are_an_error(
    site: Site, lose: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    regions = tmp_path / "BrightObjectMask-0-0,0-r.reg"
    regions.write_text("wcs; fk5\ncircle(150.1d, 2.2d, 0.001d) # ID: 3, mag: 12.5\n")
    with open_repository(site.repo, writeable=True) as butler:
        (ref,) = ingest_bright_objects(butler, [regions], skymap="tiny")
    try:
        lose("brightObjectMask", site.inputs, **PLACE)
        warps = ("-p", f"{PIPELINE}#coadds", "-i", f"first,{site.inputs}")
        result = site.run("masks-lost", *warps)
        assert result.exit_code == 1
        assert "found no file; expected that of the run brightObjectMasks" in caplog.text
        without = site.run("masks-lost", "-c", "assembleCoadd:doMaskBrightObjects=False", *warps)
        assert without.exit_code == 0, without.output
    finally:
        with open_repository(site.repo, writeable=True) as butler:
            butler.pruneDatasets([ref], disassociate=True, unstore=True, purge=True)
    lose("skyMap", site.inputs, skymap="tiny")
    result = site.run("map-lost", *warps)
    assert result.exit_code == 1
    assert "skyMap: found no file" in caplog.text


@pytest.mark.any_database
def test_a_table_is_not_taken_over_without_the_coadds_that_are_made(site: Site) -> None:
    infos = [source.info for source in open_exposures([site.survey.table]).sources]
    with open_repository(site.repo, writeable=True) as butler:
        register_skymap(butler, skymap_from_exposures(infos, name="pair", patch_size=110, patch_border=10))
        patches = butler.query_dimension_records("patch", skymap="pair")
    assert len(patches) > 1
    simple = ("-c", "makeWarp:makePsfMatched=False", "-c", "assembleCoadd:assemble.reject.method=none")
    first, both = "skymap = 'pair' AND patch = 0", "skymap = 'pair' AND patch IN (0, 1)"
    assert site.run("part", *simple, where=first).exit_code == 0
    more = ["--skip-existing-in", "part", "-i", f"part,{site.inputs}"]
    refused = site.run("more", *simple, *more, where=both)
    assert refused.exit_code == 1
    assert "would be taken over" in str(refused.exception) + refused.output
    made = site.run("more", *simple, *more, "-p", f"{PIPELINE}#patches", where=both)
    assert made.exit_code == 0, made.output
    tables = site.run("tables", "-i", "more", "-p", f"{PIPELINE}#tables", where="skymap = 'pair'")
    assert tables.exit_code == 0, tables.output
    with site.open("tables") as butler:
        assert set(butler.get("deepCoadd_inputSummary", skymap="pair")["patch"]) == {0, 1}


@pytest.mark.any_database
def test_quantum_backed_butler(site: Site, tmp_path: Path) -> None:
    graph = str(tmp_path / "graph.qg")
    runner = LogCliRunner()
    for arguments in (
        ["qgraph", *site.common("qbb", "--qgraph-datastore-records", "-q", graph, *COMPARE)],
        ["pre-exec-init-qbb", str(site.repo), graph],
        ["run-qbb", str(site.repo), graph],
    ):
        result = runner.invoke(pipetask, arguments)
        assert result.exit_code == 0, result.output + str(result.exception)
    assert site.runs("qbb") == []
    transfer = [
        "transfer-from-graph",
        "--register-dataset-types",
        "--update-output-chain",
        graph,
        str(site.repo),
    ]
    result = runner.invoke(butler_command, transfer)
    assert result.exit_code == 0, result.output + str(result.exception)
    with site.open("qbb") as butler, site.open("first") as first:
        assert_same(butler.get("deepCoadd", PLACE), first.get("deepCoadd", PLACE))


@pytest.mark.any_database
def test_coadds_from_warps_of_another_run_from_python(site: Site) -> None:
    butler = SimplePipelineExecutor.prep_butler(str(site.repo), inputs=["first", site.inputs], output="again")
    with butler:
        executor = SimplePipelineExecutor.from_pipeline_filename(
            f"{PIPELINE}#coadds", where=WHERE, butler=butler
        )
        quanta = executor.run(register_dataset_types=True)
    assert sorted(quantum.taskName.rpartition(".")[2] for quantum in quanta if quantum.taskName) == [
        "AssembleCoaddPipelineTask", "CoaddInputSummaryTask",
        "ConsolidateCoaddInputSummaryTask", "SelectDeepCoaddVisitsTask",
    ]  # fmt: skip
    with site.open("again") as found, site.open("first") as first:
        coadd, expected = found.get("deepCoadd", PLACE), first.get("deepCoadd", PLACE)
    # Visits that the earlier run has matched are compared.
    assert coadd.settings["rejection"]["method"] == "compare_warp"
    assert_same(coadd.replace(notes=expected.notes), expected)


def test_the_table_of_a_sky_map_can_be_made_of_those_of_other_runs(site: Site) -> None:
    with SimplePipelineExecutor.prep_butler(str(site.repo), inputs=["first"], output="table") as butler:
        executor = SimplePipelineExecutor.from_pipeline_filename(
            f"{PIPELINE}#consolidateCoaddInputSummary", where="skymap = 'tiny'", butler=butler
        )
        executor.run(register_dataset_types=True)
        assert len(butler.get("deepCoadd_inputSummary", skymap="tiny")) == 4
