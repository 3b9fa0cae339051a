"""Options of the LSST Science Pipelines that the tasks here do not have: what a file may say of them.

Files that the pipelines saved set every option there is.  What would switch
something on that lamella does not do is refused unless it has the value that
leaves it off; what tunes code that is another one here is taken note of, with
a warning that names it.
"""

from __future__ import annotations

import ast
import dataclasses
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from lsst.pex.config import Config
from lsst.pex.config.configurableField import ConfigurableInstance

from ...errors import ConfigError

__all__ = ("PassedOver", "StackOption", "find_stack_option", "stands_for")

_LOG = logging.getLogger("lamella.cmdline")
_SHOWN = 8
"""Options that a warning names."""


@dataclasses.dataclass(frozen=True)
class StackOption:
    """What becomes of an option of the pipelines."""

    reason: str = ""
    """Why it is not here."""
    values: tuple[Any, ...] | None = None
    """Those that it may have, as lamella does what they say; `None` for any, of which none has an effect."""
    renamed: str = ""
    """Its name here."""
    meant: Any = None
    """What ``values`` are as a value of the option of the same name here; `None` where there is none."""

    @property
    def is_absent(self) -> bool:
        """Whether there is no such option here."""
        return not self.renamed and self.meant is None

    def here(self, value: Any) -> Any:
        """Return what a value is as one of the option here."""
        return self.meant if self.meant is not None and self.takes(value) else value

    def takes(self, value: Any) -> bool:
        """Whether a file may give this value; otherwise it is refused."""
        plain = list(value) if isinstance(value, tuple) else value
        return self.values is None or plain in self.values

    def refusal(self, name: str, value: Any) -> ConfigError:
        """Return the error for a value that is not taken."""
        taken = " or ".join(repr(item) for item in self.values or ())
        text = f"{name} can only be {taken} here; found {value!r}: {self.reason}"
        return ConfigError(text, option=name, found=value, reason=text)


