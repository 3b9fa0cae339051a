"""DATASUM of FITS: the sum of the words of an HDU, compared where its data are read whole.

FITS 4.0, section 4.4.2.7 and appendix J.  A sum that differs means damage, or that
a program changed pixels and left the card: nothing tells which.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..texts import parse_whole

__all__ = ("STALE_SUM", "collect_stale_sums", "compare_datasum", "data_sum")

STALE_SUM = "Pixels that may be damaged: DATASUM says"
"""Beginning of the note on data that differ from their sum."""
_STEP = 1 << 16
_FOLD = 2**32 - 1
_COLLECTED: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("stale_sums", default=None)


def data_sum(content: Any) -> int:
    """Return the sum of big-endian words of 32 bits, with the carry added at the lower end.

    Parameters
    ----------
    content
        Bytes; zeros are added up to a whole word.
    """
    view, total = memoryview(content).cast("B"), 0
    for start in range(0, len(view), _STEP):
        piece = view[start : start + _STEP]
        if len(piece) % 8:
            piece = memoryview(bytes(piece).ljust(-(-len(piece) // 8) * 8, b"\0"))
        words = np.frombuffer(piece, ">u8").astype(np.uint64)
        total += int((words & np.uint64(_FOLD)).sum()) + int((words >> np.uint64(32)).sum())
    # Of the two zeros that such sums have, that of what is not zero has all bits.
    return total % _FOLD or (_FOLD if total else 0)


@contextlib.contextmanager
def collect_stale_sums() -> Iterator[list[str]]:
    """Collect what is to be said of data that are read in a block, by this thread, and differ from their sum.

    Yields
    ------
    list
        A note for each HDU.
    """
    notes: list[str] = []
    token = _COLLECTED.set(notes)
    try:
        yield notes
    finally:
        _COLLECTED.reset(token)


def compare_datasum(card: object, content: Any, where: str) -> None:
    """Compare the data of an HDU with its DATASUM, for those that collect what is to be said.

    Parameters
    ----------
    card
        Value of DATASUM; one that is no number of 32 bits states nothing.
    content
        All bytes of the data, with or without what fills the last block.
    where
        File and HDU.
    """
    notes, stated = _COLLECTED.get(), str(card).strip()
    number = parse_whole(stated)
    if notes is None or number is None or len(stated) > len(str(_FOLD)):
        return
    total = data_sum(content)
    if total % _FOLD != number % _FOLD:
        note = f"{STALE_SUM} {stated} in {where}, and their sum is {total}."
        notes += [] if note in notes else [note]
