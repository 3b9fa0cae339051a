"""Configuration files as the packages of cameras have them, and as the LSST Science Pipelines saved them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.pex.config import FieldValidationError

from lamella.errors import ConfigError
from lamella.tasks.cmdline.config_files import load_config_file, load_config_text
from lamella.tasks.cmdline.option_paths import set_option
from lamella.tasks.cmdline.package_folders import PackageFolders
from lamella.tasks.manual.assembleCoadd import AssembleCoaddTask
from lamella.tasks.manual.assembleCoaddConfig import AssembleCoaddConfig
from lamella.tasks.manual.compareWarpAssembleCoadd import CompareWarpAssembleCoaddConfig
from lamella.tasks.manual.makeCoaddTempExp import MakeCoaddTempExpConfig
from lamella.tasks.manual.makeDiscreteSkyMap import MakeDiscreteSkyMapConfig
from lamella.tasks.manual.makeSkyMap import MakeSkyMapConfig
from lamella.tasks.manual.safeClipAssembleCoadd import SafeClipAssembleCoaddConfig
from lamella.tasks.manual.selectImages import PsfWcsSelectImagesTask, WcsSelectImagesTask

RINGS = """
config.skyMap{name} = "rings"
config.skyMap["rings"].numRings = 120
config.skyMap["rings"].projection = "TAN"
config.skyMap["rings"].tractOverlap = 1.0/60  # degrees
config.skyMap["rings"].pixelScale = {scale}  # arcsec
"""


class TestSkyMaps:
    """Sky maps of surveys."""

    @pytest.mark.parametrize(
        ("text", "scale", "name"),
        [
            ('config.name = "hsc_rings_v1"\n' + RINGS.format(name="", scale=0.168), 0.168, "hsc_rings_v1"),
            (RINGS.format(name=".name", scale=0.2) + 'config.name = "DC2"\n', 0.2, "DC2"),
            (RINGS.format(name=".name", scale=0.185), 0.185, None),
        ],
    )
    def test_rings(self, text: str, scale: float, name: str | None) -> None:
        config = MakeSkyMapConfig()
        load_config_text(config, text)
        config.validate()
        core = config.skyMap.active.toCore()
        assert (core.num_rings, core.projection, core.tract_overlap) == (120, "TAN", 1.0 / 60)
        assert (core.pixel_scale, config.skyMapName) == (scale, name)

    def test_patches_by_their_builder(self) -> None:
        """Where today's sky maps have the sizes of patches."""
        config = MakeSkyMapConfig()
        text = 'config.skyMap["rings"].tractBuilder["legacy"].patchInnerDimensions = [2000, 2000]\n'
        load_config_text(config, RINGS.format(name=".name", scale=0.2) + text)
        config.validate()
        patches = config.skyMap.active.toCore().patches
        assert (patches.inner, patches.border) == ((2000, 2000), 100)
        load_config_text(config, 'config.skyMap["rings"].tractBuilder.name = "cells"\n')
        assert config.skyMap.active.toCore().patches.cells == 20

    def test_discrete(self) -> None:
        config = MakeSkyMapConfig()
        load_config_text(
            config,
            'config.skyMap = "discrete"\n'
            'config.skyMap["healpix"].tractOverlap = 2.0/60\n'
            'config.skyMap["discrete"].projection="STG"\n'
            'config.skyMap["discrete"].raList = [214.25, 215.5]\n'
            'config.skyMap["discrete"].decList = [52.0, 53.25]\n'
            'config.skyMap["discrete"].radiusList = [0.0, 0.0]\n'
            'config.skyMap["discrete"].patchInnerDimensions=[4000, 4000]\n',
        )
        config.validate()
        assert config.skyMap.active.toCore().ra == (214.25, 215.5)
        discrete = MakeDiscreteSkyMapConfig()
        load_config_text(discrete, 'config.skyMap.projection = "TAN"\nconfig.skyMap.pixelScale = 0.168\n')
        assert discrete.skyMap.pixelScale == 0.168


