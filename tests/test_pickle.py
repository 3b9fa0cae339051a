"""Every public value can be sent to another process: what comes back is the same, to the last bit."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamella
from lamella.coadd.stack.prepare import input_of
from lamella.data.inputs import CoaddTarget
from lamella.sky.discrete import FieldConfig, FieldSkyMap

from .makers import WarpMaker, make_exposure, varied_warps
from .same import COUNTS, assert_same_planes

MAKER = WarpMaker()
TARGET = CoaddTarget(outer_bbox=MAKER.bbox, projection=MAKER.projection)
PLANES = [
    (np.full((2, 3), value, np.float32), np.zeros((2, 3), np.int32), np.ones((2, 3), np.float32))
    for value in (1, 4)
]


def coadd() -> lamella.PatchCoadd:
    config = lamella.AssembleConfig(reject={"method": "safe_clip"}, statistic="MEAN")
    return lamella.assemble(varied_warps(MAKER), config, target=TARGET)


def stack() -> lamella.StackResult:
    cubes = (np.stack(planes) for planes in zip(*PLANES, strict=True))
    return lamella.statistics_stack(*cubes, control=lamella.StackControl())


def streaming_mean() -> lamella.StreamingMean:
    mean = lamella.StreamingMean((2, 3), lamella.StackControl(statistic="MEAN"))
    mean.add(*PLANES[0])
    return mean


def archive_warp(folder: Path) -> lamella.ArchiveWarp:
    lamella.write_archive(MAKER.warp(1), folder / "warp.fits")
    return lamella.ArchiveWarp(folder / "warp.fits")


def artifact_masks(folder: Path) -> lamella.ArtifactMasks:
    config = lamella.AssembleConfig(reject={"method": "safe_clip"}, statistic="MEAN")
    findings: list[Any] = []
    made = lamella.assemble(varied_warps(MAKER), config, target=TARGET, on_findings=findings.append)
    masks = lamella.ArtifactMasks.of(made, findings[0])
    assert masks is not None
    return masks


VALUES: dict[str, Callable[[Path], Any]] = {
    "ArchiveWarp": archive_warp,
    "ArtifactMasks": artifact_masks,
    "AssembleConfig": lambda _: lamella.AssembleConfig(statistic="MEDIAN"),
    "CoaddTarget": lambda _: TARGET,
    "Exposure": lambda _: make_exposure(MAKER.warp(1)),
    "ExposureId": lambda _: lamella.ExposureId("Cam", 1, 2, "r"),
    "ExposureInfo": lambda _: make_exposure(MAKER.warp(1)).info,
    "LamellaError": lambda _: lamella.LamellaError("no", value=3),
    "PatchCoadd": lambda _: coadd(),
    "PatchConfig": lambda _: lamella.PatchConfig(),
    "PatchId": lambda _: coadd().id,
    "Provenance": lambda _: coadd().provenance,
    "Resources": lambda _: lamella.Resources(threads=2),
    "SkyMap": lambda _: FieldSkyMap(FieldConfig(ra=10.0, dec=0.0, width=300, height=200), name="f"),
    "StackControl": lambda _: lamella.StackControl(sigma_clip=2.0),
    "StackResult": lambda _: stack(),
    "StreamingMean": lambda _: streaming_mean(),
    "Warp": lambda _: varied_warps(MAKER)[0],
    "WarpControl": lambda _: lamella.WarpControl(kernel="lanczos5"),
    "WarpInput": lambda _: input_of(MAKER.warp(1)),
}


def test_all_public_classes_are_here() -> None:
    public = {name for name in lamella.__all__ if inspect.isclass(getattr(lamella, name))}
    assert set(VALUES) == public


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back(name: str, tmp_path: Path) -> None:
    value = VALUES[name](tmp_path)
    for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
        assert type(again) is type(value)
        assert isinstance(again, getattr(lamella, name))
        assert_same(again, value)


def assert_same(found: Any, expected: Any) -> None:
    """Require that two values have the same content, to the last bit."""
    if isinstance(expected, np.ndarray):
        assert (found.dtype, found.shape, found.tobytes()) == (
            expected.dtype,
            expected.shape,
            expected.tobytes(),
        )
    elif isinstance(expected, lamella.PatchCoadd | lamella.Warp):
        counts = COUNTS if isinstance(expected, lamella.PatchCoadd) else ()
        assert_same_planes(found, expected, *counts)
        assert found.sky_projection == expected.sky_projection
        assert found.unit == expected.unit
        for name in (
            ("provenance", "id") if counts else ("detectors", "visit", "instrument", "band", "metadata")
        ):
            assert_same(getattr(found, name), getattr(expected, name))
        assert_same(stamp(found), stamp(expected))
    elif dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name))
    elif isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for mine, theirs in zip(found, expected, strict=True):
            assert_same(mine, theirs)
    elif type(expected).__eq__ is not object.__eq__:
        assert found == expected
    elif isinstance(expected, Exception):
        assert (str(found), vars(found)) == (str(expected), vars(expected))
    elif isinstance(expected, lamella.ArchiveWarp):
        for mine, theirs in zip(
            found.read(found.bbox).arrays, expected.read(expected.bbox).arrays, strict=True
        ):
            assert_same(mine, theirs)
    elif isinstance(expected, lamella.StreamingMean):
        found.add(*PLANES[1])
        once = copy.deepcopy(expected)
        once.add(*PLANES[1])
        assert_same(found.result(), once.result())
    else:
        assert type(found) is type(expected)
        assert_same(sorted(vars(found).items()), sorted(vars(expected).items()))


def stamp(image: Any) -> np.ndarray:
    """Return the PSF at the centre of an image."""
    kernel: np.ndarray = image.psf.compute_kernel_image(x=image.bbox.x.center, y=image.bbox.y.center).array
    return kernel
