"""Fields of the documented configurations, borrowed from the options of the core."""

from __future__ import annotations

import copy
from typing import Any

from lsst.pex.config import Config as PexConfig
from lsst.pex.config import Field, FieldValidationError

from ...config import Config
from ...errors import ConfigError
from ..derive import derive_config, field_name

__all__ = ("borrow", "check_with_core")

_SAME = object()


def borrow(core: type[Config], option: str, *, default: Any = _SAME) -> Any:
    """Return the field of an option of the core, to be put into a class under any name.

    Parameters
    ----------
    core
        Configuration of the core.
    option
        Name of its option; description, unit and limits come from there.
    default
        Another default value; lists for tuples.
    """
    field: Field[Any] = copy.copy(derive_config(core)._fields[field_name(option)])
    if default is not _SAME:
        field.default = default
    return field


def check_with_core(config: Any, names: dict[str, str]) -> None:
    """Check a documented configuration as the core does.

    Parameters
    ----------
    config
        A configuration with a method ``toCore``.
    names
        Its fields by the names of the core's options that they stand for.

    Raises
    ------
    FieldValidationError
        Raised when the core does not accept the values.
    """
    assert isinstance(config, PexConfig)
    try:
        config.toCore()  # type: ignore[attr-defined]
    except ConfigError as err:
        name = names.get(err.option) or names.get(err.option.partition(".")[0], "")
        if name not in config._fields:
            raise
        raise FieldValidationError(config._fields[name], config, err.reason) from None
