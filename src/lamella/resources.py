"""What a computation may use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pydantic

from .config import Config, option

__all__ = ("OnStep", "Resources")

type OnStep = Callable[[str, int, int], None]
"""Called with the name of a stage, the number of its steps that are done, and that of all its steps."""


class Resources(Config):
    """What a computation may use; results do not depend on it."""

    threads: int = option(1, "Number of threads.", ge=1)
    memory: float = option(1024.0, "Memory to work in.", unit="MiB", gt=0)
    streaming: bool = option(
        False, "Hold one whole warp in memory at a time instead of tiles of all; for the statistic MEAN only."
    )
    on_step: pydantic.SkipValidation[OnStep | None] = option(
        None, "Called when a step of a stage is done.", exclude=True, repr=False
    )

    def tell(self, stage: str, done: int, total: int) -> None:
        """Tell whoever wants to know how many steps of a stage are done."""
        if self.on_step is not None:
            self.on_step(stage, done, total)

    def counted[T](self, stage: str, results: Iterable[T], total: int, *, before: int = 0) -> Iterator[T]:
        """Pass the results of the steps of a stage on, and tell of each.

        Parameters
        ----------
        stage
            Its name.
        results
            One for each step.
        total
            Number of all steps of the stage.
        before
            Number of those that were done before.
        """
        self.tell(stage, before, total)
        for done, result in enumerate(results, before + 1):
            yield result
            self.tell(stage, done, total)
