"""One run that stacks plain images of one shape."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..coadd.frame_scales import FrameLevel, measure_level, relative_factors
from ..coadd.frame_stack import FrameStack, frame_rules, stack_frames
from ..coadd.stack.sources import ImageSource
from ..data.inputs import WarpInput, WarpSource
from ..data.options import Normalization
from ..errors import NoInputsError
from ..formats.plain.frame_file import write_frame_stack
from ..formats.plain.frames import Frame, open_frames
from ..planes import Layout
from ..resources import Resources
from .execute import interruptible_threads
from .memory import BYTES_PER_WARP_PIXEL, room_for_tiles, room_for_warps
from .patch_config import StackConfig
from .scratch import scratch_folder, write_scratch

__all__ = ("FrameRecord", "FrameRun")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrameRecord:
    """What a stack of images became."""

    path: Path
    """The file."""
    shape: tuple[int, int]
    """Rows and columns."""
    used: tuple[str, ...]
    """Images in it."""
    rejected: tuple[tuple[str, str], ...]
    """Images that are not, and why."""
    statistic: str
    scales: tuple[float, ...]
    """Factors of the images that are used."""
    noise: float | None
    """Root of the median of the variance."""
    notes: tuple[tuple[str, str], ...]
    """Images, and remarks on them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrameRun:
    """The stack of plain images, as ``lamella stack`` makes it; they need no WCS.

    ::

        config = StackConfig(frames=FrameControl(normalize="median"))
        record = FrameRun(output=Path("flat.fits"), config=config)(flats)
    """

    output: Path
    """FITS file to write."""
    config: StackConfig = dataclasses.field(default_factory=StackConfig)
    """All that changes the result: how images are read, put on one scale, and combined."""
    resources: Resources = dataclasses.field(default_factory=Resources)
    """Threads, and memory of the process; images that do not fit wait in the system's temporary folder."""

    def __call__(self, images: Iterable[Path]) -> FrameRecord:
        """Combine images, and write the result.

        Parameters
        ----------
        images
            FITS files, and tables of images.

        Raises
        ------
        InputError
            Raised when an image cannot be used, or has another shape than the first.
        CalibrationError
            Raised when images cannot be put on one scale.
        ConfigError
            Raised when options need what images do not have.
        NoInputsError
            Raised when no image is left.
        OutputError
            Raised when the result cannot be written.
        """
        frames = open_frames(images, self.config.frames)
        if not frames:
            raise NoInputsError("There are no images to stack.")
        control = self.config.frames
        kind = control.normalize
        if kind == "none" and any(frame.is_tied for frame in frames):
            kind = "stars"
        rules = frame_rules(
            self.config.assemble,
            has_noise=frames[0].has_noise,
            has_sky=control.sky == "keep",
            normalization=kind,
        )
        # Not beside the result: a killed run must leave nothing in a folder that is not lamella's own.
        with scratch_folder(None) as folder:
            read = self._read(frames, folder, kind)
            factors = _factors(frames, [image.level for image in read], kind)
            inputs = [_input(n, frames[n], read[n].source, factors[n]) for n in range(len(frames))]
            area = math.prod(frames[0].shape)
            stack = stack_frames(inputs, rules, room_for_tiles(self.resources, area))
        notes = [image.notes for image in read]
        told = f"{rules.statistic} of {len(stack.inputs)} frames, normalize {kind}, noise {control.noise}"
        write_frame_stack(self.output, stack, frames, notes, f"lamella stack: {told}")
        return self._record(stack, frames, notes, rules.statistic)

    def _read(self, frames: Sequence[Frame], folder: Path, kind: Normalization) -> list[_Read]:
        """Read all images, several at a time, and put those on disk that memory has no room for."""
        area = math.prod(frames[0].shape)
        room = room_for_warps(self.resources, area, area) // (area * BYTES_PER_WARP_PIXEL)

        def read(number: int) -> _Read:
            frame = frames[number]
            image, notes = frame.read()
            source = ImageSource(image)
            planes = source.view()
            bad = Layout.of(source.schema).bits(self.config.assemble.bad_mask_planes, missing_ok=True)
            level = FrameLevel(frame.label)
            if not frame.is_scaled:
                unusable = (planes.mask & bad) != 0
                level = measure_level(planes.image, planes.variance, unusable, kind, name=frame.label)
            kept = number < room
            return _Read(source if kept else write_scratch(source, folder / f"{number}"), level, notes)

        with interruptible_threads(self.resources.threads) as pool:
            images = pool.map(read, range(len(frames)))
            return list(self.resources.counted("reading", images, len(frames)))

    def _record(
        self, stack: FrameStack, frames: Sequence[Frame], notes: Sequence[Sequence[str]], statistic: str
    ) -> FrameRecord:
        known = stack.planes.variance[np.isfinite(stack.planes.variance)]
        return FrameRecord(
            path=self.output,
            shape=frames[0].shape,
            used=tuple(frames[image.visit].label for image in stack.inputs),
            rejected=tuple((frames[item.id.visit].label, item.reason) for item in stack.rejected),
            statistic=statistic,
            scales=tuple(image.scale for image in stack.inputs),
            noise=float(np.sqrt(np.median(known))) if known.size else None,
            notes=tuple((frames[n].label, note) for n, texts in enumerate(notes) for note in texts),
        )


@dataclasses.dataclass(frozen=True)
class _Read:
    """An image that was read."""

    source: WarpSource
    level: FrameLevel
    notes: tuple[str, ...]


def _input(number: int, frame: Frame, source: WarpSource, scale: float) -> WarpInput:
    """Return an image as an input of a stack; inputs are ordered by their numbers."""
    weight = None if frame.has_noise else 1.0
    return WarpInput(instrument="", visit=number, band="", source=source, scale=scale, weight=weight)


def _factors(frames: Sequence[Frame], levels: Sequence[FrameLevel], kind: Normalization) -> list[float]:
    """Return the factors of all images: those that tables state, and those that were measured."""
    measured = [n for n, frame in enumerate(frames) if not frame.is_scaled]
    factors = [frame.scale if frame.is_scaled else 1.0 for frame in frames]
    if measured:
        relative = relative_factors([levels[n] for n in measured], kind)
        for n, factor in zip(measured, relative, strict=True):
            factors[n] = factor
    return factors
