"""What a command imports, and what it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lamella.cli.main import _COMMANDS

from ..processes import fresh_output

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("coadds")  # after them all is compiled
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
    found = fresh_output(
        f"import sys; from lamella.cli.main import _run; status = _run({options}); "
        "print(status, [name for name in ('numba.np.arraymath', 'scipy.linalg') if name in sys.modules])"
    )
    assert found == "0 []"


def test_commands_start_without_what_they_do_not_need():
    code = (
        "import sys, lamella.cli.main, lamella.run.stack_run; "
        "heavy = ('scipy.interpolate', 'scipy.linalg', 'scipy.ndimage', 'jinja2', 'numba.np.arraymath', "
        "'lamella.formats.afw.exposure', 'lamella.coadd.reject.compare'); "
        "print([name for name in heavy if name in sys.modules]); "
        "import lamella.run.warp_run, lamella.run.coadd_run; "
        "from lamella.formats.readers import known_formats; known_formats(); "
        # Parts of scipy are imported when they are used.
        "parts = ('interpolate', 'linalg', 'ndimage', 'optimize', 'special'); "
        "print([name for name in parts if f'scipy.{name}' in sys.modules])"
    )
    assert fresh_output(code).splitlines() == ["[]", "[]"]


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
    assert fresh_output(code).splitlines() == [
        f"{name} 0 True []".strip() for name in map(" ".join, commands)
    ]


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
    assert fresh_output(code) == "2 True False"
