"""A command-line task: what it returns, what it writes, how it ends."""

from __future__ import annotations

import logging
import os
import pstats
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

import yaml
from astropy.table import Table
from lsst.pipe.base import TaskError

from lamella.tasks.cmdline import persistence
from lamella.tasks.cmdline.butler import CommandButler
from lamella.tasks.cmdline.config_files import load_config_file
from lamella.tasks.cmdline.locations import find_location
from lamella.tasks.cmdline.records import Records
from lamella.tasks.cmdline.status import EXIT_NOT_STARTED, EXIT_NOTHING

Run = Callable[..., Any]

ALL = "--id tract=0 patch=0,0^1,0^2,1 filter=HSC-I --selectId visit=101..103 ccd=4"
TOTAL = 2.0 * (101004 + 102004 + 103004)


def _exit(run: Run, *args: Any, **kwargs: Any) -> Any:
    with pytest.raises(SystemExit) as caught:
        run(*args, **kwargs)
    return caught.value.code


def test_parse_and_run_returns_a_struct(run_toy: Run, toys: Any, repo: Path) -> None:
    result = run_toy(f"{ALL} --rerun x")
    assert set(result.getDict()) == {"argumentParser", "parsedCmd", "taskRunner", "resultList"}
    assert [(item.exitStatus, item.nothing) for item in result.resultList] == [(0, False)] * 3
    assert not hasattr(result.resultList[0], "result")
    assert isinstance(result.taskRunner, toys.ToyRunner)
    assert result.parsedCmd.id.refList[2].dataId["patch"] == "2,1"
    assert result.argumentParser.prog == "toy.py"
    butler = CommandButler(find_location(str(repo), rerun="x"))
    for patch in ("0,0", "1,0", "2,1"):
        assert butler.get("toyCoadd_sum", tract=0, patch=patch, filter="i")["sum"] == TOTAL


def test_results_are_returned_when_asked_for(run_toy: Run) -> None:
    result = run_toy(ALL, doReturnResults=True)
    first = result.resultList[0]
    assert first.result.total == TOTAL
    assert first.dataRef.dataId["patch"] == "0,0"
    assert first.metadata["total"] == TOTAL


def test_metadata_of_the_hierarchy_is_written(run_toy: Run, repo: Path) -> None:
    run_toy(f"{ALL} --rerun x")
    metadata = CommandButler(find_location(str(repo), rerun="x")).get(
        "toy_metadata", tract=0, patch="1,0", filter="HSC-I"
    )
    assert metadata["toy.total"] == TOTAL
    assert metadata["toy:scale"]["scalingEndCpuTime"] >= metadata["toy:scale"]["scalingStartCpuTime"]


def test_failures_are_counted_and_the_others_go_on(run_toy: Run, repo: Path, caplog: Any) -> None:
    assert _exit(run_toy, f"{ALL} --rerun x -c title=fail") == 3
    assert (
        "Failed on dataId={'tract': 0, 'patch': '1,0', 'filter': 'HSC-I'}: ValueError: no good" in caplog.text
    )
    assert "Traceback" in caplog.text
    assert "3 of 3 dataRefs failed" in caplog.text
    butler = CommandButler(find_location(str(repo), rerun="x"))
    assert "total" not in butler.get("toy_metadata", tract=0, patch="1,0", filter="HSC-I")["toy"]


def test_one_failure_of_three(toys: Any, repo: Path) -> None:
    args = [str(repo), *ALL.split(), "-c", "title=fail 1,0", "--rerun", "x"]
    assert _exit(toys.ToyTask.parseAndRun, args) == 1
    butler = CommandButler(find_location(str(repo), rerun="x"))
    assert [ref.dataId["patch"] for ref in butler.subset("toyCoadd_sum")] == ["0,0", "2,1"]
    assert len(butler.subset("toy_metadata")) == 3


def test_no_exit(run_toy: Run) -> None:
    result = run_toy(f"{ALL} -c title=fail --noExit")
    assert [item.exitStatus for item in result.resultList] == [1, 1, 1]


def test_doraise(run_toy: Run) -> None:
    with pytest.raises(ValueError, match="no good: 0,0"):
        run_toy(f"{ALL} -c title=fail --doraise")


