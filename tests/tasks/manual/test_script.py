"""Scripts of the manual's time run as they would with the stack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")


def run(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lamella.tasks.manual", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


SCRIPT = """import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from beside import WORD
import lsst.pipe.tasks.assembleCoadd as assembleCoadd  # its classes are imported when they are used

class Mine:
    def name(self):
        return f"{type(self).__module__}.{type(self).__qualname__}"

def in_a_process(task):
    return task.__module__, assembleCoadd.__name__, __name__

if __name__ == "__main__":
    print(__name__, __file__ == sys.argv[0], sys.argv[1:], WORD, Mine().name())
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        print(*pool.submit(in_a_process, Mine).result())
    sys.exit(7)
"""


def test_a_script_and_its_processes(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("WORD = 'beside'\n")
    (tmp_path / "mine.py").write_text(SCRIPT)
    done = run(tmp_path / "mine.py", "REPO", "--id", "a=1")
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "__main__ True ['REPO', '--id', 'a=1'] beside __main__.Mine",
        "__mp_main__ lsst.pipe.tasks.assembleCoadd __mp_main__",
    ]
    assert done.returncode == 7


def test_a_script_that_does_not_ask_for_its_name(tmp_path: Path) -> None:
    """Its processes would start processes, if they ran it again."""
    (tmp_path / "beside.py").write_text(
        "import importlib.util\ndef found(name):\n    return importlib.util.find_spec(name) is not None\n"
    )
    (tmp_path / "mine.py").write_text(
        "from concurrent.futures import ProcessPoolExecutor\nfrom multiprocessing import get_context\n"
        "from beside import found\n"
        "with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:\n"
        "    print(pool.submit(found, 'lsst.pipe.tasks').result())\n"
    )
    done = run(tmp_path / "mine.py")
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)


def test_tracebacks_are_those_of_the_script(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("import lsst.pipe.base as pipeBase\n\ndef fail():\n    pipeBase.CmdLineTask\n\nfail()\n")
    done = run(path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert [line.strip() for line in lines if line.startswith("  File ")] == [
        f'File "{path}", line 6, in <module>',
        f'File "{path}", line 4, in fail',
    ]
    assert lines[-1] == "lamella has this name: from lsst.pipe.base import CmdLineTask"


@pytest.mark.parametrize(
    ("args", "status", "text"),
    [
        ([], 2, "usage: python -m lamella.tasks.manual SCRIPT"),
        (["--help"], 0, "usage: python -m lamella.tasks.manual SCRIPT"),
        (["none.py"], 2, "python -m lamella.tasks.manual: error: none.py: No such file or directory"),
    ],
)
def test_usage(args: list[str], status: int, text: str) -> None:
    done = run(*args)
    assert done.returncode == status
    assert (done.stdout if status == 0 else done.stderr).startswith(text)


def test_a_script_that_is_no_python(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("x = = 1\n")
    done = run(tmp_path / "mine.py")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "SyntaxError: invalid syntax"
    assert "lamella" not in done.stderr
