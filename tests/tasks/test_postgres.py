"""A repository in a PostgreSQL database: the same commands, the same datasets, the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.errors import OutputError
from lamella.run.jobs import PatchConfig
from lamella.tasks.manual.assembleCoaddConfig import AssembleCoaddConfig
from lamella.tasks.repository import clean_orphans, create_repository, open_repository

from .hsc_fixture import (
    ASSEMBLE_HSC_R,
    PATCH,
    PIPETASK,
    HscSite,
    assert_same_bits,
    build_site,
    expected_coadd,
    input_pairs,
    unknown_files,
    warp_command,
)
from .postgres import PostgresServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> HscSite:
    """The example in a repository of its own."""
    address = postgres.new_database("example")
    return build_site(tmp_path_factory.mktemp("postgres"), registry=address, namespace="ci_hsc")


def test_nothing_is_in_sqlite(site: HscSite, postgres: PostgresServer) -> None:
    assert not (site.repository / "gen3.sqlite3").exists()
    count = postgres.execute("example", "select count(*) from ci_hsc.visit_detector_region")
    assert int(count) == 33


def test_exposures_are_found_by_their_regions(site: HscSite) -> None:
    with open_repository(site.repository) as butler:
        for band, name in (("i", "HSC-I"), ("r", "HSC-R")):
            where = f"skymap='discrete/ci_hsc' and tract=0 and patch={PATCH['patch']} and band='{band}'"
            with butler.query() as query:
                found = query.where(where, instrument="HSC").data_ids(["visit", "detector", "patch"])
                pairs = sorted((data_id["visit"], data_id["detector"]) for data_id in found)
            assert tuple(pairs) == site.example.pairs[name]


def test_the_command_of_the_manual(site: HscSite) -> None:
    site.checked(warp_command(site.example, "HSC-R"))
    site.checked(ASSEMBLE_HSC_R)
    with open_repository(site.repository, collections="deepCoadd-results") as butler:
        coadd = butler.get("deepCoadd", skymap="discrete/ci_hsc", band="r", **PATCH)
    assert input_pairs(coadd) == site.example.pairs["HSC-R"]
    assert_same_bits(coadd, expected_coadd(site, "r", PatchConfig(assemble=AssembleCoaddConfig().toCore())))


def test_the_pipeline(site: HscSite) -> None:
    site.checked(PIPETASK)
    with open_repository(site.repository, collections="lamella/coadds") as butler:
        coadd = butler.get("deepCoadd", skymap="discrete/ci_hsc", band="i", **PATCH)
    assert_same_bits(coadd, expected_coadd(site, "i"))


def test_there_is_nothing_to_clean(site: HscSite) -> None:
    with open_repository(site.repository, writeable=True) as butler:
        assert unknown_files(butler) == []
        assert clean_orphans(butler, older_than=0.0) == []


def test_a_database_that_is_not_there_is_an_error_with_its_name(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    address = f"postgresql+psycopg://lamella@127.0.0.1:{postgres.port}/nowhere"
    with pytest.raises(OutputError, match="nowhere"):
        create_repository(tmp_path / "repository", registry=address)
