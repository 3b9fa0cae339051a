"""Command-line options made from configurations, so that no name, default or help is typed again.

Values come from three places: a file, ``--set``, and options of their own; the
later wins.  All three are brought to one form, dotted names of options with
their values, before the configuration is made.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ..config import Config, choices_of, is_config, load_options
from ..errors import ConfigError, UnreadableFileError
from ..suggestions import nearest
from ..texts import parse_yaml
from .commented import commented_option, commented_options
from .option_types import Choice, ListType, SettingType, shown
from .screen import echo

__all__ = (
    "FileOptions",
    "build_config",
    "config_file_options",
    "config_options",
    "option_name",
    "parse_setting",
    "take_config",
)

_NAMES = {
    "assemble.reject.method": "reject",
    "assemble.weights.rule": "weights",
    "match.fwhm": "match-fwhm",
    "warp_type": "psf-matched",
}
"""Names on the command line of options whose own name would say too little."""

_SWITCHES = {"warp_type": ("direct", "psf_matched")}
"""Options that are a switch on the command line: their values when it is off and on."""

_UNSHARED = ("config_file", "settings", "show_config")
"""Parameters that a file of options cannot hold."""


@dataclasses.dataclass(frozen=True)
class FileOptions:
    """What a file of options holds beyond the names of the command line."""

    path: Path | None = None
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def option_name(path: str) -> str:
    """Return the name that an option has on the command line and in flat files, e.g. ``sigma-clip``."""
    return _NAMES.get(path, path.rpartition(".")[2].replace("_", "-"))


def config_options[F: Callable[..., Any]](
    config: type[Config], paths: Sequence[str], unoffered: Mapping[str, str] | None = None
) -> Callable[[F], F]:
    """Make a decorator that adds one command-line option per path.

    Parameters
    ----------
    config
        The configuration of the command.
    paths
        Dotted names of options in it, e.g. ``"assemble.sigma_clip"``; the
        last part becomes the name of the command-line option.
    unoffered
        By path, the one choice of an option that this command does not have.
    """
    missing = dict(unoffered or {})

    def add(function: F) -> F:
        for path in reversed(paths):
            function = _make_option(config, path, missing.get(path))(function)
        return function

    return add


def config_file_options[F: Callable[..., Any]](config: type[Config]) -> Callable[[F], F]:
    """Make a decorator that adds the options that name a file, that set any option, and that show all.

    Parameters
    ----------
    config
        The configuration of the command.
    """
    options = (
        click.option(
            "-c",
            "--config",
            "config_file",
            type=click.Path(dir_okay=False, path_type=Path),
            is_eager=True,
            callback=_read_file,
            help="YAML or TOML file of options, with the names of the command line or as --show-config "
            "prints them; the command line wins.",
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            type=SettingType(lambda: {name: _values_of(config, name) for name in _leaf_names(config)}),
            metavar="NAME=VALUE",
            help="Set any option by its full name, e.g. assemble.gaps.fallback=MEAN. Can be repeated.",
        ),
        click.option(
            "--show-config", is_flag=True, help="Print all options as they are in force, as YAML, and stop."
        ),
    )

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def take_config[C: Config](
    ctx: click.Context, config: type[C], paths: Sequence[str], given: dict[str, Any], *, needed: Sequence[str]
) -> C:
    """Take the configuration out of the options of a command; print it and end where that is asked for.

    Parameters
    ----------
    ctx
        The command.
    config, paths
        Its configuration, and the paths in it that have options of their own.
    given
        Values by parameter name, of which those of the configuration are removed.
    needed
        Parameters that must be given, in a file or on the command line.

    Raises
    ------
    ConfigError
        Raised for unknown names and wrong values, naming them and where they stand.
    """
    file, settings, show = (given.pop(name) for name in _UNSHARED)
    leaves = {name: given.pop(name) for name in map(_parameter, paths)}
    values = build_config(config, paths, given=leaves, file=file, settings=settings)
    if show:
        # All options that are in force, in a form that ``--config`` reads.
        echo("\n".join((*_own_options(ctx), *commented_options(config, values.to_dict()))))
        ctx.exit()
    for parameter in ctx.command.params:
        if parameter.name in needed and not ctx.params.get(parameter.name):
            raise click.MissingParameter(ctx=ctx, param=parameter)
    return values


def _own_options(ctx: click.Context) -> Iterator[str]:
    """Yield the lines of what was given of the options that are none of the configuration."""
    for parameter in ctx.command.params:
        if parameter.name in _UNSHARED or parameter.name not in ctx.params:
            continue
        value = _plain(ctx.params[parameter.name])
        if not parameter.name.startswith(_PARAMETER_PREFIX) and value not in (None, [], False):
            name = max(parameter.opts, key=len).lstrip("-")
            yield from commented_option(name, value, getattr(parameter, "help", None) or "")


def build_config[C: Config](
    config: type[C],
    paths: Sequence[str],
    *,
    given: Mapping[str, Any],
    file: FileOptions | None = None,
    settings: Sequence[str] = (),
) -> C:
    """Put a configuration together: defaults, then a file, then the command line.

    Parameters
    ----------
    config
        The configuration of the command.
    paths
        The paths that have options on the command line.
    given
        Values of these options by parameter name; `None` for those not given.
    file
        Values from a file, nested like the configuration.
    settings
        Assignments ``NAME=VALUE``; the value is a YAML literal.

    Raises
    ------
    ConfigError
        Raised for unknown names and wrong values, naming them and where they stand.
    """
    file = file or FileOptions()
    flat = {option_name(path): path for path in paths}
    names = (*flat, *dotted_names(config))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for path, value in _leaves(config, file.values, f"{file.path}: ", names):
        values[path], origins[path] = value, f"{file.path}: {path}"
    for setting in settings:
        name, value = parse_setting(setting)
        full = flat.get(name.replace("_", "-"), name)
        for path, leaf in _leaves(config, {full: value}, "--set ", names):
            values[path], origins[path] = leaf, f"--set {path}"
    for path in paths:
        value = given.get(_parameter(path))
        if value is not None:
            values[path], origins[path] = value, f"--{option_name(path)}"
    nested: dict[str, Any] = {}
    for path, value in values.items():
        *parents, last = path.split(".")
        branch = nested
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[last] = _SWITCHES[path][value] if path in _SWITCHES and isinstance(value, bool) else value
    try:
        return config(**nested)
    except ConfigError as err:
        origin = origins.get(err.option, err.option or "options")
        raise ConfigError(
            f"{origin}: {err.reason}.", option=err.option, found=err.found, reason=err.reason
        ) from None


def parse_setting(setting: str) -> tuple[str, Any]:
    """Split an assignment ``NAME=VALUE``; the value is a YAML literal.

    Raises
    ------
    ConfigError
        Raised when it is not of this form.
    """
    name, equals, text = setting.partition("=")
    try:
        value = parse_yaml(text, name, "a YAML value")
    except UnreadableFileError:
        equals = ""
    if not equals:
        raise ConfigError(
            f"--set {setting}: expected NAME=VALUE with a YAML value.", option=name, found=setting
        )
    return name.strip(), value


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


# Files.


def _read_file(ctx: click.Context, _: click.Parameter, path: Path | None) -> FileOptions:
    """Let a file of options fill in the command line; return what has no name there."""
    if path is None:
        return FileOptions()
    parameters = {
        option.lstrip("-").replace("-", "_"): parameter
        for parameter in ctx.command.params
        for option in parameter.opts
        if parameter.name not in (*_UNSHARED, "help")
    }
    defaults: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    for name, value in load_options(path).items():
        own = parameters.get(str(name).replace("-", "_"))
        if own is None or own.name is None:
            nested[str(name)] = value
        else:
            if (own.multiple or own.nargs == -1) and not isinstance(value, list):
                value = [value]
            try:
                own.type_cast_value(ctx, value)
            except (click.BadParameter, TypeError) as err:
                reason = err.message if isinstance(err, click.BadParameter) else str(err)
                raise ConfigError(
                    f"{path}: {name}: {reason.rstrip('.')}.", option=str(own.name), found=value
                ) from None
            defaults[own.name] = value
    ctx.default_map = defaults
    return FileOptions(path, nested)


def _leaves(
    config: type[Config], values: Mapping[str, Any], origin: str, names: Sequence[str], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Give nested values with dotted names; a name may be dotted already.

    One that there is not is refused with the one of ``names`` that may have been meant.
    """
    for name, value in values.items():
        first, _, rest = str(name).partition(".")
        first = first.replace("-", "_")
        field = config.model_fields.get(first)
        path = f"{prefix}{first}"
        if field is None:
            options = ", ".join(config.model_fields)
            hint = nearest(f"{prefix}{name}", names)
            raise ConfigError(
                f"{origin}{prefix}{name}: no such option; there are: {options}{hint or '.'}",
                option=path,
                found=value,
            )
        inner = field.annotation
        if is_config(inner):
            value = {rest: value} if rest else value
            if not isinstance(value, Mapping):
                raise ConfigError(
                    f"{origin}{path}: found {value!r}; expected options.", option=path, found=value
                )
            yield from _leaves(inner, value, origin, names, f"{path}.")
        elif rest:
            raise ConfigError(
                f"{origin}{path} has no options of its own.", option=f"{path}.{rest}", found=value
            )
        else:
            yield path, value


