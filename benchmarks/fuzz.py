"""Damaged variants of the files that lamella reads: each is read, or ends in one typed error.

A small survey is simulated and coadded; its exposures, tables, archives, records and sky maps, and texts
of options and regions, are changed in ways that follow from a seed, and read in this process.  Whatever
is no error of `lamella.errors`, takes more than five seconds, or makes the process larger than a
gigabyte is a fault, and its file is kept::

    python -m benchmarks.fuzz --variants 3000 --seed 1
    python -m benchmarks.fuzz --only skymap record --keep faults
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from lamella.config import load_options
from lamella.errors import LamellaError
from lamella.formats.archive.artifact_files import read_artifacts
from lamella.formats.archive.products import read_product
from lamella.formats.recognise import open_exposures
from lamella.formats.regions import read_bright_objects
from lamella.report.record import read_record
from lamella.run.coadd_run import CoaddRun
from lamella.sky.registry import load_skymap
from lamella.testing.config import SurveyConfig
from lamella.testing.survey import simulate_survey

SECONDS, MEGABYTES = 5.0, 1000
_CONFIG = SurveyConfig(
    bands=("r",), visits_per_band=3, detector_grid=(1, 1), detector_shape=(120, 130), stars=30
)
_CARD = 80
_LARGEST = 3_000_000
_CARD_VALUES = (
    "'a'", "1E999", "-1", "99999999999", "T", "'unended", "0", "²", "-+2", "nan", "'2020-02-30'", "9" * 60,
    "'\x1b[31m'", "2147483648", "(1,2)", "1E-400",
)  # fmt: skip
_TEXT_VALUES = (
    "null", "[]", "{}", '"x"', "-1", "1e400", "true", "[[1]]", '"²"', "9" * 6000, "NaN", '"2020-02-30"', "0",
    "[" * 10_000, '"\\ud800"', "0.5", '"r/../X"',
)  # fmt: skip
_VALUE = re.compile(r'"[^"]*"|-?\d+\.?\d*|null|true|false')


@dataclasses.dataclass(frozen=True)
class Member:
    """A kind of file."""

    path: Path
    read: Callable[[Path], object]


@dataclasses.dataclass(frozen=True)
class Fault:
    """A variant that was read as it must not be."""

    member: str
    variant: int
    what: str


def _read_exposures(path: Path) -> None:
    for source in open_exposures([path], measure=False).sources:
        source.read()


def members(folder: Path) -> dict[str, Member]:
    """Simulate and coadd a survey, and return a file of each kind."""
    survey, out = simulate_survey(folder / "survey", _CONFIG), folder / "coadds"
    assert survey.folder is not None
    assert survey.table is not None
    CoaddRun(output=out, keep_warps=True)([survey.table])
    options, regions = folder / "options.toml", folder / "stars.reg"
    options.write_text('[assemble]\nstatistic = "MEAN"\nclip_iter = 2\nsigma_clip = 3.0\n')
    regions.write_text("wcs; fk5\ncircle(150.0, 2.0, 0.01) # ID: 1, mag: 12\nbox(150, 2, 0.3, 0.2) # ID: 2\n")
    return {
        "exposure": Member(next((survey.folder / "exposures").glob("*.fits")), _read_exposures),
        "table": Member(survey.table, _read_exposures),
        "coadd": Member(_first(out, "coadd-r-*,?.fits"), read_product),
        "warp": Member(_first(out / "warps", "warp-*.fits"), read_product),
        "artifacts": Member(_first(out, "*-artifacts.fits"), read_artifacts),
        "record": Member(_first(out, "coadd-*.json"), read_record),
        "skymap": Member(out / "skymap.json", load_skymap),
        "options": Member(options, load_options),
        "regions": Member(regions, read_bright_objects),
    }


def more_members(folder: Path | None) -> dict[str, Member]:
    """Return the small FITS files below a folder, to be read as exposures."""
    paths = sorted(folder.rglob("*.fits*")) if folder is not None else ()
    return {
        str(path.relative_to(folder or "")): Member(path, _read_exposures)
        for path in paths
        if path.is_file() and path.stat().st_size < _LARGEST
    }


def _first(folder: Path, pattern: str) -> Path:
    return min(folder.glob(pattern))


def variant_of(content: bytes, name: str, choices: random.Random) -> bytes:
    """Return changed bytes of a file; of texts, mostly with another value somewhere."""
    kind = choices.random()
    if kind < 0.15:
        return content[: choices.randrange(len(content))]
    if kind < 0.35:
        return _with_flipped_bits(content, choices)
    return _with_other_card(content, choices) if ".fits" in name else _with_other_value(content, choices)


def _with_flipped_bits(content: bytes, choices: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(choices.randint(1, 8)):
        changed[choices.randrange(len(changed))] ^= 1 << choices.randrange(8)
    return bytes(changed)


def _with_other_card(content: bytes, choices: random.Random) -> bytes:
    starts = [
        start
        for start in range(0, len(content) - _CARD, _CARD)
        if content[start + 8 : start + 10] == b"= " and content[start : start + _CARD].isascii()
    ]
    if not starts:  # compressed as a whole
        return _with_flipped_bits(content, choices)
    start, changed = choices.choice(starts), bytearray(content)
    if choices.random() < 0.2:
        changed[start : start + 8] = b"XXXXXXXX"
    else:
        value = choices.choice(_CARD_VALUES).encode("latin-1").rjust(20).ljust(_CARD - 10)
        changed[start + 10 : start + _CARD] = value[: _CARD - 10]
    return bytes(changed)


def _with_other_value(content: bytes, choices: random.Random) -> bytes:
    text = content.decode()
    values = list(_VALUE.finditer(text))
    match = choices.choice(values)
    return (text[: match.start()] + choices.choice(_TEXT_VALUES) + text[match.end() :]).encode()


def _too_long(number: int, frame: FrameType | None) -> NoReturn:
    raise TimeoutError(f"more than {SECONDS:.0f} s")


def read_variant(member: Member, content: bytes, folder: Path) -> str:
    """Read a variant of a file; return what is wrong with how that ended, or nothing."""
    path = folder / member.path.name
    path.write_bytes(content)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        member.read(path)
    except LamellaError as err:
        return "" if str(err).strip() else "an error without words"
    except Exception as err:
        frames = traceback.extract_tb(err.__traceback__)
        own = [frame for frame in frames if "lamella" in frame.filename] or frames
        return f"{type(err).__name__}: {str(err)[:80]} ({Path(own[-1].filename).name}:{own[-1].lineno})"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    return ""


def fuzz(kinds: Mapping[str, Member], variants: int, seed: int, folder: Path) -> Iterator[Fault]:
    """Read damaged variants of files, and return those that end as they must not.

    Parameters
    ----------
    kinds
        The files.
    variants
        Number of variants, of all files in turn.
    seed
        From which each variant follows, whatever the others are.
    folder
        Where they are written; those with a fault stay.
    """
    contents = {name: member.path.read_bytes() for name, member in kinds.items()}
    before = signal.signal(signal.SIGALRM, _too_long)
    try:
        for number in range(variants):
            name = sorted(kinds)[number % len(kinds)]
            content = variant_of(contents[name], kinds[name].path.name, random.Random(f"{seed} {number}"))
            if what := read_variant(kinds[name], content, folder):
                (folder / f"{Path(name).name}-{seed}-{number}").write_bytes(content)
                yield Fault(name, number, what)
    finally:
        signal.signal(signal.SIGALRM, before)


def peak_mb() -> float:
    """Return the largest memory of this process so far, in megabytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", metavar="KIND", help="Kinds of files, e.g. skymap and record.")
    parser.add_argument("--more", type=Path, help="Folder of small FITS files to read as exposures, too.")
    parser.add_argument("--keep", type=Path, help="Folder for the variants with a fault.")
    args = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as work:
        folder = args.keep or Path(work, "variants")
        folder.mkdir(parents=True, exist_ok=True)
        kinds = {
            name: member
            for name, member in (members(Path(work)) | more_members(args.more)).items()
            if args.only is None or name in args.only
        }
        faults = 0
        for fault in fuzz(kinds, args.variants, args.seed, folder):
            print(f"{fault.member}, variant {fault.variant} of seed {args.seed}: {fault.what}", flush=True)
            faults += 1
    print(
        f"{args.variants} variants of {len(kinds)} kinds of files with seed {args.seed}: {faults} faults, "
        f"{time.monotonic() - begin:.0f} s, at most {peak_mb():.0f} MB"
    )
    return int(faults > 0 or peak_mb() > MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