def test_task_error_has_no_traceback(toys: Any, repo: Path, caplog: Any) -> None:
    assert _exit(toys.ToyTask.parseAndRun, [str(repo), *ALL.split(), "-c", "title=task error"]) == 3
    assert "TaskError: plain words" in caplog.text
    assert "Traceback" not in caplog.text


def test_nothing_to_coadd(run_toy: Run, toys: Any, repo: Path, caplog: Any) -> None:
    nobody = "--rerun a --id tract=0 patch=0,0^1,0 filter=HSC-I --selectId visit=999"
    assert _exit(run_toy, nobody) == EXIT_NOTHING
    assert "2 of 2 dataRefs had nothing to do" in caplog.text
    assert _exit(toys.ToyTask.parseAndRun, [str(repo), *ALL.split(), "-c", "title=no work"]) == EXIT_NOTHING
    assert "nothing overlaps" in caplog.text
    assert _exit(run_toy, "--selectId visit=101") == EXIT_NOTHING
    assert "there is no data to process" in caplog.text
    assert [item.nothing for item in run_toy(nobody, doReturnResults=True).resultList] == [True, True]


def test_hook_comes_before_the_command_line(run_toy: Run) -> None:
    assert run_toy(ALL).parsedCmd.config.title == "from the hook"
    assert run_toy(f"{ALL} -c title=mine --rerun y").parsedCmd.config.title == "mine"


def test_config_given_by_the_caller(toys: Any, run_toy: Run) -> None:
    config = toys.ToyConfig(number=5)
    result = run_toy(f"{ALL} -c limit=3", config=config)
    assert (result.parsedCmd.config.number, result.parsedCmd.config.limit) == (5, 3.0)


def test_log_given_by_the_caller(run_toy: Run, caplog: Any) -> None:
    run_toy(ALL, log=logging.getLogger("lamella.mine"))
    assert "lamella.mine.toy" in {record.name for record in caplog.records}


def test_subtask_retargeted_on_the_command_line_and_in_a_file(run_toy: Run, tmp_path: Path) -> None:
    line = f"{ALL} -c scale.retarget=cmdline_toys.ShiftTask scale.offset=1 --rerun x"
    result = run_toy(line, doReturnResults=True)
    assert result.resultList[0].result.total == 101004 + 102004 + 103004 + 3.0
    path = tmp_path / "o.py"
    path.write_text(
        "from cmdline_toys import ShiftTask\nconfig.scale.retarget(ShiftTask)\nconfig.scale.offset = 2\n"
    )
    result = run_toy(f"{ALL} -C {path} --rerun y", doReturnResults=True)
    assert result.resultList[0].result.total == 101004 + 102004 + 103004 + 6.0


