"""The grammar of the command line."""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.errors import IncompleteIdError
from lamella.tasks.cmdline.argument_parser import ArgumentParser

Parse = Callable[..., argparse.Namespace]


@pytest.fixture
def parse(toys: Any, repo: Path) -> Parse:
    """Parse what follows INPUT: words, or one line of them."""

    def call(*words: str, first: str = "", **kwargs: Any) -> argparse.Namespace:
        args = words[0].split() if len(words) == 1 else list(words)
        parser = toys.ToyTask._makeArgumentParser()
        return parser.parse_args(toys.ToyConfig(), [first or str(repo), *args], **kwargs)

    return call


def _exits(parse: Parse, *args: str, **kwargs: Any) -> Any:
    with pytest.raises(SystemExit) as caught:
        parse(*args, **kwargs)
    return caught.value.code


def test_identifiers(parse: Parse) -> None:
    found = parse(
        "--id tract=0 patch=0,0^1,0 filter=HSC-I --selectId visit=101..102 ccd=4 --selectId visit=201 --id "
        "tract=0 patch=2,1 filter=HSC-R"
    )
    assert [ref.dataId for ref in found.id.refList] == [
        {"tract": 0, "patch": "0,0", "filter": "HSC-I"},
        {"tract": 0, "patch": "1,0", "filter": "HSC-I"},
        {"tract": 0, "patch": "2,1", "filter": "HSC-R"},
    ]
    assert [(ref.dataId["visit"], ref.dataId["ccd"]) for ref in found.selectId.refList] == [
        (101, 4),
        (102, 4),
        (201, 4),
        (201, 10),
    ]
    assert found.selectId.idList[2] == {"visit": 201}


def test_the_same_data_twice_is_one_reference(parse: Parse) -> None:
    found = parse(
        "--id tract=0 patch=1 filter=i --id tract=0 patch=1,0 band=i --selectId visit=101 --selectId ccd=4"
    )
    assert len(found.id.refList) == 1
    assert len(found.selectId.refList) == 5


@pytest.mark.parametrize("form", ["--id = {}", "--id={}", "--id [{}]", "–id = {}"])
def test_identifiers_as_the_page_prints_them(parse: Parse, form: str) -> None:
    found = parse(form.format("tract=0 patch=1,0 filter=i") + " --selectId=visit=101 ccd=4 --rerun x")
    (ref,) = found.id.refList
    assert ref.dataId == {"tract": 0, "patch": "1,0", "filter": "i"}
    (ref,) = found.selectId.refList
    assert (ref.dataId["visit"], ref.dataId["ccd"], found.rerun) == (101, 4, "x")


def test_no_data_is_warned_of(parse: Parse, caplog: Any) -> None:
    found = parse("--selectId visit=101^999 ccd=4")
    assert len(found.selectId.refList) == 1
    assert "No data found for dataId={'visit': 999, 'ccd': 4}" in caplog.text


def test_unknown_keys_are_warned_of(parse: Parse, caplog: Any) -> None:
    found = parse("--selectId visit=101 raft=3")
    assert "Unexpected ID raft" in caplog.text
    assert found.selectId.idList == [{"visit": 101, "raft": "3"}]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("--id tract=0 tract=1", "tract is given twice"),
        ("--id tract", "not KEY=VALUE"),
        ("--id tract=zero patch=0,0 filter=i", "Cannot cast value 'zero' to int for ID key tract"),
        ("--id tract=0 patch=9,9 filter=i", "no patch 9,9"),
        ("--id tract=0 patch=0,0 filter=z", "no filter 'z'"),
        ("-c number", "not NAME=VALUE"),
        ("-c nothing=1", "no config field 'nothing'"),
        ("-c number=13", "not a valid value"),
        ("-c size=[1]", "length"),
        ("-C absent.py", "absent.py"),
        ("-L loud", "not a log level"),
        ("--rerun a --output /b", "together"),
        ("--rerun absent:b", "no collection rerun/absent"),
        ("--clobber-output", "not the input"),
        ("-j 0", "less than 1"),
        ("-j two", "'two' is not a whole number"),
        ("--nonsense", "unrecognized"),
        ("--clobber-outptu", "did you mean --clobber-output?"),
        ("-c numbre=1", "did you mean number?"),
        ("--package-dir toys", "is not PACKAGE=FOLDER"),
        ("--package-dir toys=/absent", "the folder of toys"),
    ],
)
def test_wrong_command_lines_end_with_2(parse: Parse, line: str, reason: str, capsys: Any) -> None:
    assert _exits(parse, line) == 2
    told = [text for text in capsys.readouterr().err.splitlines() if "INFO" not in text]
    assert len(told) == 1
    assert reason in told[0]


