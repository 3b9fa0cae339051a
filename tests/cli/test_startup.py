"""What a command imports, and what it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lamella.cli.main import _COMMANDS

pytestmark = pytest.mark.slow

_START = "import sys; from lamella.cli.startup import lighten_imports; lighten_imports(); "
_FROM_CACHE = (
    "heavy = ('scipy.linalg', 'numba.np.arraymath', 'numba.typed.typeddict', 'numba.cpython.setobj'); "
    "print([name for name in heavy if name in sys.modules], words[0])"
)
_KERNEL = (
    "import numpy as np; from lamella.kernels.byteorder import swap_words; "
    "words = np.array([1], np.uint32); swap_words(words, words); "
)


def _run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def compiled_kernel():
    """Have the kernel on disk: to compile it takes all that these tests do not want to see."""
    _run(_START + _KERNEL)


def test_images_are_imported_without_splines_which_are_there_when_they_are_used():
    code = _START + (
        "import lsst.images; loader = lsst.images.__spec__.loader; "
        "print('scipy.interpolate' in sys.modules); "
        # The module is what it is without this.
        "print(type(loader).__name__, lsst.images.__loader__ is loader); "
        "from lsst.images.fields import _spline; "
        "made = _spline.Akima1DInterpolator([0.0, 1.0, 2.0], [0.0, 1.0, 4.0]); "
        "import scipy.interpolate; "
        "print(type(made) is scipy.interpolate.Akima1DInterpolator, float(made(2.0)))"
    )
    assert _run(code).splitlines() == ["False", "SourceFileLoader True", "True 4.0"]


@pytest.mark.usefixtures("compiled_kernel")
def test_kernels_run_without_what_the_compiler_imports():
    assert _run(_START + _KERNEL + _FROM_CACHE) == f"[] {1 << 24}"


def test_a_function_is_compiled_after_kernels_were_found_on_disk():
    code = (
        _START
        + _KERNEL
        + (
            "from numba import njit; "
            "twice = njit(lambda words: (swap_words(words, words), np.dot(words * 1.0, words * 1.0))[1]); "
            "print(twice(words), words[0], 'scipy.linalg' in sys.modules)"
        )
    )
    assert _run(code) == "1.0 1 True"


def test_names_are_found_while_a_module_is_replaced():
    code = (
        "import sys; from lamella.cli import startup; "
        "sys.modules['scipy.interpolate'] = startup._Splines('scipy.interpolate'); "
        "from scipy.interpolate import CubicSpline; import scipy.interpolate as real; "
        "print(CubicSpline is real.CubicSpline, type(real) is startup._Splines)"
    )
    assert _run(code) == "True False"


@pytest.mark.parametrize("first", ["scipy.interpolate", "lsst.images"])
def test_modules_that_are_there_are_left_alone(first):
    code = (
        f"import {first} as before; " + _START + "import lsst.images; "
        f"print(sys.modules['{first}'] is before, "
        "[name for name, module in sys.modules.items() if 'Splines' in type(module).__name__])"
    )
    assert _run(code) == "True []"


def test_asking_twice_is_asking_once():
    code = _START + _START + "print([type(one).__name__ for one in sys.meta_path].count('_Finder'))"
    assert _run(code) == "1"


@pytest.mark.usefixtures("compiled_kernel")
def test_processes_that_a_command_starts_are_light_too(tmp_path):
    # As the script of the command does it.
    (tmp_path / "command").write_text(
        "import sys\n"
        "from lamella.cli.main import main\n"
        "import multiprocessing\n"
        "def names():\n"
        "    import lsst.images, numpy as np\n"
        "    from lamella.kernels.byteorder import swap_words\n"
        "    words = np.zeros(1, np.uint32)\n"
        "    swap_words(words, words)\n"
        "    print([name for name in ('scipy.interpolate', 'scipy.linalg') if name in sys.modules])\n"
        "if __name__ == '__main__':\n"
        "    child = multiprocessing.get_context('spawn').Process(target=names)\n"
        "    child.start()\n"
        "    child.join()\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "command"], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.usefixtures("coadds")  # after them all is compiled
def test_a_coadd_is_made_without_what_the_compiler_imports(survey, tmp_path):
    # Compiled kernels name the modules that they were compiled with, which are imported with them.
    options = ["coadd", str(survey.table), "-o", str(tmp_path), "--band", "g", "--workers", "1", "-q"]
    found = _run(
        f"import sys; from lamella.cli.main import _run; status = _run({options}); "
        "print(status, [name for name in ('numba.np.arraymath', 'scipy.linalg') if name in sys.modules])"
    )
    assert found == "0 []"


def test_commands_start_without_what_they_do_not_need():
    code = _START + (
        "import lamella.run.stack_run; "
        "heavy = ('scipy.interpolate', 'scipy.linalg', 'scipy.ndimage', 'jinja2', 'numba.np.arraymath', "
        "'lamella.formats.afw.exposure', 'lamella.coadd.reject.compare'); "
        "print([name for name in heavy if name in sys.modules]); "
        "import lamella.run.warp_run, lamella.run.coadd_run; "
        "from lamella.formats.readers import known_formats; known_formats(); "
        # Parts of scipy are imported when they are used.
        "parts = ('interpolate', 'linalg', 'ndimage', 'optimize', 'special'); "
        "print([name for name in parts if f'scipy.{name}' in sys.modules])"
    )
    assert _run(code).splitlines() == ["[]", "[]"]


def test_help_imports_nothing_that_is_slow():
    commands = [[], *([name] for name in _COMMANDS), ["skymap", "make"], ["butler", "ingest"]]
    code = (
        "import contextlib, io, sys; from lamella.cli.main import _run\n"
        "slow = ('numpy', 'numba', 'lsst.images', 'astropy', 'rich')\n"
        f"for options in {commands}:\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as said: status = _run([*options, '--help'])\n"
        "    loaded = [name for name in slow if name in sys.modules]\n"
        "    print(*options, status, 'Usage' in said.getvalue(), loaded)"
    )
    assert _run(code).splitlines() == [f"{name} 0 True []".strip() for name in map(" ".join, commands)]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["stack", "a.fits", "-o", "b.fits", "--statistic", "MODE"], "MODE"),
        (["coadd", "a.fits", "-o", "b", "--set", "warp.kernel=cubic"], "cubic"),
        (["warp", "a.fits", "-o", "b", "--format", "none"], "none"),
    ],
)
def test_a_wrong_option_is_told_before_anything_slow_is_imported(options, word):
    code = (
        "import contextlib, io, sys; from lamella.cli.main import _run; said = io.StringIO()\n"
        f"with contextlib.redirect_stderr(said): status = _run({options})\n"
        f"print(status, {word!r} in said.getvalue(), 'numpy' in sys.modules)"
    )
    assert _run(code) == "2 True False"