class TestStart:
    """What is checked before the first target."""

    def test_files_of_a_run(self, run_toy: Run, repo: Path) -> None:
        run_toy(f"{ALL} --rerun x")
        found = sorted(
            path.relative_to(repo / "rerun" / "x").as_posix() for path in repo.glob("rerun/x/[cs]*/*")
        )
        assert found == ["config/packages.yaml", "config/toy.py", "schema/toyCatalog_schema.yaml"]

    def test_the_same_again(self, run_toy: Run, repo: Path) -> None:
        for _ in range(2):
            run_toy(f"{ALL} --rerun x")
        assert not list(repo.glob("rerun/x/config/*~*"))

    def test_another_configuration(self, run_toy: Run, repo: Path, caplog: Any) -> None:
        run_toy(f"{ALL} --rerun x")
        assert _exit(run_toy, f"{ALL} --rerun x -c number=2") == EXIT_NOT_STARTED
        assert "number" in caplog.text
        assert "--clobber-config" in caplog.text
        assert "number=2" not in (repo / "rerun/x/config/toy.py").read_text()
        run_toy(f"{ALL} --rerun x -c number=2 --clobber-config")
        assert "config.number=2" in (repo / "rerun/x/config/toy.py").read_text()
        assert "config.number=1" in (repo / "rerun/x/config/toy.py~1").read_text()
        run_toy(f"{ALL} --rerun x -c number=3 --clobber-config --no-backup-config")
        assert not (repo / "rerun/x/config/toy.py~2").exists()

    def test_failed_start_with_doraise(self, run_toy: Run) -> None:
        run_toy(f"{ALL} --rerun x")
        with pytest.raises(TaskError, match="differs from that of earlier runs"):
            run_toy(f"{ALL} --rerun x -c number=2 --doraise")

    def test_another_version(self, run_toy: Run, repo: Path, caplog: Any) -> None:
        run_toy(f"{ALL} --rerun x")
        path = repo / "rerun/x/config/packages.yaml"
        path.write_text(
            path.read_text().replace("python: '3.", "python: '2.").replace("python: 3.", "python: 2.")
        )
        assert _exit(run_toy, f"{ALL} --rerun x") == EXIT_NOT_STARTED
        assert "python: 3." in caplog.text
        run_toy(f"{ALL} --rerun x --no-versions")
        run_toy(f"{ALL} --rerun x --clobber-versions")
        assert (repo / "rerun/x/config/packages.yaml~1").is_file()
        run_toy(f"{ALL} --rerun x")

    def test_clobber_output(self, run_toy: Run, repo: Path) -> None:
        run_toy(f"{ALL} --rerun x")
        run_toy("--id tract=0 patch=1,1 filter=i --selectId visit=101 --rerun x -c number=2 --clobber-output")
        butler = CommandButler(find_location(str(repo), rerun="x"))
        assert [ref.dataId["patch"] for ref in butler.subset("toyCoadd_sum")] == ["1,1"]


@pytest.mark.slow
class TestProcesses:
    """``-j``."""

    @pytest.mark.usefixtures("quick_workers")
    def test_two_processes_do_the_same(self, run_toy: Run, repo: Path) -> None:
        result = run_toy(f"{ALL} --rerun x -j 2")
        assert [item.exitStatus for item in result.resultList] == [0, 0, 0]
        butler = CommandButler(find_location(str(repo), rerun="x"))
        found = [ref.get() for ref in butler.subset("toyCoadd_sum")]
        assert [item["sum"] for item in found] == [TOTAL] * 3
        assert len(butler.subset("toy_metadata")) == 3
        assert os.getpid() not in {item["pid"] for item in found}

    @pytest.mark.usefixtures("quick_workers")
    def test_a_killed_process_is_one_failure(self, toys: Any, repo: Path, caplog: Any) -> None:
        args = [str(repo), *ALL.split(), "-c", "title=die 1,0", "--rerun", "x", "-j", "2"]
        assert _exit(toys.ToyTask.parseAndRun, args) == 1
        assert "died" in caplog.text
        butler = CommandButler(find_location(str(repo), rerun="x"))
        assert [ref.dataId["patch"] for ref in butler.subset("toyCoadd_sum")] == ["0,0", "2,1"]

    @pytest.mark.usefixtures("quick_workers")
    def test_error_of_a_process_is_raised_with_doraise(self, run_toy: Run) -> None:
        with pytest.raises(ValueError, match="no good"):
            run_toy(f"{ALL} -c title=fail -j 2 --doraise")

    def test_task_that_cannot(self, run_toy: Run, repo: Path, caplog: Any) -> None:
        run_toy(f"{ALL} --rerun x -j 2", "SingleTask")
        assert "does not support multiprocessing" in caplog.text
        butler = CommandButler(find_location(str(repo), rerun="x"))
        assert {ref.get()["pid"] for ref in butler.subset("toyCoadd_sum")} == {os.getpid()}


def test_timeout(run_toy: Run, caplog: Any) -> None:
    line = "--id tract=0 patch=0,0 filter=i --selectId visit=101 -c title=slow -t 0.2"
    assert _exit(run_toy, line) == 1
    assert "TimeoutError" in caplog.text


def test_profile(run_toy: Run, tmp_path: Path) -> None:
    run_toy(f"{ALL} --profile {tmp_path / 'p'}")
    names = {name for _, _, name in pstats.Stats(str(tmp_path / "p")).stats}  # type: ignore[attr-defined]
    assert "runDataRef" in names


