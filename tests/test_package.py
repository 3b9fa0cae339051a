"""What is handed out: the source distribution is the project, the wheel the package, an index shows all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from configparser import ConfigParser
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.version import Version

import lamella

ROOT = Path(__file__).parents[1]
MANUAL = ROOT / "manual-commands"
MANUAL_COMMANDS = {"assembleCoadd.py", "makeCoaddTempExp.py", "makeDiscreteSkyMap.py", "makeSkyMap.py"}
LIST_FORMATS = """
import lamella
from lamella.cli.main import main
print(lamella.__file__)
main(["formats"])
"""


def build(target: str, source: Path, output: Path) -> Path:
    """Build a distribution as an installer does, with the build backend that is installed here."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(output)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)
    (archive,) = output.iterdir()
    return archive


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution."""
    archive = build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(archive) as members:
        members.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    return top


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel, which is built from the source distribution."""
    return unpacked_wheel(source, tmp_path_factory)


@pytest.fixture(scope="module")
def manual_wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel of the commands of the manual."""
    return unpacked_wheel(source / "manual-commands", tmp_path_factory)


def unpacked_wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = build("wheel", source, tmp_path_factory.mktemp("dist"))
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(archive) as members:
        members.extractall(folder)
    return folder


def files_below(folder: Path) -> set[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in paths}


def info_of(wheel: Path) -> Path:
    (folder,) = wheel.glob("*.dist-info")
    return folder


def metadata_of(wheel: Path) -> Metadata:
    """Metadata of a wheel, each field checked against its specification."""
    return Metadata.from_email((info_of(wheel) / "METADATA").read_bytes())


def entry_points_of(wheel: Path) -> dict[str, dict[str, str]]:
    parser = ConfigParser(delimiters="=")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(info_of(wheel) / "entry_points.txt")
    return {section: dict(parser[section]) for section in parser.sections()}


def project_of(folder: Path) -> dict[str, object]:
    project: dict[str, object] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return project


def links(markdown: str) -> list[str]:
    """Return the targets of links and pictures, those in code left out."""
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", prose)


def code(markdown: str) -> list[str]:
    return re.findall(r"^```.*?^```$", markdown, flags=re.MULTILINE | re.DOTALL)


def test_the_source_distribution_is_what_is_in_version_control(source: Path) -> None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a clone of the project, and git")
    versioned = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
    assert files_below(source) - {"PKG-INFO"} == versioned


def test_the_source_distribution_has_what_its_pages_and_makefile_name(source: Path) -> None:
    assert [name for name in links((source / "README.md").read_text()) if not (source / name).exists()] == []
    makefile = (source / "Makefile").read_text()
    named = set(
        re.findall(
            r"\b(?:src|tests|benchmarks|docs|manual-commands)\b(?:[\w/.-]*\w)?|\w+\.(?:toml|txt)\b", makefile
        )
    )
    assert {"pyproject.toml", "constraints.txt", "manual-commands/pyproject.toml", "tests/sky"} <= named
    assert [name for name in sorted(named - {"docs/_build"}) if not (source / name).exists()] == []


def test_tests_of_one_room_are_begun_from_the_source_distribution(source: Path) -> None:
    # The tests may themselves be run by make.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    steps = subprocess.run(
        ["make", "--dry-run", "test", "TESTS=tests/sky"],
        cwd=source,
        env=env,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert any("venv .venv" in step for step in steps)
    assert steps[-1].endswith(" tests/sky")


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    assert files_below(wheel / "lamella") == files_below(ROOT / "src" / "lamella")
    assert {path.name for path in wheel.iterdir()} == {"lamella", f"lamella-{lamella.__version__}.dist-info"}
    kinds = {Path(name).suffix for name in files_below(wheel / "lamella")}
    assert {".py", ".toml", ".yaml", ".j2", ".css"} <= kinds
    assert (wheel / "lamella" / "py.typed").is_file()


def test_the_wheel_alone_lists_the_formats(wheel: Path, tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", LIST_FORMATS],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(wheel)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert said.startswith(str(wheel))
    assert "decam" in said


def test_metadata_say_who_wrote_it_and_where_it_runs(wheel: Path) -> None:
    metadata = metadata_of(wheel)
    assert str(metadata.version) == lamella.__version__
    assert metadata.author == "the lamella developers"
    assert metadata.license_expression == "BSD-3-Clause"
    pythons = [text.rpartition(" ")[2] for text in metadata.classifiers if re.search(r":: 3\.\d+$", text)]
    assert len(pythons) >= 2
    assert all(python in metadata.requires_python for python in pythons)
    assert "Operating System :: POSIX :: Linux" in metadata.classifiers


def test_an_index_shows_the_readme_without_what_would_be_broken_there(wheel: Path) -> None:
    readme, metadata = (ROOT / "README.md").read_text(), metadata_of(wheel)
    assert metadata.description_content_type == "text/markdown"
    assert len([target for target in links(readme) if ":" not in target]) > 20
    assert [target for target in links(metadata.description) if not target.startswith("https://")] == []
    assert "![" not in metadata.description
    assert code(metadata.description) == code(readme)
    headings = re.compile("^#.*$", re.MULTILINE)
    assert headings.findall(metadata.description) == headings.findall(readme)
    assert "each difference is\nlisted." in metadata.description


def test_the_package_brings_one_command(wheel: Path) -> None:
    assert entry_points_of(wheel)["console_scripts"] == {"lamella": "lamella.cli.main:main"}


def test_the_commands_of_the_manual_are_a_package_that_needs_the_middleware(manual_wheel: Path) -> None:
    assert set(entry_points_of(manual_wheel)["console_scripts"]) == MANUAL_COMMANDS
    (requirement,) = map(Requirement, map(str, metadata_of(manual_wheel).requires_dist))
    assert (requirement.name, requirement.extras) == ("lamella", {"lsst"})
    assert Version(lamella.__version__) in requirement.specifier
    assert [path.name for path in manual_wheel.iterdir()] == [info_of(manual_wheel).name]


def test_the_commands_of_the_manual_are_there(manual_wheel: Path) -> None:
    pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")
    for name, value in entry_points_of(manual_wheel)["console_scripts"].items():
        command = EntryPoint(name, value, "console_scripts").load()
        assert f"``{name}``" in command.__doc__


def test_both_packages_have_one_version_and_licence() -> None:
    ours, manual = project_of(ROOT), project_of(MANUAL)
    assert ours["version"] == manual["version"] == lamella.__version__
    for field in ("authors", "license", "requires-python"):
        assert ours[field] == manual[field]
    assert (MANUAL / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
