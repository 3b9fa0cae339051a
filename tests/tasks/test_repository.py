"""Repositories: made, opened, filled with sky maps and instruments, cleaned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.daf.butler import Butler
from lsst.pipe.base import Instrument
from sqlalchemy.exc import OperationalError

from lamella.errors import ConfigError, DuplicateInputError, OutputError, SkyMapError, UnreadableFileError
from lamella.sky.footprint import footprint_polygon
from lamella.sky.registry import make_skymap
from lamella.tasks import repository
from lamella.tasks.ingest import ingest_exposures
from lamella.tasks.instrument import LamellaInstrument, instrument_class
from lamella.tasks.repository import (
    CONFIG_FOLDER,
    clean_orphans,
    create_repository,
    keeps_results,
    open_repository,
    register_instrument,
    register_skymap,
    stored_skymap,
    visited_tracts,
)
from lamella.tasks.skymap_store import from_region

from .postgres import PostgresServer
from .registries import Registry
from .small import INSTRUMENT, SmallSurvey, files_of, new_repository


def test_a_new_repository_has_dataset_types_runs_and_storage_classes(
    registry: Registry, tmp_path: Path
) -> None:
    with new_repository(tmp_path / "repo", registry) as butler:
        assert butler.get_dataset_type("calexp").dimensions.required == {"instrument", "visit", "detector"}
        assert butler.get_dataset_type("skyMap").storageClass_name == "LamellaSkyMap"
        assert set(butler.collections.query("*")) == {"skymaps", "brightObjectMasks"}
    assert "lamella.tasks.formatters.ExposureFormatter" in (tmp_path / "repo" / "butler.yaml").read_text()


def test_a_repository_is_not_made_twice(tmp_path: Path) -> None:
    create_repository(tmp_path)
    before = (tmp_path / "butler.yaml").read_bytes()
    with pytest.raises(OutputError, match="it is a repository already"):
        create_repository(tmp_path)
    assert (tmp_path / "butler.yaml").read_bytes() == before


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="expected a Butler repository"):
        open_repository(tmp_path / "absent")


@pytest.mark.parametrize("exists", [False, True])
def test_a_repository_is_made_whole_or_not_at_all(
    exists: bool, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "a" / "repo"
    if exists:
        root.mkdir(parents=True)
        (root / "notes").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    database = registry.server.new_database() if registry.server else None
    options: dict[str, str | None] = {"registry": database, "namespace": database and "site"}

    def fail(butler: Butler, prefix: str) -> None:
        raise OutputError("repo", reason="no space left")

    with monkeypatch.context() as patch:
        patch.setattr(repository, "prepare_repository", fail)
        for given in ({"registry": database}, options):  # the schema of the database, and one to be made
            with pytest.raises(OutputError, match="no space left"):
                create_repository(root, **given)
    assert sorted(tmp_path.rglob("*")) == before
    if registry.server and database:
        name = database.rpartition("/")[2]
        left = "select count(*) from pg_tables where schemaname in ('site', 'public')"
        assert registry.server.execute(name, left) == "0"
        assert (
            registry.server.execute(name, "select count(*) from pg_namespace where nspname = 'site'") == "0"
        )
    create_repository(root, **options)
    with open_repository(root, writeable=True) as butler:
        assert butler.get_dataset_type("calexp")


def test_a_repository_remembers_whether_it_has_a_folder_of_results(tmp_path: Path) -> None:
    for wanted in (False, True):
        root = tmp_path / str(wanted)
        create_repository(root, results_folder=wanted)
        assert keeps_results(root) is keeps_results(root / "butler.yaml") is wanted
        with open_repository(root, writeable=True) as butler:
            assert butler.get_dataset_type("calexp")
    with pytest.raises(ConfigError, match="is not a folder of this machine"):
        create_repository("s3://bucket/repo", results_folder=True)


def test_a_database_without_its_repository_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "gen3.sqlite3").write_text("precious")
    with pytest.raises(OutputError, match=r"gen3\.sqlite3: cannot be written: it is there"):
        create_repository(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["gen3.sqlite3"]
    assert (tmp_path / "gen3.sqlite3").read_text() == "precious"


def test_a_database_of_a_server_is_used(postgres: PostgresServer, tmp_path: Path) -> None:
    address = postgres.new_database()
    create_repository(tmp_path / "repo", registry=address, namespace="site")
    assert [path.name for path in (tmp_path / "repo").iterdir()] == ["butler.yaml"]
    count = "select count(*) from site.dataset_type where name = 'calexp'"
    assert postgres.execute(address.rpartition("/")[2], count) == "1"


def test_opening_for_writing_again_writes_nothing(tmp_path: Path) -> None:
    new_repository(tmp_path).close()
    before = (tmp_path / "gen3.sqlite3").read_bytes()
    open_repository(tmp_path, writeable=True).close()
    assert (tmp_path / "gen3.sqlite3").read_bytes() == before


def test_sky_maps_become_records_with_their_regions(
    registry: Registry, tmp_path: Path, survey: SmallSurvey
) -> None:
    skymap = survey.skymap
    with new_repository(tmp_path, registry) as butler:
        assert register_skymap(butler, skymap) == "small"
        assert register_skymap(butler, skymap) == "small"
        (record,) = butler.query_dimension_records("skymap")
        assert record.hash == bytes.fromhex(skymap.identity)
        assert (record.tract_max, record.patch_nx_max, record.patch_ny_max) == (1, *skymap[0].n_patches)
        patches = {r.id: r for r in butler.query_dimension_records("patch", skymap="small", tract=0)}
        assert len(patches) == len(skymap[0]) > 1
        for patch in skymap[0]:
            found = patches[patch.sequential]
            assert (found.cell_x, found.cell_y) == patch.index
            # Regions are stored to the last digits, so that selections agree with those of the core.
            assert from_region(found.region).vertices == pytest.approx(patch.polygon.vertices, abs=1e-15)
        assert stored_skymap(butler, "small") == skymap
        (ref,) = butler.query_datasets("skyMap", "skymaps")
        assert butler.getURI(ref).read().decode() == skymap.to_json()


def test_tracts_are_added_later_and_another_sky_map_is_refused(registry: Registry, tmp_path: Path) -> None:
    skymap = make_skymap("rings", {"num_rings": 4, "patches": {"builder": "legacy", "inner": (60000, 60000)}})
    other = make_skymap("rings", {"num_rings": 5}, name=skymap.name)
    with new_repository(tmp_path, registry) as butler:
        for tracts in ([3], [3, 1]):
            register_skymap(butler, skymap, tracts=tracts)
        assert [r.id for r in butler.query_dimension_records("tract", order_by="id")] == [1, 3]
        with pytest.raises(DuplicateInputError, match="identity"):
            register_skymap(butler, other, tracts=[0])
        with pytest.raises(SkyMapError, match=f"under the name '{skymap.name}'"):
            register_skymap(butler, skymap, name="again", tracts=[0])
        with pytest.raises(SkyMapError, match="no tract 99"):
            register_skymap(butler, skymap, tracts=[99])
        with pytest.raises(SkyMapError, match="there are: rings"):
            stored_skymap(butler, "absent")


def test_tracts_with_exposures_are_found(registry: Registry, tmp_path: Path, survey: SmallSurvey) -> None:
    skymap = make_skymap("rings", {"num_rings": 20})
    with new_repository(tmp_path, registry) as butler:
        assert visited_tracts(butler, skymap) == []
        ingest_exposures(butler, survey.sources)
        expected = {t.id for s in survey.sources for t in skymap.overlapping(footprint_polygon(s.info))}
        assert visited_tracts(butler, skymap) == sorted(expected) != []


@pytest.mark.parametrize("name", ["HSC", "Sub-aru/Mega Cam", "a.b", "Instrument"])
def test_the_middleware_finds_the_class_of_any_instrument(
    registry: Registry, tmp_path: Path, name: str
) -> None:
    with new_repository(tmp_path, registry) as butler:
        assert register_instrument(butler, name) is register_instrument(butler, name)
        found = Instrument.fromName(name, butler.registry)
        assert isinstance(found, LamellaInstrument)
        assert found.getName() == name == found.collection_prefix
        with pytest.raises(NotImplementedError, match="calibrated"):
            found.getRawFormatter({})
        found.register(butler.registry)
        (record,) = butler.query_dimension_records("instrument")
        assert len(record.class_name) <= 64


def test_an_instrument_of_others_stays(registry: Registry, tmp_path: Path) -> None:
    record = {
        "name": "Own",
        "visit_max": 9,
        "exposure_max": 9,
        "detector_max": 9,
        "class_name": "not.installed.Own",
    }
    with new_repository(tmp_path, registry) as butler:
        butler.registry.insertDimensionData("instrument", {**record, "visit_system": 1})
        assert register_instrument(butler, "Own").getName() == "Own"
        (found,) = butler.query_dimension_records("instrument")
        assert (found.class_name, found.visit_max) == ("not.installed.Own", 9)


@pytest.mark.parametrize("name", ["", "x" * 33])
def test_names_of_instruments_have_limits(name: str) -> None:
    with pytest.raises(ConfigError, match="expected 1 to 32"):
        instrument_class(name)


def test_a_repository_of_others_needs_the_folder_of_configurations(
    tmp_path: Path, survey: SmallSurvey
) -> None:
    Butler.makeRepo(tmp_path)
    with open_repository(tmp_path, writeable=True) as butler:
        ingest_exposures(butler, survey.sources[:1])
    code = (
        "import sys; from lsst.daf.butler import Butler\n"
        f"with Butler.from_config({str(tmp_path)!r}, collections={INSTRUMENT + '/defaults'!r}) as butler:\n"
        "    print(butler.get('calexp', instrument='LamellaSim', visit=100, detector=0).info.id)"
    )
    environment = {**os.environ, "DAF_BUTLER_CONFIG_PATH": CONFIG_FOLDER}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, f"{survey.sources[0].info.id}\n"), done.stderr


def test_cleaning_removes_orphans_and_nothing_else(
    registry: Registry, tmp_path: Path, survey: SmallSurvey
) -> None:
    with new_repository(tmp_path, registry) as butler:
        register_skymap(butler, survey.skymap)
        ingest_exposures(butler, survey.sources[:2])
        kept = files_of(butler)
        assert len(kept) == 3
        folder = kept[0].parent
        orphans = [
            folder / "abcdcalexp.tmp.fits",
            folder / "never-registered.fits",
            tmp_path / ".lamella-ingest-x" / "0.json",
        ]
        notes = tmp_path / "notes" / "of-a-person.tmp.fits"
        for path in (*orphans, notes):
            path.parent.mkdir(exist_ok=True)
            path.write_text("half")
        assert clean_orphans(butler) == []
        old = time.time() - 7200
        os.utime(orphans[0], (old, old))
        assert clean_orphans(butler) == [str(orphans[0])]
        expected = sorted(map(str, orphans[1:]))
        assert clean_orphans(butler, older_than=0, dry_run=True) == expected
        assert clean_orphans(butler, older_than=0) == expected
        assert not orphans[2].parent.exists()
        assert sorted(files_of(butler)) == sorted([*kept, notes])
        id = survey.sources[0].info.id
        key = {"instrument": id.instrument, "visit": id.visit, "detector": id.detector}
        assert np.isfinite(butler.get("calexp", **key, collections=f"{INSTRUMENT}/calexp").to_njy)


# Ends while a transaction has changed a part of the file; what it was stays in a journal.
KILLED_IN_A_TRANSACTION = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("pragma cache_size = 1")
connection.execute("begin immediate")
connection.execute("create table half (written text)")
connection.executemany("insert into half values (?)", [("x" * 1000,)] * 5000)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def half_written(tmp_path: Path) -> Path:
    """A repository in which a process was killed; a connection for reading cannot roll back."""
    new_repository(tmp_path).close()
    database = tmp_path / "gen3.sqlite3"
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_A_TRANSACTION, str(database)])
    assert killed.returncode == -signal.SIGKILL
    assert journal_of(tmp_path).stat().st_size > 0
    with pytest.raises(OperationalError, match="readonly"):
        Butler.from_config(tmp_path)
    return tmp_path


def journal_of(root: Path) -> Path:
    return root / "gen3.sqlite3-journal"


def test_cleaning_rolls_back(half_written: Path) -> None:
    command = [Path(sys.executable).parent / "lamella", "butler", "clean", half_written]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "Removed 0 files.\n"
    assert not journal_of(half_written).exists()
    with Butler.from_config(half_written) as butler:
        assert butler.get_dataset_type("calexp")


def test_reading_rolls_back(half_written: Path) -> None:
    with open_repository(half_written) as butler:
        assert not butler.isWriteable()
        assert butler.get_dataset_type("calexp")
    assert not journal_of(half_written).exists()
