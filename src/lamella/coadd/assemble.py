"""From warps to a coadd: the driver."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import logging
from collections.abc import Callable, Iterable, Sequence

import astropy.units as u
import numpy as np
from lsst.images import Image, Mask, MaskedImage

from ..data.coadd import PatchCoadd, PatchId, Provenance, Rejection
from ..data.detector import DetectorInput
from ..data.flux_unit import flux_unit_of
from ..data.inputs import CoaddTarget, WarpInput
from ..data.visit_check import VisitCheck
from ..data.warp import Warp
from ..errors import DuplicateInputError, NoInputsError, WrongTypeError
from ..image.gaps import fill_masked_image
from ..image.spans import pixels_of
from ..kernels.byteorder import mark_where
from ..planes import Layout
from ..resources import Resources
from ..sky.footprint import pixel_scale
from .assemble_control import AssembleConfig
from .brightmask import BrightObjectCatalog, paint_bright_objects
from .reject.example import with_example
from .reject.reject import Findings, find_rejections
from .reject.scene import Scene, measured_width
from .skynoise import corrected
from .stack.combination import Combine, combine_inputs, require_function, told_name
from .stack.prepare import prepare_inputs
from .stack.stack_control import StackControl
from .stack.tiles import StackedPlanes, stack_inputs
from .versions import package_versions
from .visitcheck import check_visits
from .warp_planes import planes_record

_LOG = logging.getLogger(__name__)
_MEANS = ("MEAN", "MEANCLIP", "NOISECLIP", "MEDIAN")
"""Statistics whose result is an image of the sky."""

__all__ = (
    "Resources",
    "StackedPlanes",
    "assemble",
    "compare_visits",
    "finish",
    "notes_of",
    "scene_of",
    "stack_inputs",
)


def assemble(
    warps: Iterable[Warp | WarpInput],
    config: AssembleConfig | None = None,
    *,
    target: CoaddTarget | None = None,
    bright_objects: BrightObjectCatalog | None = None,
    rejected: Sequence[Rejection] = (),
    resources: Resources | None = None,
    on_findings: Callable[[Findings], None] | None = None,
    combine: Combine | None = None,
) -> PatchCoadd:
    """Combine warps into the coadd of one patch.

    Parameters
    ----------
    warps
        Warps of one band on one pixel grid, in any order.  A `Warp` gets its
        weight here; a `WarpInput` has one.
    config
        How to combine.
    target
        Pixel grid of the coadd; by default the box around all warps.
    bright_objects
        Objects whose masks are painted on the coadd.
    rejected
        Exposures left out earlier, for the record.
    resources
        Threads and memory; the result does not depend on them.
    on_findings
        Called with what ``config.reject`` found, before the warps are combined.
    combine
        A statistic of one's own in the place of ``config.statistic``: a function of four arrays of shape
        (n, y, x), the n warps in the order of instrument and visit, on the pixels of some rows of the coadd.
        The first holds values (float64, on the scale of the coadd), NaN where a warp is not used: where it
        has no data, or one of ``config.bad_mask_planes``, artifacts included.  Then come their variances
        (float64, NaN there), masks (int32, bits of the coadd's mask), and weights (float64, 0 there).  It
        returns the values of the coadd, shape (y, x), or these and their variances; NaN is no value.  Each
        pixel must depend on itself alone.  Where no variances are returned, those of the weighted mean of the
        same inputs stand in the coadd, and a note says so.  Mask and counts are those of a mean.

    Returns
    -------
    PatchCoadd
        Image in nJy (or the flux unit of the warps), mask, variance, counts, inputs with weights, and PSF.

    Raises
    ------
    ConfigError
        Raised when ``config`` leaves the rejection to a choice (``auto``).
    NoInputsError
        Raised when there is no warp, or none with a valid weight.
    NoMatchedWarpsError
        Raised when matched warps are to be compared and there is none.
    MixedBandsError
        Raised when the warps are of different bands.
    MixedUnitsError
        Raised when their fluxes are in different units.
    DuplicateInputError
        Raised when two warps are the same visit.
    WrongTypeError
        Raised when something else than warps is given, or ``combine`` cannot be called.
    CombineError, ShapeError, PixelTypeError
        Raised when ``combine`` fails, depends on other pixels, or returns something else; its name is told.

    Examples
    --------
    >>> import itertools, lamella
    >>> sources = lamella.open_exposures(["demo/survey/exposures.ecsv"]).sources
    >>> red = [source for source in sources if source.info.band == "r"]
    >>> patch = lamella.skymap_from_exposures([source.info for source in red])[0].patch("0,0")
    >>> visits = itertools.groupby(red, key=lambda source: source.info.id.visit)
    >>> exposures = [[source.read() for source in group] for _, group in visits]
    >>> warps = [lamella.make_warp(visit, patch.projection, patch.outer_bbox) for visit in exposures]
    >>> coadd = lamella.assemble(warps, lamella.AssembleConfig(statistic="MEAN"))
    >>> coadd.image.array.shape == coadd.bbox.shape, str(coadd.unit), len(coadd.inputs) == len(red)
    (True, 'nJy', True)
    """
    config = _settled(config, warps)
    if combine is not None:
        require_function(combine)
    prepared = prepare_inputs(warps, config.weights, config.bad_mask_planes)
    if not prepared.inputs:
        reasons = "; ".join(f"{r.id}: {r.reason}" for r in prepared.rejected) or "no warps were given"
        raise NoInputsError(f"Nothing to coadd: {reasons}.")
    _check_identities(prepared.inputs)
    target = target or prepared.common_target()
    layout = Layout.of(*(visit.source.schema for visit in prepared.inputs))
    inputs, resources = prepared.inputs, resources or Resources()
    scene = scene_of(inputs, target, config, resources)
    findings = find_rejections(scene)
    if on_findings is not None:
        on_findings(with_example(findings, scene))
    removed = layout.bits(config.remove_mask_planes, missing_ok=True)
    # Artifacts are on CLIPPED now, which rejects a pixel from here on.
    rules = config.after_rejection().stack_control(layout)
    if combine is not None:
        rules = rules.replace(statistic="MEAN")
    applied = findings.apply(inputs)
    planes = stack_inputs(applied, target.outer_bbox, layout, rules, resources, removed)
    detectors = tuple(detector for visit in inputs for detector in _weighted(visit))
    settings, notes = config.to_dict(), notes_of(detectors)
    checks: tuple[VisitCheck, ...] = ()
    if combine is None:
        # With the artifacts in: they may be all that is wrong with a visit.
        checks = compare_visits(inputs, planes, target, layout, config.stack_control(layout), resources)
    else:
        settings["statistic"] = name = told_name(combine)
        if not combine_inputs(combine, applied, planes, layout, rules, removed):
            note = f"Variances are those of the weighted mean of the same inputs: {name} gives none."
            notes = (*notes, note)
    y, x, _ = pixels_of(findings.edges.y, findings.edges.x0, findings.edges.x1, planes.box)
    planes.mask[y, x] |= layout.sensor_edge
    # The PSF model is the mean over all inputs at a position; where some are missing it is another one.
    causes = layout.sensor_edge | layout.clipped | layout.rejected
    mark_where(planes.mask.reshape(-1), np.int32(causes), np.int32(layout.inexact_psf))
    provenance = Provenance(
        detectors=detectors,
        rejections=tuple(sorted((*rejected, *prepared.rejected))),
        settings={
            "assemble": settings,
            **planes_record([visit.bad_mask_planes for visit in inputs], config.bad_mask_planes),
        },
        notes=notes,
        removals=findings.removals,
        visit_checks=checks,
        matched_psf=prepared.model_psf(),
    )
    coadd = finish(planes, target, layout, inputs[0].band, provenance)
    # From here on pixels have values that were not measured, and NO_DATA says which.
    if config.fill_gaps:
        fill_masked_image(coadd, ("NO_DATA",), config.gaps)
    if bright_objects is not None:
        paint_bright_objects(coadd.mask, target.projection, bright_objects, config.bright_object_plane)
    return corrected(coadd, config.correct_variance)


def _settled(config: AssembleConfig | None, warps: object) -> AssembleConfig:
    """Return the options, when they and the warps are of the right types."""
    if isinstance(warps, MaskedImage) or not isinstance(warps, Iterable):
        raise WrongTypeError.of(warps, "warps", expected="several warps, e.g. a list")
    if not isinstance(config, AssembleConfig | None):
        raise WrongTypeError.of(config, "config", expected="an AssembleConfig")
    config = config or AssembleConfig()
    config.require_settled()
    return config


def scene_of(
    inputs: Sequence[WarpInput],
    target: CoaddTarget,
    config: AssembleConfig | None = None,
    resources: Resources | None = None,
) -> Scene:
    """Return inputs as a scene in which artifacts are looked for.

    Parameters
    ----------
    inputs
        Warps with weights, in the order of their identities; for compare_warp with matched ones.
    target
        Pixel grid of the coadd.
    config
        How it is made; ``config.reject`` says how artifacts are found.
    resources
        Threads and memory.
    """
    config = config or AssembleConfig()
    sources = [source for visit in inputs for source in (visit.source, visit.matched) if source is not None]
    layout, control = Layout.of(*(source.schema for source in sources)), config.reject
    measured = [
        (control.default_fwhm, "")
        if control.method == "none"
        else measured_width(visit, target.projection, control.default_fwhm)
        for visit in inputs
    ]
    return Scene(
        inputs=tuple(inputs),
        bbox=target.outer_bbox,
        layout=layout,
        control=control,
        rules=config.stack_control(layout),
        bad_mask_planes=config.bad_mask_planes,
        weights=config.weights,
        fwhm=tuple(fwhm for fwhm, _ in measured),
        notes=tuple(note for _, note in measured),
        removed=layout.bits(config.remove_mask_planes, missing_ok=True),
        resources=resources or Resources(),
    )


def compare_visits(
    inputs: Sequence[WarpInput],
    planes: StackedPlanes,
    target: CoaddTarget,
    layout: Layout,
    rules: StackControl,
    resources: Resources,
) -> tuple[VisitCheck, ...]:
    """Compare each visit with the coadd, see `lamella.coadd.visitcheck.check_visits`.

    Parameters
    ----------
    inputs
        The visits, with weights.
    planes
        Planes of the coadd, before its variance is corrected.
    target
        Its pixel grid.
    layout
        Planes of its mask.
    rules
        How it was made; what rejects a pixel, without artifacts.
    resources
        Threads, each of which compares a visit.

    Returns
    -------
    tuple of VisitCheck
        One per input; empty where the coadd is no image of the sky, or they cannot be compared.
    """
    if rules.statistic not in _MEANS:
        return ()
    scale = pixel_scale(target.projection, target.outer_bbox)
    try:
        bad, threads = rules.bad_mask, resources.threads
        return check_visits(inputs, planes, layout, bad, pixel_scale=scale, threads=threads)
    except (ArithmeticError, ValueError, IndexError, TypeError):
        # A measurement that serves a report never ends a job.
        _LOG.warning("The visits could not be compared with their coadd.", exc_info=True)
        return ()


def _check_identities(inputs: Sequence[WarpInput]) -> None:
    for first, second in itertools.pairwise(inputs):
        if first.key == second.key:
            raise DuplicateInputError(
                f"{first.instrument} visit {first.visit}",
                found="two warps of this visit",
                expected="one warp per visit",
            )


def _weighted(visit: WarpInput) -> Iterable[DetectorInput]:
    """Return the records of the detectors of a visit with their weights in the coadd."""
    # A warp with owners has the weights of its detectors already.
    if visit.owners is not None:
        return visit.detectors
    return (dataclasses.replace(detector, weight=visit.weight or 0.0) for detector in visit.detectors)


def notes_of(detectors: Iterable[DetectorInput]) -> tuple[str, ...]:
    """Return all remarks on detectors, their instruments and the unit of their fluxes, each once, sorted."""
    members = tuple(detectors)
    notes = {note for detector in members for note in (*detector.notes, detector.flux_unit.note)}
    return tuple(sorted((notes | {_note_on_instruments(members)}) - {""}))


def _note_on_instruments(detectors: Iterable[DetectorInput]) -> str:
    """Return a remark on a coadd of several instruments, whose bands may differ under one name."""
    counts = collections.Counter(detector.id.instrument for detector in detectors)
    if len(counts) < 2:
        return ""
    members = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))
    return f"Exposures of several instruments: {members}."


def finish(
    planes: StackedPlanes,
    target: CoaddTarget,
    layout: Layout,
    band: str,
    provenance: Provenance,
    *,
    flux_mag0: float | None = None,
) -> PatchCoadd:
    """Make a coadd of its planes and its record.

    Parameters
    ----------
    planes
        Planes on the box of the target; the coadd has these arrays.
    target
        Pixel grid, and place in a sky map.
    layout
        Planes of the mask.
    band
        Short name of the passband.
    provenance
        Inputs, options and measurements; the versions of packages are added.
    flux_mag0
        Counts of a source of AB magnitude 0, where the image is in counts; by default it is in the flux
        unit of the inputs.
    """
    unit = flux_unit_of(provenance.detectors).unit if flux_mag0 is None else u.ct
    bbox = target.outer_bbox
    inner_bbox = target.inner_bbox or bbox
    return PatchCoadd(
        Image(planes.image, bbox=bbox, unit=unit, sky_projection=target.projection),
        mask=Mask(planes.mask[..., np.newaxis], bbox=bbox, schema=layout.schema),
        variance=Image(planes.variance, bbox=bbox, unit=unit**2),
        exposure_count=Image(planes.count, bbox=bbox),
        exposure_count_unmasked=Image(planes.unmasked, bbox=bbox),
        id=PatchId(band, target.skymap, target.tract, target.patch, inner_bbox),
        provenance=dataclasses.replace(provenance, versions=package_versions()),
        metadata=None if flux_mag0 is None else {"fluxMag0": flux_mag0},
    )
