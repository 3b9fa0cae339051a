"""Where a command reads and writes: the folders of the manual's time as collections of a repository.

===========================  =================================================
command line                 output
===========================  =================================================
``REPO --rerun OUT``         chain ``rerun/OUT``
``REPO --rerun IN:OUT``      chain ``rerun/OUT``, which begins with what ``rerun/IN`` holds
``REPO/rerun/IN --rerun O``  chain ``rerun/O``, which begins with what ``rerun/IN`` holds
``REPO --output REPO/a/b``   chain ``a/b``
``REPO --output /x/y``       chain ``output/x/y``: a repository has one root, and
                             what was a second one becomes a collection
``REPO``                     chain ``deepCoadd-results``
===========================  =================================================

Each command writes a new run ``CHAIN/<time>`` at the head of its chain, so that
nothing that an earlier command wrote is touched.  A chain goes on with the
earlier runs, and ends with every run of the repository that is not the output
of another rerun.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
from pathlib import Path

from lsst.daf.butler import Butler, MissingCollectionError
from lsst.daf.butler.registry import CollectionType  # type: ignore[attr-defined]
from lsst.resources import ResourcePath

from ...errors import ConfigError, UnreadableFileError

__all__ = (
    "IN_PLACE",
    "Location",
    "begin_run",
    "find_location",
    "inputs_of",
    "records_folder",
    "remove_runs",
    "resolve",
)

IN_PLACE = "deepCoadd-results"
"""Chain of commands without ``--rerun`` and ``--output``."""

_RERUNS = ("rerun/", "output/")


@dataclasses.dataclass(frozen=True)
class Location:
    """A repository, and the collections that a command reads and writes.

    Parameters
    ----------
    root
        Root of the repository.
    chain
        Chained collection of the output.
    parent
        Collection that the command was told to read; "" for none.
    """

    root: str
    chain: str = IN_PLACE
    parent: str = ""

    @property
    def is_own(self) -> bool:
        """Whether the output is another collection than the input."""
        return self.chain not in (IN_PLACE, self.parent)


def resolve(variable: str, path: str) -> str:
    """Return an absolute path; a relative one is below a folder that an environment variable names."""
    if "://" in path:
        return path
    return os.path.abspath(Path(os.environ.get(variable) or ".") / Path(path).expanduser())


def find_location(input: str, *, rerun: str | None = None, output: str | None = None) -> Location:
    """Return where a command reads and writes.

    Parameters
    ----------
    input
        Root of a repository, or the folder of a collection within it.
    rerun
        ``OUT`` or ``IN:OUT``.
    output
        Path of the output.

    Raises
    ------
    UnreadableFileError
        Raised when no repository is there.
    ConfigError
        Raised when both outputs are given, or a name is empty.
    """
    # The root of the repository at or above the path, and the rest of the path.
    root, parent = _folder_of(input), ""
    if "://" not in root and not root.endswith(".yaml"):
        path = Path(root)
        for folder in (path, *path.parents):
            if (folder / "butler.yaml").is_file():
                break
        else:
            raise UnreadableFileError(path, found="no butler.yaml", expected="a Butler repository")
        root, parent = str(folder), path.relative_to(folder).as_posix().removeprefix(".")
    if rerun is not None and output is not None:
        raise ConfigError("--output and --rerun cannot be used together.", option="rerun", found=rerun)
    if rerun is not None:
        first, colon, second = rerun.rpartition(":")
        if not second or (colon and not first):
            raise ConfigError(f"--rerun {rerun}: expected OUT or IN:OUT.", option="rerun", found=rerun)
        return Location(root, f"rerun/{second}", f"rerun/{first}" if first else parent)
    if output is not None:
        path = Path(_folder_of(output))
        if "://" not in root and path.is_relative_to(root):
            chain = path.relative_to(root).as_posix().removeprefix(".") or IN_PLACE
        else:
            chain = f"output/{path.as_posix().strip('/')}"
        return Location(root, chain, parent)
    return Location(root, parent or IN_PLACE, parent)


def _folder_of(location: str) -> str:
    """Return the folder of an address ``file://...``, and all else as it is."""
    return ResourcePath(location).ospath if location.startswith("file:") else location


def inputs_of(butler: Butler, location: Location) -> list[str]:
    """Return the runs that a command reads, in order of precedence.

    Raises
    ------
    ConfigError
        Raised when the collection that the command was told to read is not there.
    """
    runs = list(_runs_in(butler, location.chain))
    if location.parent:
        inherited = _runs_in(butler, location.parent)
        if not inherited:
            raise ConfigError(
                f"The repository has no collection {location.parent}, or it is empty.", found=location.parent
            )
        runs += inherited
    every = butler.collections.query("*", collection_types={CollectionType.RUN})
    runs += sorted((run for run in every if run.startswith(f"{IN_PLACE}/")), reverse=True)
    runs += sorted((run for run in every if not run.startswith(_RERUNS)), reverse=True)
    return list(dict.fromkeys(runs))


def _runs_in(butler: Butler, collection: str) -> tuple[str, ...]:
    try:
        return tuple(
            butler.collections.query(collection, flatten_chains=True, collection_types={CollectionType.RUN})
        )
    except MissingCollectionError:
        return ()


def begin_run(butler: Butler, location: Location) -> str:
    """Make a new run at the head of the output chain and return its name.

    Parameters
    ----------
    butler
        The repository, opened for writing.
    location
        Where to write.
    """
    inputs = inputs_of(butler, location)
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%fZ")
    run = f"{location.chain}/{moment}"
    butler.collections.register(location.chain, CollectionType.CHAINED)
    butler.collections.register(run)
    # Not redefined: a command that runs at the same time may have added a run of its own.
    butler.collections.prepend_chain(location.chain, run)
    members = butler.collections.get_info(location.chain).children
    missing = [name for name in inputs if name not in members]
    if missing:
        butler.collections.extend_chain(location.chain, missing)
    return run


def remove_runs(butler: Butler, location: Location) -> None:
    """Remove the output chain, and all runs that commands have written into it, with their files."""
    runs = butler.collections.query(f"{location.chain}/*", collection_types={CollectionType.RUN})
    butler.collections.register(location.chain, CollectionType.CHAINED)
    butler.collections.redefine_chain(location.chain, [])
    butler.removeRuns(runs, unlink_from_chains=True)


def records_folder(location: Location) -> str:
    """Return the folder of the files about a chain that are no datasets.

    Raises
    ------
    ConfigError
        Raised when the repository is not a folder of this machine.
    """
    root = ResourcePath(location.root, forceDirectory=True)
    if not root.isLocal:
        raise ConfigError(
            f"{root} is not a folder of this machine; the command keeps its configuration beside the output.",
            found=str(root),
        )
    return root.join(location.chain).ospath
