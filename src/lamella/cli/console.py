"""The console of tables and progress, for texts that others wrote."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from ..visible import visible

__all__ = ("Console",)


class Console(rich.console.Console):
    """A console of rich that takes no text for markup, and shows none that a terminal would obey.

    Parameters
    ----------
    stderr
        Whether it is standard error.
    **options
        Further options of `rich.console.Console`.
    """

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text as it is measured and printed."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Give what is printed, piece by piece."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text), style, control)
