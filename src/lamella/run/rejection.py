"""How the artifacts of a band are left out, where the options of a run leave that to a choice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Self

from ..bands import band_key
from ..coadd.assemble_control import AssembleConfig
from ..coadd.reject.choice import RejectionChoice, figures_of
from ..errors import PsfMatchError
from .jobs import PatchJob
from .patch_config import PatchConfig

__all__ = ("BandRejection", "note_of", "rejections_of", "settings_of", "settled_config", "told_rejections")


def settings_of(choice: RejectionChoice) -> dict[str, Any]:
    """Return what the settings of a coadd tell of a choice: nothing that may change while it does not."""
    return {"rejection": {"asked": "auto", "method": choice.method, "reason": choice.reason}}


def _text_of(choice: RejectionChoice, config: AssembleConfig) -> str:
    """Return a choice as a clause: what is done, and why."""
    settled = config.settled(choice.method)
    what = "compare-warp" if choice.method == "compare_warp" else f"none, statistic {settled.statistic}"
    return f"{what}, because {choice.reason}"


def note_of(choice: RejectionChoice, config: AssembleConfig) -> str:
    """Return what a coadd notes of a choice."""
    return f"Rejection of artifacts (auto): {_text_of(choice, config)}."


def told_rejections(choices: Mapping[str, RejectionChoice], config: AssembleConfig) -> tuple[str, ...]:
    """Return one line for all bands in which the same was chosen for the same reason, with the figures."""
    alike: dict[str, list[str]] = {}
    for band in sorted(choices, key=band_key):
        alike.setdefault(_text_of(choices[band], config), []).append(band)
    return tuple(
        f"Rejection of artifacts (auto), band{'s' if len(bands) > 1 else ''} {', '.join(bands)}: {text} "
        f"({figures_of([choices[band] for band in bands])})."
        for text, bands in alike.items()
    )


def rejections_of(jobs: Iterable[PatchJob], config: PatchConfig) -> dict[str, RejectionChoice]:
    """Return the choice for each band of some jobs; nothing where the options leave none."""
    if config.assemble.reject.method != "auto":
        return {}
    return {job.band: job.rejection for job in jobs if job.rejection is not None}


def settled_config(job: PatchJob, config: PatchConfig) -> PatchConfig:
    """Return the options of a patch once it is settled how artifacts are left out.

    Raises
    ------
    ConfigError
        Raised where they leave that to a choice, and nothing was chosen for the job.
    """
    return config.replace(assemble=BandRejection.of(config.assemble, job.rejection).config)


@dataclasses.dataclass(frozen=True)
class BandRejection:
    """How warps are combined once it is settled how artifacts are left out."""

    asked: AssembleConfig
    """The options as they were given."""
    choice: RejectionChoice | None
    """`None` where they leave no choice."""

    @classmethod
    def of(cls, asked: AssembleConfig, choice: RejectionChoice | None) -> Self:
        """Take what was chosen for a band, where the options leave a choice.

        Raises
        ------
        ConfigError
            Raised where they do, and nothing was chosen.
        """
        if choice is None:
            asked.require_settled()
        return cls(asked, choice if asked.reject.method == "auto" else None)

    @property
    def config(self) -> AssembleConfig:
        """The options that are in force."""
        return self.asked if self.choice is None else self.asked.settled(self.choice.method)

    @property
    def settings(self) -> dict[str, Any]:
        """What the coadd has among its settings."""
        return {} if self.choice is None else settings_of(self.choice)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the coadd has among its notes."""
        return () if self.choice is None else (note_of(self.choice, self.asked),)

    def without_matches(self, error: PsfMatchError) -> Self:
        """Return what is done where the visits of this patch turned out not to be comparable.

        Raises
        ------
        PsfMatchError
            Raised again where somebody asked for a comparison.
        """
        if self.choice is None:
            raise error
        reason = f"here the visits cannot be compared ({str(error).rstrip('.')})"
        choice = dataclasses.replace(self.choice, method="none", reason=reason)
        return dataclasses.replace(self, choice=choice)
