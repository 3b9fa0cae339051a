"""Repositories of other software: refused before anything is written, and what works instead does."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.daf.butler import Butler, CollectionType, Config, DatasetType

from lamella.errors import ForeignTypesError
from lamella.formats.recognise import open_exposures
from lamella.tasks.datasets import DATASETS
from lamella.tasks.repository import CONFIG_FOLDER, open_repository

from .postgres import PostgresServer
from .stack_repository import (
    CALEXPS,
    CHAINS,
    INSTRUMENT_CLASS,
    TYPES,
    VISITS,
    Stack,
    database_of,
    files_of,
    run,
)


@pytest.fixture
def stack(stack_original: Stack, tmp_path: Path) -> Stack:
    return stack_original.copy(tmp_path)


PATCH = ("--id", "tract=0", "patch=0,0", "filter=HSC-R", "--selectId", "visit=7..9", "ccd=3")
COMMANDS = {
    "ingest": ("lamella", "butler", "ingest", "REPO", "CALEXPS"),
    "skymap": ("lamella", "butler", "skymap", "REPO", "MAP"),
    "regions": ("lamella", "butler", "regions", "REPO", "MAP", "--skymap", "around"),
    "clean": ("lamella", "butler", "clean", "REPO", "--forget-unlogged", "--older-than", "0"),
    "export": ("lamella", "butler", "export", "REPO", "OUT", "-i", CALEXPS),
    "create": ("lamella", "butler", "create", "REPO"),
    "makeSkyMap": ("makeSkyMap.py", "REPO"),
    "makeDiscreteSkyMap": ("makeDiscreteSkyMap.py", "REPO", "--id", "visit=7..9", "ccd=3"),
    "makeCoaddTempExp": ("makeCoaddTempExp.py", "REPO", *PATCH),
    "safeClip": ("assembleCoadd.py", "REPO", *PATCH),
    "legacy": ("assembleCoadd.py", "--legacyCoadd", "REPO", "--rerun", "mine", *PATCH),
    "warpCompare": (
        "assembleCoadd.py",
        "--warpCompareCoadd",
        "REPO",
        "--output",
        "REPO/HSC/defaults",
        *PATCH,
    ),
}


@pytest.mark.parametrize("with_config", [False, True], ids=["plain", "DAF_BUTLER_CONFIG_PATH"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_refused_command_leaves_every_byte_as_it_was(
    name: str, with_config: bool, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if with_config:
        monkeypatch.setenv("DAF_BUTLER_CONFIG_PATH", CONFIG_FOLDER)
    files, database = files_of(stack.repo), database_of(stack.repo)
    where = {"REPO": stack.repo, "CALEXPS": stack.calexps, "MAP": stack.map_file, "OUT": tmp_path / "out"}
    program, *arguments = COMMANDS[name]
    status, said = run(
        program, *(where.get(text, text.replace("REPO", str(stack.repo))) for text in arguments)
    )
    assert status == (2 if program.endswith(".py") else 1), said
    assert len(said.splitlines()) == 1
    if name != "create":
        for part in ("calexp (ExposureF, not LamellaExposure)", "skyMap (SkyMap, not LamellaSkyMap)"):
            assert part in said
        assert f"{INSTRUMENT_CLASS}, lsst.pipe.tasks.objectMasks.ObjectMaskCatalog" in said
        assert f"butler retrieve-artifacts {stack.repo} out/ -d calexp --collections {CALEXPS}" in said
        assert f"lamella coadd {stack.repo / CALEXPS / 'calexp'})" in said
    assert files_of(stack.repo) == files
    assert database_of(stack.repo) == database
    assert not (tmp_path / "out").exists()


def test_a_database_of_a_server_is_left_as_it_was(
    postgres: PostgresServer, stack_original: Stack, tmp_path: Path
) -> None:
    address = postgres.new_database()
    config = Config()
    config["registry", "db"] = address
    Butler.makeRepo(tmp_path / "repo", config)
    with Butler.from_config(tmp_path / "repo", writeable=True) as butler:
        for name, (storage_class, dimensions) in TYPES.items():
            kind = DatasetType(name, dimensions, storage_class, universe=butler.dimensions)
            butler.registry.registerDatasetType(kind)
    rows = "select count(*), (select count(*) from collection), sum(id) from dataset_type"
    tables = "select count(*) from pg_tables"
    database = address.rpartition("/")[2]
    before = [postgres.execute(database, query) for query in (rows, tables)]
    status, said = run("lamella", "butler", "ingest", tmp_path / "repo", stack_original.calexps)
    assert (status, said.count("ExposureF, not LamellaExposure")) == (1, 1)
    assert [postgres.execute(database, query) for query in (rows, tables)] == before


@pytest.mark.parametrize("name", ["calexp", "deepCoadd_nImage"])
def test_each_type_of_another_kind_is_found(name: str, tmp_path: Path) -> None:
    Butler.makeRepo(tmp_path)
    with Butler.from_config(tmp_path, writeable=True) as butler:
        kind = DatasetType(name, ["instrument"], "StructuredDataDict", universe=butler.dimensions)
        butler.registry.registerDatasetType(kind)
    with pytest.raises(ForeignTypesError, match=rf"dataset types {name} \(StructuredDataDict, not"):
        open_repository(tmp_path)


def test_dimensions_must_be_those_of_lamella(tmp_path: Path) -> None:
    Butler.makeRepo(tmp_path)
    (exposure, *_) = DATASETS
    with open_repository(tmp_path) as butler:
        kind = DatasetType(exposure.name, ["instrument"], exposure.storage_class, universe=butler.dimensions)
    with Butler.from_config(tmp_path, writeable=True, searchPaths=[CONFIG_FOLDER]) as butler:
        butler.registry.registerDatasetType(kind)
    with pytest.raises(ForeignTypesError, match=r"calexp \(by instrument, not detector, instrument, visit\)"):
        open_repository(tmp_path, writeable=True)


def test_what_the_message_says_works_does(stack: Stack, tmp_path: Path) -> None:
    out = tmp_path / "artifacts"
    arguments = ["-d", "calexp", "--collections", CALEXPS]
    status, said = run("butler", "retrieve-artifacts", stack.repo, f"{out}/", *arguments)
    assert status == 0, said
    for inputs in (out, stack.repo / CALEXPS / "calexp"):
        sources = open_exposures([inputs]).sources
        assert [source.info.id.visit for source in sources] == list(VISITS)


@pytest.fixture
def with_chains(tmp_path: Path) -> Path:
    """A repository without any type of lamella's names, in which others have made the usual chains."""
    root = tmp_path / "others"
    Butler.makeRepo(root)
    with Butler.from_config(root, writeable=True) as butler:
        for run_name in ("HSC/raw/all", "skymaps", CALEXPS):
            butler.collections.register(run_name)
        for chain, children in CHAINS.items():
            butler.collections.register(chain, CollectionType.CHAINED)
            butler.collections.redefine_chain(chain, children)
    return root