def dotted_names(config: type[Config], prefix: str = "") -> Iterator[str]:
    """Yield the full names of all options of a configuration, and of the parts that it has."""
    for name, field in config.model_fields.items():
        yield f"{prefix}{name}"
        if is_config(field.annotation):
            yield from dotted_names(field.annotation, f"{prefix}{name}.")


# Options of the command line.

_PARAMETER_PREFIX = "option_"
_MAX_METAVAR = 60


def _parameter(path: str) -> str:
    return _PARAMETER_PREFIX + path.replace(".", "_")


def _make_option(config: type[Config], path: str, unoffered: str | None = None) -> Callable[[Any], Any]:
    owner, field = _find(config, path)
    unit = owner.units().get(path.rpartition(".")[2], "")
    kind = _simplify(field.annotation)
    name, text = option_name(path), str(field.description)
    choices = [choice for choice in choices_of(field.annotation) if choice != unoffered]
    offered = [shown(choice) for choice in choices]
    text = "; ".join(clause for clause in text.split("; ") if not clause.startswith(f"{unoffered}:"))
    for choice in (*choices, *_SWITCHES.get(path, ())):
        text = re.sub(rf"\b{choice}\b", shown(choice), text)
    metavar = f"[{'|'.join(offered)}]"
    if len(metavar) > _MAX_METAVAR:
        metavar, text = "NAME", f"{text}  One of {', '.join(offered)}."
    default = _default_of(config, path)
    if default in (None, (), ""):
        text += f"  [{unit}]" if unit else ""
    else:
        if isinstance(default, tuple):
            default = ",".join(str(item) for item in default)
        elif isinstance(default, bool):
            default = "on" if default else "off"
        elif isinstance(default, float):
            default = f"{default:g}"
        elif choices:
            default = shown(default)
        text += f"  [default: {default}{' ' + unit if unit else ''}]"
    if kind is bool or path in _SWITCHES:
        return click.option(f"--{name}/--no-{name}", _parameter(path), default=None, help=text)
    # The type that click is to convert to, and what the help calls its values.
    own_metavar: str | None = metavar
    if choices:
        kind = Choice(choices, case_sensitive=False)
    elif typing.get_origin(kind) is tuple:
        kind, own_metavar = ListType(), "LIST"
    else:
        own_metavar = {float: "NUMBER", int: "INTEGER"}.get(kind)
    return click.option(f"--{name}", _parameter(path), type=kind, metavar=own_metavar, help=text)


