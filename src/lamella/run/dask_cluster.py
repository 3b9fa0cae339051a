"""Jobs on the workers of a Dask cluster that is there already, whoever started it and wherever."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import platform
import queue
import time
import uuid
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..coadd.versions import package_versions
from ..errors import ClusterError, ConfigError, MissingPackageError, UnreadableFileError, WorkerError
from ..resources import Resources
from ..texts import read_json
from .attempts import Attempt, Attempts
from .execute import Outcome, Parcel, attempt_apart

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ("DaskCluster", "open_cluster")

_log = logging.getLogger(__name__)

_CONNECT = 30.0
"""Seconds in which a scheduler must answer."""
_LOOK = 1.0
"""Seconds between two looks at the scheduler while nothing comes."""
_EVERY = 0.5
"""Seconds between two steps of a stage that a worker sends."""
_WORD = 60.0
"""Seconds between two words about workers that are missing."""
_FETCH = 10.0
"""Seconds in which a result that is there comes, or its worker is lost and the job begun again."""
_MEBIBYTE = 2**20
_USABLE = 0.7
"""Part of a worker's memory that is counted on: beyond, Dask stops giving it work, and at last its life."""
_SENT = ("dask", "distributed", "cloudpickle", "msgpack")
"""Packages that must be the same where jobs are sent from and to."""


class Named(Protocol):
    """A job with a name."""

    @property
    def name(self) -> str:
        """Name that is unique in a run."""


type Work[J, R] = Callable[[J, Attempt, Resources], R]
"""Does a job with its files in the folder of an attempt, with what the worker may use."""


@contextlib.contextmanager
def open_cluster(address: str) -> Iterator[DaskCluster]:
    """Connect to a cluster, while the context lasts.

    Parameters
    ----------
    address
        Address of its scheduler, e.g. ``tcp://node1:8786``, or path of its scheduler file.

    Raises
    ------
    MissingPackageError
        Raised when Dask is not installed.
    ConfigError
        Raised when the text is no address.
    ClusterError
        Raised when no scheduler answers, or it or a worker has other versions of packages.
    """
    try:
        import distributed
    except ImportError:
        raise MissingPackageError("distributed", extra="dask", purpose="A run on a Dask cluster") from None
    with _quiet():
        scheduler = _scheduler_address(address)
        try:
            client = distributed.Client(scheduler, timeout=_CONNECT, set_as_default=False)
        except ValueError as err:
            raise ConfigError(
                f"{address!r} is not an address of a Dask scheduler: {err}.", option="dask"
            ) from None
        except OSError as err:
            raise ClusterError(f"No Dask scheduler answers at {scheduler}: {_one_line(err)}.") from None
        try:
            cluster = DaskCluster(client, scheduler)
            cluster.require_same_versions()
            yield cluster
        finally:
            client.close(timeout=_LOOK)


def _scheduler_address(text: str) -> str:
    path = Path(text)
    if not (path.suffix == ".json" or path.exists()):
        return text
    try:
        content = read_json(path, "the file that a Dask scheduler writes")
    except UnreadableFileError as err:
        raise ClusterError(str(err)) from None
    address = content.get("address") if isinstance(content, dict) else None
    if not isinstance(address, str):
        raise ClusterError(f"{path}: found no address; expected the file that a Dask scheduler writes.")
    return address


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from telling what is told as an error, or is as it should be."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="distributed")
            yield
    finally:
        logger.setLevel(level)


class DaskCluster:
    """A connection to the scheduler of a cluster."""

    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self._address = address

    def require_same_versions(self) -> None:
        """Check that results would be the same there.

        Raises
        ------
        ClusterError
            Raised when the scheduler or a worker has other versions of packages.
        """
        needed = package_versions()
        told = self._ask(lambda: self._client.get_versions(packages=[*_SENT, *needed]))
        own = {name: told["client"]["packages"].get(name) for name in ("python", *_SENT)}
        own |= {name: version for name, version in needed.items() if name != "python"}
        theirs = {"The Dask scheduler": told["scheduler"]}
        theirs |= {f"The Dask worker {name}": reply for name, reply in sorted(told["workers"].items())}
        for who, reply in theirs.items():
            if isinstance(reply, dict):  # else it is gone, or too busy to answer
                _require_same(who, reply["packages"], own)

    def run[J: Named, R](
        self,
        jobs: Sequence[J],
        work: Work[J, R],
        attempts: Attempts,
        memory: float,
        on_step: Callable[[str, str, int, int], None],
    ) -> Generator[Outcome[J, R]]:
        """Do the work of each job on the workers, and yield what became of it, as soon as it is known.

        A job whose worker dies is begun again by another one; one over which three died fails.  When the
        caller takes no more, what has not begun is not begun.

        Parameters
        ----------
        jobs
            What to do.
        work
            Function of a job, its attempt and what it may use; can be pickled.
        attempts
            Where files go, on a file system that all workers see.
        memory
            Memory for the jobs of a worker, in MiB; never more than Dask lets it have.
        on_step
            Called with the name of a job and what `lamella.resources.OnStep` gets, some times a second.

        Raises
        ------
        ClusterError
            Raised when the scheduler is gone, or a worker cannot be used.
        """
        workers = len(self._ask(self._client.nthreads))
        crowd = math.ceil(len(jobs) / max(1, workers))
        task = _Task(work, attempts, package_versions(), memory, crowd, f"lamella-{uuid.uuid4().hex}")
        yield from _Flight(self._client, self._address, task, on_step).outcomes(jobs)

    def _ask[T](self, question: Callable[[], T]) -> T:
        try:
            return question()
        except OSError as err:
            raise _gone(self._address, err) from None


