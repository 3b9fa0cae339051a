"""The static sky that epochs are compared with, and how far they may differ from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import scipy
from lsst.images import Box

from ...data.inputs import WarpInput, WarpSource
from ...data.weights import WeightProblem, warp_weight
from ...errors import NoMatchedWarpsError
from ...kernels.compare import subtract_template
from ...planes import Layout
from ..stack.sources import read_rows
from ..warp.pairs import as_matched
from .compare_control import TemplateControl
from .scene import Scene

__all__ = ("Difference", "Template", "make_template", "matched_inputs", "pixel_weight", "slope_of")

_NOISE = np.float32(3.0)  # sigma that are no source yet: one pixel of blank sky in 700 is brighter
_UNSEEN = 0.25  # of the noise of an epoch: errors of the match that are below it are not seen
_WEIGHT_ROWS = 64  # of a matched warp: they tell its variance as well as all, and are read much faster


@dataclasses.dataclass(frozen=True, slots=True)
class Template:
    """The static sky; arrays of shape (y, x).

    Attributes
    ----------
    bbox
        Box of the arrays.
    image, variance
        float32; NaN and +inf where there is no epoch.
    epochs
        int32; number of epochs that could have been used.
    tolerance
        float32; difference (one sigma) of a matched warp that is no sign of an artifact.
    direct_tolerance
        float32; the same for a warp that is not matched.
    left_out
        Instrument and number of visits whose matched warp could not be used, and why.
    """

    bbox: Box
    image: np.ndarray
    variance: np.ndarray
    epochs: np.ndarray
    tolerance: np.ndarray
    direct_tolerance: np.ndarray
    left_out: Mapping[tuple[str, int], str] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls, bbox: Box, image: np.ndarray, variance: np.ndarray, epochs: np.ndarray, control: TemplateControl
    ) -> Self:
        """Make a template of a coadd of matched warps.

        Parameters
        ----------
        bbox
            Box of the arrays.
        image, variance
            float32 of shape (y, x); NaN and +inf where there is no epoch.
        epochs
            int32 of shape (y, x); number of epochs that could have been used.
        control
            How far epochs may differ from it.
        """
        has_value = np.isfinite(image)
        sky = np.where(has_value, image, np.float32(0.0))
        # Bright ones of many pixels of noise are not sources.
        sources = np.maximum(sky - _NOISE * np.sqrt(np.where(has_value, variance, np.float32(0.0))), 0.0)
        # Errors of the flux and of the position of a matched star add up in squares.
        tolerance = np.hypot(
            np.float32(control.flux_tolerance) * sky, np.float32(control.registration) * slope_of(sky)
        )
        # Without a match the seeing moves light from the peak of a star to its wings, and back.
        brightest = scipy.ndimage.maximum_filter(sources, size=2 * control.reach + 1, mode="nearest")
        direct_tolerance = np.float32(control.direct_flux_tolerance) * brightest
        return cls(bbox, image, variance, epochs, tolerance, direct_tolerance)

    def is_sky(self, y: np.ndarray, x: np.ndarray, *, foreign: bool = False) -> np.ndarray:
        """Return at which pixels there is no source that visits could differ by: bool of shape (pixel,).

        Parameters
        ----------
        y, x
            Row and column of the pixels in the arrays.
        foreign
            Whether what differs has not the shape of the template.  Then a source counts as one only if it
            is bright enough for errors of the match to be seen.
        """
        sky: np.ndarray
        if foreign:
            sky = self.tolerance[y, x] ** 2 < _UNSEEN**2 * self.epochs[y, x] * self.variance[y, x]
        else:
            sky = self.direct_tolerance[y, x] == 0.0
        return sky

    def bright(self, significance: float) -> np.ndarray:
        """Return the pixels that are bright in a single epoch: bool of shape (y, x).

        Parameters
        ----------
        significance
            Least value, in the noise of one of the epochs, of which there must be two.
        """
        with np.errstate(invalid="ignore"):  # where there is no epoch
            noise = np.sqrt(self.variance * self.epochs)
            bright: np.ndarray = (self.epochs > 1) & (self.image > significance * noise)
        return bright


@dataclasses.dataclass(frozen=True, eq=False)
class Difference:
    """A warp less the template; arrays of shape (y, x).

    Attributes
    ----------
    box
        Box of the arrays.
    image
        float32; NaN where there is nothing to compare.
    noise
        float32; its variance as far as it is known: the tests write tolerances into it.
    mask
        The mask of the warp.
    has_value
        bool; where the warp has a value, masked or not.
    template
        The static sky.
    """

    box: Box
    image: np.ndarray
    noise: np.ndarray
    mask: np.ndarray
    has_value: np.ndarray
    template: Template

    @classmethod
    def of(
        cls,
        warp: WarpInput,
        scene: Scene,
        template: Template,
        bad: int,
        shared_limit: float = 0.0,
        sky: np.ndarray | None = None,
    ) -> Difference | None:
        """Subtract the template from a visit; return nothing where the two do not overlap.

        Parameters
        ----------
        warp
            The visit.
        scene
            The scene that it belongs to.
        template
            The static sky.
        bad
            Pixels with one of these bits are not compared.
        shared_limit
            As for `lamella.kernels.compare.subtract_template`.
        sky
            What to subtract instead of the image of the template, on its box.
        """
        planes = scene.read(warp, template.bbox)
        if planes is None:
            return None
        box = planes.box
        image, noise = (np.empty(box.shape, dtype=np.float32) for _ in range(2))
        at = box.slice_within(template.bbox)
        arrays = [plane[at] for plane in (template.image if sky is None else sky, template.variance)]
        subtract_template(
            planes.image, planes.variance, planes.mask, bad, *arrays, shared_limit, image, noise
        )
        return cls(box, image, noise, planes.mask, np.isfinite(planes.image), template)

    def of_template(self, plane: np.ndarray) -> np.ndarray:
        """Return a view of a plane of the template's box on the box of this."""
        at = self.box.slice_within(self.template.bbox)
        return plane[at]