class PassedOver:
    """The options of one file, or of a command line, that have no effect here."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def note(self, option: StackOption, name: str, value: Any = None) -> None:
        """Take note of an option that is absent here.

        Raises
        ------
        ConfigError
            Raised when the value would have an effect.
        """
        if not option.takes(value):
            raise option.refusal(name, value)
        if option.values is None:
            self._reasons[name] = option.reason

    def tell(self, source: str) -> None:
        """Warn of them, once for all."""
        names = list(self._reasons)
        if not names:
            return
        more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        shown = f"{', '.join(names[:_SHOWN])}{more}"
        has = "1 option has" if len(names) == 1 else f"{len(names)} options have"
        reasons = "; ".join(dict.fromkeys(self._reasons.values()))
        _LOG.warning("%s: %s no effect here (%s): %s", source, has, shown, reasons)


def _unused(reason: str, *names: str) -> dict[str, StackOption]:
    return dict.fromkeys(names, StackOption(reason))


def _fixed(reason: str, **values: Any) -> dict[str, StackOption]:
    """Return options that have one value."""
    return {name: StackOption(reason, (value,)) for name, value in values.items()}


_SEARCH = "lamella searches footprints with code of its own"
_DETECTION = {
    **_unused(
        _SEARCH, "background", "nPeaksMaxSimple", "nSigmaForKernel", "statsMask", "tempLocalBackground",
        "tempWideBackground",
    ),
    **_fixed(
        _SEARCH, adjustBackground=0.0, combinedGrow=True, doApplyFlatBackgroundRatio=False,
        doTempWideBackground=False, excludeMaskPlanes=[], includeThresholdMultiplier=1.0,
    ),
}  # fmt: skip

_OPTIONS: dict[str, dict[str, StackOption]] = {
    "AssembleCoaddConfig": {
        **_fixed("backgrounds of warps are not matched", doMatchBackgrounds=False),
        **_unused(
            "backgrounds of warps are not matched", "matchBackgrounds",
            "maxMatchResidualRMS", "maxMatchResidualRatio",
        ),
        **_unused("maps of inputs are not made", "inputMapper"),
    },
    "CoaddBaseConfig": {
        **_unused("it belongs to doApplyUberCal, which is refused", "useMeasMosaic"),
        **_unused(
            "it belongs to external calibrations, which are refused", "externalPhotoCalibName",
            "externalSkyWcsName", "useGlobalExternalPhotoCalib", "useGlobalExternalSkyWcs",
        ),
        **_unused("it is one of pipetask", "connections", "saveLogOutput", "saveMetadata"),
        **_fixed("there are no datasets with added sources", hasFakes=False),
    },
    "CompareWarpAssembleCoaddConfig": _unused(
        "sources of the static sky are not searched", "detectTemplateIterMultiplier", "maxDetectTemplateIter"
    ),
    "DetectTemplateConfig": {
        **_unused(
            "sources of the static sky are not searched", *_DETECTION, "doTempLocalBackground",
            "isotropicGrow", "minPixels", "reEstimateBackground", "returnOriginalFootprints",
            "thresholdPolarity", "thresholdType",
        ),
        "nSigmaToGrow": StackOption(values=(2.0, 2.4), meant=2.0),
        "thresholdValue": StackOption(values=(5.0, 300.0), meant=5.0),
    },
    "FootprintsConfig": _DETECTION,
    "InterpImageConfig": _unused("no PSF is needed to fill gaps", "modelPsf"),
    "MakeDiscreteSkyMapConfig": {"name": StackOption(renamed="skyMapName")},
    "MakeSkyMapConfig": {"name": StackOption(renamed="skyMapName")},
    "NoiseControlConfig": _unused(
        "lamella measures the noise with code of its own", "background", "maskPlanes"
    ),
    "PsfMatchConfig": _unused(
        "lamella matches PSFs with code of its own", "autoPadPsfTo", "doAutoPadPsf", "kernel", "padPsfBy"
    ),
    "PsfWcsSelectImagesConfig": _unused(
        "exposures bring these numbers", "doLegacyStarSelectionComputation", "psfShape", "starSelection",
        "starShape",
    ),
    "StreakControlConfig": _unused(
        "lamella finds streaks with code of its own", "absMinimumKernelHeight", "badMaskPlanes",
        "clusterMinimumDeviation", "clusterMinimumSize", "dChi2Tolerance", "delta", "detectedMaskPlane",
        "footprintThreshold", "invSigma", "maxFitIter", "maxStreakWidth", "minimumKernelHeight", "nSigma",
        "nSigmaMask", "onlyMaskDetected", "rhoBinSize", "saturatedDetectionsDilation", "streaksMaskPlane",
        "thetaBinSize",
    ),
    "WarperConfig": {"growFullMask": StackOption(values=(16,), meant=["EDGE"])},
}  # fmt: skip
"""By the names of the configurations of `lamella.tasks.manual`, and those derived from the core."""

_STAND_INS = {
    "MaskStreaksTask": ("maskStreaks",),
    "ModelPsfMatchTask": ("psfMatch",),
    "ScaleVarianceTask": ("scaleWarpVariance",),
    "SourceDetectionTask": ("clipDetection", "detect", "detectTemplate"),
}
"""Tasks of the pipelines at options that are no subtasks here."""


def stands_for(option: str, task: str) -> bool:
    """Whether an option of the manual's tasks is what the pipelines do with a task of their own."""
    module, _, name = task.rpartition(".")
    return module.startswith("lsst.") and option.rpartition(".")[2] in _STAND_INS.get(name, ())


def find_stack_option(roots: Mapping[str, Any], node: ast.expr) -> StackOption | None:
    """Return the option of the pipelines that a path leads to, or through, if it is one.

    Parameters
    ----------
    roots
        Configurations by the names that a path may begin with.
    node
        A path such as ``config.a['b'].c``.
    """
    for owner, name in _steps(roots, node):
        option = _of_class(type(owner), name)
        if option is not None and (option.meant is not None or name not in owner._fields):
            return option
    return None


def _of_class(kind: type[Config], name: str) -> StackOption | None:
    tables = (_OPTIONS.get(cls.__name__, {}) for cls in kind.__mro__)
    return next((table[name] for table in tables if name in table), None)


def _steps(roots: Mapping[str, Any], node: ast.expr) -> Iterator[tuple[Config, str]]:
    """Yield the configurations on a path with the attribute that follows each, from the root on."""
    parts: list[ast.Attribute | ast.Subscript] = []
    while isinstance(node, ast.Attribute | ast.Subscript):
        parts.insert(0, node)
        node = node.value
    owner: Any = roots.get(node.id) if isinstance(node, ast.Name) else None
    for part in parts:
        owner = owner.value if isinstance(owner, ConfigurableInstance) else owner
        try:
            if isinstance(part, ast.Subscript):
                owner = owner[ast.literal_eval(part.slice)]
                continue
            if isinstance(owner, Config):
                yield owner, part.attr
            owner = getattr(owner, part.attr)
        except (AttributeError, LookupError, TypeError, ValueError):
            return
