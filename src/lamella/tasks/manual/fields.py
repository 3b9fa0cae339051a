"""Fields of the documented configurations, borrowed from the options of the core."""

from __future__ import annotations

from typing import Any

from lsst.pex.config import Config as PexConfig
from lsst.pex.config import FieldValidationError

from ...config import Config
from ...errors import ConfigError
from ..derive import derive_field, to_plain

__all__ = ("borrow", "borrowed", "check_with_core", "core_values")

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
    field: Any = derive_field(core, option)
    field.core_option = core, option
    if default is not _SAME:
        field.default = default
    return field


def borrowed(config: Any, core: type[Config]) -> dict[str, str]:
    """Return the fields of a configuration that stand for options of a core one, by these options."""
    options = {name: getattr(field, "core_option", (None, "")) for name, field in config._fields.items()}
    return {option: name for name, (owner, option) in options.items() if owner and issubclass(core, owner)}


def core_values(config: Any, core: type[Config]) -> dict[str, Any]:
    """Return the values of the borrowed fields of a configuration, by the options of the core."""
    return {option: to_plain(getattr(config, name)) for option, name in borrowed(config, core).items()}


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
