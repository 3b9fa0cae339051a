"""Damaged variants of files: flipped bits, lost ends, wrong counts, references in a ring, absurd sizes."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lamella.fits.hdus import Container, Unit
from lamella.fits.tables import Table

BLOCK = 2880
COUNTS = (
    "BITPIX",
    "NAXIS",
    "NAXIS1",
    "NAXIS2",
    "PCOUNT",
    "GCOUNT",
    "TFIELDS",
    "THEAP",
    "AR_HDU",
    "AR_NCAT",
    "AR_CATN",
    "ZNAXIS1",
    "ZNAXIS2",
    "ZTILE1",
    "ZBITPIX",
    "CRVAL1A",
    "LTV1",
    "EXPINFO_V",
)
ABSURD = (0, -1, 1, 2, 3, 7, 2**15, 2**31 - 1, -(2**31), 2**40, 2**62, 10**18)
LINKS = (
    *("wcs", "psf", "photoCalib", "calib", "apCorrMap", "validPolygon", "visitInfo", "transmissionCurve"),
    *("detector", "field", "kernel", "components", "spatialfunctions", "coaddwcs", "coaddWcs", "psfIndex"),
    *("transformIndex", "controlIndex", "id", "transform"),
)

type Damage = Callable[[bytearray, Container, np.random.Generator], bytearray]


def pick[T](rng: np.random.Generator, values: list[T]) -> T:
    return values[int(rng.integers(len(values)))]


def flip_bits(data: bytearray, file: Container, rng: np.random.Generator) -> bytearray:
    """Flip a few bits, anywhere, in one header, or in the data of one HDU."""
    unit = pick(rng, list(file.units))
    places = [(0, len(data)), (unit.origin, unit.start), (unit.start, unit.start + unit.size)]
    low, high = pick(rng, [limits for limits in places if limits[1] > limits[0]])
    for _ in range(int(2 ** rng.uniform(0, 6))):
        data[int(rng.integers(low, high))] ^= 1 << int(rng.integers(8))
    return data


def cut_off(data: bytearray, file: Container, rng: np.random.Generator) -> bytearray:
    """Cut the file at any byte, at a block, or close to the border of an HDU."""
    unit = pick(rng, list(file.units))
    places = [int(rng.integers(len(data))), int(rng.integers(len(data) // BLOCK + 1)) * BLOCK]
    places += [unit.start, unit.start + max(unit.size - 1, 0), unit.origin + 80]
    return data[: pick(rng, places)]


def shuffle_blocks(data: bytearray, file: Container, rng: np.random.Generator) -> bytearray:
    """Remove, repeat or exchange blocks, or put noise over one."""
    first, second = (int(rng.integers(len(data) // BLOCK)) * BLOCK for _ in range(2))
    kind = rng.integers(4)
    block = bytes(data[first : first + BLOCK])
    if kind == 0:
        del data[first : first + BLOCK]
    elif kind == 1:
        data[second:second] = block
    elif kind == 2:
        data[first : first + BLOCK], data[second : second + BLOCK] = data[second : second + BLOCK], block
    else:
        data[first : first + BLOCK] = rng.bytes(BLOCK)
    return data


def change_counts(data: bytearray, file: Container, rng: np.random.Generator) -> bytearray:
    """Change numbers of rows, axes, columns and the like in headers."""
    for _ in range(int(rng.integers(1, 4))):
        unit = pick(rng, list(file.units))
        keys = [key for key in COUNTS if key in unit.header]
        keys += [
            key for key in unit.header if key.startswith(("TFORM", "TFLAG", "MP_")) or key.endswith("_ID")
        ]
        if keys:
            change_card(data, unit, pick(rng, keys), rng)
    return data


def change_card(data: bytearray, unit: Unit, key: str, rng: np.random.Generator) -> None:
    value = unit.header[key]
    start = data.find(f"{key:<8}=".encode(), unit.origin, unit.start)
    if start < 0:
        return
    if isinstance(value, str):
        text = pick(rng, ["'1QB(999999999)'", "'9999999D'", "'0J'", "'1PJ(3)'", "'-1J'", "'X'", "'2C'"])
    else:
        near = int(value) + int(rng.integers(-2, 3)) if isinstance(value, int) else 0
        text = str(pick(rng, [*ABSURD, near, near, near]))
    data[start + 10 : start + 80] = f"{text:>20}".ljust(70).encode()


def tables(file: Container, kind: str = "") -> list[Table]:
    units = [unit for unit in file.units if unit.is_table and unit.header["NAXIS2"] > 0]
    return [Table(unit) for unit in units if unit.kind == kind or not kind]


def change_references(data: bytearray, file: Container, rng: np.random.Generator) -> bytearray:
    """Let objects refer to themselves, to each other in a ring, or to something of another kind."""
    index = tables(file, "ARCHIVE_INDEX")
    ids = index[0].rows().column("id").tolist() if index else [1]
    references = [(table, name) for table in tables(file) for name in LINKS if name in table.names]
    if not references:
        return flip_bits(data, file, rng)
    for _ in range(int(rng.integers(1, 9))):
        table, name = pick(rng, references)
        put(data, table, name, pick(rng, [*ids, *ids, -1, 2**31 - 1]), rng)
    return data


def change_index(data: bytearray, file: Container, rng: np.random.Generator) -> bytearray:
    """Change which rows of which table are those of an object."""
    index = tables(file, "ARCHIVE_INDEX")
    if not index:
        return change_counts(data, file, rng)
    for _ in range(int(rng.integers(1, 4))):
        name = pick(rng, [name for name in index[0].names if name not in ("name", "module")])
        put(data, index[0], name, pick(rng, [*range(-1, 12), 1000, 2**31 - 1, -(2**31)]), rng)
    return data


def change_sizes(data: bytearray, file: Container, rng: np.random.Generator) -> bytearray:
    """Put absurd values into numbers, among them sizes, orders, and places in the heap."""
    columns = [(table, name) for table in tables(file) for name in table.names]
    if not columns:
        return change_counts(data, file, rng)
    for _ in range(int(rng.integers(1, 5))):
        table, name = pick(rng, columns)
        put(data, table, name, pick(rng, list(ABSURD)), rng)
    return data


def put(data: bytearray, table: Table, name: str, value: int, rng: np.random.Generator) -> None:
    """Write a number into one row of a column; texts and flags get random bytes."""
    column = table._columns[name]
    dtype, offset = table._dtype.fields[column.field[0]][:2]  # type: ignore[index]
    row = int(rng.integers(len(table)))
    base, shape = dtype.subdtype or (dtype, ())
    count = int(np.prod(shape)) or 1
    start = table.unit.start + row * table._width + offset + base.itemsize * int(rng.integers(count))
    if base.kind in "if":
        number = (
            np.array([pick(rng, [np.nan, np.inf, -1e300, 1e300, float(value)])]) if base.kind == "f" else None
        )
        with np.errstate(all="ignore"):
            raw = (np.array([value % 2**63]) if number is None else number).astype(base).tobytes()
    else:
        raw = rng.bytes(base.itemsize)
    data[start : start + base.itemsize] = raw


def change_text(data: bytearray, file: Container, rng: np.random.Generator) -> bytearray:
    """Change lines of the text of AST: leave one out, repeat one, or change a number or a name."""
    places = []
    start = data.find(b"Begin FrameSet")
    while start >= 0:
        places.append(start)
        start = data.find(b"Begin FrameSet", start + 1)
    if not places:
        return change_sizes(data, file, rng)
    first = pick(rng, places)
    last = min(first + 12000, len(data))
    for _ in range(int(rng.integers(1, 4))):
        lines = bytes(data[first:last]).split(b"\n")
        number = int(rng.integers(1, len(lines) - 1))
        line = lines[number]
        kind = rng.integers(4)
        if kind == 0:
            new = b" " * len(line)
        elif kind == 1:
            new = lines[int(rng.integers(1, len(lines) - 1))][: len(line)].ljust(len(line))
        elif kind == 2 and b"=" in line:
            new = (line.split(b"=")[0] + b"= " + str(pick(rng, list(ABSURD))).encode()).ljust(len(line))[
                : len(line)
            ]
        else:
            new = bytes(rng.permutation(list(line)).astype(np.uint8)) if line else line
        begin = first + sum(len(earlier) + 1 for earlier in lines[:number])
        data[begin : begin + len(line)] = new
    return data


DAMAGES: tuple[Damage, ...] = (
    flip_bits,
    cut_off,
    shuffle_blocks,
    change_counts,
    change_references,
    change_index,
    change_sizes,
    change_text,
)


def damaged(path: Path, seed: int) -> tuple[str, str, bytes]:
    """Return the name of the damage, a name for the file, and its damaged content."""
    rng = np.random.default_rng(seed)
    data, name = path.read_bytes(), path.name
    # What is gzipped as a whole is damaged within, too, or nothing of it would be seen.
    if data.startswith(b"\x1f\x8b"):
        if rng.random() < 0.2:
            raw = bytearray(data)
            for _ in range(int(rng.integers(1, 9))):
                raw[int(rng.integers(len(raw)))] ^= 1 << int(rng.integers(8))
            return "gzip", name, bytes(raw[: int(rng.integers(len(raw) // 2, len(raw)))])
        inflated, name = gzip.decompress(data), name.removesuffix(".gz")
    else:
        inflated = data
    damage = pick(rng, list(DAMAGES))
    return damage.__name__, name, bytes(damage(bytearray(inflated), Container(path), rng))
