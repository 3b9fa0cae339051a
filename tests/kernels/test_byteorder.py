"""Words of files: their byte order, their bytes taken apart, and masks on their way into a stack."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from lamella.kernels.byteorder import join_bytes, mark_where, settle_mask, split_bytes, swap_words

WORDS = npst.arrays(np.uint32, st.integers(0, 70), elements=st.integers(0, 2**32 - 1))
MASKS = npst.arrays(np.int32, 40, elements=st.integers(-(2**31), 2**31 - 1))
BITS = st.integers(0, 2**31 - 1)


@given(WORDS)
def test_words_are_swapped_also_in_place(words: np.ndarray) -> None:
    expected = words.byteswap()
    swap_words(words, words)
    np.testing.assert_array_equal(words, expected)


@given(WORDS)
def test_bytes_are_sorted_by_significance(words: np.ndarray) -> None:
    shuffled = np.empty(4 * words.size, np.uint8)
    split_bytes(words, shuffled)
    np.testing.assert_array_equal(
        shuffled.reshape(4, -1).T, words.astype(">u4").view(np.uint8).reshape(-1, 4)
    )
    joined = np.empty_like(words)
    join_bytes(shuffled, joined)
    np.testing.assert_array_equal(joined, words)


@given(MASKS, BITS, BITS)
def test_pixels_are_counted_before_bits_are_cleared(mask: np.ndarray, bad: int, removed: int) -> None:
    unmasked = np.full(mask.size, 3, np.int32)
    settled = mask.copy()
    settle_mask(settled, np.int32(bad), np.int32(removed), unmasked)
    np.testing.assert_array_equal(unmasked, 3 + ((mask & bad) == 0))
    np.testing.assert_array_equal(settled, mask & ~removed)


@given(MASKS, BITS, BITS)
def test_pixels_are_marked_that_have_a_cause(mask: np.ndarray, causes: int, bit: int) -> None:
    marked = mask.copy()
    mark_where(marked, np.int32(causes), np.int32(bit))
    np.testing.assert_array_equal(marked, np.where(mask & causes, mask | bit, mask))
