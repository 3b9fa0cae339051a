"""What is stored with an output, and compared with the next run."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

import numpy as np
import yaml
from astropy.table import Column, Table
from lsst.pipe.base import TaskError
from lsst.utils.packages import Packages

from lamella.tasks.cmdline import persistence
from lamella.tasks.cmdline.persistence import (
    current_versions,
    distributions_of,
    write_config,
    write_schema,
    write_versions,
)
from lamella.tasks.cmdline.records import Records

CHECK: dict[str, Any] = {"clobber": False, "backup": True}
CLOBBER: dict[str, Any] = {"clobber": True, "backup": True}


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "out")


def _files(records: Records) -> dict[str, str]:
    return {path.name: path.read_text() for path in records.folder.glob("*/*")}


class TestConfig:
    """Configuration."""

    def test_equal_one_is_left_alone(self, records: Records, toys: Any) -> None:
        write_config(records, "deep_toy_config", toys.ToyConfig(limit=float("inf")), **CHECK)
        before = records.path("config/deep_toy.py").stat().st_mtime_ns
        write_config(records, "deep_toy_config", toys.ToyConfig(limit=float("inf")), **CHECK)
        assert records.path("config/deep_toy.py").stat().st_mtime_ns == before

    def test_every_difference_is_logged(self, records: Records, toys: Any, caplog: Any) -> None:
        write_config(records, "toy_config", toys.ToyConfig(), **CHECK)
        other = toys.ToyConfig(number=2, title="x")
        other.scale.retarget(toys.ShiftTask)
        with pytest.raises(TaskError, match="--clobber-config"):
            write_config(records, "toy_config", other, **CHECK)
        for name in ("number", "title", "scale"):
            assert name in caplog.text
        assert "config.number=1" in _files(records)["toy.py"]

    def test_clobber_keeps_the_old_one(self, records: Records, toys: Any) -> None:
        for number in (1, 2, 3):
            write_config(records, "toy_config", toys.ToyConfig(number=number), **CLOBBER)
        found = {name: text.partition("config.number=")[2][0] for name, text in _files(records).items()}
        assert found == {"toy.py": "3", "toy.py~1": "2", "toy.py~2": "1"}

    @pytest.mark.parametrize("text", ["config.number = open('x')\n", "config.absent = 1\n", "config.", "\0"])
    def test_unreadable(self, records: Records, toys: Any, text: str) -> None:
        records.write("config/toy.py", text)
        with pytest.raises(TaskError, match="--clobber-config"):
            write_config(records, "toy_config", toys.ToyConfig(), **CHECK)
        write_config(records, "toy_config", toys.ToyConfig(), **CLOBBER)
        write_config(records, "toy_config", toys.ToyConfig(), **CHECK)


class TestSchema:
    """Columns of catalogs."""

    @pytest.fixture
    def table(self) -> Table:
        return Table(
            [Column(np.zeros((0, 2)), "xy", unit="pixel", description="where"), Column([], "id", dtype=int)]
        )

    def test_rows_do_not_matter(self, records: Records, table: Table) -> None:
        write_schema(records, "src_schema", table, **CHECK)
        table.add_row(([1.0, 2.0], 3))
        write_schema(records, "src_schema", table, **CHECK)
        stored = yaml.safe_load(_files(records)["src_schema.yaml"])
        assert stored["columns"][0] == {
            "name": "xy", "type": "float64", "shape": [2], "unit": "pix", "description": "where",
        }  # fmt: skip

    @pytest.mark.parametrize("change", ["name", "unit", "dtype", "order", "description"])
    def test_differences(self, records: Records, table: Table, change: str) -> None:
        write_schema(records, "src_schema", table, **CHECK)
        match change:
            case "name":
                table.rename_column("id", "number")
            case "unit":
                table["xy"].unit = "arcsec"
            case "dtype":
                table["id"] = table["id"].astype(float)
            case "order":
                table = table["id", "xy"]
            case "description":
                table["xy"].description = "elsewhere"
        with pytest.raises(TaskError, match="src_schema differ"):
            write_schema(records, "src_schema", table, **CHECK)
        write_schema(records, "src_schema", table, **CLOBBER)
        assert set(_files(records)) == {"src_schema.yaml", "src_schema.yaml~1"}


class TestVersions:
    """Versions of the software."""

    @pytest.fixture
    def now(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
        versions = {"python": "3.13.0", "numpy": "2.5", "astropy": "8.0"}
        monkeypatch.setattr(persistence, "current_versions", lambda: versions)
        return versions

    def test_versions_are_those_of_the_middleware(self) -> None:
        theirs = {str(key): str(value) for key, value in Packages.fromSystem().items()}
        assert current_versions() == theirs

    def test_distributions_are_those_of_the_standard_library(self) -> None:
        every = importlib.metadata.packages_distributions()
        names = ["numpy", "yaml", "lsst", "PIL", "astropy"]
        found = distributions_of(names)
        assert {name: set(found[name]) for name in names} == {name: set(every[name]) for name in names}

    def test_current_versions(self) -> None:
        found = current_versions()
        assert found["numpy"] == np.__version__
        assert all(isinstance(value, str) for value in found.values())

    def test_differences_are_listed(self, records: Records, now: dict[str, str]) -> None:
        write_versions(records, "packages", **CHECK)
        now |= {"numpy": "2.6", "python": "3.14.0"}
        with pytest.raises(TaskError, match=r"numpy: 2\.6 vs 2\.5; python: 3\.14\.0 vs 3\.13\.0"):
            write_versions(records, "packages", **CHECK)

    def test_packages_of_one_side_are_no_difference(self, records: Records, now: dict[str, str]) -> None:
        write_versions(records, "packages", **CHECK)
        del now["numpy"]
        now["scipy"] = "1.17"
        write_versions(records, "packages", **CHECK)
        stored = yaml.safe_load(_files(records)["packages.yaml"])
        assert stored == {"python": "3.13.0", "numpy": "2.5", "astropy": "8.0", "scipy": "1.17"}

    def test_clobber(self, records: Records, now: dict[str, str]) -> None:
        write_versions(records, "packages", **CHECK)
        now["numpy"] = "3.0"
        write_versions(records, "packages", **CLOBBER)
        assert yaml.safe_load(_files(records)["packages.yaml"])["numpy"] == "3.0"
        assert yaml.safe_load(_files(records)["packages.yaml~1"])["numpy"] == "2.5"

    @pytest.mark.parametrize("text", ["[1, 2]", "a: [", "!!python/object/apply:os.getcwd []"])
    def test_unreadable(self, records: Records, now: dict[str, str], text: str) -> None:
        records.write("config/packages.yaml", text)
        with pytest.raises(TaskError, match="--clobber-versions"):
            write_versions(records, "packages", **CHECK)
