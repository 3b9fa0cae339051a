"""Running a command-line task for each of its targets, here or in several processes."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
from typing import Any

from lsst.pipe.base import NoWorkFound, Struct, TaskError
from lsst.utils.logging import getLogger

from ...errors import LamellaError, NoInputsError
from ...run.execute import run_in_processes
from .log_setup import LogSettings, label
from .processes import prepare_process, profiled, time_limit

__all__ = ("Target", "TaskRunner")

type Target = tuple[Any, dict[str, Any]]
"""A data reference, and what ``runDataRef`` takes beside it."""


class TaskRunner:
    """Runs a task for each target of a parsed command.

    Parameters
    ----------
    TaskClass
        The task.
    parsedCmd
        The parsed command.
    doReturnResults
        Whether results hold what the task returned.

    Attributes
    ----------
    hasStarted : `bool`
        Whether configuration, schemas and versions could be stored.

    Notes
    -----
    With more than one process, each is a fresh interpreter that does one target
    after the other; the runner and the targets are sent to it, so both must be
    picklable.
    """

    TIMEOUT = 3600 * 24 * 30
    """Seconds that one target may take, where ``--timeout`` does not say."""

    def __init__(
        self, TaskClass: type[Any], parsedCmd: argparse.Namespace, doReturnResults: bool = False
    ) -> None:
        self.TaskClass = TaskClass
        self.doReturnResults = doReturnResults
        self.hasStarted = True
        self.config = parsedCmd.config
        self.log = parsedCmd.log
        self.doRaise = parsedCmd.doraise
        self.clobberConfig = parsedCmd.clobberConfig
        self.doBackup = not parsedCmd.noBackupConfig
        self.numProcesses = parsedCmd.processes
        self.timeout = parsedCmd.timeout or self.TIMEOUT
        self.logSettings: LogSettings = parsedCmd.logSettings
        self.debug = parsedCmd.debug
        if self.numProcesses > 1 and not TaskClass.canMultiprocess:
            self.log.warning("%s does not support multiprocessing; using one process", TaskClass.__name__)
            self.numProcesses = 1

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"log": self.log.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state | {"log": getLogger(state["log"])}

    @staticmethod
    def getTargetList(parsedCmd: argparse.Namespace, **kwargs: Any) -> list[Target]:
        """Return the targets: by default each reference of ``--id``, with the same keyword arguments.

        Parameters
        ----------
        parsedCmd
            The parsed command.
        **kwargs
            Keyword arguments of ``runDataRef``.
        """
        return [(ref, kwargs) for ref in parsedCmd.id.refList]

    def run(self, parsedCmd: argparse.Namespace) -> list[Struct]:
        """Run the task for each target.

        Returns
        -------
        resultList : `list` [`lsst.pipe.base.Struct`]
            For each target, in their order: ``exitStatus`` (0 or 1), ``nothing``
            (whether there was nothing to do), and with ``doReturnResults`` also
            ``dataRef``, ``metadata`` and ``result``.

        Raises
        ------
        Exception
            Raised with ``--doraise`` by the first target that fails.
        """
        try:
            return self._run_targets(parsedCmd, self.getTargetList(parsedCmd))
        finally:
            parsedCmd.butler.forget()  # a program that goes on sees what others make meanwhile

    def _run_targets(self, parsedCmd: argparse.Namespace, targets: list[Target]) -> list[Struct]:
        if not targets:
            self.log.warning(
                "Not running the task because there is no data to process; "
                'you may preview data using "--show data"'
            )
            return []
        with profiled(parsedCmd.profile):
            if not self.precall(parsedCmd):
                self.hasStarted = False
                return []
            work = functools.partial(_in_worker if min(self.numProcesses, len(targets)) > 1 else _here, self)
            results: dict[int, Struct] = {}
            for outcome in run_in_processes(list(enumerate(targets)), work, self.numProcesses):
                number, (dataRef, _) = outcome.job
                if outcome.error is None:
                    results[number] = outcome.unwrap()
                elif self.doRaise:
                    raise outcome.error
                else:  # its process died
                    self.log.fatal("Failed on dataId=%s: %s", _describe(dataRef), outcome.error)
                    results[number] = Struct(exitStatus=1, nothing=False)
        failed = sum(result.exitStatus != 0 for result in results.values())
        nothing = sum(result.nothing for result in results.values())
        if failed:
            self.log.error("%d of %d dataRefs failed", failed, len(results))
        if nothing:
            self.log.warning("%d of %d dataRefs had nothing to do", nothing, len(results))
        return [results[number] for number in sorted(results)]

    def makeTask(self, parsedCmd: argparse.Namespace | None = None, args: Target | None = None) -> Any:
        """Return a task, for a parsed command (before the run) or for a target."""
        return self.TaskClass(config=self.config, log=self.log)

    def precall(self, parsedCmd: argparse.Namespace) -> bool:
        """Store configuration, schemas and versions, once before all targets.

        Returns
        -------
        ok : `bool`
            Whether that could be done; if not, the reason has been logged.

        Raises
        ------
        Exception
            Raised instead with ``--doraise``.
        """
        try:
            parsedCmd.butler.start(clobber=parsedCmd.clobberOutput)
            self._precallImpl(self.makeTask(parsedCmd=parsedCmd), parsedCmd)
        except Exception as err:
            if self.doRaise:
                raise
            # The messages of tasks and of lamella say all.
            trace = not isinstance(err, TaskError | LamellaError)
            self.log.fatal("Failed in task initialization: %s", err, exc_info=trace)
            return False
        return True

    def _precallImpl(self, task: Any, parsedCmd: argparse.Namespace) -> None:
        butler = parsedCmd.butler
        if not parsedCmd.noVersions:
            task.writePackageVersions(butler, clobber=parsedCmd.clobberVersions, doBackup=self.doBackup)
        task.writeConfig(butler, clobber=self.clobberConfig, doBackup=self.doBackup)
        task.writeSchemas(butler, clobber=self.clobberConfig, doBackup=self.doBackup)

    def __call__(self, args: Target) -> Struct:
        """Do one target.

        An error is logged and becomes an exit status of 1; metadata is written
        in any case.

        Parameters
        ----------
        args
            The target.

        Raises
        ------
        Exception
            Raised with ``--doraise`` when the target fails.
        """
        dataRef, kwargs = args
        with label(_describe(dataRef)):
            task = self.makeTask(args=args)
            attempt = _Attempt()
            try:
                with time_limit(self.timeout):
                    attempt.result = self.runTask(task, dataRef, kwargs)
                attempt.nothing = attempt.result is None and task.noneMeansNothing
            except (NoWorkFound, NoInputsError) as err:
                attempt.nothing = True
                task.log.warning("Nothing to do for dataId=%s: %s", _describe(dataRef), err)
            except Exception as err:
                attempt.failed = True
                if self.doRaise:
                    raise
                task.log.fatal(
                    "Failed on dataId=%s: %s: %s",
                    _describe(dataRef),
                    type(err).__name__,
                    err,
                    exc_info=not isinstance(err, TaskError),
                )
            finally:
                task.writeMetadata(dataRef)
        result = Struct(exitStatus=int(attempt.failed), nothing=attempt.nothing)
        if self.doReturnResults:
            result.mergeItems(
                Struct(dataRef=dataRef, metadata=task.metadata, result=attempt.result),
                "dataRef",
                "metadata",
                "result",
            )
        return result

    def runTask(self, task: Any, dataRef: Any, kwargs: dict[str, Any]) -> Any:
        """Call the task for one target; override it where the call is another."""
        return task.runDataRef(dataRef, **kwargs)


@dataclasses.dataclass
class _Attempt:
    """How a target went."""

    failed: bool = False
    nothing: bool = False
    result: Any = None


def _here(runner: TaskRunner, job: tuple[int, Target]) -> Struct:
    return runner(job[1])


def _in_worker(runner: TaskRunner, job: tuple[int, Target]) -> Struct:
    """Do one target in a process of its own."""
    prepare_process(runner.logSettings, runner.debug, "LSST_ALLOW_IMPLICIT_THREADS" in os.environ)
    return runner(job[1])


def _describe(dataRef: Any) -> str:
    return str(getattr(dataRef, "dataId", dataRef))
