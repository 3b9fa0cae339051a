"""Tasks of the manual's time: subtasks, schemas, metadata, and a command line."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import lsst.pipe.base
from lsst.pex.config import Config
from lsst.pipe.base import Struct, TaskError

from .argument_parser import ArgumentParser
from .butler import CommandButler
from .data_ref import DataRef
from .log_setup import python_level
from .persistence import write_config, write_schema, write_versions
from .property_set import PropertySet
from .runner import TaskRunner
from .status import EXIT_NOT_STARTED, exit_status

__all__ = ("CmdLineTask", "Task", "TaskError")


class Task(lsst.pipe.base.Task):
    """A task of the middleware with the methods that the manual has and the middleware no longer."""

    def getSchemaCatalogs(self) -> dict[str, Any]:
        """Return the empty catalogs of this task by the names of their datasets; here none."""
        return {}

    def getAllSchemaCatalogs(self) -> dict[str, Any]:
        """Return the empty catalogs of all tasks of the hierarchy, whichever of them is asked."""
        catalogs: dict[str, Any] = {}
        for task in Task.getTaskDict(self).values():
            if hasattr(task, "getSchemaCatalogs"):  # a subtask may be of the middleware
                catalogs |= task.getSchemaCatalogs()
        return catalogs

    def getTaskDict(self) -> dict[str, Any]:
        """Return all tasks of the hierarchy by their full names."""
        tasks = {name: reference() for name, reference in self._taskDict.items()}
        return {name: task for name, task in tasks.items() if task is not None}

    def getFullMetadata(self) -> PropertySet:
        """Return a copy of the metadata of all tasks of the hierarchy.

        The name of an item is the full name of its task, with ``:`` between the
        levels, then ``.`` and its own: ``assembleCoadd:interpImage.runStartCpuTime``.
        """
        tasks = Task.getTaskDict(self).items()
        return PropertySet.of({name.replace(".", ":"): task.metadata.to_dict() for name, task in tasks})

    @contextlib.contextmanager
    def timer(self, name: str, logLevel: int = 10000) -> Iterator[None]:
        """Log and note in the metadata what a block of code costs.

        Parameters
        ----------
        name
            Name of the block; the items are ``<name>Start…`` and ``<name>End…``.
        logLevel
            Level of the log, in the numbers of the manual (10000 is debug) or Python's.
        """
        with super().timer(name, logLevel=python_level(logLevel)):
            yield


class CmdLineTask(Task):
    """A task that can be run from the command line.

    A subclass has a ``ConfigClass``, a ``_DefaultName``, and ``runDataRef``,
    which does the work for one data reference.

    Notes
    -----
    A target that has nothing to do says so with `lsst.pipe.base.NoWorkFound`,
    `lamella.errors.NoInputsError`, or, where ``noneMeansNothing``, by returning
    `None`.
    """

    RunnerClass: ClassVar[type[TaskRunner]] = TaskRunner
    """What runs the task for each target."""

    summary: ClassVar[str] = ""
    """What the command does, in a sentence or two, for ``--help``."""

    example: ClassVar[str] = ""
    """A command line, for the end of ``--help``."""

    canMultiprocess: ClassVar[bool] = True
    """Whether targets may be done in processes of their own."""

    noneMeansNothing: ClassVar[bool] = False
    """Whether a result of `None` says that there was nothing to do."""

    @classmethod
    def applyOverrides(cls, config: Config) -> None:
        """Change the configuration after the camera's files and before the command line; here not at all.

        Parameters
        ----------
        config
            An instance of the task's ``ConfigClass``.
        """

    @classmethod
    def parseAndRun(
        cls,
        args: Sequence[str] | None = None,
        config: Config | None = None,
        log: logging.Logger | None = None,
        doReturnResults: bool = False,
    ) -> Struct:
        """Parse arguments and run the task for each target.

        Parameters
        ----------
        args
            Arguments; by default those of the process.
        config
            Configuration to begin with; by default that of the class.
        log
            Parent of the task's log.
        doReturnResults
            Return also what the task returned, for tests and notebooks.

        Returns
        -------
        struct : `lsst.pipe.base.Struct`
            ``argumentParser``, ``parsedCmd``, ``taskRunner`` and ``resultList``, which
            has one entry for each target.

        Raises
        ------
        SystemExit
            Raised with the number of failed targets, or another status of
            `lamella.tasks.cmdline.status` that is not 0; not with ``--noExit``
            and not when results are returned.
        """
        argumentParser = cls._makeArgumentParser()
        parsedCmd = argumentParser.parse_args(
            config=cls.ConfigClass() if config is None else config,
            args=sys.argv[1:] if args is None else args,
            log=log,
            override=cls.applyOverrides,
        )
        taskRunner = cls.RunnerClass(TaskClass=cls, parsedCmd=parsedCmd, doReturnResults=doReturnResults)
        resultList = taskRunner.run(parsedCmd)
        status = exit_status(resultList) if taskRunner.hasStarted else EXIT_NOT_STARTED
        if status and not (parsedCmd.noExit or doReturnResults):
            sys.exit(status)
        return Struct(
            argumentParser=argumentParser,
            parsedCmd=parsedCmd,
            taskRunner=taskRunner,
            resultList=resultList,
        )

    @classmethod
    def _newParser(cls) -> ArgumentParser:
        """Return a parser without data, with the name and the help of the command."""
        return ArgumentParser(name=cls._DefaultName, description=cls.summary, example=cls.example)

    @classmethod
    def _makeArgumentParser(cls) -> ArgumentParser:
        """Return the parser of the command line; override it for other data than exposures."""
        parser = cls._newParser()
        parser.add_id_argument("--id", "calexp", help="data to work on, e.g. --id visit=12345 ccd=1^2")
        return parser

    def runDataRef(self, dataRef: DataRef) -> Any:
        """Do the work for one data reference; a subclass says what that is."""
        raise NotImplementedError(f"{type(self).__name__} has no runDataRef")

    def writeConfig(self, butler: CommandButler, clobber: bool = False, doBackup: bool = True) -> None:
        """Store the configuration, or check that the stored one is equal.

        Parameters
        ----------
        butler
            Where; the file is ``config/<name>.py`` in the folder of the output.
        clobber
            Store it whatever is there.
        doBackup
            Keep what is replaced, as ``<file>~1``.

        Raises
        ------
        TaskError
            Raised when the stored one differs or cannot be read.
        """
        name = self._getConfigName()
        if name is not None:
            write_config(butler.records, name, self.config, clobber=clobber, backup=doBackup)

    def writeSchemas(self, butler: CommandButler, clobber: bool = False, doBackup: bool = True) -> None:
        """Store the columns of all catalogs of the hierarchy, or check that the stored ones are equal.

        When one differs, others may have been stored before.

        Parameters
        ----------
        butler
            Where; the files are ``schema/<dataset>_schema.yaml`` in the folder of the output.
        clobber, doBackup
            As for `writeConfig`.

        Raises
        ------
        TaskError
            Raised when stored columns differ or cannot be read.
        """
        for dataset, catalog in self.getAllSchemaCatalogs().items():
            write_schema(butler.records, f"{dataset}_schema", catalog, clobber=clobber, backup=doBackup)

    def writeMetadata(self, dataRef: Any) -> None:
        """Write the metadata of the hierarchy as a dataset; a failure is only warned of.

        Parameters
        ----------
        dataRef
            What the task worked on.  Where it is not a data reference, nothing is written.
        """
        name = self._getMetadataName()
        if name is None or not hasattr(dataRef, "getButler"):
            return
        try:
            dataRef.getButler().putMetadata(self.getFullMetadata(), name, dataRef)
        except Exception as err:
            self.log.warning("Could not persist metadata for dataId=%s: %s", dataRef.dataId, err)

    def writePackageVersions(
        self,
        butler: CommandButler,
        clobber: bool = False,
        doBackup: bool = True,
        dataset: str = "packages",
    ) -> None:
        """Store the versions of the software, or check that the stored ones agree.

        Parameters
        ----------
        butler
            Where; the file is ``config/<dataset>.yaml`` in the folder of the output.
        clobber, doBackup
            As for `writeConfig`.
        dataset
            Name of the file.

        Raises
        ------
        TaskError
            Raised when a package that both know has another version now.

        Notes
        -----
        Two commands that begin an output at the same moment may both write the file; it is whole in any case.
        """
        write_versions(butler.records, dataset, clobber=clobber, backup=doBackup)

    def _getConfigName(self) -> str | None:
        """Return the name under which the configuration is stored; `None` for not at all."""
        return f"{self._DefaultName}_config"

    def _getMetadataName(self) -> str | None:
        """Return the name of the dataset type of the metadata; `None` for none."""
        return f"{self._DefaultName}_metadata"
