"""Fixtures that all tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Here and in all processes that tests start. Threads of linear algebra wait for each other in busy loops,
# which costs up to four times the processor time for matrices as small as ours; and what Python compiles is
# kept, because each process would compile all modules again.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Compilation of a kernel may fall into the first example of a law.
settings.register_profile(
    "lamella", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("lamella")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that no worker has one left when the others are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _one_look_at_the_settings_of_astropy() -> Iterator[None]:
    """For each card of a header astropy looks up its settings: a tenth of the time of tests with files."""
    from astropy.config import ConfigItem

    settings: dict[int, Any] = {}
    look_up = ConfigItem.__call__

    def remembered(item: Any) -> Any:
        if id(item) not in settings:
            settings[id(item)] = look_up(item)
        return settings[id(item)]

    def forgetting(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(item: Any, *values: Any) -> Any:
            try:
                return change(item, *values)
            finally:
                settings.pop(id(item), None)

        return changed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConfigItem, "__call__", remembered)
        for name in ("set", "reload"):
            patch.setattr(ConfigItem, name, forgetting(getattr(ConfigItem, name)))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of oracle numbers and real exposures, which lies beside the project."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail("The folder 'shared' must lie beside the project in CI.")
        pytest.skip("needs the folder 'shared' (oracle numbers, real exposures) beside the project")
    return folder


@pytest.fixture
def quick_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork workers from a process that has imported everything, where how they start does not matter."""
    from lamella.run import execute

    from .processes import PRELOADED

    monkeypatch.setattr(execute, "_CONTEXT", PRELOADED)