@pytest.fixture
def camera(tmp_path: Path) -> PackageFolders:
    """A package of a camera, whose files load each other."""
    files = {
        "config/coaddBase.py": "config.matchingKernelSize = 29\n",
        "config/assembleCoadd.py": """
            import os.path
            from lsst.utils import getPackageDir
            config.load(os.path.join(getPackageDir("obs_cam"), "config", "coaddBase.py"))
            config.doSigmaClip = False
            config.subregionSize = (10000, 200)
            config.doMaskBrightObjects = True
            config.removeMaskPlanes.append("CROSSTALK")
            config.doNImage = True
            config.badMaskPlanes += ["SUSPECT"]
            from lsst.pipe.tasks.selectImages import PsfWcsSelectImagesTask
            config.select.retarget(PsfWcsSelectImagesTask)
            config.doAttachTransmissionCurve = False
            config.interpImage.transpose = True
            config.coaddPsf.warpingKernelName = 'lanczos5'
        """,
        "config/compareWarpAssembleCoadd.py": """
            import os.path
            config.load(os.path.join(os.path.dirname(__file__), "assembleCoadd.py"))
            config.assembleStaticSkyModel.subregionSize = (10000, 200)
            config.assembleStaticSkyModel.useMeasMosaic = True
            config.doFilterMorphological = True
        """,
        "config/safeClipAssembleCoadd.py": 'config.load("assembleCoadd.py")\n',
        "config/makeCoaddTempExp.py": """
            import os.path
            from lsst.utils import getPackageDir
            config.load(os.path.join(getPackageDir("obs_cam"), "config", "coaddBase.py"))
            config.makePsfMatched = True
            config.modelPsf.defaultFwhm = 7.7
            config.warpAndPsfMatch.psfMatch.kernel['AL'].alardSigGauss = [1.0, 2.0, 4.5]
            config.warpAndPsfMatch.warp.warpingKernelName = 'lanczos5'
            config.coaddPsf.warpingKernelName = 'lanczos5'
        """,
    }
    for name, text in files.items():
        path = tmp_path / "obs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line.strip()}\n" for line in text.splitlines()))
    return PackageFolders.parse([f"obs_cam={tmp_path / 'obs'}"])


class TestCamera:
    """The files of a camera."""

    def load(self, config: Any, camera: PackageFolders, name: str) -> Any:
        load_config_file(config, Path(camera.find("obs_cam")) / "config" / f"{name}.py", camera)
        config.validate()
        return config

    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            (AssembleCoaddConfig, "assembleCoadd"),
            (SafeClipAssembleCoaddConfig, "safeClipAssembleCoadd"),
            (CompareWarpAssembleCoaddConfig, "compareWarpAssembleCoadd"),
        ],
    )
    def test_coadds(self, camera: PackageFolders, kind: Any, name: str) -> None:
        config = self.load(kind(), camera, name)
        assert config.select.target is PsfWcsSelectImagesTask
        assert config.matchingKernelSize == 29
        assert list(config.subregionSize) == [10000, 200]
        assert "SUSPECT" in config.badMaskPlanes
        assert "CROSSTALK" in config.removeMaskPlanes
        assert config.coaddPsf.warpingKernelName == "lanczos5"
        assert config.interpImage.transpose is True

    def test_warps(self, camera: PackageFolders, caplog: Any) -> None:
        config = self.load(MakeCoaddTempExpConfig(), camera, "makeCoaddTempExp")
        assert config.warpAndPsfMatch.warp.warpingKernelName == "lanczos5"
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert (
            "1 option has no effect here (warpAndPsfMatch.psfMatch.kernel['AL'].alardSigGauss)" in caplog.text
        )

    def test_kernels_that_differ_are_refused(self) -> None:
        config = MakeCoaddTempExpConfig()
        config.coaddPsf.warpingKernelName = "lanczos5"
        with pytest.raises(FieldValidationError, match=r"with lanczos3 .*found lanczos5"):
            config.validate()

    def test_what_lamella_cannot_do_is_refused_with_the_remedy(self, camera: PackageFolders) -> None:
        config = self.load(AssembleCoaddConfig(), camera, "assembleCoadd")
        config.doAttachTransmissionCurve = True
        with pytest.raises(FieldValidationError, match="-c doAttachTransmissionCurve=False does without"):
            config.validate()


