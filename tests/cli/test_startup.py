"""What a command imports, and what it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

_START = "import sys; from lamella.cli.startup import import_images; import_images(); "


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_images_are_imported_without_splines():
    assert (
        _run(_START + "print('lsst.images' in sys.modules, 'scipy.interpolate' in sys.modules)")
        == "True False"
    )


def test_splines_are_there_when_they_are_used():
    code = _START + (
        "from lsst.images.fields import _spline; "
        "made = _spline.Akima1DInterpolator([0.0, 1.0, 2.0], [0.0, 1.0, 4.0]); "
        "import scipy.interpolate; "
        "print(type(made) is scipy.interpolate.Akima1DInterpolator, float(made(2.0)))"
    )
    assert _run(code) == "True 4.0"


def test_other_names_of_the_module_are_found_while_it_is_replaced():
    code = (
        "import sys; from lamella.cli import startup; name = 'scipy.interpolate'; "
        "sys.modules[name] = startup._Splines(name); from scipy.interpolate import CubicSpline; "
        "import scipy.interpolate; print(CubicSpline is scipy.interpolate.CubicSpline)"
    )
    assert _run(code) == "True"


@pytest.mark.parametrize("first", ["scipy.interpolate", "lsst.images"])
def test_modules_that_are_there_are_left_alone(first):
    code = f"import {first}; before = {first}; " + _START + f"print(sys.modules['{first}'] is before)"
    assert _run(code) == "True"


def test_a_stack_starts_without_what_it_does_not_need():
    code = _START + (
        "import lamella.cli.stack; "
        "heavy = ('scipy.interpolate', 'scipy.linalg', 'scipy.ndimage', 'jinja2', "
        "'lamella.formats.afw.exposure'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    assert _run(code) == "[]"
