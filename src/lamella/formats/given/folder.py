"""The folder in which images of Python wait as FITS files, so that they take the way of files."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

from astropy.io import fits

from ...errors import InputError, LamellaError, OutputError
from ...fits.quiet import quiet_astropy

__all__ = ("GivenFolder", "told_as")


@contextlib.contextmanager
def told_as(path: Path, label: str) -> Iterator[None]:
    """Name a file in errors as its owner knows it."""
    try:
        yield
    except LamellaError as err:
        raise err.renamed(str(path), label) from None


class GivenFolder:
    """A private folder of FITS files; it goes when it is closed, or when nobody has it any more.

    Arrays are copied here when they are given, so that whoever gave them may change them afterwards.
    """

    def __init__(self) -> None:
        try:
            self.path = Path(tempfile.mkdtemp(prefix="lamella-inputs-"))
        except OSError as err:
            raise OutputError(tempfile.gettempdir(), reason=err.strerror or str(err)) from err
        self.labels: dict[Path, str] = {}
        """What the user calls each file."""
        self.close = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def __enter__(self) -> GivenFolder:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def write(self, hdus: fits.HDUList, label: str, name: str = "input.fits") -> Path:
        """Write HDUs into a file, and return it.

        Raises
        ------
        InputError
            Raised when they cannot be in a file.
        OutputError
            Raised when the disk is full.
        """
        path = self.path / f"{len(self.labels):06d}" / name
        self.labels[path] = label
        try:
            path.parent.mkdir()
            with quiet_astropy():
                hdus.writeto(path, output_verify="silentfix+ignore")
        except OSError as err:
            raise OutputError(path, reason=err.strerror or str(err)) from err
        except (ValueError, TypeError, KeyError, fits.VerifyError) as err:
            reason = " ".join(str(err).split()).rstrip(".")
            raise InputError(
                label, found=f"HDUs that no file holds ({reason})", expected="a FITS image"
            ) from err
        return path

    def renamed[E: LamellaError](self, error: E) -> E:
        """Return an error with the names that the user has for the files here."""
        for path, label in self.labels.items():
            error = error.renamed(str(path), label)
        return error
