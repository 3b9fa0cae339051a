"""``python -m lamella.tasks.manual SCRIPT [ARGUMENTS]``: a script of the manual's time, with its names."""

from __future__ import annotations

import sys

from ...visible import visible

_USAGE = """usage: python -m lamella.tasks.manual SCRIPT [ARGUMENTS]

Run a Python script with the documented names of the AssembleCoaddTask manual, such as
lsst.pipe.tasks.assembleCoadd.AssembleCoaddTask, where the LSST Science Pipelines are not installed.
In a program of your own: import lamella.tasks.manual.lsst_names
"""


def main() -> None:
    """Run the script that the command line names."""
    args = sys.argv[1:]
    if not args or args[0].startswith("-"):
        asked = args[:1] in (["-h"], ["--help"])
        print(_USAGE, end="", file=sys.stdout if asked else sys.stderr)
        sys.exit(0 if asked else 2)
    try:
        from .script import run_script
    except ModuleNotFoundError as err:
        if not (err.name or "").startswith("lsst."):
            raise
        sys.exit("Error: This command needs the LSST middleware: pip install 'lamella[lsst]'.")
    try:
        run_script(args)
    except OSError as err:
        reason = visible(f"{args[0]}: {err.strerror or err}")
        sys.stderr.write(f"python -m lamella.tasks.manual: error: {reason}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
