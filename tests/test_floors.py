"""Imports only go down the floors of the house."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lamella

ROOT = Path(lamella.__file__).parent
FLOORS = {
    "errors": 0,
    "astlock": 0,
    "config": 0,
    "planes": 0,
    "files": 0,
    "kernels": 1,
    "sky": 2,
    "psf": 2,
    "coadd": 3,
    "formats": 4,
    "run": 4,
    "report": 4,
    "tasks": 5,
    "cli": 6,
    "testing": 5,
}
MODULES = sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> list[str]:
    package = ["lamella", *path.relative_to(ROOT).with_suffix("").parts[:-1]]
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            head = ".".join([*base, node.module] if node.module else base)
            found += [head] if node.module else [f"{head}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    for name in imported_modules(path):
        parts = name.split(".")
        if parts[0] != "lamella" or len(parts) == 1 or parts[1] == room:
            continue
        other = parts[1]
        if other == "__version__":
            continue
        assert FLOORS[other] < FLOORS[room] or (FLOORS[room] == FLOORS[other] == 0), f"{room} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_kernels_need_numpy_and_numba_only_and_nobody_needs_the_middleware(path: Path) -> None:
    for name in imported_modules(path):
        top = name.split(".")[0]
        if room_of(path) == "kernels":
            known = {"numpy", "numba", "llvmlite", "lamella"} | set(sys.stdlib_module_names)
            assert top in known, name
        if room_of(path) != "tasks":
            middleware = ("lsst.daf", "lsst.pipe", "lsst.pex", "lsst.ctrl", "lsst.sphgeom")
            assert not name.startswith(middleware), name


@pytest.mark.parametrize("module", ["lamella", "lamella.cli.main"])
def test_importing_is_cheap(module: str) -> None:
    heavy = "{'numba', 'astropy', 'scipy', 'lsst.images', 'PIL', 'pydantic'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_public_names_are_listed(path: Path) -> None:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            assert isinstance(node.value, ast.Tuple)