SAVED = """
import lsst.pipe.tasks.assembleCoadd
assert type(config)==lsst.pipe.tasks.assembleCoadd.CompareWarpAssembleCoaddConfig, 'config is of type %s.%s instead of lsst.pipe.tasks.assembleCoadd.CompareWarpAssembleCoaddConfig' % (type(config).__module__, type(config).__name__)
import lsst.pipe.tasks.selectImages
import lsst.pex.config.config
# Coadd name: typically one of deep or goodSeeing.
config.coaddName='deep'

config.select.retarget(target=lsst.pipe.tasks.selectImages.WcsSelectImagesTask, ConfigClass=lsst.pex.config.config.Config)

config.badMaskPlanes=['NO_DATA', 'BAD', 'SAT', 'SUSPECT']
config.inputRecorder.saveCcdWeights=True
config.doPsfMatch=False
config.modelPsf.size=None
config.modelPsf.defaultFwhm=3.0
config.doApplyUberCal=False
config.useMeasMosaic=True
config.useGlobalExternalPhotoCalib=True
config.externalPhotoCalibName='jointcal'
config.matchingKernelSize=29
config.subregionSize=[10000, 200]
config.statistic='MEAN'
config.doSigmaClip=False
config.sigmaClip=3.0
config.scaleZeroPoint.zeroPoint=27.0
config.interpImage.modelPsf.sizeFactor=3.0
config.interpImage.useFallbackValueAtEdge=True
config.interpImage.fallbackValueType='MEDIAN'
config.maskPropagationThresholds={'SAT': 0.1}
config.removeMaskPlanes=['NOT_DEBLENDED', 'EDGE', 'CROSSTALK']
config.coaddPsf.cacheSize=10000
config.coaddPsf.warpingKernelName='lanczos3'
config.assembleStaticSkyModel.statistic='MEANCLIP'
config.assembleStaticSkyModel.sigmaClip=2.5
config.assembleStaticSkyModel.interpImage.modelPsf.minSize=5
import lsst.meas.algorithms.detection
config.detect.retarget(target=lsst.meas.algorithms.detection.SourceDetectionTask, ConfigClass=lsst.meas.algorithms.detection.SourceDetectionConfig)
config.detect.minPixels=4
config.detect.combinedGrow=True
config.detect.nSigmaToGrow=2.0
config.detect.thresholdValue=5.0
config.detect.includeThresholdMultiplier=1.0
config.detect.adjustBackground=0.0
config.detect.background.statisticsProperty='MEANCLIP'
config.detect.background.ignoredPixelMask=['BAD', 'EDGE', 'DETECTED', 'DETECTED_NEGATIVE', 'NO_DATA']
config.detect.doTempWideBackground=False
config.detect.statsMask=['BAD', 'SAT', 'EDGE', 'NO_DATA']
config.detectTemplate.minPixels=1
config.detectTemplate.nSigmaToGrow=2.4
config.detectTemplate.thresholdValue=5.0
config.detectTemplate.tempLocalBackground.binSize=64
config.maxNumEpochs=2
config.doScaleWarpVariance=True
config.scaleWarpVariance.background.binSize=32
config.scaleWarpVariance.maskPlanes=['DETECTED', 'DETECTED_NEGATIVE', 'BAD', 'SAT', 'NO_DATA', 'INTRP']
config.maskStreaks.rhoBinSize=30
config.connections.inputWarps='{inputCoaddName}Coadd_{warpType}Warp'
"""  # noqa: E501


