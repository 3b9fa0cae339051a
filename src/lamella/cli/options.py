"""Command-line options made from configurations, so that no name, default or help is typed again."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from ..config import Config, load_options
from ..errors import ConfigError

__all__ = ("build_config", "config_file_options", "config_options", "option_name")


def option_name(path: str) -> str:
    """Return the name that an option has on the command line and in flat files, e.g. ``sigma-clip``."""
    return path.rpartition(".")[2].replace("_", "-")


def config_options[F: Callable[..., Any]](config: type[Config], paths: Sequence[str]) -> Callable[[F], F]:
    """Make a decorator that adds one command-line option per path.

    Parameters
    ----------
    config
        The configuration of the command.
    paths
        Dotted names of options in it, e.g. ``"assemble.sigma_clip"``; the
        last part becomes the name of the command-line option.
    """

    def add(function: F) -> F:
        for path in reversed(paths):
            function = _make_option(config, path)(function)
        return function

    return add


def config_file_options[F: Callable[..., Any]](function: F) -> F:
    """Add the options that name a file of options, and that set any option."""
    function = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="Set any option by its full name, e.g. assemble.gaps.fallback=MEAN. Can be repeated.",
    )(function)
    return click.option(
        "-c",
        "--config",
        "config_values",
        type=click.Path(dir_okay=False, path_type=Path),
        is_eager=True,
        callback=_read_file,
        help="YAML or TOML file of options, with the names of the command line; the command line wins.",
    )(function)


def _read_file(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> dict[str, Any]:
    """Let a file of options fill in the command line; return what has no name there."""
    values = load_options(path) if path else {}
    names = {
        option.lstrip("-").replace("-", "_"): one.name for one in ctx.command.params for option in one.opts
    }
    known = {name for name in values if name.replace("-", "_") in names}
    ctx.default_map = {names[name.replace("-", "_")]: values[name] for name in known}  # type: ignore[misc]
    return {name: value for name, value in values.items() if name not in known}


def build_config[C: Config](
    config: type[C],
    paths: Sequence[str],
    *,
    given: Mapping[str, Any],
    nested: Mapping[str, Any] | None = None,
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
    nested
        Values from a file, nested like the configuration.
    settings
        Assignments ``NAME=VALUE``; the value is a YAML literal.

    Raises
    ------
    ConfigError
        Raised for unknown names and wrong values, naming them.
    """
    flat = {option_name(path): path for path in paths}
    values: dict[str, Any] = {}
    for name, value in (nested or {}).items():
        _assign(values, name, value)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting}: expected NAME=VALUE.", option=name, found=setting)
        _assign(values, flat.get(name.replace("_", "-"), name), yaml.safe_load(text))
    for path in paths:
        value = given.get(_parameter(path))
        if value is not None:
            _assign(values, path, value)
    return config(**values)


def _assign(values: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    if isinstance(value, Mapping) and isinstance(values.get(last), dict):
        for name, inner in value.items():
            _assign(values[last], name, inner)
    else:
        values[last] = dict(value) if isinstance(value, Mapping) else value


def _parameter(path: str) -> str:
    return "option_" + path.replace(".", "_")


def _make_option(config: type[Config], path: str) -> Callable[[Any], Any]:
    owner, field = _find(config, path)
    unit = owner.units().get(path.rpartition(".")[2], "")
    annotation = field.annotation
    help_text = f"{field.description}{_default_text(field.default, unit)}"
    name = option_name(path)
    if annotation is bool:
        return click.option(f"--{name}/--no-{name}", _parameter(path), default=None, help=help_text)
    return click.option(f"--{name}", _parameter(path), type=_click_type(annotation), help=help_text)


def _find(config: type[Config], path: str) -> tuple[type[Config], Any]:
    *parents, last = path.split(".")
    for parent in parents:
        annotation = config.model_fields[parent].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, Config)):
            raise TypeError(f"{path}: {parent} is not a configuration")
        config = annotation
    return config, config.model_fields[last]


def _default_text(default: Any, unit: str) -> str:
    if default is None or default == () or default == "":
        return f"  [{unit}]" if unit else ""
    if isinstance(default, tuple):
        default = ",".join(str(item) for item in default)
    if isinstance(default, bool):
        default = "on" if default else "off"
    return f"  [default: {default}{' ' + unit if unit else ''}]"


def _click_type(annotation: Any) -> Any:
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return click.Choice([str(item) for item in typing.get_args(annotation)], case_sensitive=False)
    if origin in (types.UnionType, typing.Union):
        inner = [item for item in typing.get_args(annotation) if item is not type(None)]
        return _click_type(inner[0])
    return _List() if origin is tuple else annotation


class _List(click.ParamType):
    """Several texts with commas between them; an empty text means an empty list."""

    name = "list"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        items = value.split(",") if isinstance(value, str) else value
        return tuple(str(item).strip() for item in items if str(item).strip())
