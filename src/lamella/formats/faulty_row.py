"""An exposure of a file that cannot be used, among others that can."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ..data.exposure import Exposure, ExposureInfo
from ..errors import InputError

__all__ = ("FaultyRow",)


@dataclasses.dataclass(frozen=True)
class FaultyRow:
    """A recipe that tells why there is no exposure when it is asked for one."""

    path: Path
    error: InputError

    def describe(self) -> ExposureInfo:
        """Raise the error."""
        raise self.error

    def load(self, info: ExposureInfo) -> Exposure:
        """Raise the error."""
        raise self.error
