"""The configurations of the middleware, made from those of the core, so that no option is typed twice.

An option ``sigma_clip`` of a core configuration becomes the field ``sigmaClip``
of an `lsst.pex.config.Config`, with the same default, limits and description;
its unit stands in brackets behind the description.  A configuration within a
configuration becomes a nested one.  Checks of several options together are made
by the core when the middleware validates.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import annotated_types
from lsst.pex.config import (
    ChoiceField,
    ConfigChoiceField,
    ConfigField,
    DictField,
    Field,
    FieldValidationError,
    ListField,
    RangeField,
)
from lsst.pex.config import Config as PexConfig
from lsst.pex.config.configChoiceField import ConfigInstanceDict
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ..config import Config, is_config
from ..errors import ConfigError

__all__ = ("DerivedConfig", "derive_config", "derive_field", "field_name", "from_core", "to_core", "to_plain")

_DERIVED: dict[type[Config], type[DerivedConfig]] = {}


class DerivedConfig(PexConfig):
    """Base of the classes that `derive_config` makes."""

    coreClass: ClassVar[type[Config]] = Config
    """The core configuration that the fields come from."""

    def validate(self) -> None:
        """Check each field, and then all of them together as the core does."""
        super().validate()
        try:
            to_core(self)
        except ConfigError as err:
            field = self._fields.get(field_name(err.option.partition(".")[0]))
            if field is None:
                raise
            raise FieldValidationError(field, self, err.reason) from None


def field_name(option: str) -> str:
    """Return the name that an option has as a field: ``sigma_clip`` becomes ``sigmaClip``."""
    first, *rest = option.split("_")
    return first + "".join(word.capitalize() for word in rest)


def derive_config(core: type[Config]) -> type[DerivedConfig]:
    """Make the middleware's form of a core configuration.

    Parameters
    ----------
    core
        A configuration; its options may be numbers, texts, choices, tuples and
        dictionaries of these, and configurations, each of them optional or not.

    Returns
    -------
    type
        The same class for the same ``core``.  Derive a class of your own from
        it, for a configuration that is saved or sent to another process by itself.

    Raises
    ------
    TypeError
        Raised when an option is of a kind that the middleware cannot hold.
    """
    if core in _DERIVED:
        return _DERIVED[core]
    name = core.__name__ if core.__name__.endswith("Config") else f"{core.__name__}Config"
    fields = {field_name(option): derive_field(core, option) for option in core.model_fields}
    namespace = {"__doc__": core.__doc__, "__module__": __name__, "coreClass": core, **fields}
    derived: type[DerivedConfig] = types.new_class(
        name, (DerivedConfig,), exec_body=lambda body: body.update(namespace)
    )
    # Copies of a config are made from its text, which names the class in this module.
    if globals().setdefault(name, derived) != derived:
        origin = f"{core.__module__}.{core.__name__}"
        raise TypeError(f"Two configurations are called {name}: {origin} and another.")
    _DERIVED[core] = derived
    return derived


def to_core(config: PexConfig) -> Any:
    """Return the core configuration with the values of a derived one.

    Fields that do not come from the core are passed over, so that the
    configuration of a task can be given as it is.

    A field with the core's default counts as left out, as the core may settle what it is from others.

    Raises
    ------
    ConfigError
        Raised when the core does not accept the values.
    """
    assert isinstance(config, DerivedConfig), f"{type(config).__name__} is not derived from the core"
    core = config.coreClass
    values = {option: to_plain(getattr(config, field_name(option))) for option in core.model_fields}
    return core(**{name: value for name, value in values.items() if value != core.model_fields[name].default})


def from_core(value: Config) -> DerivedConfig:
    """Return the derived configuration with the values of a core one."""
    derived = derive_config(type(value))()
    for option in type(value).model_fields:
        name, item = field_name(option), getattr(value, option)
        if not isinstance(item, Config):
            setattr(derived, name, _to_pex(item))
        elif isinstance(derived._fields[name], ConfigChoiceField):
            choice = getattr(derived, name)
            choice.name = _tag_of(item)
            choice[choice.name] = from_core(item)
        else:
            setattr(derived, name, from_core(item))
    return derived


def _to_pex(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_to_pex(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def to_plain(value: Any) -> Any:
    """Return the value of a field as the core has it."""
    if isinstance(value, DerivedConfig):
        return to_core(value)
    if isinstance(value, ConfigInstanceDict):
        return to_core(value.active)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(value)
    return value


def derive_field(core: type[Config], option: str) -> Field[Any]:
    """Make the field of one option of a core configuration, for a configuration of your own."""
    info = core.model_fields[option]
    unit = core.units().get(option, "")
    doc = (info.description or option) + (f" [{unit}]" if unit else "")
    kind, optional = _simplify(info.annotation)
    default: Any = None if info.default is PydanticUndefined else info.default
    if is_config(kind):
        inner = derive_config(kind)
        return ConfigField(doc, inner, default=None if default in (None, kind()) else from_core(default))
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        classes = [_simplify(item)[0] for item in typing.get_args(kind)]
        choices = {_tag_of(item): derive_config(item) for item in classes}
        return ConfigChoiceField(doc, choices, default=_tag_of(default))
    try:
        return _make_plain_field(doc, kind, info, default=_to_pex(default), optional=optional)
    except (TypeError, ValueError) as err:
        raise TypeError(f"{core.__name__}.{option}: no field of the middleware holds {kind}: {err}") from err


def _tag_of(config: Config | type[Config]) -> str:
    """Return the value that tells one of several kinds of configurations from the others."""
    cls = config if isinstance(config, type) else type(config)
    fixed = [field for field in cls.model_fields.values() if _is_literal(field.annotation)]
    if not fixed:
        raise TypeError(f"{cls.__name__} has no option that tells it from other kinds")
    return str(fixed[0].default)


def _make_plain_field(doc: str, kind: Any, info: FieldInfo, **common: Any) -> Field[Any]:
    origin, items = typing.get_origin(kind), typing.get_args(kind)
    if _is_literal(kind):
        return ChoiceField(doc, type(items[0]), allowed={item: str(item) for item in items}, **common)
    if origin is tuple:
        kinds = {_simplify(item)[0] for item in items if item is not ...}
        (item_kind,) = kinds
        size = {} if ... in items else {"length": len(items)}
        return ListField(doc, item_kind, **size, **common)
    if origin is dict:
        return DictField(doc, *(_simplify(item)[0] for item in items), **common)
    limits: dict[str, Any] = {}
    for item in info.metadata:
        match item:
            case annotated_types.Ge(low):
                limits |= {"min": low, "inclusiveMin": True}
            case annotated_types.Gt(low):
                limits |= {"min": low, "inclusiveMin": False}
            case annotated_types.Le(high):
                limits |= {"max": high, "inclusiveMax": True}
            case annotated_types.Lt(high):
                limits |= {"max": high, "inclusiveMax": False}
    if limits and kind in RangeField.supportedTypes:
        return RangeField(doc, kind, **limits, **common)
    return Field(doc, kind, **common)


def _simplify(annotation: Any) -> tuple[Any, bool]:
    """Return an annotation without its name, its remarks and `None`, and whether it had `None`."""
    if isinstance(annotation, typing.TypeAliasType):
        return _simplify(annotation.__value__)
    if typing.get_origin(annotation) is typing.Annotated:
        return _simplify(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        items = [item for item in typing.get_args(annotation) if item is not type(None)]
        if len(items) == 1:
            return _simplify(items[0])[0], True
    return annotation, False


def _is_literal(kind: Any) -> bool:
    return typing.get_origin(kind) is typing.Literal
