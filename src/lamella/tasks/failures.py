"""Errors of the middleware told as errors of lamella."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lsst.daf.butler import ButlerUserError, ValidationError
from lsst.daf.butler.registry import ConflictingDefinitionError, RegistryError  # type: ignore[attr-defined]
from sqlalchemy.exc import SQLAlchemyError

from ..errors import DuplicateInputError, LamellaError, OutputError, UnreadableFileError

__all__ = ("repository_errors",)

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


def _line(err: Exception) -> str:
    """Return the first line of a message: those of the database go on with SQL."""
    text = str(err.args[0] if isinstance(err, KeyError) and err.args else err).strip()
    return (text.splitlines() or [type(err).__name__])[0].rstrip(".")
