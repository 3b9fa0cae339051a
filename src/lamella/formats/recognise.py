"""From the paths that a person types to exposures: the one entry to all readers."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from ..bands import band_key
from ..causes import told_once
from ..data.exposure import ExposureId, ExposureSource
from ..data.texts import counted, short
from ..errors import (
    DuplicateInputError,
    InputError,
    LamellaError,
    NoInputsError,
    UnreadableFileError,
)
from .copies import find_copies, is_one_place
from .file_index import FileIndex, is_fits_name, walk
from .read_control import ReadControl
from .readers import FileHead, Format, Opening, find_format, known_formats
from .roles import Candidate, recognise, sort_files

__all__ = ("InputProblem", "Inputs", "open_exposures", "recognise")

_TOLD = 3
"""Number of causes that the message about having no input tells."""


@dataclasses.dataclass(frozen=True)
class InputProblem:
    """A file, or an exposure in it, that was skipped."""

    path: str
    error: LamellaError

    def __str__(self) -> str:
        return str(self.error)


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Exposures of some paths, and the files that were skipped.

    Attributes
    ----------
    sources
        Sorted by identity.
    problems
        Files or exposures that could not be used, and why, sorted by path.
    """

    sources: tuple[ExposureSource, ...]
    problems: tuple[InputProblem, ...] = ()

    def __repr__(self) -> str:
        bands = sorted({source.info.band for source in self.sources}, key=band_key)
        skipped = f"; {counted(len(self.problems), 'file')} skipped" if self.problems else ""
        return f"Inputs: {counted(len(self.sources), 'exposure')} in {short(', '.join(bands))}{skipped}"

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[ExposureSource]:
        return iter(self.sources)


def open_exposures(
    paths: Iterable[Path | str],
    *,
    format: str | None = None,
    control: ReadControl | None = None,
    strict: bool | None = None,
    measure: bool = True,
    on_measured: Callable[[int, int], None] | None = None,
    sources: Iterable[ExposureSource] = (),
) -> Inputs:
    """Find the exposures in files and folders, from their headers.

    Parameters
    ----------
    paths
        Files, folders (searched with all folders below) and exposure tables.
        Companions of exposures may be among them.
    format
        Name of the only format to use; by default each file is recognised.
    control
        How the exposures are to be read.
    strict
        Whether a file that cannot be used is an error (`True`) or skipped and
        reported (`False`).  By default it is skipped when it was found in a folder or is
        damaged, also where a table names it; anything else that is wrong with a file that is named in
        ``paths`` is an error.  `True` also
        refuses to guess: what no header, table or description tells is an error.
    measure
        Whether the pixels of exposures that do not tell the width of their PSF or
        their photometric scale are read, and their stars measured
        (`lamella.formats.measure`); otherwise such exposures cannot be read.
    on_measured
        Called with the number of exposures whose pixels were measured, and that of all that are: first
        with 0, then after each.
    sources
        Exposures that are open already: they are checked and measured together with those of the files.

    Returns
    -------
    `Inputs`
        The exposures, and the files that were skipped.

    Raises
    ------
    InputError
        Raised when a file cannot be used, or a value would have to be guessed (see ``strict``).
    DuplicateInputError
        Raised when two exposures have one identity.
    NoInputsError
        Raised when there is no exposure.
    ConfigError
        Raised when there is no such format.

    Examples
    --------
    >>> import lamella
    >>> inputs = lamella.open_exposures(["demo/survey/exposures.ecsv"])
    >>> inputs.problems
    ()
    >>> inputs.sources[0].info.band
    'g'
    >>> exposure = inputs.sources[0].read()  # the pixels
    >>> exposure.pixels.image.array.shape == exposure.info.bbox.shape
    True
    """
    finder = _Finder(
        formats=known_formats() if format is None else (find_format(format),),
        control=control or ReadControl(),
        strict=strict,
        measure=measure,
        on_measured=on_measured,
    )
    return finder.run([Path(path) for path in paths], sources)