@pytest.mark.parametrize("key", ["tract", "patch", "filter"])
def test_coadd_needs_all_keys(parse: Parse, key: str, capsys: Any) -> None:
    given = [item for item in ("tract=0", "patch=0,0", "filter=i") if not item.startswith(key)]
    assert _exits(parse, "--id", *given) == 253
    message = f"--id must include {key}; found {' '.join(given)}."
    logged, told = capsys.readouterr().err.splitlines()
    assert "INFO" in logged
    assert told.endswith(f": error: {message}")
    for option in ("--doraise", "--debug"):
        with pytest.raises(RuntimeError, match=re.escape(message)) as caught:
            parse("--id", *given, option)
        assert (type(caught.value), caught.value.key) == (IncompleteIdError, key)


class TestInput:
    """The first argument."""

    @pytest.mark.parametrize(
        ("args", "status"), [([], 1), (["--id", "a=1"], 1), (["@file"], 1), (["-h"], 0), (["--help"], 0)]
    )
    def test_must_be_the_first(self, toys: Any, args: list[str], status: int, capsys: Any) -> None:
        with pytest.raises(SystemExit) as caught:
            toys.ToyTask._makeArgumentParser().parse_args(toys.ToyConfig(), args)
        assert caught.value.code == status
        output = capsys.readouterr()
        assert "--selectId" in output.out
        assert ("Must specify input" in output.err) == (status == 1)

    def test_help_after_the_input(self, parse: Parse, capsys: Any) -> None:
        assert _exits(parse, "--help") == 0
        assert "--clobber-versions" in capsys.readouterr().out

    def test_arguments_of_the_process(self, toys: Any, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["toy.py", str(repo), "-j", "3"])
        assert toys.ToyTask._makeArgumentParser().parse_args(toys.ToyConfig()).processes == 3

    def test_not_a_repository(self, parse: Parse, tmp_path: Path, capsys: Any) -> None:
        assert _exits(parse, "--show run", first=str(tmp_path / "none")) == 2
        assert "Butler repository" in capsys.readouterr().err

    def test_roots_from_the_environment(
        self, parse: Parse, repo: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIPE_INPUT_ROOT", str(repo.parent))
        monkeypatch.setenv("PIPE_OUTPUT_ROOT", str(repo / "u"))
        found = parse("--output me", first="DATA")
        assert (found.input, found.output) == (str(repo), "u/me")


class TestOverrides:
    """Configuration, in the order of precedence."""

    def test_order_of_the_command_line(self, parse: Parse, tmp_path: Path) -> None:
        path = tmp_path / "o.py"
        path.write_text("config.number = 7\nconfig.title = 'file'\n")
        assert parse(f"-c number=1 title=a -C {path}").config.number == 7
        assert parse(f"-C {path} -c number=1").config.number == 1
        assert parse(f"--config-file {path} --configfile {path} --config title=a").config.title == "a"

    @pytest.mark.parametrize(
        "form",
        [
            "-C {file} --package-dir {given}",
            "-C {file} --package-dir={given}",
            "--package-dir obs_other=/ {given} -C {file}",
            "-C {file}",
        ],
    )
    def test_files_of_packages(
        self, parse: Parse, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Wherever the folder is given: before the file, behind it, or in the environment."""
        (tmp_path / "obs").mkdir()
        (tmp_path / "obs" / "toy.py").write_text("config.number = 7\n")
        file = tmp_path / "mine.py"
        file.write_text(
            "import os.path\nfrom lsst.utils import getPackageDir\n"
            "config.load(os.path.join(getPackageDir('obs_toys'), 'toy.py'))\n"
        )
        monkeypatch.setenv("OBS_TOYS_DIR", str(tmp_path / ("none" if "{given}" in form else "obs")))
        line = form.format(file=file, given=f"obs_toys={tmp_path / 'obs'}")
        assert parse(line).config.number == 7

    def test_camera_hook_command_line(
        self, parse: Parse, toys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from lamella.tasks.cmdline.butler import CommandButler

        for folder, text in (("config", "config.number = 2\nconfig.title = 'general'\nconfig.limit = 2\n"),
                             ("config/hsc", "config.title = 'camera'\nconfig.limit = 3\n")):  # fmt: skip
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "toy.py").write_text(text)
        folders = [str(tmp_path / "config"), str(tmp_path / "config/hsc"), str(tmp_path / "absent")]
        monkeypatch.setattr(CommandButler, "overridePaths", folders)

        def hook(config: Any) -> None:
            assert config.title == "camera"
            config.limit = 4.0

        config = parse("-c title=mine", override=hook).config
        assert (config.number, config.limit, config.title) == (2, 4.0, "mine")

    def test_configuration_is_frozen(self, parse: Parse) -> None:
        from lsst.pex.config import FieldValidationError

        with pytest.raises(FieldValidationError, match="frozen"):
            parse("--show run").config.number = 4


class TestShow:
    """``--show``."""

    def test_config(self, parse: Parse, capsys: Any) -> None:
        assert _exits(parse, "-c number=5 --show config") == 0
        output = capsys.readouterr().out
        assert "config.number=5" in output
        assert "config.scale.factor=2.0" in output
        assert "import" not in output

    @pytest.mark.parametrize(
        ("pattern", "found"),
        [
            ("*FACTOR*", ["kind['scale'].factor", "scale.factor"]),
            ("config.scale.*", ["scale.factor"]),
            ("N*:NOIGNORECASE", []),
            ("n*:NOIGNORECASE", ["number"]),
        ],
    )
    def test_config_glob(self, parse: Parse, capsys: Any, pattern: str, found: list[str]) -> None:
        assert _exits(parse, "--show", f"config={pattern}") == 0
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("config.")]
        assert [line.partition("=")[0].removeprefix("config.") for line in lines] == found

    def test_history(self, parse: Parse, capsys: Any, tmp_path: Path) -> None:
        path = tmp_path / "o.py"
        path.write_text("config.scale.factor = 3\n")
        assert _exits(parse, f"-C {path} -c scale.factor=4 --show history=scale.f*") == 0
        output = capsys.readouterr().out
        assert f"{path}:1" in output
        assert "scale.factor=4" in output

    def test_tasks(self, parse: Parse, capsys: Any) -> None:
        assert _exits(parse, "--show tasks") == 0
        assert capsys.readouterr().out.splitlines() == ["Subtasks:", "scale: cmdline_toys.ScaleTask"]

    def test_data(self, parse: Parse, capsys: Any) -> None:
        line = "--id tract=0 patch=0,0 filter=i --selectId visit=101 ccd=4 --selectId visit=999 --show data"
        assert _exits(parse, line) == 0
        assert capsys.readouterr().out.splitlines() == [
            "id dataRef: {'tract': 0, 'patch': '0,0', 'filter': 'i'}",
            "selectId dataRef: {'filter': 'HSC-I', 'visit': 101, 'ccd': 4}",
        ]

    def test_run_goes_on(self, parse: Parse, capsys: Any) -> None:
        assert parse("--show tasks run").show == ["tasks", "run"]
        assert "Subtasks:" in capsys.readouterr().out

    @pytest.mark.parametrize("what", ["nonsense", "history", "history=", "history=absent", "tasks=a"])
    def test_unknown_ends_with_1(self, parse: Parse, what: str, capsys: Any) -> None:
        assert _exits(parse, "--show", what) == 1
        assert what.removeprefix("history=") in capsys.readouterr().err

    def test_shows_and_writes_nothing(self, parse: Parse, repo: Path) -> None:
        assert _exits(parse, "--rerun x --show config") == 0
        assert not (repo / "rerun").exists()


class TestFiles:
    """``@FILE``."""

    def test_options_in_a_file(self, parse: Parse, tmp_path: Path) -> None:
        path = tmp_path / "options"
        path.write_text(
            "# which data\n\n--id tract=0 patch=0,0 filter=HSC-I  # the first\n"
            "--selectId visit=101\n  ccd=4\n-c 'title=two words'\n"
        )
        found = parse(f"@{path} --rerun x")
        assert len(found.id.refList) == len(found.selectId.refList) == 1
        assert found.config.title == "two words"
        assert found.rerun == "x"

    def test_absent_file(self, parse: Parse, capsys: Any) -> None:
        assert _exits(parse, "@absent") == 2
        assert "absent" in capsys.readouterr().err


def test_flags(parse: Parse) -> None:
    found = parse(
        "--doraise --noExit --longlog --clobber-config --no-backup-config --clobber-versions --no-versions "
        "-j 4 -t 60 --profile p -L debug scale=warn --loglevel .=error"
    )
    for name in (
        "doraise",
        "noExit",
        "longlog",
        "clobberConfig",
        "noBackupConfig",
        "clobberVersions",
        "noVersions",
    ):
        assert getattr(found, name) is True
    assert (found.processes, found.timeout, found.profile) == (4, 60.0, "p")
    assert found.logSettings.levels == (("", 10), ("scale", 30), (".", 40))
    logging.getLogger().setLevel(logging.WARNING)


def test_defaults(parse: Parse) -> None:
    found = parse("--show run")
    for name in ("doraise", "noExit", "debug", "clobberOutput", "clobberConfig", "noVersions"):
        assert getattr(found, name) is False
    assert (found.processes, found.timeout, found.output) == (1, None, "deepCoadd-results")


def test_calib_is_accepted(parse: Parse, caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPE_CALIB_ROOT", "/calibs")
    assert parse("--calib CALIB").calib == "/calibs/CALIB"
    assert "--calib is not used" in caplog.text


@pytest.mark.parametrize("option", ["-d", "--debug"])
def test_debug_imports_the_users_module(
    parse: Parse, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.delitem(sys.modules, "debug", raising=False)
    parse(option)
    assert "No 'debug' module found" in caplog.text
    (tmp_path / "debug.py").write_text("import os\nos.environ['TOY_DEBUG'] = 'imported'\n")
    monkeypatch.setenv("TOY_DEBUG", "")
    monkeypatch.syspath_prepend(str(tmp_path))
    parse(option)
    import os

    assert os.environ["TOY_DEBUG"] == "imported"
    monkeypatch.delitem(sys.modules, "debug", raising=False)


class TestReuse:
    """``--reuse-outputs-from``."""

    @pytest.mark.parametrize(
        ("args", "steps"),
        [
            ([], []),
            (["warp"], ["warp"]),
            (["coadd"], ["warp", "coadd"]),
            (["all"], ["warp", "coadd", "detect"]),
        ],
    )
    def test_steps_up_to(self, toys: Any, repo: Path, args: list[str], steps: list[str]) -> None:
        parser = ArgumentParser(name="toy")
        parser.addReuseOption(["warp", "coadd", "detect"])
        options = [f"--reuse-outputs-from={item}" for item in args]
        assert parser.parse_args(toys.ToyConfig(), [str(repo), *options]).reuse == steps

    def test_unknown_step(self, toys: Any, repo: Path, capsys: Any) -> None:
        parser = ArgumentParser(name="toy")
        parser.addReuseOption(["warp"])
        with pytest.raises(SystemExit):
            parser.parse_args(toys.ToyConfig(), [str(repo), "--reuse-outputs-from", "sky"])
        assert "none of: warp, all" in capsys.readouterr().err


class TestIdArgument:
    """`ArgumentParser.add_id_argument`."""

    def test_twice(self) -> None:
        parser = ArgumentParser(name="toy")
        parser.add_id_argument("--id", "calexp", help="x")
        with pytest.raises(RuntimeError, match="has --id already"):
            parser.add_id_argument("--id", "calexp", help="x")
