"""Where the values of an exposure come from: its header, a table, the pixels, or nowhere."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from ..texts import parse_whole

__all__ = ("KINDS", "Origin", "OriginSummary", "summarize_origins")

type Kind = Literal["header", "table", "description", "file", "measured", "assumed"]

KINDS: tuple[Kind, ...] = get_args(Kind.__value__)
"""A card of the file; a cell of an exposure table; the description of a format; a map or model of a file; the
pixels; nothing at all."""

_FEW = 3
"""Texts that a summary tells."""


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where one value of an exposure comes from."""

    kind: Kind
    how: str
    """Keyword, HDU, column or method, the same for all exposures that are treated alike: ``"MAGZP"``."""
    value: str = ""
    """The value; empty for a map or a model."""

    @property
    def guessed(self) -> bool:
        """Whether no file and no person says it."""
        return self.kind in ("measured", "assumed")


@dataclasses.dataclass(frozen=True, slots=True)
class OriginSummary:
    """Where a value comes from in several exposures that are treated alike."""

    name: str
    """What it is: ``"zero point"``, ``"noise"`` ..."""
    kind: Kind
    how: str
    count: int
    """Number of exposures."""
    values: str
    """The values: one, the range of numbers, or the first few texts."""


def summarize_origins(exposures: Iterable[Mapping[str, Origin]]) -> tuple[OriginSummary, ...]:
    """Group the origins of the values of exposures.

    Parameters
    ----------
    exposures
        For each exposure, the origins by the names of the values.

    Returns
    -------
    tuple of OriginSummary
        By name in the order in which they first appear, those of one name by kind.
    """
    groups: dict[str, dict[tuple[Kind, str], list[str]]] = {}
    for origins in exposures:
        for name, origin in origins.items():
            groups.setdefault(name, {}).setdefault((origin.kind, origin.how), []).append(origin.value)
    return tuple(
        OriginSummary(name, kind, how, len(values), _range_of(values))
        for name, members in groups.items()
        for (kind, how), values in sorted(
            members.items(), key=lambda item: (KINDS.index(item[0][0]), item[0][1])
        )
    )


def _range_of(values: Iterable[str]) -> str:
    texts = sorted({value for value in values if value})
    try:
        numbers = sorted(float(text) for text in texts)
    except ValueError:
        numbers = []
    if len(texts) > 1 and numbers and all(map(math.isfinite, numbers)):
        if all(parse_whole(text) is not None for text in texts):  # numbers of visits, with all their digits
            return f"{min(texts, key=int)} to {max(texts, key=int)}"
        return f"{numbers[0]:.6g} to {numbers[-1]:.6g}"
    more = len(texts) - _FEW
    return ", ".join(texts[:_FEW]) + (f" and {more} more" if more > 0 else "")