def matched_inputs(
    inputs: Sequence[WarpInput], bad_mask_planes: Sequence[str]
) -> tuple[list[WarpInput], dict[tuple[str, int], str]]:
    """Return the matched warps of inputs as inputs, and the keys of those without a valid weight, and why.

    They have weights of their own: matching makes the noise of a pixel the
    smaller the better the seeing was.  The variances of some rows tell it.
    """
    weighed: list[WarpInput] = []
    problems: dict[tuple[str, int], str] = {}
    for warp in inputs:
        if warp.matched is not None:
            weight = pixel_weight(warp.matched, warp.matched_scale, bad_mask_planes)
            if isinstance(weight, WeightProblem):
                problems[warp.key] = str(weight)
            else:
                weighed.append(dataclasses.replace(as_matched(warp), weight=weight, owners=None))
    return weighed, problems


def pixel_weight(source: WarpSource, scale: float, bad_mask_planes: Sequence[str]) -> float | WeightProblem:
    """Return one over the typical variance of the pixels of a warp, from some of its rows."""
    rows = source.bbox.y.range
    step = max(1, len(rows) // _WEIGHT_ROWS)
    planes, layout = read_rows(source, rows[step // 2 :: step]), Layout(source.schema)

    def weight(bad: int) -> float | WeightProblem:
        return warp_weight(planes.variance, planes.mask, bad, scale=scale, image=planes.image)

    good = weight(layout.bits(bad_mask_planes, missing_ok=True))
    # On a small detector, planes that spread with a wide kernel can cover all pixels, which hold
    # values of good ones all the same.
    return weight(layout.no_data) if good is WeightProblem.NO_GOOD_PIXEL else good


def make_template(scene: Scene) -> Template:
    """Make the static sky from the matched warps.

    It is the mean of the epochs that agree within their known noise.  Where two
    epochs disagree it is the lower one, and where half of them disagree with the
    other half it is the lower half: light is more often added than taken away.

    Parameters
    ----------
    scene
        The inputs, with their matched warps.

    Raises
    ------
    NoMatchedWarpsError
        Raised when there is no matched warp at all.
    """
    control = scene.control.compare_warp.template
    matched, problems = matched_inputs(scene.inputs, scene.bad_mask_planes)
    if not matched:
        raise NoMatchedWarpsError(
            "Epochs cannot be compared: no warp has a PSF-matched one beside it.  Make matched warps, or "
            'reject with "safe_clip", or not at all ("none").'
        )
    planes = scene.stack(
        matched,
        statistic="NOISECLIP",
        sigma_clip=control.sigma_clip,
        clip_iter=control.clip_iter,
        flux_tolerance=control.clip_flux_tolerance,
        # Matched warps have the same PSF, and what they differ by is looked for.
        gradient_tolerance=0.0,
        least_noise_clip=0.0,
        error_from_input_variance=True,
        bad_mask=scene.layout.bits(control.bad_mask_planes),
        propagation_thresholds={},
    )
    template = Template.of(scene.bbox, planes.image, planes.variance, planes.unmasked, control)
    return dataclasses.replace(template, left_out=problems)


def slope_of(sky: np.ndarray) -> np.ndarray:
    """Return by how much an image changes from pixel to pixel: float32 of shape (y, x)."""
    across, up = (np.gradient(sky, axis=axis) if sky.shape[axis] > 1 else sky * 0 for axis in (1, 0))
    slope: np.ndarray = np.hypot(across, up, dtype=np.float32)
    return slope
