"""Errors of the middleware, raised as errors of lamella."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lsst.daf.butler import ButlerUserError, FileIntegrityError, ValidationError
from lsst.daf.butler.registry import ConflictingDefinitionError, RegistryError  # type: ignore[attr-defined]
from sqlalchemy.exc import SQLAlchemyError

from ..errors import ConfigError, DuplicateInputError, LamellaError, OutputError, UnreadableFileError

__all__ = ("address_errors", "dataset_errors", "repository_errors")

_COMPLETE = "a complete repository"


@contextlib.contextmanager
def repository_errors(root: str) -> Iterator[None]:
    """Raise errors of the middleware as errors of lamella that name the repository.

    Parameters
    ----------
    root
        The repository, as a person names it.

    Raises
    ------
    DuplicateInputError
        Raised when the repository holds something else under the same name.
    OutputError
        Raised when the repository cannot be written to, or the database fails.
    UnreadableFileError
        Raised when there is no such repository, or it lacks what is asked for.
    """
    try:
        yield
    except LamellaError:
        raise
    except ConflictingDefinitionError as err:
        raise DuplicateInputError(root, found=_line(err), expected="what the repository has already") from err
    except ValueError as err:
        # The datastore wraps what formatters raise.
        if isinstance(err.__cause__, LamellaError):
            raise err.__cause__ from err
        if not isinstance(err, ButlerUserError):
            raise
        raise UnreadableFileError(root, found=_line(err), expected=_COMPLETE) from err
    except (PermissionError, FileExistsError) as err:
        raise OutputError(root, reason=err.strerror or _line(err)) from err
    except FileNotFoundError as err:
        raise UnreadableFileError(root, found=_line(err), expected="a Butler repository") from err
    except (ButlerUserError, RegistryError, ValidationError) as err:
        raise UnreadableFileError(root, found=_line(err), expected=_COMPLETE) from err
    except (SQLAlchemyError, OSError) as err:
        raise OutputError(root, reason=_line(err)) from err


@contextlib.contextmanager
def address_errors(root: str) -> Iterator[None]:
    """Raise errors in reaching a repository that is not a folder as errors of lamella that name it.

    Parameters
    ----------
    root
        Address of the repository; errors about folders pass.

    Raises
    ------
    ConfigError
        Raised when there is no support for addresses of this kind, or its package is not installed.
    OutputError
        Raised when the store does not answer, or knows no credentials.
    """
    try:
        yield
    except (NotImplementedError, ImportError) as err:
        if "://" not in root:
            raise
        reason = _line(err) if str(err) else "repositories cannot be kept there"
        raise ConfigError(f"{root}: {reason}.", option="repository", found=root) from err
    except Exception as err:
        # The clients of stores have families of errors of their own, and are not always installed.
        if type(err).__module__.partition(".")[0] not in ("botocore", "google"):
            raise
        raise OutputError(root, reason=_line(err)) from err


@contextlib.contextmanager
def dataset_errors(name: str) -> Iterator[None]:
    """Raise what the middleware says of a dataset that cannot be read as an error of lamella.

    Parameters
    ----------
    name
        The dataset, as a person names it.

    Raises
    ------
    UnreadableFileError
        Raised when its file is not the one that was stored.
    LamellaError
        Raised when a formatter raised one, which the middleware wraps.
    """
    try:
        yield
    except FileIntegrityError as err:
        raise UnreadableFileError(name, found=_line(err), expected="the file that was stored") from err
    except ValueError as err:
        if isinstance(err.__cause__, LamellaError):
            raise err.__cause__ from None
        raise


def _line(err: Exception) -> str:
    """Return the first line of a message: those of the database go on with SQL."""
    text = str(err.args[0] if isinstance(err, KeyError) and err.args else err).strip()
    return (text.splitlines() or [type(err).__name__])[0].rstrip(".")
