"""Whether a coadd that is there is the one that a run would make."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from lsst.images.psfs import PointSpreadFunction

from ..coadd.versions import package_versions
from ..data.exposure import ExposureSource
from ..file_states import FileState, States, settle
from ..psf.parameters import psf_to_parameters
from .jobs import PatchJob
from .patch_config import PatchConfig
from .rejection import BandRejection, settled_config

__all__ = ("fingerprint", "input_files", "matched_fingerprint", "see_inputs", "warp_fingerprint")


def fingerprint(job: PatchJob, config: PatchConfig, states: States | None = None) -> str:
    """Return a text that differs when the coadd of a job would differ.

    It covers the pixel grid, the options, the versions of packages, what is
    known of the exposures, and name, size and content of all files that
    they are read from.

    Parameters
    ----------
    job, config
        What is made, and how.
    states
        The files with their content, where that is known; by default they are read.
    """
    rejecting = BandRejection.of(config.assemble, job.rejection)
    return _digest(
        _inputs(job, job.sources, states)
        | rejecting.settings
        | {
            "rejected": [[str(rejection.id), rejection.reason] for rejection in job.rejected],
            "bright": [dataclasses.astuple(region) for region in job.bright_objects or ()],
            "config": settled_config(job, config).to_dict(),
        }
    )


def warp_fingerprint(
    job: PatchJob, visit: Sequence[ExposureSource], config: PatchConfig, states: States | None = None
) -> str:
    """Return a text that differs when the warp of a visit on the patch of a job would differ."""
    return _digest(_inputs(job, visit, states) | {"config": config.warp.to_dict()})


def matched_fingerprint(stamp: str, psf: PointSpreadFunction, config: PatchConfig) -> str:
    """Return a text that differs when a matched warp would differ.

    Parameters
    ----------
    stamp
        The text of the direct warp.
    psf
        What it is matched to, which follows from all visits of the patch.
    config
        How.
    """
    kind, numbers = psf_to_parameters(psf)
    parameters = {name: np.asarray(value).tolist() for name, value in numbers.items()}
    return _digest({"warp": stamp, "psf": [kind, parameters], "config": config.match.to_dict()})


def see_inputs(sources: Sequence[ExposureSource]) -> dict[str, FileState | None]:
    """Look at the files that exposures are read from, without reading them."""
    files = sorted({file for source in sources for file in input_files(source)})
    return {file: FileState.of(file) for file in files}


def _inputs(job: PatchJob, sources: Sequence[ExposureSource], states: States | None) -> dict[str, Any]:
    states = settle(see_inputs(sources)) if states is None else states
    return {
        "grid": [job.skymap.identity, job.skymap.name, job.tract, *job.patch],
        # The recipe of a reader also holds what a table or a header said of the exposure.
        "inputs": [
            [str(source.info.id), source.info.path, repr(getattr(source, "recipe", ""))] for source in sources
        ],
        "files": [
            [file, None if state is None else [state.size, state.content]]
            for file, state in sorted(states.items())
        ],
        "reading": dict(job.reading),
        "versions": package_versions(),
    }


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def input_files(source: ExposureSource) -> tuple[str, ...]:
    """Return the files that an exposure is read from; at least the one that its description names."""
    files = getattr(source, "files", None)
    # The description of an exposure may be read from its file: only where that must be.
    return tuple(map(str, (source.info.path,) if files is None else files))
