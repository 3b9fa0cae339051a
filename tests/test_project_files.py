"""The files beside the code agree with it: Makefile, pins, citation, conda and Read the Docs."""

from __future__ import annotations

import itertools
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import lamella

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MANUAL_PYPROJECT = tomllib.loads((ROOT / "manual-commands" / "pyproject.toml").read_text())
OURS = {"lamella", "lamella-manual"}
CONDA_NAMES = {"astropy": "astropy-base", "isal": "python-isal", "xxhash": "python-xxhash"}
"""Names at conda-forge where they are others."""
NOT_AT_CONDA_FORGE = {"lsst-images"}
CFF_REQUIRED = {"cff-version", "message", "title", "authors"}
CFF_KEYS = CFF_REQUIRED | {"abstract", "keywords", "license", "type", "version"}
"""Those of the Citation File Format 1.2.0 that need no address."""


def make(*arguments: str) -> list[str]:
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


def dry_run(*arguments: str) -> list[str]:
    """Return what a target would run where everything is installed."""
    stamps = (f"--old-file=.venv/{name}" for name in (".core", ".ready", ".kernels"))
    return make("--dry-run", "--always-make", *stamps, *arguments)


def load_yaml(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return document


def requirements_of(pyproject: dict[str, Any]) -> list[Requirement]:
    """Return all that a project names: to build it, to run it, extras and groups."""
    project = pyproject["project"]
    lists = [pyproject["build-system"]["requires"], project["dependencies"]]
    lists += project.get("optional-dependencies", {}).values()
    lists += pyproject.get("dependency-groups", {}).values()
    return [Requirement(line) for lines in lists for line in lines]


def bounds(lines: list[str]) -> dict[str, SpecifierSet]:
    """Return the versions by name of requirements in the spelling of conda, ``name >=version``."""
    pairs = (line.partition(" ") for line in lines)
    return {name: SpecifierSet(versions) for name, _, versions in pairs}


def conda_bounds(lines: list[str]) -> dict[str, SpecifierSet]:
    """Return the versions by the names of conda of requirements in the spelling of pip."""
    parsed = map(Requirement, lines)
    return {CONDA_NAMES.get(needed.name, needed.name): needed.specifier for needed in parsed}


@pytest.fixture(scope="module")
def pins() -> dict[str, Version]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    pairs = (line.split("==") for line in lines)
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def test_one_room_of_tests_is_run_alone() -> None:
    """The tests that are named, once, and no compiling of all kernels before."""
    steps = dry_run("test", "TESTS=tests/sky tests/psf")
    assert [step for step in steps if "pytest" in step] == steps[-1:]
    assert steps[-1].endswith(" tests/sky tests/psf")
    assert not any("lamella warm" in step for step in steps)


def test_all_tests_are_run_after_the_kernels_were_compiled() -> None:
    steps = dry_run("test")
    assert steps[-1].rstrip().endswith("--no-loadscope-reorder")
    assert any("lamella warm" in step for step in steps)


def test_make_help_tells_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (targets,) = re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    told = [re.fullmatch(r"make (\w+) +(\S.*)", line) for line in make("help")]
    assert [line.group(1) for line in told if line] == targets.split()
    assert all(told)


def test_targets_that_pages_name_exist() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        ROOT / ".ci" / "run",
    ]
    named = {
        name
        for page in pages
        for name in re.findall(r"^(?:\$ )?make (\w+)|`make (\w+)", page.read_text(), flags=re.MULTILINE)
        for name in name
        if name
    }
    assert {"demo", "test", "lint", "docs", "bench", "setup"} <= named
    targets = {line.split()[1] for line in make("help")}
    assert named - targets == set()


@pytest.mark.parametrize("pyproject", [PYPROJECT, MANUAL_PYPROJECT], ids=["lamella", "lamella-manual"])
def test_what_the_project_names_is_pinned(pyproject: dict[str, Any], pins: dict[str, Version]) -> None:
    named = {canonicalize_name(needed.name): needed.specifier for needed in requirements_of(pyproject)}
    assert named.keys() - OURS - pins.keys() == set()
    assert [name for name in named.keys() - OURS if pins[name] not in named[name]] == []


def test_the_citation_is_that_of_this_version() -> None:
    citation = load_yaml("CITATION.cff")
    assert set(citation) >= CFF_REQUIRED
    assert set(citation) <= CFF_KEYS
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["version"] == lamella.__version__
    assert citation["authors"] == PYPROJECT["project"]["authors"]
    assert citation["license"] == PYPROJECT["project"]["license"]


def test_the_recipe_of_conda_needs_what_the_package_needs() -> None:
    recipe, project = load_yaml("conda/recipe.yaml"), PYPROJECT["project"]
    assert recipe["context"]["version"] == lamella.__version__
    needs, python = recipe["requirements"], {"python": SpecifierSet(project["requires-python"])}
    assert bounds(needs["run"]) == python | conda_bounds(project["dependencies"])
    to_build = conda_bounds(PYPROJECT["build-system"]["requires"])
    assert bounds(needs["host"]) == python | {"pip": SpecifierSet()} | to_build
    points = recipe["build"]["python"]["entry_points"]
    assert points == [f"{name} = {value}" for name, value in project["scripts"].items()]
    about = recipe["about"]
    assert (about["summary"], about["license"]) == (project["description"], project["license"])
    assert (ROOT / "conda" / recipe["source"]["path"] / "pyproject.toml").is_file()


def test_the_environment_of_conda_has_what_conda_forge_has_and_lamella_by_pip() -> None:
    environment = load_yaml("environment.yml")
    *from_conda, by_pip = environment["dependencies"]
    assert by_pip == {"pip": ["."]}
    needed = conda_bounds(PYPROJECT["project"]["dependencies"])
    found = bounds(from_conda)
    assert {name: found[name] for name in needed.keys() - NOT_AT_CONDA_FORGE} == {
        name: versions for name, versions in needed.items() if name not in NOT_AT_CONDA_FORGE
    }
    assert found.keys() - needed.keys() == {"python", "pip"}
    classifiers = PYPROJECT["project"]["classifiers"]
    pythons = [text.rpartition(" ")[2] for text in classifiers if re.search(r":: 3\.\d+$", text)]
    minors = (f"3.{minor}" for minor in range(30))
    assert [python for python in minors if f"{python}.5" in found["python"]] == pythons


def test_read_the_docs_builds_what_make_docs_builds() -> None:
    config = load_yaml(".readthedocs.yaml")
    assert config["version"] == 2
    assert SpecifierSet(PYPROJECT["project"]["requires-python"]).contains(config["build"]["tools"]["python"])
    assert (ROOT / config["sphinx"]["configuration"]).is_file()
    assert config["sphinx"]["fail_on_warning"] is True
    commands = config["build"]["jobs"]["install"]
    words = " ".join(commands).split()
    options = dict(itertools.pairwise(words))
    assert (ROOT / options["--constraint"]).is_file()
    assert options["--group"] in PYPROJECT["dependency-groups"]
    assert f"--group {options['--group']}" in "\n".join(dry_run("docs"))


@pytest.mark.parametrize(
    "name", ["CITATION.cff", "environment.yml", ".readthedocs.yaml", "conda/recipe.yaml", "constraints.txt"]
)
def test_no_file_has_an_address(name: str) -> None:
    assert re.findall(r"\w+://\S+|\b[\w-]+\.(?:org|com|io|dev)\b", (ROOT / name).read_text()) == []
