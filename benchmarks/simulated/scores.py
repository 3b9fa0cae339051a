"""Measures what a method of rejecting artifacts finds, and what it damages, on epochs with known truth."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

import numpy as np
from lsst.images import Box

from lamella.config import Config, option
from lamella.image.planes import overlap
from lamella.psf.coadd import CoaddPsf, PsfComponent
from lamella.psf.gaussian import FWHM_PER_SIGMA

from .epochs import Epochs
from .injection import KINDS
from .outcomes import Outcome, usable_pixels, weighted_mean, weights_of

__all__ = ("Evaluator", "Score", "ScoreConfig", "evaluate")


class ScoreConfig(Config):
    """What counts as an artifact, and where stars are looked at."""

    threshold: float = option(5.0, "Artifact pixels brighter than this are to be found.", unit="sigma", gt=0)
    ghost_threshold: float = option(
        1.0, "The same for ghosts, none of which is as bright.", unit="sigma", gt=0
    )
    levels: tuple[float, ...] = option(
        (0.5, 1.0, 2.0, 5.0, 10.0, 30.0), "Limits of the brightness classes of artifact pixels.", unit="sigma"
    )
    trace: float = option(0.5, "An artifact is bounded by pixels brighter than this...", unit="sigma", gt=0)
    rim: float = option(1.0, "... with a rim that may go with it.", unit="FWHM", ge=0)
    faint: float = option(
        0.1,
        "A pixel beyond that is clean if it has less light of artifacts than this: the rest is neither.",
        unit="sigma",
        gt=0,
    )
    magnitudes: tuple[float, ...] = option(
        (16.5, 18.0, 19.0, 20.0, 21.0, 22.0, 23.0, 24.5), "Limits of the magnitude classes.", unit="mag(AB)"
    )
    psf_magnitude: float = option(20.0, "Brighter stars are compared with the PSF.", unit="mag(AB)")
    psf_isolation: float = option(20.0, "Their distance from other sources.", unit="px")


@dataclasses.dataclass
class Score:
    """Sums of measurements; scores of several fields can be added.

    Attributes
    ----------
    pairs
        By name: two numbers whose ratio is the measurement.
    stars
        By magnitude class: for each constant star without artifacts, by what fraction its flux
        changes because pixels are left out.
    stamp
        Sum of the differences between stars and their PSFs, each over the peak of the PSF, nJy.
    stamp_flux, stamps
        Sum of the fluxes of these stars in nJy, and their number.
    counts
        Number of artifacts by kind.
    keeps_list
        As in `Outcome`.
    """

    pairs: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    stars: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    stamp: np.ndarray | float = 0.0
    stamp_flux: float = 0.0
    stamps: int = 0
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    keeps_list: bool = True

    def count(self, name: str, hits: np.ndarray | float, total: np.ndarray | float) -> None:
        """Add to one of the pairs."""
        pair = np.array([np.sum(hits, dtype=float), np.sum(total, dtype=float)])
        self.pairs[name] = self.pairs.get(name, np.zeros(2)) + pair

    def ratio(self, name: str) -> float:
        """Return a measurement; NaN where there was nothing to measure."""
        hits, total = self.pairs.get(name, np.zeros(2))
        return float(hits / total) if total > 0 else float("nan")

    def add_stars(self, other: Score) -> None:
        """Add what another score says about the fluxes and the shape of stars."""
        for name, values in other.stars.items():
            self.stars.setdefault(name, []).extend(values)
        self.stamp = self.stamp + other.stamp
        self.stamp_flux += other.stamp_flux
        self.stamps += other.stamps

    def __iadd__(self, other: Score) -> Score:
        for name, pair in other.pairs.items():
            self.count(name, *pair)
        for kind, number in other.counts.items():
            self.counts[kind] = self.counts.get(kind, 0) + number
        self.add_stars(other)
        self.keeps_list &= other.keeps_list
        return self

    @property
    def psf_residual(self) -> float:
        """Largest difference between the mean star and the PSF, as a fraction of the peak of the PSF."""
        return float(np.abs(self.stamp).max() / self.stamp_flux) if self.stamps else float("nan")

    def summary(self) -> dict[str, Any]:
        """Return all measurements as plain values."""
        bias = {
            name: {
                "stars": len(values),
                "mean": float(np.mean(values)),
                "worst": float(np.max(np.abs(values))),
            }
            for name, values in sorted(self.stars.items())
        }
        return {
            "artifacts": self.counts,
            **{name: self.ratio(name) for name in sorted(self.pairs)},
            "star_bias": bias,
            "psf_residual": self.psf_residual,
            "psf_stars": self.stamps,
        }


def evaluate(epochs: Epochs, outcome: Outcome, config: ScoreConfig | None = None) -> Score:
    """Compare what a method did with the truth.

    `Evaluator` does the same for several methods without repeating what they share.

    Parameters
    ----------
    epochs
        The truth.
    outcome
        What the method made of them.
    config
        What counts.
    """
    return Evaluator(epochs, config).score(outcome)


class Evaluator:
    """Compares methods with the truth about one patch.

    Parameters
    ----------
    epochs
        The truth.
    config
        What counts.
    """

    def __init__(self, epochs: Epochs, config: ScoreConfig | None = None) -> None:
        self.epochs, self.config = epochs, config or ScoreConfig()
        self.usable = usable_pixels(epochs)
        sigma = np.sqrt(epochs.variance)
        self.level = {kind: cube / sigma for kind, cube in epochs.artifacts.items()}
        self.weights = weights_of(epochs)
        self.leak_of_mean = weighted_mean(epochs.artifact_sum(), self.usable, self.weights)
        self.clean_mean = weighted_mean(epochs.clean(), self.usable, self.weights)

    def score(self, outcome: Outcome) -> Score:
        """Return all measurements of a method.

        Returns
        -------
        Score
            ``complete KIND``: fraction of the artifact pixels above the threshold that were left out;
            ``complete KIND LEVEL``: the same by brightness; ``left KIND``: flux of the artifacts
            in these pixels that is in the coadd, relative to that in a plain mean;
            ``pure``: fraction of the pixels left out that belong to an artifact or its rim;
            ``rest``: fraction of all other pixels that were left out;
            ``clean``: fraction of those of them without light of artifacts that were left out, and the
            same for the ``core`` of constant stars, of ``variable`` stars, and of the middle of a ``galaxy``;
            ``touched``: fraction of the pixels of the coadd that lost a clean input.
        """
        result = Score(counts=dict(self.epochs.counts), keeps_list=outcome.keeps_list)
        known = np.isfinite(self.leak_of_mean) & np.isfinite(outcome.leak)
        for kind, pixels in self.visible.items():
            removed = outcome.removed.ravel()[pixels.index]
            result.count(f"complete {kind}", removed & pixels.bright, pixels.bright)
            for low, high in itertools.pairwise((*self.config.levels, np.inf)):
                here = (pixels.level > low) & (pixels.level <= high)
                result.count(f"complete {kind} {low:g}", removed & here, here)
            there = pixels.column & known
            result.count(f"left {kind}", outcome.leak[there], self.leak_of_mean[there])
        removed = outcome.removed
        rest, clean = self.usable & ~self.region, self.usable & ~self.touched
        result.count("pure", removed & self.region, removed)
        result.count("rest", removed & rest, rest)
        result.count("clean", removed & clean, clean)
        result.count("touched", (removed & clean).any(axis=0), clean.any(axis=0))
        self._sources(outcome, result)
        for spot, model in self.psf_stars:
            star = outcome.image[spot.at]
            if not np.isfinite(star).all():
                continue
            flux = float((star * model).sum() / (model**2).sum())
            # Stars count by their flux: the noise is about the same in all.
            result.stamp = result.stamp + (star - flux * model) / model.max()
            result.stamp_flux += flux
            result.stamps += 1
        return result

    @functools.cached_property
    def region(self) -> np.ndarray:
        """The artifacts of each visit with their rims: bool of shape (visit, y, x)."""
        from scipy.ndimage import distance_transform_edt

        traces = np.any([np.abs(self.level[kind]) > self.config.trace for kind in KINDS], axis=0)
        region = np.zeros_like(traces)
        for index, trace in enumerate(traces):
            if trace.any():
                reach = self.config.rim * self.epochs.fwhm[index]
                region[index] = distance_transform_edt(~trace) <= reach
        return region

    @functools.cached_property
    def touched(self) -> np.ndarray:
        """The pixels that are not clean, as they have light of artifacts: bool of shape (visit, y, x)."""
        faint = [np.abs(self.level[kind]) > self.config.faint for kind in KINDS]
        touched: np.ndarray = self.region | np.any(faint, axis=0)
        return touched

    @functools.cached_property
    def spots(self) -> list[_Spot]:
        """The sources whose surroundings lie in the patch."""
        sources = self.epochs.sources
        return [spot for k in range(len(sources.x)) if (spot := self._spot(k)) is not None]

    def _spot(self, k: int) -> _Spot | None:
        sources, box = self.epochs.sources, self.epochs.target.outer_bbox
        x, y = sources.x[k] - box.x.start, sources.y[k] - box.y.start
        x0, y0, side = int(np.rint(x)) - _HALF, int(np.rint(y)) - _HALF, 2 * _HALF + 1
        if min(x0, y0) < 0 or x0 + side > box.x.size or y0 + side > box.y.size:
            return None
        at = (slice(y0, y0 + side), slice(x0, x0 + side))
        rows, columns = np.ogrid[at]
        reach = float(np.clip(sources.radius[k], 2.0, _HALF))
        hit = self.touched[:, *at].any(axis=(1, 2))
        return _Spot(
            at=at,
            core=np.hypot(columns - x, rows - y) <= reach,
            hit=hit,
            whole=not hit.any() and bool(self.usable[:, *at].all()),
            kind="galaxy" if sources.radius[k] > 0 else "variable" if sources.amplitude[k] > 0 else "core",
            index=k,
        )

    @functools.cached_property
    def psf_stars(self) -> list[tuple[_Spot, np.ndarray]]:
        """Bright constant stars that no artifact touches, and the PSF of the coadd there."""
        psf = self._coadd_psf()
        found = []
        for spot in self.spots:
            if spot.kind == "core" and spot.whole and self._is_good_star(spot.index):
                stamp = psf.compute_stellar_image(
                    x=self.epochs.sources.x[spot.index], y=self.epochs.sources.y[spot.index]
                )
                # The PSF on the pixels around the star.
                box = self.epochs.target.outer_bbox
                y, x = spot.at
                here = Box.factory[
                    y.start + box.y.start : y.stop + box.y.start, x.start + box.x.start : x.stop + box.x.start
                ]
                cut = np.zeros(here.shape)
                common = overlap(here, stamp.bbox)
                if common is not None:
                    at = common.slice_within(here)
                    cut[at.y, at.x] = stamp[common].array
                found.append((spot, cut))
        return found

    def _coadd_psf(self) -> CoaddPsf:
        components = [
            PsfComponent(
                label=str(d.id),
                psf=d.psf,
                projection=d.projection,
                bbox=d.bbox,
                polygon=d.polygon,
                weight=weight,
                good_pixels=d.good_pixels,
            )
            for warp, weight in zip(self.epochs.warps, self.weights, strict=True)
            for d in warp.detectors
        ]
        target = self.epochs.target
        return CoaddPsf(components, projection=target.projection, bounds=target.outer_bbox)

    def _is_good_star(self, k: int) -> bool:
        sources = self.epochs.sources
        if not self.config.magnitudes[0] < sources.magnitude[k] < self.config.psf_magnitude:
            return False
        distance = np.hypot(sources.x - sources.x[k], sources.y - sources.y[k])
        distance[k] = np.inf
        return bool(np.all(distance - 2 * sources.radius > self.config.psf_isolation))

    @functools.cached_property
    def visible(self) -> dict[str, _Visible]:
        """The usable pixels of each kind of artifact."""
        lowest = min(self.config.levels)
        found = {}
        for kind, level in self.level.items():
            index = np.flatnonzero(self.usable & (level > lowest))
            threshold = self.config.ghost_threshold if kind == "GHOST" else self.config.threshold
            bright = level.ravel()[index] > threshold
            column = np.zeros(level[0].size, dtype=bool)
            column[index[bright] % column.size] = True
            found[kind] = _Visible(index, level.ravel()[index], bright, column.reshape(level.shape[1:]))
        return found

    def _sources(self, outcome: Outcome, result: Score) -> None:
        changed = outcome.clean - self.clean_mean
        for spot in self.spots:
            here = self.usable[:, *spot.at] & spot.core & ~spot.hit[:, None, None]
            result.count(spot.kind, outcome.removed[:, *spot.at] & here, here)
            name = self._magnitude_class(spot)
            if spot.whole and name and np.isfinite(changed[spot.at]).all():
                bias = self._flux(changed[spot.at]) / self._flux(self.clean_mean[spot.at])
                result.stars.setdefault(name, []).append(bias)

    def _magnitude_class(self, spot: _Spot) -> str:
        if spot.kind != "core":
            return "variable" if spot.kind == "variable" else ""
        edges = self.config.magnitudes
        k = int(np.searchsorted(edges, self.epochs.sources.magnitude[spot.index]))
        return f"{edges[k - 1]:g}-{edges[k]:g}" if 0 < k < len(edges) else ""

    def _flux(self, stamp: np.ndarray) -> float:
        """Return the flux in a Gaussian window: what is compared has the same noise."""
        sigma = float(self.epochs.fwhm.mean()) / FWHM_PER_SIGMA
        step = np.arange(-_HALF, _HALF + 1)
        return float((np.exp(-0.5 * np.add.outer(step**2, step**2) / sigma**2) * stamp).sum())


@dataclasses.dataclass(frozen=True)
class _Visible:
    """Pixels of one kind of artifact.

    ``index`` are their places in the flattened cube, ``level`` how many sigma the artifact adds, ``bright``
    which of them are above the threshold, and ``column`` where on the patch there is one of those.
    """

    index: np.ndarray
    level: np.ndarray
    bright: np.ndarray
    column: np.ndarray


_HALF = 10  # pixels from a source to the rim of the box around it


@dataclasses.dataclass(frozen=True)
class _Spot:
    """The surroundings of a source.

    ``at`` are the slices of a box in the patch, ``core`` the pixels of its middle there, ``hit`` the
    visits with an artifact in the box, and ``whole`` whether there is none and no visit lacks a pixel.
    """

    at: tuple[slice, slice]
    core: np.ndarray
    hit: np.ndarray
    whole: bool
    kind: str
    index: int
