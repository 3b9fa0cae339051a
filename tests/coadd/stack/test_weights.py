"""Coadds of detectors that differ in noise and pixels: each pixel has the weight of the image it is from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from lsst.images import Box

from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.stack.prepare import input_of, weigh
from lamella.coadd.warp.information import exposure_information
from lamella.coadd.warp.warp import make_warp
from lamella.data.coadd import PatchCoadd
from lamella.data.exposure import Exposure
from lamella.data.inputs import CoaddTarget, WarpInput
from lamella.data.options import WeightControl
from lamella.data.warp import Warp
from lamella.formats.archive.products import ArchiveWarp, read_product
from lamella.formats.archive.write import write_archive
from lamella.resources import Resources
from lamella.run.match import match_inputs, use_matched
from lamella.run.patch import warp_visit
from lamella.run.patch_config import PatchConfig

from ... import makers
from ...projections import tan_projection

CENTRE = SkyCoord(40.0 * u.deg, -30.0 * u.deg)
TRACT = tan_projection(CENTRE, 0.2 * u.arcsec, (500.0, 500.0))
TARGET = CoaddTarget(outer_bbox=Box.factory[430:570, 400:600], projection=TRACT)
MEAN = AssembleConfig(statistic="MEAN", fill_gaps=False)
PLANES = ("BAD", "NO_DATA")


def exposure(
    visit: int,
    detector: int,
    value: float,
    sigma: float,
    *,
    middle: tuple[float, float] = (500.0, 500.0),
    shape: tuple[int, int] = (180, 240),
    scale: float = 0.2,
    noise: bool = False,
) -> Exposure:
    """Return a flat exposure whose middle is at a pixel (x, y) of the tract."""
    at = TRACT.pixel_to_sky(x=middle[0], y=middle[1])
    projection = tan_projection(at, scale * u.arcsec, ((shape[1] - 1) / 2, (shape[0] - 1) / 2))
    image = np.full(shape, value)
    if noise:
        image += np.random.default_rng((visit, detector)).normal(0.0, sigma, shape)
    planes = makers.make_planes(image, sigma**2, projection=projection)
    return makers.make_exposure(planes, visit=visit, detector=detector, sigma=1.5 + 0.2 * visit, psf_fwhm=0.7)


def two_visits(*, noise: bool = False) -> list[list[Exposure]]:
    """Return a visit of two detectors, left and right, with other noise and pixels; and one of a third."""
    return [
        [
            exposure(1, 1, 10.0, 10.0, middle=(420.3, 500.2), shape=(180, 162), noise=noise),
            exposure(1, 2, 20.0, 30.0, middle=(580.1, 500.0), shape=(144, 128), scale=0.25, noise=noise),
        ],
        [exposure(2, 1, 40.0, 15.0, middle=(500.5, 499.5), noise=noise)],
    ]


def warps_of(visits: list[list[Exposure]], target: CoaddTarget = TARGET) -> list[Warp]:
    warps = [make_warp(visit, target.projection, target.outer_bbox) for visit in visits]
    return [warp for warp in warps if warp is not None]


def information(sigma: float, scale: float = 0.2) -> float:
    return scale**2 / sigma**2


def bits(coadd: PatchCoadd) -> list[bytes]:
    planes = ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked")
    return [getattr(coadd, name).array.tobytes() for name in planes]


@pytest.mark.parametrize("statistic", ["MEAN", "NOISECLIP", "MEANCLIP"])
def test_each_pixel_has_the_weight_of_its_detector(statistic: str) -> None:
    visits = two_visits()
    config = AssembleConfig(statistic=statistic, sigma_clip=100.0, fill_gaps=False)
    coadd = assemble(warps_of(visits), config, target=TARGET)
    left, right, other = information(10.0), information(30.0, 0.25), information(15.0)
    np.testing.assert_allclose(coadd.inputs["weight"], [left, right, other], rtol=1e-4)
    assert coadd.inputs["weight"].unit == "arcsec2 nJy-2"
    # A pixel of 0.25 arcsec has less flux in one of 0.2.
    for x, weight, value, variance in ((430, left, 10.0, 100.0), (575, right, 20.0 * 0.64, None)):
        found = coadd.image.array[70, x - 400]
        assert found == pytest.approx((weight * value + other * 40.0) / (weight + other), rel=1e-4)
        if variance is not None:
            noise = coadd.variance.array[20:120, x - 410 : x - 390].mean()
            alone = [w.variance.array[20:120, x - 410 : x - 390].mean() for w in warps_of(visits)]
            expected = (weight**2 * alone[0] + other**2 * alone[1]) / (weight + other) ** 2
            assert noise == pytest.approx(expected, rel=0.01)
    assert coadd.exposure_count.array[70, 30] == coadd.exposure_count.array[70, 175] == 2
    assert [part.weight for part in coadd.psf.components] == list(coadd.inputs["weight"])


def test_a_weight_is_that_of_the_image_in_every_patch() -> None:
    visits = two_visits()
    expected = {one.info.id: exposure_information(one) for visit in visits for one in visit}
    boxes = [TARGET.outer_bbox, Box.factory[430:436, 400:407], Box.factory[480:520, 490:530]]
    for box in boxes:
        target = dataclasses.replace(TARGET, outer_bbox=box)
        for found in assemble(warps_of(visits, target), MEAN, target=target).detectors:
            assert found.weight == expected[found.id] == found.information


def test_exposures_half_a_pixel_apart_have_the_same_weight() -> None:
    visits = [[exposure(k, 1, 0.0, 10.0, middle=(500.0 + 0.5 * k, 500.0 + 0.5 * k))] for k in (0, 1)]
    first, second = assemble(warps_of(visits), MEAN).inputs["weight"]
    assert second / first == pytest.approx(1.0, abs=1e-6)
    # Their warps have other variances, by which the original pipelines weigh.
    by_variance = assemble(warps_of(visits), MEAN.replace(weights=WeightControl(rule="variance")))
    assert max(by_variance.inputs["weight"]) / min(by_variance.inputs["weight"]) > 1.4
    assert by_variance.inputs["weight"].unit == "nJy-2"


@pytest.mark.parametrize("statistic", ["MEAN", "NOISECLIP", "MEDIAN", "STDEV"])
def test_tiles_threads_and_streams_change_no_bit(statistic: str) -> None:
    warps = warps_of(two_visits(noise=True))
    config = AssembleConfig(statistic=statistic, fill_gaps=False)
    whole = bits(assemble(warps, config, target=TARGET))
    for resources in (Resources(threads=3, memory=0.02), Resources(memory=0.003)):
        assert bits(assemble(warps[::-1], config, target=TARGET, resources=resources)) == whole
    if statistic == "MEAN":
        streaming = Resources(streaming=True)
        assert bits(assemble(warps, config, target=TARGET, resources=streaming)) == whole


def test_a_part_of_a_patch_has_the_bits_of_the_whole() -> None:
    warps = warps_of(two_visits(noise=True))
    whole = assemble(warps, MEAN, target=TARGET)
    box = Box.factory[471:522, 455:541]
    part = assemble(warps, MEAN, target=dataclasses.replace(TARGET, outer_bbox=box))
    assert bits(part)[0] == whole[box].image.array.tobytes()


def test_the_noise_of_a_mixed_coadd_is_the_least() -> None:
    """Sums over ten by ten pixels, so that the correlation of resampled pixels does not matter."""
    target = CoaddTarget(outer_bbox=Box.factory[380:620, 380:620], projection=TRACT)
    sigmas, scales = (10.0, 25.0, 40.0), (0.2, 0.21, 0.19)
    visits = [
        [exposure(k, 1, 0.0, sigma, middle=(500.3 * (1 + k * 1e-3), 500.0), shape=(300, 300), scale=scale,
                  noise=True)]
        for k, (sigma, scale) in enumerate(zip(sigmas, scales, strict=True))
    ]  # fmt: skip
    warps = warps_of(visits, target)
    weights = np.array([information(*pair) for pair in zip(sigmas, scales, strict=True)])

    def noise(image: np.ndarray) -> float:
        sums = image[20:220, 20:220].astype(float).reshape(20, 10, 20, 10).sum(axis=(1, 3))
        return float(np.std(sums))

    coadd = assemble(warps, MEAN, target=target)
    cube = np.array([warp.image.array for warp in warps], dtype=float)
    at = [slice(None), *(slice(20, 220),) * 2]
    sums = cube[tuple(at)].reshape(3, 20, 10, 20, 10).sum(axis=(2, 4)).reshape(3, -1)
    # The best mean of these very images, from the covariance of their sums.
    best = float(1.0 / np.sqrt(np.linalg.inv(np.diag(np.var(sums, axis=1))).sum()))
    assert noise(coadd.image.array) == pytest.approx(best, rel=0.06)
    expected = np.sqrt((weights**2 * np.var(sums, axis=1)).sum()) / weights.sum()
    assert expected < 1.01 * best
    ratios = np.var(sums, axis=1) * weights
    assert ratios.max() / ratios.min() < 1.2  # 400 sums tell a variance to 7 %


def test_archives_and_boxes_of_warps_keep_weights(tmp_path: Path) -> None:
    warps = warps_of(two_visits(noise=True))
    whole = assemble(warps, MEAN, target=TARGET)
    paths = [tmp_path / f"{warp.visit}.fits" for warp in warps]
    for warp, path in zip(warps, paths, strict=True):
        write_archive(warp, path)
    read = assemble([ArchiveWarp(path).as_input() for path in paths], MEAN, target=TARGET)
    assert bits(read) == bits(whole)
    assert list(read.inputs["weight"]) == list(whole.inputs["weight"])
    assert bits(assemble([read_product(path) for path in paths], MEAN, target=TARGET)) == bits(whole)
    box = Box.factory[471:522, 455:541]
    target = dataclasses.replace(TARGET, outer_bbox=box)
    assert bits(assemble([warp[box] for warp in warps], MEAN, target=target))[0] == (
        whole[box].image.array.tobytes()
    )


def test_matched_warps_have_the_weights_of_the_others() -> None:
    inputs = [weigh(input_of(warp), WeightControl(), PLANES) for warp in warps_of(two_visits(noise=True))]
    direct = [one for one in inputs if isinstance(one, WarpInput)]
    matched, matching = match_inputs(direct, TARGET, PatchConfig().match, put_away=lambda _, source: source)
    moved, rejected = use_matched(matched, matching, WeightControl(), PLANES)
    assert not rejected
    assert [one.weight for one in moved] == [one.weight for one in direct]
    weights = [information(10.0), information(30.0, 0.25), information(15.0)]
    np.testing.assert_allclose(assemble(moved, MEAN, target=TARGET).inputs["weight"], weights, rtol=1e-4)
    by_variance, _ = use_matched(matched, matching, WeightControl(rule="variance"), PLANES)
    assert by_variance[0].weight != direct[0].weight
    assert by_variance[0].owners is None


def test_a_weight_that_is_given_wins() -> None:
    one = dataclasses.replace(input_of(warps_of(two_visits())[0]), weight=3.0, owners=None)
    assert weigh(one, WeightControl(), PLANES) is one
    assert {d.weight for d in assemble([one], MEAN, target=TARGET).detectors} == {3.0}


def test_the_scale_of_an_input_enters_squared() -> None:
    one = dataclasses.replace(input_of(warps_of(two_visits())[0]), scale=2.0)
    weighed = weigh(one, WeightControl(), PLANES)
    assert isinstance(weighed, WarpInput)
    found = [detector.weight for detector in weighed.detectors]
    assert found == pytest.approx([information(10.0) / 4, information(30.0, 0.25) / 4], rel=1e-4)


def test_a_warp_that_does_not_say_what_its_detectors_hold_is_weighed_by_its_variance() -> None:
    warps = warps_of([[exposure(k, 1, 0.0, 10.0)] for k in (1, 2)])
    silent = [dataclasses.replace(one, information=None) for one in warps[1].detectors]
    warps[1].detectors = tuple(silent)
    coadd = assemble(warps, MEAN)
    expected = 0.04 / np.mean(warps[1].variance.array[10:-10, 10:-10])
    assert coadd.inputs["weight"][1] == pytest.approx(expected, rel=0.01)
    assert ["its warp" in " ".join(one.notes) for one in coadd.detectors] == [False, True]


def test_an_exposure_that_says_nothing_is_left_out_with_the_reason() -> None:
    good, poor = two_visits()[0]
    poor.pixels.variance.array[:] = 0.0

    made = warp_visit([makers.Held(good), makers.Held(poor)], TARGET, PatchConfig())
    assert made.warp is not None
    assert [one.id.detector for one in made.warp.detectors] == [1]
    (rejection,) = made.rejected
    assert (rejection.id.detector, rejection.stage) == (2, "weight")
    assert "not positive" in rejection.reason


def test_a_warp_without_a_good_pixel_is_left_out() -> None:
    warps = warps_of(two_visits())
    warps[1].image.array[:] = np.nan
    coadd = assemble(warps, MEAN, target=TARGET)
    assert [(one.id.visit, one.stage) for one in coadd.rejections] == [(2, "weight")]
