"""The examples of public functions run as they stand, in a folder where the demo has been."""

from __future__ import annotations

import doctest
import importlib
import inspect
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import lamella

from ..processes import PRELOADED
from .reader import copy_linked

pytestmark = pytest.mark.slow


def functions() -> dict[str, str]:
    """Return the modules of all public functions of `lamella` itself."""
    values = {name: getattr(lamella, name) for name in lamella.__all__ if name != "__version__"}
    return {name: value.__module__ for name, value in values.items() if inspect.isfunction(value)}


def examples() -> Iterator[tuple[str, str]]:
    """Yield the modules and names of functions whose documentation has examples."""
    further = {"skymap_for_area": "lamella.sky.field", "fill_masked_image": "lamella.image.gaps"}
    further |= {"simulate_survey": "lamella.testing.survey"}
    for name, module in sorted({**functions(), **further}.items()):
        yield module, name


def run_examples(folder: Path, log: Path) -> None:
    """Run all examples in this process, which a test forks, with a report in a file."""
    os.chdir(folder)
    told = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for module, name in examples():
        value = getattr(importlib.import_module(module), name)
        for test in doctest.DocTestFinder(recurse=False).find(value, name, globs={}):
            runner.run(test, out=told.write, clear_globs=False)
    log.write_text(told.getvalue())


def test_every_public_function_has_an_example() -> None:
    lacking = [name for name in functions() if "Examples\n" not in (getattr(lamella, name).__doc__ or "")]
    assert lacking == []


def test_there_are_twenty() -> None:
    texts = [getattr(importlib.import_module(module), name).__doc__ for module, name in examples()]
    assert sum(">>> " in text for text in texts) >= 20


def test_the_examples_run(demo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    copy_linked(demo, folder / "demo")
    process = PRELOADED.Process(target=run_examples, args=(folder, tmp_path / "log"))
    process.start()
    process.join()
    assert process.exitcode == 0
    told = (tmp_path / "log").read_text()
    if told:
        pytest.fail(told, pytrace=False)
