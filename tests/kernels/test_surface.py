"""The declared operations of the kernels: there, described, and costing nothing before they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lamella import kernels


@pytest.mark.parametrize("name", kernels.__all__)
def test_an_operation_is_described_with_its_shapes(name):
    text = getattr(kernels, name).__doc__
    assert "shape" in text
    assert f"`{name}`" in kernels.__doc__


def test_the_surface_imports_no_compiler():
    code = "import sys, lamella.kernels; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_is_not_declared_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'fill_run'"):
        _ = kernels.fill_run
