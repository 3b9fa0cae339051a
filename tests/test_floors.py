"""Imports only go down the floors of the house."""

from __future__ import annotations

import ast
import functools
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

import lamella

ROOT = Path(lamella.__file__).parent
FLOORS = {
    "bands": 0,
    "errors": 0,
    "causes": 0,
    "astlock": 0,
    "config": 0,
    "resources": 0,
    "startup": 0,
    "arithmetic": 0,
    "suggestions": 0,
    "texts": 0,
    "visible": 0,
    "filenames": 0,
    "planes": 0,
    "files": 0,
    "file_states": 0,
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
    "__main__": 10,
}
MODULES = sorted(ROOT.rglob("*.py"))
OF_KERNELS = {"numpy", "numba", "llvmlite", "lamella"} | set(sys.stdlib_module_names)
MIDDLEWARE = ("lsst.daf", "lsst.pipe", "lsst.pex", "lsst.ctrl", "lsst.sphgeom")
WINGS = {
    "lamella.formats.afw": ("lamella.cli.describe_afw",),
    "lamella.tasks.cmdline": ("lamella.tasks.manual",),
    "lamella.tasks.manual": (),
}
"""Rooms that are reached by name, and who may import them all the same."""


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("lamella", *parts)).removesuffix(".__init__")


def imported_modules(path: Path) -> list[str]:
    """Return what a module imports anywhere in it: when it runs, in functions, and for annotations."""
    package = ["lamella", *path.relative_to(ROOT).with_suffix("").parts[:-1]]
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            head = ".".join([*base, node.module] if node.module else base)
            inside = ROOT.joinpath(*head.split(".")[1:]) if head.split(".")[0] == "lamella" else None
            for alias in node.names:
                # A module of a room is imported by its name, or from the room.
                module = inside is not None and (inside / f"{alias.name}.py").is_file()
                names.append(f"{head}.{alias.name}" if module or not node.module else head)
    return list(dict.fromkeys(names))


@functools.cache
def graph_of(root: Path) -> dict[str, list[str]]:
    """Return the modules of the house, and those that each imports."""
    modules = {name_of(path): path for path in sorted(root.rglob("*.py"))}
    return {
        name: [other for other in imported_modules(path) if other in modules]
        for name, path in modules.items()
    }


def circles(arrows: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the nodes from which a way leads back to them."""
    reached: dict[str, set[str]] = {}
    for start in arrows:
        ahead = list(arrows[start])
        reached[start] = set()
        while ahead:
            node = ahead.pop()
            if node not in reached[start]:
                reached[start].add(node)
                ahead += arrows.get(node, ())
    return sorted(name for name, nodes in reached.items() if name in nodes)


def circles_of_modules() -> list[str]:
    return circles(graph_of(ROOT))


def inner_room(module: str) -> str:
    return module if ROOT.joinpath(*module.split(".")[1:]).is_dir() else module.rpartition(".")[0]


def circles_of_rooms() -> list[str]:
    """Return the rooms inside of rooms that have no order; what lies in no inner room counts as one."""
    arrows: dict[str, set[str]] = {}
    for name, others in graph_of(ROOT).items():
        for other in others:
            here, there = inner_room(name), inner_room(other)
            if here != there and here.split(".")[:2] == there.split(".")[:2]:
                arrows.setdefault(here, set()).add(there)
    return circles(arrows)


def imports_of_wings() -> list[str]:
    return [
        f"{name} imports {other}"
        for name, others in graph_of(ROOT).items()
        for other in others
        for wing, guests in WINGS.items()
        # The package itself names their functions for type checkers, and imports them when they are used.
        if name != "lamella"
        if is_in(other, wing) and not is_in(name, wing) and not any(is_in(name, guest) for guest in guests)
    ]


def is_in(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


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


@pytest.mark.parametrize("law", [circles_of_modules, circles_of_rooms, imports_of_wings])
def test_rooms_are_in_order_inside(law: Callable[[], list[str]]) -> None:
    assert law() == []


@pytest.mark.parametrize(
    ("law", "files"),
    [
        (circles_of_modules, {"sky/a.py": "from .b import B", "sky/b.py": "if True:\n    from .a import A"}),
        (circles_of_modules, {"a.py": "from .sky import b", "sky/b.py": "def f():\n    from ..a import A"}),
        (
            circles_of_rooms,
            {"sky/n/a.py": "from ..b import B", "sky/b.py": "from .n.c import C", "sky/n/c.py": ""},
        ),
        (imports_of_wings, {"run/a.py": "from ..formats.afw import b", "formats/afw/b.py": ""}),
    ],
)
def test_the_laws_of_order_can_be_broken(
    law: Callable[[], list[str]], files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert law() != []


def test_kernels_need_numpy_and_numba_only_and_nobody_needs_the_middleware() -> None:
    assert offences(foreign_imports) == []


def test_runs_know_no_terminal() -> None:
    names = [name for path in MODULES if room_of(path) == "run" for name in imported_modules(path)]
    assert not {"click", "rich"} & {name.split(".")[0] for name in names}


def test_values_reach_up_by_one_door_only() -> None:
    """The functions that methods of values call by name are there, above them; no other value does so."""
    from lamella.data.upward import WORKERS

    values = [path for path in MODULES if room_of(path) == "data"]
    assert [name_of(path) for path in values if "importlib" in imported_modules(path)] == [
        "lamella.data.upward"
    ]
    for name, module in WORKERS.items():
        assert FLOORS[module.split(".")[1]] > FLOORS["data"]
        assert name in importlib.import_module(module).__all__


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
