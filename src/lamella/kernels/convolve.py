"""Convolution with a kernel that varies over the image.

A smooth kernel is nearly a sum of a few products of a row profile and a column
profile.  The row profiles are made the same for the whole image; the column
profiles are given at the nodes of a grid and are linear in between.  The image
is then filtered a few times along its rows, and once along its columns: two
times three dozen multiplications instead of hundreds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from ._jit import jit
from .arrays import Plane, Row, copy_row

__all__ = ("CELL", "SeparableKernels", "convolve_plane", "factor_kernels", "smooth_plane")

CELL = 128
"""Distance of the nodes of a varying kernel, in pixels."""

# Products that are added up before they are added to the sum; the order of additions is always the same.
_GROUP = 4
# So many pixels of the filtered rows stay in the caches.
_STRIP = 512


@dataclasses.dataclass(frozen=True, eq=False)
class SeparableKernels:
    r"""Kernels at the nodes of a grid, as sums of products of column and row profiles.

    The kernel of node (m, n) is
    :math:`K_{tu} = \sum_j c_{mnjt} r_{ju}`; between the nodes, which are
    `CELL` pixels apart and start at pixel (0, 0), it is interpolated linearly
    in y and x.

    Attributes
    ----------
    rows
        Row profiles *r*, float32, shape (rank, side).
    columns
        Column profiles *c*, float32, shape (node y, node x, rank, side).
    """

    rows: np.ndarray
    columns: np.ndarray

    @property
    def side(self) -> int:
        """Side of the kernels in pixels, odd."""
        return int(self.rows.shape[1])

    @property
    def rank(self) -> int:
        """Number of products."""
        return int(self.rows.shape[0])

    def part(self, first: int, last: int) -> SeparableKernels:
        """Return the kernels of rows ``first`` to ``last`` of cells, the last one not included."""
        return SeparableKernels(self.rows, self.columns[first : last + 1])

    def at(self, y: float, x: float) -> np.ndarray:
        """Return the kernel of a pixel: float64, shape (side, side)."""
        m, n = (min(int(p) // CELL, size - 2) for p, size in zip((y, x), self.columns.shape, strict=False))
        v, u = y / CELL - m, x / CELL - n
        four = self.columns[m : m + 2, n : n + 2].astype(np.float64)
        profiles = np.einsum("m,n,mnjt->jt", [1 - v, v], [1 - u, u], four)
        kernel: np.ndarray = profiles.T @ self.rows
        return kernel


def factor_kernels(
    kernels: np.ndarray, error: Callable[[np.ndarray], float], tolerance: float
) -> SeparableKernels:
    """Write kernels as sums of products, with as few products as a tolerance allows.

    The sums of the kernels are kept.

    Parameters
    ----------
    kernels
        Kernels at the nodes of a grid, shape (node y, node x, side, side).
    error
        Function that takes the errors of some kernels, shape (n, side, side),
        and returns a number to be held below the tolerance.  Kernels differ
        smoothly from node to node: a few of them stand for all.
    tolerance
        Greatest error.
    """
    ny, nx, side, _ = kernels.shape
    stack = kernels.reshape(-1, side, side)
    # Probes spread evenly over the nodes, both ends among them.
    probes = stack[np.unique(np.linspace(0, len(stack) - 1, _PROBES).astype(int))]
    # Profiles in the order of what they explain of all kernels.
    basis = np.linalg.eigh(np.tensordot(stack, stack, axes=((0, 1), (0, 1))))[1].T[::-1]
    rank = side
    for rank in range(1, side + 1):
        columns = _column_profiles(probes, basis[:rank])
        if columns is not None and error(columns.swapaxes(1, 2) @ basis[:rank] - probes) <= tolerance:
            break
    columns = _column_profiles(stack, basis[:rank])
    if columns is None:  # a sum that few products cannot keep
        rank, columns = side, stack @ basis.T
        columns = columns.swapaxes(1, 2)
    return SeparableKernels(
        np.ascontiguousarray(basis[:rank], np.float32),
        np.ascontiguousarray(columns.reshape(ny, nx, rank, side), np.float32),
    )


_PROBES = 12


def _column_profiles(kernels: np.ndarray, rows: Plane) -> np.ndarray | None:
    """Return the column profiles that go with row profiles, so that the sums of the kernels are kept."""
    columns = (kernels @ rows.T).swapaxes(1, 2)
    kept = columns.sum(axis=2) @ rows.sum(axis=1)
    if not (kept > 0.0).all():
        return None
    scaled: np.ndarray = columns * (kernels.sum(axis=(1, 2)) / kept)[:, np.newaxis, np.newaxis]
    return scaled


def convolve_plane(
    image: Plane, kernels: SeparableKernels, cells: Plane, out: Plane | None = None
) -> np.ndarray:
    """Convolve an image with a varying kernel.

    Pixel (y, x) of the result is the sum over (t, u) of ``K[half + t, half +
    u]`` times pixel (y - t, x - u), with the kernel *K* of (y, x); pixels
    beyond the edges are zero.

    Parameters
    ----------
    image : `numpy.ndarray` of float32, shape (y, x)
        Image, without values that are not finite.
    kernels
        The kernel.
    cells : `numpy.ndarray` of bool
        Which cells of `CELL` by `CELL` pixels are wanted.
    out : `numpy.ndarray` of float32, shape (y, x)
        Where to put the result; by default a new array of zeros.

    Returns
    -------
    `numpy.ndarray` of float32, shape (y, x)
        Pixels of cells that are not wanted are left as they were.
    """
    result = np.zeros_like(image) if out is None else out
    # Taps run against the image; profiles turned round run along with it.
    rows = np.ascontiguousarray(kernels.rows[:, ::-1])
    columns = np.ascontiguousarray(kernels.columns[..., ::-1])
    _convolve(image, rows, columns, cells, result)
    return result


@jit
def _filter_row(line: Row, rows: Plane, width: int, ring: Plane, slot: int) -> None:
    """Filter one row of pixels with each profile; the results go to one slot of the ring of each."""
    rank, side = rows.shape
    whole = side - side % _GROUP
    for j in range(rank):
        total = ring[j * side + slot]
        profile = rows[j]
        total[:width] = np.float32(0.0)
        for t in range(0, whole, _GROUP):
            w0, w1, w2, w3 = profile[t], profile[t + 1], profile[t + 2], profile[t + 3]
            p0, p1 = line[t : t + width], line[t + 1 : t + 1 + width]
            p2, p3 = line[t + 2 : t + 2 + width], line[t + 3 : t + 3 + width]
            for x in range(width):
                total[x] += (w0 * p0[x] + w1 * p1[x]) + (w2 * p2[x] + w3 * p3[x])
        for t in range(whole, side):
            w0, p0 = profile[t], line[t : t + width]
            for x in range(width):
                total[x] += w0 * p0[x]


@jit
def _filter_columns(ring: Plane, order: Row, weights: Row, width: int, total: Row) -> None:
    """Add up the filtered rows in the ring."""
    count = order.shape[0]
    whole = count - count % _GROUP
    total[:width] = np.float32(0.0)
    for i in range(0, whole, _GROUP):
        w0, w1, w2, w3 = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
        p0, p1, p2, p3 = ring[order[i]], ring[order[i + 1]], ring[order[i + 2]], ring[order[i + 3]]
        for x in range(width):
            total[x] += (w0 * p0[x] + w1 * p1[x]) + (w2 * p2[x] + w3 * p3[x])
    for i in range(whole, count):
        w0, p0 = weights[i], ring[order[i]]
        for x in range(width):
            total[x] += w0 * p0[x]


@jit
def _weigh(
    columns: np.ndarray, cell: int, fraction: np.float32, y: int, left: Row, slope: Row, order: Row
) -> None:
    """Find the column profiles of a row at the left edge of a cell, and their change per pixel."""
    rank, side = columns.shape[2:]
    for j in range(rank):
        for t in range(side):
            a, b = columns[0, cell, j, t], columns[0, cell + 1, j, t]
            at_left = a + fraction * (columns[1, cell, j, t] - a)
            at_right = b + fraction * (columns[1, cell + 1, j, t] - b)
            left[j * side + t] = at_left
            slope[j * side + t] = (at_right - at_left) / np.float32(CELL)
            order[j * side + t] = j * side + (y + t) % side


@jit
def _convolve(image: Plane, rows: Plane, columns: np.ndarray, cells: Plane, result: Plane) -> None:
    height, length = image.shape
    rank, side = rows.shape
    half = side // 2
    line = np.zeros(CELL + 2 * half, np.float32)
    # The filtered rows that the column profiles reach, one slot for each; a new row replaces the oldest.
    ring = np.zeros((rank * side, CELL), np.float32)
    order = np.zeros(rank * side, np.int64)
    left = np.zeros(rank * side, np.float32)
    slope = np.zeros(rank * side, np.float32)
    middle = np.zeros(CELL, np.float32)
    change = np.zeros(CELL, np.float32)
    for cell in range(cells.shape[1]):
        first = cell * CELL
        width = min(CELL, length - first)
        done = -half
        for band in range(cells.shape[0]):
            if not cells[band, cell]:
                continue
            stop = min((band + 1) * CELL, height)
            begin = max(done, band * CELL - half)
            for row in range(begin, stop + half):
                if 0 <= row < height:
                    for i in range(width + 2 * half):
                        x = first + i - half
                        line[i] = image[row, x] if 0 <= x < length else np.float32(0.0)
                else:
                    line[:] = np.float32(0.0)
                # Each row is filtered once, and stays in the ring while any row of the band reaches it.
                _filter_row(line, rows, width, ring, (row + half) % side)
                y = row - half
                if y < band * CELL:
                    continue
                fraction = np.float32(y - band * CELL) / np.float32(CELL)
                _weigh(columns[band : band + 2], cell, fraction, y, left, slope, order)
                _filter_columns(ring, order, left, width, middle)
                _filter_columns(ring, order, slope, width, change)
                for x in range(width):
                    result[y, first + x] = middle[x] + np.float32(x) * change[x]
            done = stop + half


@jit
def smooth_plane(image: Plane, profile: Row, out: Plane) -> None:
    """Filter an image with one profile along both axes; pixels beyond the ends are zero.

    Parameters
    ----------
    image
        float32, shape (y, x), finite.
    profile
        float32, shape (side,), symmetric, side odd.
    out
        float32, shape (y, x), written.
    """
    (height, length), side = image.shape, profile.size
    half, rows = side // 2, profile.reshape(1, side)
    line = np.empty(_STRIP + 2 * half, np.float32)
    # The filtered rows that the profile reaches; a new row replaces the oldest.
    ring = np.empty((side, _STRIP), np.float32)
    order = np.empty(side, np.int64)
    for first in range(0, length, _STRIP):
        width = min(_STRIP, length - first)
        for row in range(-half, height + half):
            line[:] = np.float32(0.0)
            if 0 <= row < height:
                start, stop = max(first - half, 0), min(first + width + half, length)
                copy_row(image[row, start:stop], line[start - first + half : stop - first + half])
            _filter_row(line, rows, width, ring, (row + half) % side)
            if row >= half:
                for t in range(side):
                    order[t] = (row - half + t) % side
                _filter_columns(ring, order, profile, width, out[row - half, first : first + width])
