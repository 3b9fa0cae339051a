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
nothing that an earlier command wrote is touched.  What a command reads, and what
of that its chain holds afterwards:

===================================================================  =====  =====
collections, in order of precedence                                  read   held
===================================================================  =====  =====
runs of earlier commands with the same output                        yes    yes
``IN``, or the collection that INPUT names, with all that it holds    yes    yes
``<instrument>/defaults`` and ``<instrument>/calexp``: exposures      yes    yes
``skymaps``, ``brightObjectMasks``                                   yes    yes
``deepCoadd-results``, the output of commands without ``--rerun``    yes    no
all others: reruns, runs of pipelines, exposures ingested elsewhere  no     no
===================================================================  =====  =====

So a rerun never holds what somebody else made, unless it was told to build on
it.  To read another collection, name it: ``REPO/u/me/coadd --rerun OUT``.

Chains of lamella 0.1 hold every run that the repository had.  They are read as
above; the next command that writes to one takes out what was not given to it.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import re
from collections.abc import Sequence
from pathlib import Path

from lsst.daf.butler import Butler, MissingCollectionError
from lsst.daf.butler.registry import CollectionType  # type: ignore[attr-defined]
from lsst.resources import ResourcePath

from ...errors import ConfigError, UnreadableFileError
from ..chains import claim_chain, extend_command, is_own_chain, make_chain
from ..datasets import common_runs, default_run, defaults_chain, find_prefix

__all__ = (
    "IN_PLACE",
    "Location",
    "begin_run",
    "find_location",
    "inputs_of",
    "records_folder",
    "remove_runs",
    "resolve",
    "results_parent",
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
        Raised when both outputs are given, a name is empty, or it cannot be that of a collection.
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
        for name in (second, first):
            _check_name(name, "rerun")
        return Location(root, f"rerun/{second}", f"rerun/{first}" if first else parent)
    if output is not None:
        path = Path(_folder_of(output))
        if "://" not in root and path.is_relative_to(root):
            chain = path.relative_to(root).as_posix().removeprefix(".") or IN_PLACE
        else:
            chain = f"output/{path.as_posix().strip('/')}"
        _check_name(chain, "output")
        return Location(root, chain, parent)
    return Location(root, parent or IN_PLACE, parent)


def _check_name(name: str, option: str) -> None:
    """Raise a `ConfigError` for a name whose folder would lie elsewhere, or that stands for several."""
    parts = name.split("/") if name else []
    if not all(parts) or {".", ".."} & set(parts) or set(name) & set("*?[]"):
        text = f"--{option}: {name!r} cannot be the name of a collection; expected words with / between them."
        raise ConfigError(text, option=option, found=name)


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
    return list(dict.fromkeys((*_held_by(butler, location), *_runs_of_chain(butler, IN_PLACE))))


def _held_by(butler: Butler, location: Location) -> list[str]:
    """Return the runs that the output chain of a command is to hold."""
    runs = _runs_of_chain(butler, location.chain)
    if location.parent:
        inherited = _runs_of_chain(butler, location.parent)
        if not inherited:
            raise ConfigError(
                f"The repository has no collection {location.parent}, or it is empty.", found=location.parent
            )
        runs += inherited
    return list(dict.fromkeys((*runs, *_common_inputs(butler))))


def _common_inputs(butler: Butler) -> list[str]:
    """Return the runs that every command is given: exposures, sky maps, masks of bright objects."""
    instruments = [str(r.name) for r in butler.query_dimension_records("instrument", explain=False)]
    prefix = find_prefix(butler)
    chains = [
        name(instrument, prefix) for instrument in instruments for name in (defaults_chain, default_run)
    ]
    names = (*chains, *common_runs(prefix))
    return list(dict.fromkeys(run for name in names for run in _runs_in(butler, name)))


def _runs_of_chain(butler: Butler, collection: str) -> list[str]:
    """Return the runs of a collection, of a chain of lamella 0.1 without those that were not given to it."""
    runs = list(_runs_in(butler, collection))
    strangers = _strangers(butler, collection, runs)
    return [run for run in runs if run not in strangers]


def _strangers(butler: Butler, chain: str, runs: Sequence[str]) -> set[str]:
    """Return the runs of a chain that lamella 0.1 put there because the repository had them."""
    is_ours = re.compile(re.escape(chain) + r"/\d{8}T\d{12}Z")
    if not any(map(is_ours.fullmatch, runs)) or butler.collections.get_info(chain).doc:
        return set()
    given, own = set(_common_inputs(butler)), f"{chain}/"
    # The runs of other reruns were there only if the command was told to build on them.
    return {run for run in runs if run not in given and not run.startswith((own, *_RERUNS))}


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

    Raises
    ------
    ConfigError
        Raised when lamella did not make the output chain.
    """
    _require_own(butler, location)
    held = _held_by(butler, location)
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%fZ")
    run = f"{location.chain}/{moment}"
    make_chain(butler, location.chain)
    chain = butler.collections.get_info(location.chain)
    if strangers := _strangers(butler, location.chain, chain.children):
        butler.collections.remove_from_chain(location.chain, sorted(strangers))
    if not chain.doc:
        claim_chain(butler, location.chain)
    butler.collections.register(run)
    # Not redefined: a command that runs at the same time may have added a run of its own.
    butler.collections.prepend_chain(location.chain, run)
    # What the command is given is held, also where it was a stranger in an old chain.
    missing = [name for name in held if name not in chain.children or name in strangers]
    if missing:
        butler.collections.extend_chain(location.chain, missing)
    return run


def remove_runs(butler: Butler, location: Location) -> None:
    """Remove the output chain, and all runs that commands have written into it, with their files.

    Raises
    ------
    ConfigError
        Raised when lamella did not make the chain.
    """
    _require_own(butler, location)
    runs = butler.collections.query(f"{location.chain}/*", collection_types={CollectionType.RUN})
    make_chain(butler, location.chain)
    butler.collections.redefine_chain(location.chain, [])
    butler.removeRuns(runs, unlink_from_chains=True)


def _require_own(butler: Butler, location: Location) -> None:
    if not is_own_chain(butler, location.chain):
        raise ConfigError(
            f"The collection {location.chain} was not made by lamella, which leaves it as it is: write to "
            f"another one with --rerun or --output, and add that: "
            f"{extend_command(location.root, location.chain, ['OUTPUT'])}.",
            option="output",
            found=location.chain,
        )


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


def results_parent(location: Location) -> str:
    """Return the folder in which a command has its ``deepCoadd-results``: each rerun has its own.

    Raises
    ------
    ConfigError
        Raised when the repository is not a folder of this machine.
    """
    if location.chain == IN_PLACE:
        return records_folder(dataclasses.replace(location, chain=""))
    return records_folder(location)
