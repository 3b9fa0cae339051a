"""Running a script of the manual's time, with the names of `lamella.tasks.manual.lsst_names`."""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from ..cmdline.stack_names import SINGLE_NAMES
from . import lsst_names

__all__ = ("run_script", "script_attribute")

_VARIABLE = "LAMELLA_SCRIPT"
"""Of the environment: the script, for the processes that it starts."""


def run_script(args: Sequence[str]) -> None:
    """Run a script as ``python SCRIPT ARGUMENTS`` does, in this process.

    Parameters
    ----------
    args
        The script, and its arguments.

    Raises
    ------
    OSError
        Raised when the script cannot be read.
    SystemExit
        Raised with what the script ends with, and with 1 after an error of the
        script (130 after an interruption), which is shown with the traceback of the script alone.
    """
    script = str(args[0])
    source = Path(script).read_bytes()
    lsst_names.install()
    main = ModuleType("__main__")
    main.__file__ = script
    main.__spec__ = importlib.util.find_spec("lamella.tasks.manual.spawned")  # where its processes begin
    os.environ[_VARIABLE] = str(Path(script).resolve())
    sys.modules["__main__"] = main
    sys.argv[:] = args
    sys.path[0] = str(Path(script).resolve().parent)
    try:
        exec(compile(source, script, "exec", dont_inherit=True), vars(main))
    except SystemExit:
        raise
    except BaseException as err:
        _show(err, err.__traceback__.tb_next if err.__traceback__ else None)
        sys.exit(130 if isinstance(err, KeyboardInterrupt) else 1)


def _show(error: BaseException, traceback: TracebackType | None) -> None:
    """Show an error of the script as Python does."""
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        path = f"{error.obj.__name__}.{error.name}"
        if path in SINGLE_NAMES:
            error.add_note(f"lamella has this name: from {error.obj.__name__} import {error.name}")
    sys.excepthook(type(error), error.with_traceback(traceback), traceback)


def script_attribute(name: str) -> Any:
    """Return what a script defines, in a process that it has started, by running it there as ``__mp_main__``.

    So a script that does its work without asking for its ``__name__``, as those of the manual's time do, is
    run again only where something of its own is needed.
    """
    main = sys.modules.get("__mp_main__")
    if main is None or name.startswith("__"):
        raise AttributeError(f"the script has no {name!r}")
    vars(main).pop("__getattr__", None)
    vars(main).update(runpy.run_path(os.environ[_VARIABLE], run_name=main.__name__))
    return getattr(main, name)
