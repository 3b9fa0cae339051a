"""The programs that stack, and how each is called."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import peers, stack_others
from .fits_planes import WarpFiles
from .stack_swarp import COMBINE_TYPES, swarp_command

STATISTICS = ("MEAN", "MEANCLIP", "NOISECLIP", "MEDIAN")
MAIN = "MEANCLIP"
"""The statistic that every program has; the others are measured for fewer warps."""
GROUPS = ("lamella", "archives", "numpy", "astropy", "SWarp", "Siril", "gnuastro")
REFERENCE = "lamella"
LAMELLA = (sys.executable, "-c", "import sys; from lamella.cli.main import main; sys.exit(main())")
PLANES = ("image", "variance", "mask")
UNLIMITED = 1 << 30
SMALL_MEMORY = 700
"""MiB."""

Command = Callable[[WarpFiles, str, int, Path], Sequence[str | Path]]


@dataclasses.dataclass(frozen=True)
class Contender:
    """A program that stacks, and how it is called."""

    name: str
    group: str
    """The name by which it is chosen on the command line."""
    kinds: tuple[str, ...]
    """The files that it reads."""
    command: Command | None
    """`None` when the program is not installed."""
    threaded: bool = True
    statistics: tuple[str, ...] = STATISTICS
    image_hdu: int = 1
    comparable: bool = True
    """Whether it uses the weights that the others use, so that pixels can be compared."""
    slow: bool = False
    """One round is enough, as it takes long."""
    reach: int = UNLIMITED
    """Most warps with which it runs `MAIN`."""
    reach_others: int = 30
    """Most warps with which it runs other statistics."""

    @property
    def is_peer(self) -> bool:
        return not self.name.startswith(REFERENCE)

    def runs(self, statistic: str, n: int) -> bool:
        """Return whether it takes part, unless all is asked for."""
        return n <= (self.reach if statistic == MAIN else self.reach_others)

    def rounds(self, statistic: str, n: int, repeats: int) -> int:
        """Return how often it runs."""
        once = self.slow or statistic != MAIN or n > 30
        return 1 if once else repeats

    def threads(self, statistic: str, n: int, wanted: Sequence[int]) -> Sequence[int]:
        """Return the numbers of threads; what these give is seen with one statistic, and of peers once."""
        if not self.threaded:
            return [1]
        many = statistic == MAIN and (n < 10 if self.is_peer else self.group == REFERENCE)
        return wanted if many else [max(wanted)]


def contenders(
    only: Sequence[str] = GROUPS, wanted: Sequence[str] = STATISTICS, peers_python: str = sys.executable
) -> list[Contender]:
    """Return the programs that have something to do, those that are not installed included."""
    archive = {"group": "archives", "kinds": ("archive",), "comparable": False}
    numpy_like = {"kinds": PLANES, "threaded": False, "slow": True}
    found = [
        Contender(REFERENCE, "lamella", PLANES, _lamella),
        Contender(
            "lamella, weights found", "lamella", PLANES, _lamella_weights,
            statistics=(MAIN,), comparable=False, slow=True, reach=10,
        ),
        Contender("lamella stack, archives", command=_lamella_stack, reach_others=10, **archive),
        Contender(
            f"lamella stack, --memory {SMALL_MEMORY}",
            command=_lamella_small, statistics=(MAIN,), slow=True, **archive,
        ),
        Contender(
            "numpy by blocks of rows", "numpy", command=_numpy(sys.executable, "stack_numpy"),
            reach=10, reach_others=10, **numpy_like,
        ),
        Contender(
            "astropy sigma_clip by blocks", "astropy", statistics=(MAIN,), reach=30,
            command=_numpy(peers_python, "stack_astropy")
            if peers.has_packages(peers_python, ["numpy", "astropy"]) else None,
            **numpy_like,
        ),
        Contender(
            "SWarp", "SWarp", ("image", "weight"), _peer("SWarp", swarp_command),
            statistics=tuple(COMBINE_TYPES), image_hdu=0, slow=True, reach=100, reach_others=10,
        ),
        Contender(
            "Siril", "Siril", ("image",), _peer("Siril", stack_others.siril_command),
            statistics=tuple(stack_others.SIRIL), comparable=False,
        ),
        Contender(
            "gnuastro", "gnuastro", ("nan",), _peer("gnuastro", stack_others.gnuastro_command),
            statistics=tuple(stack_others.GNUASTRO), comparable=False, slow=True,
            reach=100, reach_others=10,
        ),
    ]  # fmt: skip
    named = [one for one in found if one.group in only]
    return [one for one in named if set(one.statistics) & set(wanted)]


def _peer(name: str, command: Callable[..., Sequence[str | Path]]) -> Command | None:
    program = peers.find(name)
    return functools.partial(command, program) if program else None


def _module(python: str, name: str, files: WarpFiles, statistic: str, output: Path) -> list[str | Path]:
    command = [python, "-m", f"benchmarks.{name}", files.folder, "--n", str(files.n)]
    return [*command, "--statistic", statistic, "--output", output]


def _numpy(python: str, module: str) -> Command:
    return lambda files, statistic, threads, output: _module(python, module, files, statistic, output)


def _lamella(files: WarpFiles, statistic: str, threads: int, output: Path) -> list[str | Path]:
    command = _module(sys.executable, "stack_lamella", files, statistic, output)
    return [*command, "--threads", str(threads)]


def _lamella_weights(files: WarpFiles, statistic: str, threads: int, output: Path) -> list[str | Path]:
    return [*_lamella(files, statistic, threads, output), "--find-weights"]


def _lamella_stack(files: WarpFiles, statistic: str, threads: int, output: Path) -> list[str | Path]:
    options = ["--statistic", statistic.lower(), "--workers", str(threads), "--output", output]
    return [*LAMELLA, "stack", *files.names("archive"), *options]


def _lamella_small(files: WarpFiles, statistic: str, threads: int, output: Path) -> list[str | Path]:
    return [*_lamella_stack(files, statistic, threads, output), "--memory", str(SMALL_MEMORY)]
