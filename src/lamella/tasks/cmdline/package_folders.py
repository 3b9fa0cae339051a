"""Where the packages of a camera lie, whose configuration files name each other by package."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from ...errors import ConfigError, UnreadableFileError

__all__ = ("PackageFolders",)

_SUFFIX = "_DIR"


@dataclasses.dataclass(frozen=True)
class PackageFolders:
    """Folders of packages: those that were given, then those of the environment, as EUPS sets them."""

    given: Mapping[str, Path] = dataclasses.field(default_factory=dict)

    @classmethod
    def parse(cls, items: Iterable[str]) -> Self:
        """Make it from ``PACKAGE=FOLDER`` each; the last of several for a package counts.

        Raises
        ------
        ConfigError
            Raised when an item is not of this form.
        UnreadableFileError
            Raised when there is no such folder.
        """
        given = {}
        for item in items:
            name, equals, folder = item.partition("=")
            if not (name.isidentifier() and equals and folder):
                raise ConfigError(f"{item!r} is not PACKAGE=FOLDER", option="package-dir", found=item)
            path = Path(folder).expanduser()
            if not path.is_dir():
                raise UnreadableFileError(path, found="no folder", expected=f"the folder of {name}")
            given[name] = path
        return cls(given)

    def find(self, name: str) -> str:
        """Return the folder of a package, as ``getPackageDir`` of the stack does.

        Raises
        ------
        ConfigError
            Raised when it is not known; the message says how to give it.
        """
        return self._find(name, name.upper() + _SUFFIX)

    def of_variable(self, variable: str) -> str:
        """Return the folder that a variable of the environment such as ``OBS_SUBARU_DIR`` names.

        Raises
        ------
        ConfigError
            Raised when the variable is of another kind, or the folder is not known.
        """
        if not (variable.endswith(_SUFFIX) and variable.isidentifier()):
            raise ConfigError(f"of the environment, only folders of packages (X{_SUFFIX}) can be used")
        return self._find(variable.removesuffix(_SUFFIX).lower(), variable)

    def _find(self, name: str, variable: str) -> str:
        given = {package.upper() + _SUFFIX: folder for package, folder in self.given.items()}
        folder = given.get(variable) or os.environ.get(variable)
        if folder is None:
            text = (
                f"the folder of the package {name} is not known: "
                f"give --package-dir {name}=FOLDER, or set {variable}"
            )
            raise ConfigError(text, option="package-dir", found=name)
        return str(folder)
