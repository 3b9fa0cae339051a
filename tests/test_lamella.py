"""The public names: all there, imported when they are used, and nothing costs at start."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lamella


def test_every_public_name_leads_to_an_object() -> None:
    for name in lamella.__all__:
        assert getattr(lamella, name) is not None
    assert set(lamella.__all__) <= set(dir(lamella))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = lamella.nonsense


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert lamella.__version__ == version("lamella")


@pytest.mark.parametrize("code", ["import lamella", "from lamella.cli.main import main; main(['--help'])"])
def test_start_takes_less_than_half_a_second_of_cpu(code: str) -> None:
    """Measured in the child by the operating system, and generous by a factor of five or more."""
    script = f"""
import resource, sys
try:
    {code}
except SystemExit:
    pass
usage = resource.getrusage(resource.RUSAGE_SELF)
print(usage.ru_utime + usage.ru_stime, file=sys.stderr)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(found.stderr.split()[-1]) < 0.5
