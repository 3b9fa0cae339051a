"""Fixtures of the tests that go through all tasks: the manual's example, and a database server.

What needs the middleware is imported when it is used: without it, test modules say why they are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from lamella.testing.hsc_example import HscExample, write_hsc_example

from .postgres import PostgresServer, run_postgres

if TYPE_CHECKING:
    from .hsc_fixture import HscSite
    from .registries import Registry


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A database server on loopback."""
    with run_postgres() as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def registry(request: pytest.FixtureRequest) -> Registry:
    """Where repositories have their databases; what uses it is tested with both."""
    from .registries import Registry

    return Registry(request.getfixturevalue("postgres") if request.param == "postgresql" else None)


@pytest.fixture(scope="session")
def hsc_example(tmp_path_factory: pytest.TempPathFactory) -> HscExample:
    """Exposures of the manual's example."""
    return write_hsc_example(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="session")
def hsc_site(
    registry: Registry, hsc_example: HscExample, tmp_path_factory: pytest.TempPathFactory
) -> HscSite:
    """They and the sky map in a repository; copy it before writing to it."""
    from .hsc_fixture import build_site

    return build_site(tmp_path_factory.mktemp("ci_hsc"), hsc_example, registry)


@pytest.fixture(scope="session")
def warped_site(hsc_site: HscSite, tmp_path_factory: pytest.TempPathFactory) -> HscSite:
    """The same with the warps of both filters; copy it before writing to it."""
    from .hsc_fixture import warp_command

    site = hsc_site.copy(tmp_path_factory.mktemp("warped"))
    for name in site.example.pairs:
        site.checked(warp_command(site.example, name))
    return site
