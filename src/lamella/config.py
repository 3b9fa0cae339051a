"""The base of all configurations: one definition per option.

Each stage has one frozen class derived from `Config`.  The command line, the
configuration files and the middleware derive their options from its fields,
so that a default, a unit or a help text is written once.
"""

from __future__ import annotations

import math
import types
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self, TypeAliasType, TypeGuard, Union, get_args, get_origin

import pydantic

from .errors import ConfigError
from .suggestions import nearest
from .texts import parse_toml, parse_yaml, read_text

__all__ = (
    "Config",
    "PlainValues",
    "choices_of",
    "inherited",
    "is_config",
    "load_options",
    "option",
    "plain",
    "spelled",
)


def option(default: Any = ..., help: str = "", *, unit: str = "", **constraints: Any) -> Any:
    """Declare one option of a `Config`.

    Parameters
    ----------
    default
        Default value; leave out for an option that must be given.
    help
        One sentence for ``--help`` and the documentation.
    unit
        Unit of the value, if it has one.
    **constraints
        Limits as `pydantic.Field` takes them (``gt``, ``ge``, ``lt``, ``le``, ...).
    """
    if unit:
        constraints["json_schema_extra"] = {"unit": unit}
    return pydantic.Field(default, description=help, **constraints)


def inherited(owner: type[Config], name: str, *, default: Any) -> Any:
    """Declare an option that another configuration has, with another default."""
    field = owner.model_fields[name]
    return pydantic.Field(default, description=field.description, json_schema_extra=field.json_schema_extra)


class Config(pydantic.BaseModel):
    """A frozen set of options.

    Raises
    ------
    ConfigError
        Raised when an option is unknown or has a value that it cannot have.
    """

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except pydantic.ValidationError as err:
            faults = err.errors(include_url=False)
            # A name that there is not may be the misspelt one of an option that is missed.
            first = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
            name = ".".join(map(str, first["loc"]))
            value = first["input"]
            reason = first["msg"].removeprefix("Value error, ").rstrip(".")
            cause = first.get("ctx", {}).get("error")
            if isinstance(cause, ConfigError):  # from a Config within this one
                name = ".".join(filter(None, (name, cause.option)))
                value, reason = cause.found, cause.reason
            elif first["type"] == "extra_forbidden":
                options = type(self).model_fields
                reason = f"no such option; there are: {', '.join(options)}{nearest(name, options)}"
            elif first["type"] == "missing":
                reason = "required, and not given"
            elif name:
                reason = f"{reason} (found {value!r})"
            where = ".".join(filter(None, (type(self).__name__, name)))
            raise ConfigError(f"{where}: {reason}.", option=name, found=value, reason=reason) from None

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _spell(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        """Take a choice in any case, and with hyphens for underscores, as the command does."""
        field = cls.model_fields.get(info.field_name or "")
        return value if field is None else spelled(value, choices_of(field.annotation))

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some options changed, and checked again; what was left out stays left out."""
        return type(self)(**{name: getattr(self, name) for name in self.model_fields_set} | changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain values that JSON, YAML and TOML can hold."""
        return self.model_dump(mode="json")

    @classmethod
    def units(cls) -> dict[str, str]:
        """Return the units of the options that have one."""
        extras = {name: field.json_schema_extra for name, field in cls.model_fields.items()}
        return {name: str(extra["unit"]) for name, extra in extras.items() if isinstance(extra, dict)}


def spelled(value: Any, choices: Iterable[str]) -> Any:
    """Return the one of some choices that a text means in any case; another value as it is."""
    if not isinstance(value, str):
        return value
    letters = value.casefold().replace("-", "_")
    return next((choice for choice in choices if choice.casefold().replace("-", "_") == letters), value)


def is_config(annotation: Any) -> TypeGuard[type[Config]]:
    """Return whether an option of this type has options of its own."""
    return isinstance(annotation, type) and issubclass(annotation, Config)


def choices_of(annotation: Any) -> tuple[str, ...]:
    """Return the texts that an option may be, as far as its type names them."""
    if isinstance(annotation, TypeAliasType):
        return choices_of(annotation.__value__)
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return tuple(choice for choice in arguments if isinstance(choice, str))
    # Of a union, but not of the content of a list.
    is_union = get_origin(annotation) in (types.UnionType, Union)
    return tuple(choice for inner in arguments for choice in choices_of(inner)) if is_union else ()


def plain(value: Any) -> Any:
    """Return a value of mappings, sequences, texts and numbers, numpy's included, as JSON has them.

    Numbers that JSON lacks and masked ones become `None`; what is nothing of these becomes its text.
    """
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if value is None or isinstance(value, str | int | bool) else str(value)


class PlainValues:
    """Conversion of a dataclass to values that JSON can hold, and back, with checks."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        values: dict[str, Any] = pydantic.TypeAdapter(type(self)).dump_python(self, mode="json")
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make the value from what `to_dict` gave.

        Raises
        ------
        ValueError
            Raised when a value is missing, unknown or of the wrong kind.
        """
        return pydantic.TypeAdapter(cls).validate_python(dict(values), extra="forbid")


def load_options(path: str | PathLike[str]) -> dict[str, Any]:
    """Read options from a YAML or TOML file, as literals.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent or cannot be parsed.
    ConfigError
        Raised when the file is not a mapping of names to values.
    """
    path = Path(path)
    expected = "a YAML or TOML file of options"
    parse = parse_toml if path.suffix == ".toml" else parse_yaml
    options = parse(read_text(path, expected), path, expected)
    if not isinstance(options or {}, Mapping):
        raise ConfigError(f"{path}: found a {type(options).__name__}; expected a mapping.", found=options)
    for name in options or {}:
        if not isinstance(name, str):
            raise ConfigError(f"{path}: found the name {name!r}; expected a text.", found=name)
    return dict(options or {})
