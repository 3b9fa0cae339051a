"""Fixtures of the tests that go through all tasks: the manual's example, and a database server.

What needs the middleware is imported when it is used: without it, test modules say why they are skipped.
"""

from __future__ import annotations

import functools
import importlib.metadata
import pickle
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from lamella.testing.hsc_example import HscExample, write_hsc_example

from ..once import made_once
from ..processes import kept_logs
from .postgres import PostgresServer, run_postgres

if TYPE_CHECKING:
    from .hsc_fixture import HscSite, HscSites
    from .registries import Registry
    from .small import SmallSurvey
    from .stack_repository import Stack


@pytest.fixture(scope="session", autouse=True)
def _one_look_at_the_packages() -> Iterator[None]:
    """Every run looks through the files of all installed packages, which does not change while tests run."""
    try:
        import lsst.utils.packages as packages
    except ImportError:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "packages_distributions", functools.cache(packages.packages_distributions))
        patch.setattr(packages.importlib.metadata, "version", functools.cache(importlib.metadata.version))
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_look_at_the_defaults_of_the_middleware() -> Iterator[None]:
    """Each butler parses the same files of its package again."""
    try:
        import lsst.daf.butler._config as config
    except ImportError:
        yield
        return
    load = config.yaml.load
    parsed: dict[str, bytes] = {}

    def load_once(stream: Any, Loader: Any) -> Any:
        name = str(getattr(stream, "name", ""))
        if not name.startswith("resource://lsst.daf.butler/"):
            return load(stream, Loader)
        if name not in parsed:
            parsed[name] = pickle.dumps(load(stream, Loader))
        return pickle.loads(parsed[name])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config.yaml, "load", load_once)
        yield


@pytest.fixture(scope="module", autouse=True)
def _kept_logs_of_a_module() -> Iterator[None]:
    """So do the fixtures of modules, which come before those of tests."""
    with kept_logs():
        yield


@pytest.fixture(autouse=True)
def _kept_logs() -> Iterator[None]:
    """Commands that tests run in this process set the levels of its loggers."""
    with kept_logs():
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A database server on loopback."""
    with run_postgres() as server:
        yield server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Test what uses the database of a repository with both kinds, unless it is marked ``any_database``."""
    if "registry" in metafunc.fixturenames:
        any_will_do = metafunc.definition.get_closest_marker("any_database")
        kinds = ["sqlite"] if any_will_do else ["sqlite", "postgresql"]
        metafunc.parametrize("registry", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def registry(request: pytest.FixtureRequest) -> Registry:
    """Where repositories have their databases."""
    from .registries import Registry

    return Registry(request.getfixturevalue("postgres") if request.param == "postgresql" else None)


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> SmallSurvey:
    """A tiny simulated survey on disk; tests must not change it."""
    from .small import make_survey

    return make_survey(tmp_path_factory.mktemp("survey"))


@pytest.fixture(scope="session")
def stack_original(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A repository as the C++ stack makes it; copy it before writing to it."""
    from .stack_repository import make_stack

    return make_stack(tmp_path_factory.mktemp("stack"))


@pytest.fixture(scope="session")
def hsc_example(tmp_path_factory: pytest.TempPathFactory) -> HscExample:
    """Exposures of the manual's example."""
    return HscExample(made_once(tmp_path_factory, "raw", write_hsc_example))


@pytest.fixture(scope="session")
def hsc_sites(hsc_example: HscExample, tmp_path_factory: pytest.TempPathFactory) -> HscSites:
    """The example in repositories, each of which is made once, however often the database changes."""
    from .hsc_fixture import HscSites

    return HscSites(hsc_example, tmp_path_factory)


@pytest.fixture(scope="session")
def hsc_site(hsc_sites: HscSites, registry: Registry) -> HscSite:
    """The exposures and the sky map in a repository; copy it before writing to it."""
    return hsc_sites.ingested(registry)


@pytest.fixture(scope="session")
def warped_site(hsc_sites: HscSites, registry: Registry) -> HscSite:
    """The same with the warps of both filters; copy it before writing to it."""
    return hsc_sites.warped(registry)


@pytest.fixture(scope="session")
def matched_site(hsc_sites: HscSites, registry: Registry) -> HscSite:
    """The same with matched warps of HSC-I beside the others; copy it before writing to it."""
    return hsc_sites.matched(registry)