def _gone(address: str, err: object) -> ClusterError:
    return ClusterError(
        f"The Dask scheduler at {address} is gone ({_one_line(err)}). What is finished is kept, and the same "
        "command continues."
    )


def _one_line(err: object) -> str:
    return " ".join(str(err).split()).rstrip(".") or type(err).__name__


def _require_same(who: str, theirs: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    other = [
        f"{name} {theirs.get(name) or 'is absent'} ({version} here)"
        for name, version in own.items()
        if theirs.get(name) != version
    ]
    if other:
        raise ClusterError(
            f"{who} has other versions of packages: {', '.join(other)}. "
            "Start it from the environment of this command."
        )


@dataclasses.dataclass(frozen=True)
class _Task[J: Named, R]:
    """What a worker does with a job."""

    work: Work[J, R]
    attempts: Attempts
    versions: Mapping[str, str]
    memory: float
    crowd: int
    """Jobs that a worker gets in all."""
    topic: str
    """Name under which Dask passes steps on."""

    def __call__(self, numbered: tuple[int, J]) -> R:
        number, job = numbered
        # A worker that came after the start has not been asked.
        _require_same(f"The Dask worker on {platform.node()}", package_versions(), self.versions)
        with self.attempts.begin(number) as attempt:
            return self.work(job, attempt, self._share(job.name))

    def _share(self, name: str) -> Resources:
        """Return what the job may use: the worker gives each of its threads a job."""
        from distributed import get_worker

        worker = get_worker()
        threads = worker.state.nthreads
        limit = worker.memory_manager.memory_limit
        memory = min(self.memory, _USABLE * limit / _MEBIBYTE) if limit else self.memory
        side_by_side = min(threads, self.crowd)
        return Resources(
            threads=max(1, threads // side_by_side),
            memory=memory / side_by_side,
            on_step=_Reporter(worker, self.topic, name),
        )


class _Reporter:
    """Sends the steps of a job from its worker, no more often than somebody looks."""

    def __init__(self, worker: Any, topic: str, job: str) -> None:
        self._worker = worker
        self._topic = topic
        self._job = job
        self._stage = ""
        self._sent = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage == self._stage and now - self._sent < _EVERY:
            return
        self._stage, self._sent = stage, now
        self._worker.log_event(self._topic, [self._job, stage, done, total])


class _Step(NamedTuple):
    """A step of a job that a worker has sent."""

    job: str
    stage: str
    done: int
    total: int


class _Flight[J: Named, R]:
    """Jobs that are under way."""

    def __init__(
        self,
        client: Client,
        address: str,
        task: _Task[J, R],
        on_step: Callable[[str, str, int, int], None],
    ) -> None:
        self._client = client
        self._address = address
        self._task = task
        self._on_step = on_step
        self._under_way: dict[Future[Parcel], tuple[int, J]] = {}
        # What Dask tells in a thread of its own: futures that are done, and steps.
        self._arrivals: queue.SimpleQueue[Future[Parcel] | _Step] = queue.SimpleQueue()
        self._last_word = time.monotonic()

    def outcomes(self, jobs: Sequence[J]) -> Generator[Outcome[J, R]]:
        """Send the jobs, and yield what becomes of them."""
        topic = self._task.topic
        self._client.subscribe_topic(topic, lambda event: self._arrivals.put(_Step(*event[1])))
        try:
            for numbered in enumerate(jobs):
                self._send(numbered)
            while self._under_way:
                arrival = self._next()
                if isinstance(arrival, _Step):
                    self._on_step(*arrival)
                elif (outcome := self._settle(arrival)) is not None:
                    yield outcome
        finally:
            if self._client.status == "running":
                with contextlib.suppress(OSError, ValueError):
                    self._client.unsubscribe_topic(topic)
                    self._client.cancel(list(self._under_way), asynchronous=False, force=True)

    def _send(self, numbered: tuple[int, J]) -> None:
        key = f"lamella-{numbered[1].name}-{uuid.uuid4().hex[:8]}"
        future = self._client.submit(attempt_apart, self._task, numbered, key=key, pure=False)
        self._under_way[future] = numbered
        future.add_done_callback(self._arrivals.put)

    def _next(self) -> Future[Parcel] | _Step:
        while True:
            try:
                return self._arrivals.get(timeout=_LOOK)
            except queue.Empty:
                self._look()

    def _look(self) -> None:
        """See from time to time whether the scheduler is there, and has workers."""
        if time.monotonic() - self._last_word < _WORD:
            return
        self._last_word = time.monotonic()
        try:
            told = self._client.sync(self._client.scheduler.identity, callback_timeout=_CONNECT)
        except OSError as err:
            raise _gone(self._address, err) from None
        if not told["workers"]:
            _log.warning("The Dask cluster has no workers; %d jobs wait for one.", len(self._under_way))

    def _settle(self, future: Future[Parcel]) -> Outcome[J, R] | None:
        """Return what became of a job; `None` when it is tried again."""
        from distributed import KilledWorker

        numbered = self._under_way[future]
        number, job = numbered
        if future.status == "cancelled":
            raise _gone(self._address, "it gave the jobs up")
        try:
            outcome: Outcome[Any, Any] = future.result(timeout=_FETCH).content
        except TimeoutError:
            future.add_done_callback(self._arrivals.put)
            return None
        except KilledWorker:  # also a job that only waited there
            del self._under_way[future]
            return self._again(number, job)
        except Exception as err:
            outcome = Outcome(None, error=err)
        del self._under_way[future]
        return dataclasses.replace(outcome, job=job)

    def _again(self, number: int, job: J) -> Outcome[J, R] | None:
        try:
            self._task.attempts.require_life(number)
        except WorkerError as err:
            return Outcome(job, error=err)
        self._send((number, job))
        return None
