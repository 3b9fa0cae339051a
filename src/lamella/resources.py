"""What a computation may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .config import Config, option

if TYPE_CHECKING:
    pass

__all__ = ("Resources",)


class Resources(Config):
    """What a computation may use; results do not depend on it."""

    threads: int = option(1, "Number of threads.", ge=1)
    memory: float = option(1024.0, "Memory to work in.", unit="MiB", gt=0)
    streaming: bool = option(
        False, "Hold one whole warp in memory at a time instead of tiles of all; for the statistic MEAN only."
    )