class TestMethods:
    """Methods of a task that needs no command."""

    @pytest.fixture
    def task(self, toys: Any) -> Any:
        return toys.ToyTask(config=toys.ToyConfig())

    def test_names(self, task: Any) -> None:
        assert (task.getName(), task.getFullName()) == ("toy", "toy")
        assert (task.scale.getName(), task.scale.getFullName()) == ("scale", "toy.scale")

    def test_task_dict(self, task: Any) -> None:
        found = task.getTaskDict()
        assert found == {"toy": task, "toy.scale": task.scale}
        found.clear()
        assert len(task.scale.getTaskDict()) == 2

    def test_metadata(self, task: Any) -> None:
        task.metadata["a"] = 1
        task.scale.metadata["b"] = 2
        full = task.scale.getFullMetadata()
        assert (full["toy.a"], full["toy:scale.b"]) == (1, 2)
        task.emptyMetadata()
        assert list(task.getFullMetadata()["toy:scale"]) == []

    def test_schemas(self, task: Any) -> None:
        assert task.getSchemaCatalogs() == {}
        for asked in (task, task.scale):
            catalogs = asked.getAllSchemaCatalogs()
            assert list(catalogs) == ["toyCatalog"]
            assert catalogs["toyCatalog"].colnames == ["flux", "id"]

    @pytest.mark.parametrize("level", [20000, logging.INFO])
    def test_timer(self, task: Any, level: int, caplog: Any) -> None:
        caplog.set_level(logging.INFO, "timer")
        with task.timer("something", logLevel=level):
            pass
        with task.timer("quiet"):
            pass
        assert "somethingStartCpuTime" in task.metadata
        assert "quietEndCpuTime" in task.metadata
        assert {record.levelno for record in caplog.records} == {logging.INFO}
        assert all("something" in record.getMessage() for record in caplog.records)

    def test_timer_of_what_fails(self, task: Any) -> None:
        with pytest.raises(KeyError), task.timer("bad"):
            raise KeyError("x")
        assert "badEndCpuTime" in task.metadata

    def test_make_field(self, toys: Any) -> None:
        from lsst.pex.config import Config

        class OtherConfig(Config):
            toy = toys.ScaleTask.makeField("a subtask")

        config = OtherConfig()
        assert config.toy.target is toys.ScaleTask
        assert config.toy.apply(name="toy").run(2.0) == 4.0

    def test_make_subtask(self, toys: Any, task: Any) -> None:
        assert task.scale.run(2.0) == 4.0
        with pytest.raises(KeyError, match="absent"):
            task.makeSubtask("absent")

    def test_overrides(self, toys: Any) -> None:
        config = toys.ToyConfig()
        toys.ToyTask.applyOverrides(config)
        assert config.title == "from the hook"

    def test_can_multiprocess(self, toys: Any) -> None:
        assert toys.ToyTask.canMultiprocess
        assert not toys.SingleTask.canMultiprocess

    def test_no_names_nothing_written(
        self, task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(type(task), "_getConfigName", lambda self: None)
        monkeypatch.setattr(type(task), "_getMetadataName", lambda self: None)

        class Butler:
            records = Records(tmp_path)

        task.writeConfig(Butler())
        task.writeMetadata(object())
        assert not (tmp_path / "config").exists()

    def test_metadata_that_cannot_be_written_is_warned_of(self, task: Any, caplog: Any) -> None:
        class Ref:
            dataId: ClassVar = {"visit": 1}

            def getButler(self) -> Any:
                raise OSError("disk full")

        task.writeMetadata(Ref())
        assert "Could not persist metadata for dataId={'visit': 1}: disk full" in caplog.text


class TestRecords:
    """What a task stores with an output: each method by itself."""

    @pytest.fixture
    def butler(self, tmp_path: Path) -> Any:
        """What the methods need of a butler."""
        return SimpleNamespace(records=Records(tmp_path))

    @staticmethod
    def files(butler: Any) -> list[str]:
        return sorted(path.relative_to(butler.records.folder).as_posix()
                      for path in butler.records.folder.glob("[cs]*/*"))  # fmt: skip

    def test_write_config(self, toys: Any, butler: Any) -> None:
        def write(number: int, **options: bool) -> None:
            toys.ToyTask(config=toys.ToyConfig(number=number)).writeConfig(butler, **options)

        write(2)
        write(2)
        with pytest.raises(TaskError, match="differs from that of earlier runs"):
            write(3)
        write(3, clobber=True)
        write(4, clobber=True, doBackup=False)
        assert self.files(butler) == ["config/toy.py", "config/toy.py~1"]
        found = {}
        for name in self.files(butler):
            config = toys.ToyConfig()
            load_config_file(config, butler.records.path(name))
            found[name] = config.number
        assert found == {"config/toy.py": 4, "config/toy.py~1": 2}

    def test_write_schemas(self, toys: Any, butler: Any) -> None:
        class Catalogued(toys.ToyTask):  # type: ignore[name-defined,misc]
            """Has a catalog of its own, beside that of its subtask."""

            unit = "pixel"

            def getSchemaCatalogs(self) -> dict[str, Any]:
                return {"deepSource": Table({"x": [0.5]}, units={"x": self.unit})[:0]}

        task = Catalogued(config=toys.ToyConfig())
        assert set(task.getAllSchemaCatalogs()) == {"deepSource", "toyCatalog"}
        task.writeSchemas(butler)
        task.writeSchemas(butler)
        own, of_subtask = "schema/deepSource_schema.yaml", "schema/toyCatalog_schema.yaml"
        assert self.files(butler) == [own, of_subtask]
        stored = yaml.safe_load(butler.records.read(of_subtask))["columns"]
        assert [(column["name"], column["type"], column["unit"]) for column in stored] == [
            ("flux", "float64", "nJy"),
            ("id", "int64", None),
        ]
        task.unit = "arcsec"
        with pytest.raises(TaskError, match="columns of deepSource_schema differ"):
            task.writeSchemas(butler)
        task.writeSchemas(butler, clobber=True)
        assert self.files(butler) == [own, f"{own}~1", of_subtask, f"{of_subtask}~1"]
        assert "arcsec" in butler.records.read(own)
        assert "pix" in butler.records.read(f"{own}~1")
        task.unit = "deg"
        task.writeSchemas(butler, clobber=True, doBackup=False)
        assert len(self.files(butler)) == 4
        task.writeSchemas(butler)

    def test_write_package_versions(self, toys: Any, butler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        versions = {"python": "3.13.0", "numpy": "2.5"}
        monkeypatch.setattr(persistence, "current_versions", lambda: dict(versions))
        task = toys.ToyTask(config=toys.ToyConfig())
        task.writePackageVersions(butler, dataset="software")
        assert yaml.safe_load(butler.records.read("config/software.yaml")) == versions
        versions["numpy"] = "2.6"
        with pytest.raises(TaskError, match=r"numpy: 2\.6 vs 2\.5"):
            task.writePackageVersions(butler, dataset="software")
        task.writePackageVersions(butler)  # another file, which has nothing to disagree with
        task.writePackageVersions(butler, clobber=True, dataset="software")
        assert self.files(butler) == [
            "config/packages.yaml",
            "config/software.yaml",
            "config/software.yaml~1",
        ]
        versions["numpy"] = "2.7"
        task.writePackageVersions(butler, clobber=True, doBackup=False, dataset="software")
        assert yaml.safe_load(butler.records.read("config/software.yaml"))["numpy"] == "2.7"
        assert len(self.files(butler)) == 3

    def test_write_metadata(self, toys: Any, repo: Path) -> None:
        butler = CommandButler(find_location(str(repo), rerun="x"))
        task = toys.ToyTask(config=toys.ToyConfig())
        task.metadata["total"] = 3
        task.scale.metadata["note"] = "of the subtask"
        ref = butler.dataRef("toyCoadd_sum", tract=0, patch="1,0", filter="HSC-I")
        task.writeMetadata(ref)
        task.metadata["total"] = 4
        task.writeMetadata(ref)
        stored = butler.get("toy_metadata", tract=0, patch="1,0", filter="HSC-I")
        assert (stored["toy.total"], stored["toy:scale.note"]) == (4, "of the subtask")
