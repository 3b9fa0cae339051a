"""The errors that lamella raises.

Every error is a `LamellaError` and also the built-in error that a caller who
knows nothing of lamella would expect (`ValueError`, `OSError`, `LookupError`).
Each carries the offending values as attributes and survives pickling, so that
an error raised in a worker process arrives whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from os import PathLike, fspath
from typing import Any, Self

__all__ = (
    "CalibrationError",
    "ClusterError",
    "CombineError",
    "ConfigError",
    "DuplicateInputError",
    "FaultsError",
    "ForeignTypesError",
    "GeometryError",
    "IncompleteIdError",
    "InputError",
    "InvalidPsfError",
    "LamellaError",
    "MaskPlaneError",
    "MissingPackageError",
    "MissingPartError",
    "MixedBandsError",
    "MixedUnitsError",
    "NoCoverageError",
    "NoInputsError",
    "NoMatchedWarpsError",
    "NoOverlapError",
    "NoiseError",
    "OutputError",
    "PixelTypeError",
    "ProjectionError",
    "PsfMatchError",
    "ShapeError",
    "SkyMapError",
    "UnitError",
    "UnknownFormatError",
    "UnreadableFileError",
    "WorkerError",
    "WrongTypeError",
)


def _rebuild(cls: type[LamellaError], values: dict[str, Any]) -> LamellaError:
    return cls(**values)


class LamellaError(Exception):
    """Base class of all errors of this package.

    Parameters
    ----------
    message
        What went wrong, in one sentence.
    **values
        The offending values; they become attributes.
    """

    def __init__(self, message: str, **values: Any) -> None:
        if message.endswith("?."):  # a sentence that ends in a question, such as "did you mean ...?"
            message = message[:-1]
        super().__init__(message)
        self.message = message
        self._values = values
        for name, value in values.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Callable[..., LamellaError], tuple[Any, ...]]:
        return _rebuild, (type(self), self._arguments())

    def _arguments(self) -> dict[str, Any]:
        return {"message": self.message, **self._values}

    def renamed(self, old: str, new: str) -> Self:
        """Return the same error with another text in all its texts, e.g. what a user calls a file."""
        return type(self)(**{name: _renamed(value, old, new) for name, value in self._arguments().items()})


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, tuple):
        return tuple(_renamed(item, old, new) for item in value)
    return value.renamed(old, new) if isinstance(value, LamellaError) else value


class WrongTypeError(LamellaError, TypeError):
    """A value of Python is of a type that cannot be used.

    Parameters
    ----------
    name
        Argument, with the index in a list.
    found
        What it is, as text for a person.
    expected
        What it must be, as text for a person.
    """

    def __init__(self, name: str, *, found: str, expected: str) -> None:
        super().__init__(
            f"{name}: found {found}; expected {expected}.", name=name, found=found, expected=expected
        )

    @classmethod
    def of(cls, value: object, name: str, *, expected: str) -> Self:
        """Tell a value by its type."""
        return cls(name, found=f"a value of type {type(value).__name__}", expected=expected)

    def _arguments(self) -> dict[str, Any]:
        return self._values


class MissingPackageError(LamellaError, ImportError):
    """A package that is not installed is needed.

    Parameters
    ----------
    package
        Its name.
    extra
        The extra of lamella that installs it.
    purpose
        What needs it.
    """

    __str__ = Exception.__str__

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        message = f"{purpose} needs {package}: pip install 'lamella[{extra}]'."
        super().__init__(message, package=package, extra=extra, purpose=purpose)

    def _arguments(self) -> dict[str, Any]:
        return self._values


class ConfigError(LamellaError, ValueError):
    """An option has a value that it cannot have.

    Parameters
    ----------
    message
        What is wrong.
    option
        Name of the option, dotted for nested ones.
    found
        The value given.
    reason
        What is wrong, without the name of the option.
    """

    option: str
    found: Any
    reason: str

    def __init__(self, message: str, *, option: str = "", found: Any = None, reason: str = "") -> None:
        super().__init__(message, option=option, found=found, reason=reason or message)


class _ArrayError(LamellaError):
    """Base of errors of arrays."""

    _verb = ""

    def __init__(self, name: str, *, found: Any, expected: Any) -> None:
        message = f"{name} {self._verb} {found}; expected {expected}."
        super().__init__(message, name=name, found=found, expected=expected)

    def _arguments(self) -> dict[str, Any]:
        return self._values


class ShapeError(_ArrayError, ValueError):
    """Two arrays that must have the same shape do not.

    Parameters
    ----------
    name
        Which array is wrong.
    found, expected
        The shape of the array, and the shape it must have.
    """

    _verb = "has shape"


class PixelTypeError(_ArrayError, TypeError):
    """An array holds pixels of a type that cannot be worked on.

    Parameters
    ----------
    name
        Which array is wrong.
    found, expected
        The type of its pixels, and the type they must have.
    """

    _verb = "holds"


class CalibrationError(LamellaError, ValueError):
    """A photometric scale is not finite, not positive, undefined on some pixels, or in wrong units."""


class CombineError(LamellaError, RuntimeError):
    """A function of the user's that combines warps fails, or gives what cannot be used.

    Parameters
    ----------
    function
        Its name.
    reason
        What it raised, or what is wrong with it.
    """

    def __init__(self, function: str, *, reason: str) -> None:
        super().__init__(f"combine function {function}: {reason}.", function=function, reason=reason)

    def _arguments(self) -> dict[str, Any]:
        return self._values


class NoiseError(LamellaError, ValueError):
    """The scatter of pixels and their variances differ by more than can be believed."""


class MaskPlaneError(LamellaError, ValueError):
    """A mask plane is unknown, or there are more planes than bits."""


class SkyMapError(LamellaError, LookupError):
    """A tract, a patch or a cell does not exist, or a position is outside of it."""


class GeometryError(LamellaError, ValueError):
    """A region of the sky cannot be made from the directions given."""


class NoOverlapError(LamellaError, LookupError):
    """Two regions that must overlap do not."""


class InvalidPsfError(LamellaError, ValueError):
    """A PSF cannot be evaluated at a position.

    Parameters
    ----------
    message
        Why not.
    x, y
        The position in pixels.
    """

    def __init__(self, message: str, *, x: float = float("nan"), y: float = float("nan")) -> None:
        super().__init__(message, x=x, y=y)


class PsfMatchError(LamellaError, ValueError):
    """An image cannot be matched to a PSF, e.g. because that is narrower than the one it has."""


class IncompleteIdError(LamellaError, RuntimeError):
    """An identifier of a coadd lacks a key.

    Parameters
    ----------
    message
        What is wrong.
    key
        The key that is missing.
    """

    key: str

    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(message, key=key)


class WorkerError(LamellaError, RuntimeError):
    """A process that worked on a coadd died, or gave up, without saying why."""


class ClusterError(LamellaError, RuntimeError):
    """A cluster cannot be reached, or its machines differ from this one in what a result depends on."""


class NoInputsError(LamellaError, ValueError):
    """Nothing is left to make a coadd from."""


class NoCoverageError(NoInputsError):
    """No exposure that is selected has a valid pixel in a patch, so that there is nothing to make."""


class NoMatchedWarpsError(LamellaError, RuntimeError):
    """Warps are to be compared, and none is matched to a common PSF."""


class InputError(LamellaError, ValueError):
    """The content of an input file cannot be used.

    Parameters
    ----------
    path
        The file.
    where
        The HDU, column or field, e.g. ``"HDU 1"`` or ``"BUNIT"``.
    found, expected
        What stands there, and what should, as text for a person.
    """

    def __init__(self, path: str | PathLike[str], *, where: str = "", found: str, expected: str) -> None:
        path = fspath(path)
        location = f"{path}, {where}" if where else path
        message = f"{location}: found {found}; expected {expected}."
        super().__init__(message, path=path, where=where, found=found, expected=expected)

    def _arguments(self) -> dict[str, Any]:
        return self._values


class FaultsError(InputError):
    """Several things in an input are not what they must be.

    Parameters
    ----------
    path
        The file.
    faults
        One error for each.
    """

    faults: tuple[InputError, ...]

    def __init__(self, path: str | PathLike[str], *, faults: Iterable[InputError]) -> None:
        errors = tuple(faults)
        causes = " ".join(str(error) for error in errors)
        count = f"{len(errors)} fault{'s' if len(errors) != 1 else ''}"
        super().__init__(path, found=count, expected=f"none. {causes.rstrip('.')}")
        self.faults = errors

    def _arguments(self) -> dict[str, Any]:
        return {"path": self._values["path"], "faults": self.faults}


class UnreadableFileError(InputError, OSError):
    """A file is absent, truncated or damaged."""

    # OSError formats itself from errno and file name; the message is ours.
    __str__ = Exception.__str__


class UnknownFormatError(InputError):
    """No reader recognises the file."""


class MissingPartError(InputError, LookupError):
    """An HDU, a keyword, a column or a companion file is missing."""


class ProjectionError(InputError):
    """The projection to the sky is absent, not finite, or of a kind that is not supported."""


class UnitError(InputError):
    """Pixels are in units that cannot be put on the photometric scale."""


class DuplicateInputError(InputError):
    """Two inputs claim to be the same exposure."""


class MixedBandsError(InputError):
    """Images of different bands are to become one."""


class MixedUnitsError(InputError):
    """Images whose fluxes are in different units are to become one."""


class ForeignTypesError(InputError):
    """A repository has dataset types of other software under the names of lamella's."""


class OutputError(LamellaError, OSError):
    """A result cannot be written.

    Parameters
    ----------
    path
        The file that could not be written.
    reason
        Why not.
    """

    __str__ = Exception.__str__

    path: str
    reason: str

    def __init__(self, path: str | PathLike[str], *, reason: str) -> None:
        path = fspath(path)
        super().__init__(f"{path}: cannot be written: {reason}.", path=path, reason=reason)

    def _arguments(self) -> dict[str, Any]:
        return self._values