class TestSaved:
    """Files that the pipelines saved."""

    def test_of_compare_warp(self, caplog: Any) -> None:
        config = CompareWarpAssembleCoaddConfig()
        load_config_text(config, SAVED)
        config.validate()
        assert config.select.target is WcsSelectImagesTask
        assert config.select.value.toCore().exclude_detectors == ()
        assert config.coaddPsf.warpingKernelName == "lanczos3"
        assert config.assembleStaticSkyModel.sigmaClip == 2.5
        assert "SUSPECT" in config.badMaskPlanes
        (record,) = caplog.records
        assert "14 options have no effect here (useMeasMosaic, " in record.getMessage()
        assert "and 6 more" in record.getMessage()

    def test_today_s_form(self) -> None:
        path = "lsst.pipe.tasks.assembleCoadd.AssembleCoaddConfig"
        load_config_text(
            AssembleCoaddConfig(),
            f"import lsst.pipe.tasks.assembleCoadd\nassert type(config) is {path}, "
            f'f"config is of type {{type(config).__module__}} instead of {path}"\n',
        )

    def test_of_another_task(self) -> None:
        with pytest.raises(
            ConfigError, match=r":3: .*is for a lsst.*CompareWarp.*found a .*\.SafeClipAssemble"
        ):
            load_config_text(SafeClipAssembleCoaddConfig(), SAVED)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("config.doMatchBackgrounds = True", "doMatchBackgrounds can only be False here; found True"),
            ("config.detect.includeThresholdMultiplier = 2.0", "can only be 1.0 here; found 2.0"),
            (
                "config.assembleStaticSkyModel.doMatchBackgrounds = True",
                "backgrounds of warps are not matched",
            ),
            ("import lsst.a.b\nconfig.detect.retarget(lsst.a.b.OtherTask)", "detect is no subtask here"),
            ("config.detectt.minPixels = 3", "did you mean detect"),
        ],
    )
    def test_what_would_have_an_effect_is_refused(self, text: str, reason: str) -> None:
        line = len(text.splitlines())
        with pytest.raises(ConfigError, match=f"saved.py:{line}: .*{reason}"):
            load_config_text(CompareWarpAssembleCoaddConfig(), text, name="saved.py")

    def test_the_mask_planes_that_grow(self) -> None:
        config = MakeCoaddTempExpConfig()
        warp = config.warpAndPsfMatch.warp
        load_config_text(config, 'config.warpAndPsfMatch.warp.growFullMask = ["SAT"]\n')
        assert list(warp.growFullMask) == ["SAT"]
        load_config_text(config, "config.warpAndPsfMatch.warp.growFullMask=16\n")
        assert list(warp.growFullMask) == ["EDGE"]
        set_option(config, "warpAndPsfMatch.warp.growFullMask", "['CR']")
        set_option(config, "warpAndPsfMatch.warp.growFullMask", "16")
        assert list(warp.growFullMask) == ["EDGE"]
        with pytest.raises(ConfigError, match="growFullMask"):
            load_config_text(config, "config.warpAndPsfMatch.warp.growFullMask=18\n")

    @pytest.mark.parametrize(
        "kind",
        [AssembleCoaddConfig, SafeClipAssembleCoaddConfig, CompareWarpAssembleCoaddConfig,
         MakeCoaddTempExpConfig, MakeSkyMapConfig, MakeDiscreteSkyMapConfig],
    )  # fmt: skip
    def test_our_own_files_come_back(self, kind: Any) -> None:
        config, other = kind(), kind()
        load_config_text(other, config.saveToString())
        assert other.saveToString() == config.saveToString()

    def test_a_threshold_that_nothing_is_searched_with(self) -> None:
        config = CompareWarpAssembleCoaddConfig()
        load_config_text(config, "config.detectTemplate.thresholdValue = 300\n")
        config.validate()
        load_config_text(config, "config.detectTemplate.thresholdValue = 7.0\n")
        with pytest.raises(FieldValidationError, match="not searched"):
            config.validate()


class TestOption:
    """``-c`` knows the same names."""

    def test_names(self, caplog: Any) -> None:
        config = MakeSkyMapConfig()
        set_option(config, "name", "hsc_rings_v1")
        assert config.skyMapName == "hsc_rings_v1"
        coadd = AssembleCoaddConfig()
        set_option(coadd, "select.retarget", "lsst.pipe.tasks.selectImages.PsfWcsSelectImagesTask")
        assert coadd.select.target is PsfWcsSelectImagesTask
        set_option(coadd, "useMeasMosaic", "True")
        assert "command line: 1 option has no effect here (useMeasMosaic)" in caplog.text
        with pytest.raises(ConfigError, match="can only be False here; found True"):
            set_option(coadd, "doMatchBackgrounds", "True")

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("lsst.pipe.tasks.selectImages.PsfWcsSelectImageTask", "did you mean PsfWcsSelectImagesTask"),
            ("lsst.pipe.tasks.selectImages.numpy", "lamella has no numpy"),
            ("lsst.obs.subaru.selectImages.ButlerSelectImagesTask", "No module named 'lsst.obs"),
        ],
    )
    def test_names_that_are_not_here(self, path: str, reason: str) -> None:
        with pytest.raises(ConfigError, match=reason):
            set_option(AssembleCoaddConfig(), "select.retarget", path)

    def test_the_assembler_is_found_by_both_of_its_modules(self) -> None:
        from lamella.tasks.cmdline.option_paths import find_class

        assert find_class("lsst.pipe.tasks.assembleCoadd.AssembleCoaddTask") is AssembleCoaddTask
        assert find_class("lsst.drp.tasks.assemble_coadd.AssembleCoaddTask") is AssembleCoaddTask
