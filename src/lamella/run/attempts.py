"""Jobs that other machines try: where each puts its files, and which of them died over it.

A worker of a cluster may be lost and come back, or go on when nobody waits for
it any more.  So it never touches the products of a run.  Each attempt has a
folder of its own beside them, and the one process that holds the lock of the
run puts what is finished in its place.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ClusterError, OutputError, WorkerError
from ..files import TEMPORARY_PREFIX, sync

__all__ = ("Attempt", "Attempts", "Finished", "unseen")

_DEATHS = 3
"""Deaths of its worker after which a job is given up."""
_SEPARATOR = "~"
_DONE = "done"
"""First part of the names of finished attempts, where others have the number of their job."""


@dataclasses.dataclass(frozen=True)
class Finished:
    """Files that an attempt has made."""

    folder: Path
    names: tuple[str, ...]
    """Their paths in its folder, which they are to have in that of the run, too."""

    def put_in_place(self, folder: Path, last: str) -> None:
        """Move the files into the folder of the run; the one called ``last`` says that all are there."""
        (folder / last).unlink(missing_ok=True)
        names = [name for name in self.names if name != last]
        try:
            for name in names:
                (folder / name).parent.mkdir(exist_ok=True)
                (self.folder / name).replace(folder / name)
            for parent in {(folder / name).parent for name in names}:
                sync(parent)
            (self.folder / last).replace(folder / last)
            sync(folder)
        except OSError as err:
            raise OutputError(err.filename2 or folder, reason=err.strerror or str(err)) from err
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One attempt at a job."""

    folder: Path

    def require_run(self) -> None:
        """Check that somebody still waits for it.

        Raises
        ------
        WorkerError
            Raised when the run that began it has ended.
        """
        if not self.folder.is_dir():
            raise WorkerError("The run that this was for has ended.")

    def finish(self) -> Finished:
        """Return what was made."""
        paths = [path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file()]
        names = [path.as_posix() for path in paths if not path.parts[0].startswith(TEMPORARY_PREFIX)]
        done = self.folder.with_name(f"{_DONE}{_SEPARATOR}{self.folder.name}")
        self.folder.rename(done)
        return Finished(done, tuple(sorted(names)))


@dataclasses.dataclass(frozen=True)
class Attempts:
    """The attempts at the jobs of a run, which have numbers."""

    folder: Path
    """Where they are, in the folder of the run; when it is gone, nobody waits for them."""

    @property
    def run(self) -> Path:
        """The folder of the run."""
        return self.folder.parent

    @contextmanager
    def begin(self, number: int) -> Iterator[Attempt]:
        """Give an attempt at a job, whose folder is removed when it fails, and stays when its process dies.

        Raises
        ------
        ClusterError
            Raised when this machine does not see the folder of the run.
        OutputError
            Raised when it may not write there.
        WorkerError
            Raised when earlier attempts died too often.
        """
        self.require_life(number)
        host = platform.node()
        name = _SEPARATOR.join((str(number), host, str(os.getpid()), uuid.uuid4().hex[:8]))
        folder = self.folder / name
        try:
            folder.mkdir()
        except FileNotFoundError:
            raise unseen(self.run) from None
        except OSError as err:
            raise OutputError(self.run, reason=f"{err.strerror or err} (on {host})") from err
        try:
            yield Attempt(folder)
        except OutputError as err:
            shutil.rmtree(folder, ignore_errors=True)
            path = Path(err.path)
            place = self.run / path.relative_to(folder) if path.is_relative_to(folder) else path
            raise OutputError(place, reason=f"{err.reason} (on {host})") from err
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def require_life(self, number: int) -> None:
        """Check that a job has not killed too many processes.

        Raises
        ------
        WorkerError
            Raised when it has.
        """
        hosts = [path.name.split(_SEPARATOR)[1] for path in self.folder.glob(f"{number}{_SEPARATOR}*")]
        if len(hosts) >= _DEATHS:
            raise WorkerError(
                f"The worker that did the work died {len(hosts)} times (on {', '.join(sorted(set(hosts)))}): "
                "it was killed, or there was no memory left."
            )


def unseen(path: Path) -> ClusterError:
    """Return the error of this machine that does not see a file or folder."""
    return ClusterError(
        f"The worker on {platform.node()} does not see {path}: all machines of a cluster must see exposures "
        "and results under the same names, on a file system that they share."
    )
