"""Imports only go down the floors of the house."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import lamella

ROOT = Path(lamella.__file__).parent
FLOORS = {
    "errors": 0,
    "causes": 0,
    "astlock": 0,
    "config": 0,
    "resources": 0,
    "planes": 0,
    "files": 0,
    "kernels": 1,
    "fits": 2,
    "sky": 3,
    "psf": 3,
    "image": 3,
    "data": 4,
    "coadd": 5,
    "formats": 6,
    "report": 6,
    "run": 7,
    "tasks": 8,
    "testing": 8,
    "cli": 9,
}
MODULES = sorted(ROOT.rglob("*.py"))
OF_KERNELS = {"numpy", "numba", "llvmlite", "lamella"} | set(sys.stdlib_module_names)
MIDDLEWARE = ("lsst.daf", "lsst.pipe", "lsst.pex", "lsst.ctrl", "lsst.sphgeom")


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


def breaks_of_floors(path: Path) -> list[str]:
    """Return the imports of a module that do not go down."""
    room = room_of(path)
    others = {name: name.split(".")[1] for name in imported_modules(path) if name.startswith("lamella.")}
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for name, other in others.items()
        if room != "__init__" and other not in (room, "__version__")
        if not (FLOORS[other] < FLOORS[room] or FLOORS[room] == FLOORS[other] == 0)
    ]


def foreign_imports(path: Path) -> list[str]:
    """Return what a kernel imports beside numpy and numba, or any room but the tasks of the middleware."""
    names = imported_modules(path)
    foreign = [name for name in names if name.startswith(MIDDLEWARE) and room_of(path) != "tasks"]
    if room_of(path) == "kernels":
        foreign += [name for name in names if name.split(".")[0] not in OF_KERNELS]
    return [f"{path.relative_to(ROOT)} imports {name}" for name in foreign]


def unlisted_names(path: Path) -> list[str]:
    """Return the modules whose ``__all__`` is something else than a tuple."""
    return [
        str(path.relative_to(ROOT))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        if not isinstance(node.value, ast.Tuple)
    ]


def offences(law: Callable[[Path], list[str]]) -> list[str]:
    return [offence for path in MODULES for offence in law(path)]


def test_imports_go_down() -> None:
    assert offences(breaks_of_floors) == []


def test_kernels_need_numpy_and_numba_only_and_nobody_needs_the_middleware() -> None:
    assert offences(foreign_imports) == []


def test_runs_know_no_terminal() -> None:
    names = [name for path in MODULES if room_of(path) == "run" for name in imported_modules(path)]
    assert not {"click", "rich"} & {name.split(".")[0] for name in names}


def test_public_names_are_listed() -> None:
    assert offences(unlisted_names) == []


@pytest.mark.parametrize(
    ("law", "room", "line"),
    [
        (breaks_of_floors, "sky", "from ..coadd import warp"),
        (breaks_of_floors, "sky", "import lamella.psf.gaussian"),
        (foreign_imports, "kernels", "import scipy"),
        (foreign_imports, "coadd", "from lsst.daf.butler import Butler"),
        (unlisted_names, "sky", "__all__ = ['a']"),
    ],
)
def test_the_laws_can_be_broken(
    law: Callable[[Path], list[str]], room: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / room / "module.py"
    path.parent.mkdir()
    path.write_text(line)
    assert len(law(path)) == 1
    path.write_text("import numpy\nfrom ..errors import InputError\n__all__ = ('a',)")
    assert law(path) == []


@pytest.mark.parametrize("module", ["lamella", "lamella.cli.main"])
def test_importing_is_cheap(module: str) -> None:
    heavy = "{'numba', 'astropy', 'scipy', 'lsst.images', 'PIL', 'pydantic'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert out.stdout.strip() == "[]"