def _find(config: type[Config], path: str) -> tuple[type[Config], Any]:
    *parents, last = path.split(".")
    for parent in parents:
        annotation = config.model_fields[parent].annotation
        if not is_config(annotation):
            raise TypeError(f"{path}: {parent} is not a configuration")
        config = annotation
    return config, config.model_fields[last]


def _leaf_names(config: type[Config]) -> list[str]:
    return [name for name in dotted_names(config) if not is_config(_find(config, name)[1].annotation)]


def _values_of(config: type[Config], path: str) -> list[str]:
    """Return what an option can be as the command line writes it; nothing if that is no list of choices."""
    annotation = _find(config, path)[1].annotation
    if _simplify(annotation) is bool:
        return ["true", "false"]
    return [shown(choice) for choice in choices_of(annotation)]


def _default_of(config: type[Config], path: str) -> Any:
    """Return the default of an option in a configuration, which may be another than that of its class."""
    value: Any = _defaults(config)
    for name in path.split("."):
        value = getattr(value, name)
    return value


@functools.cache
def _defaults(config: type[Config]) -> Config:
    return config()


def _simplify(annotation: Any) -> Any:
    """Return an annotation without its name, if it has one, and without `None`."""
    if isinstance(annotation, typing.TypeAliasType):
        return _simplify(annotation.__value__)
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        inner = [item for item in typing.get_args(annotation) if item is not type(None)]
        return _simplify(inner[0]) if len(inner) == 1 else annotation
    return annotation
