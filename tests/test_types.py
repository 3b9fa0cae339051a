"""Type checkers and editors know the public names, and find what a user misspells."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lamella

WRONG = """
import lamella

config = lamella.AssembleConfig(sigma_clop=3.0)
coadd = lamella.asemble([], config)
exposure = lamella.Exposure.from_arays()
"""
RIGHT = """
from pathlib import Path

import numpy as np
from astropy.wcs import WCS

import lamella

config = lamella.PatchConfig(assemble=lamella.AssembleConfig(statistic="MEDIAN", sigma_clip=4.0))
pairs = [(np.zeros((9, 9)), WCS(naxis=2))]
mixture = lamella.coadd_exposures(["a.fits", Path("b"), *pairs, [(np.zeros((9, 9)), WCS(naxis=2), 1.0)]])
opened = lamella.open_exposures([Path("x")])
for coadd in lamella.coadd_exposures(opened, config=config, bands=["r"]):
    reveal_type(coadd)
    reveal_type(coadd.cutout((3.0, 4.0), 5))
    reveal_type(coadd.band)
    reveal_type(coadd.provenance)
    reveal_type(coadd.image)
    reveal_type(coadd.psf)
    reveal_type(coadd.plane("SAT"))
    reveal_type(lamella.summarize(coadd).depth)
exposure = lamella.Exposure.from_arrays(np.zeros((9, 9)), WCS(naxis=2), fwhm=2.0, band="r")
reveal_type(exposure)
warp = lamella.make_warp([exposure], exposure.info.projection, exposure.info.bbox)
reveal_type(warp)
reveal_type(lamella.assemble([warp] if warp else []))
reveal_type(opened.sources[0].read())
"""
REVEALED = [
    "lamella.data.coadd.PatchCoadd",
    "lamella.data.coadd.PatchCoadd",
    "str",
    "lamella.data.coadd.Provenance",
    "lsst.images._image.Image",
    "lsst.images.psfs._base.PointSpreadFunction",
    "numpy.ndarray[tuple[Any, ...], numpy.dtype[Any]]",
    "float | None",
    "lamella.data.exposure.Exposure",
    "lamella.data.warp.Warp | None",
    "lamella.data.coadd.PatchCoadd",
    "lamella.data.exposure.Exposure",
]

SETTINGS = """
[mypy]
strict = true
[mypy-astropy.*]
ignore_missing_imports = true
# Of what stands in no public signature the types are not asked: two thirds of the time.
[mypy-{skipped}]
follow_imports = skip
"""
SKIPPED = (
    *("IPython", "PIL", "astro_metadata_translator", "click", "dask", "distributed", "llvmlite"),
    *("lsst.daf", "lsst.pipe", "lsst.resources", "lsst.utils", "matplotlib", "numba", "prompt_toolkit"),
    *("psycopg", "requests", "rich", "scipy", "sqlalchemy", "structlog", "yaml"),
)


def test_one_list_of_public_names_serves_python_and_type_checkers() -> None:
    tree = ast.parse(Path(lamella.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and len(node.body) > 1)
    names = {
        alias.asname: f"{node.module}"
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
        if alias.name == alias.asname
    }
    assert names == lamella._HOMES


def test_all_public_names_are_offered_by_completion() -> None:
    assert set(lamella.__all__) <= set(dir(lamella))
    with pytest.raises(AttributeError, match="asemble"):
        _ = lamella.asemble  # type: ignore[attr-defined]


def test_mypy_finds_what_a_script_misspells_and_knows_what_it_gets(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="a tool of the tests")
    for name, script in (("wrong", WRONG), ("right", RIGHT)):
        (tmp_path / f"{name}.py").write_text(script)
    skipped = ",".join(f"{name}.*" for name in SKIPPED)
    (tmp_path / "mypy.ini").write_text(SETTINGS.format(skipped=skipped))
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache"), "wrong.py", "right.py"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    errors = re.findall(r"^(\w+)\.py:(\d+): error: (.*?)  \[", said, flags=re.MULTILINE)
    assert [(name, int(line)) for name, line, _ in errors] == [("wrong", line) for line in (4, 5, 6)], said
    assert "sigma_clop" in errors[0][2]
    assert 'did you mean "sigma_clip"' in errors[0][2]
    assert "asemble" in errors[1][2]
    assert "from_arays" in errors[2][2]
    revealed = re.findall(r'^right\.py:\d+: note: Revealed type is "(.*)"$', said, flags=re.MULTILINE)
    assert revealed == REVEALED