def chains_of(root: Path) -> dict[str, tuple[str, ...]]:
    with Butler.from_config(root) as butler:
        infos = butler.collections.query_info("*", collection_types={CollectionType.CHAINED})
        return {info.name: tuple(info.children) for info in infos}


def test_a_chain_of_others_is_not_extended_and_what_to_type_is_told(
    stack_original: Stack, with_chains: Path
) -> None:
    status, said = run("lamella", "butler", "ingest", with_chains, stack_original.calexps)
    assert status == 0, said
    assert chains_of(with_chains) == CHAINS
    *_, line = said.splitlines()
    typed = f"butler collection-chain --mode extend {with_chains} HSC/defaults HSC/calexp brightObjectMasks"
    assert line.endswith(typed)
    program, *arguments = typed.split()
    assert run(program, *arguments)[0] == 0
    extended = (*CHAINS["HSC/defaults"], "HSC/calexp", "brightObjectMasks")
    assert chains_of(with_chains)["HSC/defaults"] == extended
    assert (
        "collection-chain" not in run("lamella", "butler", "ingest", with_chains, stack_original.calexps)[1]
    )


def test_commands_write_to_no_chain_of_others(stack_original: Stack, with_chains: Path) -> None:
    run("lamella", "butler", "ingest", with_chains, stack_original.calexps)
    run("lamella", "butler", "skymap", with_chains, stack_original.map_file)
    database = database_of(with_chains)
    for options in ([], ["--clobber-output"]):
        output = with_chains / "HSC" / "runs" / "RC2"
        status, said = run("makeCoaddTempExp.py", with_chains, "--output", output, *options, *PATCH)
        assert status == 253
        assert "The collection HSC/runs/RC2 was not made by lamella" in said
        assert "butler collection-chain --mode extend" in said
    assert database_of(with_chains) == database
