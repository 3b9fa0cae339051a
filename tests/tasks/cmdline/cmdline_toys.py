"""Small tasks for the tests of the framework; processes of ``-j`` import this module."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from astropy.table import Table
from lsst.pex.config import (
    Config,
    ConfigChoiceField,
    ConfigDictField,
    ConfigField,
    ConfigurableField,
    DictField,
    Field,
    ListField,
)
from lsst.pipe.base import NoWorkFound, Struct, TaskError

from lamella.tasks.cmdline.argument_parser import ArgumentParser
from lamella.tasks.cmdline.data_ids import CoaddDataIdContainer
from lamella.tasks.cmdline.runner import TaskRunner
from lamella.tasks.cmdline.task import CmdLineTask, Task


class ScaleConfig(Config):
    factor = Field("what to multiply with", float, default=2.0)


class ScaleTask(Task):
    ConfigClass = ScaleConfig
    _DefaultName = "scale"

    def run(self, value: float) -> float:
        with self.timer("scaling"):
            return value * self.config.factor

    def getSchemaCatalogs(self) -> dict[str, Any]:
        return {"toyCatalog": Table({"flux": [1.0], "id": [1]}, units={"flux": "nJy"})[:0]}


class ShiftConfig(Config):
    offset = Field("what to add", float, default=100.0)


class ShiftTask(Task):
    ConfigClass = ShiftConfig
    _DefaultName = "shift"

    def run(self, value: float) -> float:
        return value + self.config.offset


class ToyConfig(Config):
    coaddName = Field("prefix", str, default="toy")
    title = Field("a text", str, default="none")
    doWrite = Field("a switch", bool, default=True)
    number = Field("a number", int, default=1, check=lambda value: value != 13)
    limit = Field("may be infinite", float, default=1.0)
    maybe = Field("may be absent", float, default=None, optional=True)
    planes = ListField("names", str, default=["BAD"])
    size = ListField("two numbers", int, default=[10, 20], length=2)
    thresholds = DictField("by name", keytype=str, itemtype=float, default={"SAT": 0.1})
    inner = ConfigField("nested", ShiftConfig)
    several = ConfigDictField("by name", keytype=str, itemtype=ShiftConfig, default={})
    kind = ConfigChoiceField("one of two", {"scale": ScaleConfig, "shift": ShiftConfig}, default="scale")
    scale = ConfigurableField("subtask", ScaleTask)


class ToyTask(CmdLineTask):
    """Multiplies the number of each visit by a factor and adds them over the visits of a patch."""

    ConfigClass = ToyConfig
    _DefaultName = "toy"
    noneMeansNothing = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.makeSubtask("scale")

    @classmethod
    def applyOverrides(cls, config: Config) -> None:
        config.title = "from the hook"

    @classmethod
    def _makeArgumentParser(cls) -> ArgumentParser:
        parser = ArgumentParser(name=cls._DefaultName, prog="toy.py")
        parser.add_id_argument("--id", "toyCoadd_sum", help="patch", ContainerClass=CoaddDataIdContainer)
        parser.add_id_argument("--selectId", "toyInput", help="inputs")
        return parser

    def runDataRef(self, dataRef: Any, selectDataList: Any = ()) -> Any:
        patch = dataRef.dataId["patch"]
        self.log.info("at work on %s", patch)
        if self.config.title == "fail" or (self.config.title == "fail 1,0" and patch == "1,0"):
            raise ValueError(f"no good: {patch}")
        if self.config.title == "task error":
            raise TaskError("plain words")
        if self.config.title == "no work":
            raise NoWorkFound("nothing overlaps")
        if self.config.title == "die 1,0" and patch == "1,0":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.config.title == "slow":
            time.sleep(20)
        values = [self.scale.run(ref.get("toyInput")["value"]) for ref in selectDataList]
        if not values:
            return None
        total = sum(values)
        self.metadata["total"] = total
        if self.config.doWrite:
            dataRef.put({"sum": total, "pid": os.getpid()}, "toyCoadd_sum")
        return Struct(total=total)


class ToyRunner(TaskRunner):
    @staticmethod
    def getTargetList(parsedCmd: Any, **kwargs: Any) -> Any:
        return TaskRunner.getTargetList(parsedCmd, selectDataList=parsedCmd.selectId.refList, **kwargs)


ToyTask.RunnerClass = ToyRunner


class SingleTask(ToyTask):
    """As `ToyTask`, and must not be run in several processes."""

    canMultiprocess = False