def _is_damage(path: Path, err: LamellaError) -> bool:
    """Return whether an error is about a damaged FITS file: the one of this path, or one that a table names.

    One damaged file must not take the others along.  A name under which there is nothing, an HDU that
    is not there, and a wrong cell of a table are mistakes of whoever wrote them.
    """
    for cause in _causes(err):
        named = Path(str(getattr(cause, "path", "")))
        is_fits = is_fits_name(path) or named.absolute() != path.absolute()
        if isinstance(cause, UnreadableFileError) and os.path.isfile(named) and is_fits:
            return True
    return False


def _causes(err: BaseException | None) -> Iterator[BaseException]:
    """Iterate over an error and what led to it: that of a row of a table follows from that of a file."""
    while err is not None:
        yield err
        err = err.__cause__


class _Finder:
    """The state of one search: exposures and problems."""

    def __init__(
        self,
        formats: Sequence[Format],
        control: ReadControl,
        strict: bool | None,
        measure: bool,
        on_measured: Callable[[int, int], None] | None,
    ) -> None:
        self.formats, self.on_measured = formats, on_measured
        self.measure = measure
        self.opening = Opening(files=FileIndex(), control=control)
        self.strict = strict
        self.sources: dict[ExposureId, ExposureSource] = {}
        self.problems: list[InputProblem] = []
        self.damages: list[LamellaError] = []

    def run(self, paths: list[Path], open_already: Iterable[ExposureSource] = ()) -> Inputs:
        candidates = self._collect(paths)
        tabled = self._folders_with_table(candidates)
        wanted = [
            file
            for file in candidates
            if file.named
            or not is_fits_name(file.path)
            or not any(file.path.absolute().is_relative_to(folder) for folder in tabled)
        ]
        roles = sort_files(wanted, self.formats, self.opening.files, self._skip, self._leave_out)
        self.opening = dataclasses.replace(self.opening, companions=roles.companions)
        for candidate, format in roles.exposures:
            self._open(candidate, format)
        for source in open_already:
            self._add(source)
        self._require_some(paths, self.sources)
        sources = [self.sources[key] for key in sorted(self.sources)]
        copies = find_copies(sources)  # their pixels would count twice
        for index, first in copies.items():
            self._report_copy(sources[index], sources[first])
        unique = tuple(source for index, source in enumerate(sources) if index not in copies)
        if self.measure:
            unique = self._measured(unique)
            self._require_some(paths, unique)
        return Inputs(unique, tuple(sorted(self.problems, key=lambda problem: problem.path)))

    def _measured(self, sources: tuple[ExposureSource, ...]) -> tuple[ExposureSource, ...]:
        """Return exposures of which the stars have told what nobody else tells."""
        from .measure import measure_sources, refuse_guesses

        if self.strict:
            refuse_guesses(sources)
        measured = measure_sources(sources, strict=bool(self.strict), on_measured=self.on_measured)
        self.problems += [InputProblem(source.info.path, error) for source, error in measured.faults]
        return measured.sources

    def _collect(self, paths: list[Path]) -> list[Candidate]:
        candidates: dict[Path, Candidate] = {}
        for path in paths:
            skip = functools.partial(self._skip_folder, path)
            for file in walk(path, skip) if os.path.isdir(path) else [path]:
                named = file == path
                self._index(file, named)
                key = file.absolute()
                if key not in candidates or named:
                    candidates[key] = Candidate(file, named)
        return [candidates[key] for key in sorted(candidates)]

    def _skip_folder(self, given: Path, err: UnreadableFileError) -> None:
        folder = Path(err.path)  # type: ignore[attr-defined]
        self._skip(Candidate(folder, folder == given), err)

    def _index(self, path: Path, named: bool) -> None:
        files = self.opening.files
        files.add(path)
        if named:
            here = path.absolute().parent
            names = {name for format in self.formats for name in format.companion_folders}
            files.add_folder(here)
            files.add_folder(here.parent)
            for name in sorted(names):
                files.add_folder(here / name)
                files.add_folder(here.parent / name)

    def _folders_with_table(self, candidates: list[Candidate]) -> tuple[Path, ...]:
        """Return folders with an exposure table, which alone says what in them is an exposure."""
        from .table import is_exposure_table

        if all(format.name != "table" for format in self.formats):
            return ()
        paths = (candidate.path for candidate in candidates)
        return tuple(
            path.absolute().parent
            for path in paths
            if os.path.isfile(path) and is_exposure_table(FileHead(path))
        )

    def _open(self, candidate: Candidate, format: Format) -> None:
        faults: list[LamellaError] = []
        try:
            for source in format.open(candidate.path, self.opening):
                try:
                    self._add(source)
                except DuplicateInputError:
                    raise
                except LamellaError as err:
                    faults.append(err)
        except DuplicateInputError:
            raise
        except LamellaError as err:
            faults.append(err)
        self._skip_faulty(candidate, faults)

    def _add(self, source: ExposureSource) -> None:
        info = source.info
        other = self.sources.get(info.id)
        if other is not None and is_one_place(other, source):
            self._report_copy(source, other)
            return
        if other is not None:
            claim = f"{info.id} in band {info.band}, which is also that of {other.info.path}"
            raise DuplicateInputError(info.path, found=claim, expected="one file per exposure")
        self.sources[info.id] = source

    def _skip_faulty(self, candidate: Candidate, faults: Sequence[LamellaError]) -> None:
        """Tell the faults of one file, e.g. of the rows of a table: as one error where they are fatal."""
        fatal = [fault for fault in faults if self._is_fatal(candidate, fault)]
        first = fatal[0] if fatal else None
        if len(fatal) > 1 and isinstance(first, InputError):
            errors = [error for fault in fatal for error in getattr(fault, "faults", (fault,))]
            causes = " ".join(told_once((str(error), str(candidate.path)) for error in errors))
            count = f"{len(fatal)} exposures that cannot be used"
            raise InputError(candidate.path, found=count, expected=f"none. {causes.rstrip('.')}") from first
        for fault in faults:
            self._skip(candidate, fault)

    def _is_fatal(self, candidate: Candidate, err: LamellaError) -> bool:
        if self.strict is not None:
            return self.strict
        return candidate.named and not _is_damage(candidate.path, err)

    def _report_copy(self, copy: ExposureSource, first: ExposureSource) -> None:
        pixels = f"{copy.info.id} with the same pixels as {first.info.id} ({first.info.path})"
        expected = "each exposure once: it is left out, or it would count twice"
        self._leave_out(copy.info.path, DuplicateInputError(copy.info.path, found=pixels, expected=expected))

    def _leave_out(self, path: Path | str, err: DuplicateInputError) -> None:
        if self.strict:
            raise err
        self.problems.append(InputProblem(str(path), err))

    def _skip(self, candidate: Candidate, err: LamellaError) -> None:
        if self._is_fatal(candidate, err):
            raise err
        self.damages += [err] if candidate.named else []
        self.problems.append(InputProblem(str(candidate.path), err))

    def _require_some(self, paths: list[Path], sources: Collection[object]) -> None:
        if sources:
            return
        if self.strict is None and len(self.damages) == len(self.problems) == 1:
            raise self.damages[0]  # of the one file that was named
        places = ", ".join(map(str, paths)) or "nothing"
        message = f"There are no exposures in {places}."
        if self.problems:
            causes = told_once((str(problem.error), problem.path) for problem in self.problems)
            more = len(causes) - _TOLD
            told = " ".join(causes[:_TOLD]) + (f" ... and {more} other reasons" if more > 0 else "")
            message += f" Skipped {len(self.problems)}: {told}"
        raise NoInputsError(message, paths=[str(path) for path in paths])
