"""Pixels as files hold them, and as the other kernels want them.

FITS files hold big-endian words; those of the tile compression GZIP_2 hold the
first bytes of all words, then the second ones, and so on.  Arrays of words are
views of float32 and int32 planes as uint32.
"""

from __future__ import annotations

import numpy as np

from ._jit import jit, jit_inline

__all__ = ("join_bytes", "mark_where", "settle_mask", "split_bytes", "swap_words")

_BYTE, _LOW = np.uint32(8), np.uint32(0xFF00)


@jit_inline
def _swapped(word: np.uint32) -> np.uint32:
    return (
        (word >> np.uint32(24))
        | ((word >> _BYTE) & _LOW)
        | ((word & _LOW) << _BYTE)
        | ((word & np.uint32(0xFF)) << np.uint32(24))
    )


@jit
def swap_words(words: np.ndarray, out: np.ndarray) -> None:
    """Turn big-endian words into native ones, on little-endian machines and the other way round.

    Parameters
    ----------
    words, out
        uint32 of shape (n,); they may be the same array.
    """
    for i in range(words.size):
        out[i] = _swapped(words[i])


@jit
def join_bytes(shuffled: np.ndarray, out: np.ndarray) -> None:
    """Put the bytes of words together that a shuffle has taken apart.

    Parameters
    ----------
    shuffled
        uint8 of shape (4 n,): the most significant bytes of all words first.
    out
        uint32 of shape (n,), in the byte order of the machine.
    """
    n = out.size
    for i in range(n):
        out[i] = (
            (np.uint32(shuffled[i]) << np.uint32(24))
            | (np.uint32(shuffled[n + i]) << np.uint32(16))
            | (np.uint32(shuffled[2 * n + i]) << _BYTE)
            | np.uint32(shuffled[3 * n + i])
        )


@jit
def split_bytes(words: np.ndarray, shuffled: np.ndarray) -> None:
    """Take the bytes of words apart: the inverse of `join_bytes`.

    Parameters
    ----------
    words
        uint32 of shape (n,), in the byte order of the machine.
    shuffled
        uint8 of shape (4 n,).
    """
    n = words.size
    for i in range(n):
        shuffled[i] = np.uint8(words[i] >> np.uint32(24))
        shuffled[n + i] = np.uint8((words[i] >> np.uint32(16)) & np.uint32(0xFF))
        shuffled[2 * n + i] = np.uint8((words[i] >> _BYTE) & np.uint32(0xFF))
        shuffled[3 * n + i] = np.uint8(words[i] & np.uint32(0xFF))


@jit
def settle_mask(mask: np.ndarray, bad: int, removed: int, unmasked: np.ndarray) -> None:
    """Count where pixels are not masked, and clear bits that say nothing any more.

    Parameters
    ----------
    mask
        int32 of shape (n,); changed in place.
    bad
        Bits of pixels that are left out.
    removed
        Bits that are cleared once pixels are counted.
    unmasked
        int32 of shape (n,); grows by one where no bad bit is set.
    """
    for i in range(mask.size):
        unmasked[i] += np.int32(mask[i] & bad == 0)
        mask[i] &= ~removed


@jit
def mark_where(mask: np.ndarray, causes: int, bit: int) -> None:
    """Set bits where there is one of some others.

    Parameters
    ----------
    mask
        int32 of shape (n,); changed in place.
    causes
        Bits that lead to the mark.
    bit
        Bits that are set.
    """
    for i in range(mask.size):
        if mask[i] & causes != 0:
            mask[i] |= bit
