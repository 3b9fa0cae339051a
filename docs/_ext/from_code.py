"""Parts of the documentation that are made from the code, so that they cannot go out of date.

Functions return Markdown, or reStructuredText where Sphinx documents modules;
`setup` gives each a directive.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

import lamella
from lamella.cli import main as lamella_main
from lamella.cli.help import sections_of
from lamella.config import Config
from lamella.errors import ConfigError
from lamella.formats.described.description import Description, read_description
from lamella.formats.described.values import Value
from lamella.planes import STANDARD_PLANES, legacy_name

__all__ = (
    "command_reference",
    "described_formats",
    "mask_planes",
    "modules",
    "option_table",
    "public_names",
    "setup",
    "sources_of_formats",
    "text_directive",
)


def root_command() -> click.Group:
    """Return the `lamella` command with its subcommands."""
    return next(value for value in vars(lamella_main).values() if isinstance(value, click.Group))


def find_command(name: str) -> click.Command:
    """Return a subcommand by its name, e.g. ``"skymap make"``."""
    command: click.Command = root_command()
    for part in name.split():
        found = (
            command.get_command(click.Context(command), part) if isinstance(command, click.Group) else None
        )
        if found is None:
            raise LookupError(f"There is no command 'lamella {name}'.")
        command = found
    return command


def command_names(group: click.Group | None = None, prefix: str = "") -> Iterator[str]:
    """Yield the names of all commands that do something, e.g. ``"skymap make"``."""
    group = group or root_command()
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from command_names(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"


def command_reference() -> str:
    """Return the reference of all commands."""
    return "\n".join(f"## lamella {name}\n\n{describe_command(name)}\n" for name in command_names())


def describe_command(name: str) -> str:
    """Return the reference of a command: its usage, what it does, its options."""
    command = find_command(name)
    context = click.Context(command, info_name=f"lamella {name}")
    usage = command.get_usage(context).removeprefix("Usage: ")
    parts = ["```text", " ".join(usage.split()), "```", "", *_help_text(command), ""]
    return "\n".join([*parts, *_sections(command, context)])


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the options in the sections of the help."""
    options = [one for one in command.get_params(context) if isinstance(one, click.Option)]
    sections = sections_of(options)
    for title, members in sections.items():
        yield from [f"**{title}**", ""] if len(sections) > 1 else []
        for option in members:
            yield from _option_lines(option, context)


def _help_text(command: click.Command) -> Iterator[str]:
    yield inspect.cleandoc(command.help or "") + "\n"
    examples: Sequence[str] = getattr(command, "examples", ())
    if examples:
        yield "\n".join(["```console", *(f"$ {line}" for line in examples), "```"])


def _option_lines(option: click.Option, context: click.Context) -> Iterator[str]:
    names, text = option.get_help_record(context) or ("", "")
    yield f"`{names}`"
    yield f": {' '.join(text.split()).replace('[', chr(92) + '[')}"
    yield ""


def option_table(path: str) -> str:
    """Return a table of all options of a configuration, with those of the configurations in it."""
    module, _, name = path.rpartition(".")
    config = getattr(importlib.import_module(module), name)
    rows = ["| option | default | unit | meaning |", "|---|---|---|---|"]
    return "\n".join([*rows, *_option_rows(config, _defaults(config), "")])


def _defaults(config: type[Config]) -> Config | None:
    """Return a configuration of defaults, which may differ from those of the classes of its options.

    There is none where something has to be given.
    """
    try:
        return config()
    except ConfigError:
        return None


def _option_rows(config: type[Config], values: Config | None, prefix: str) -> Iterator[str]:
    units = config.units()
    for name, field in config.model_fields.items():
        value = getattr(values, name) if values is not None else field.default
        if isinstance(value, Config):
            yield from _option_rows(type(value), value, f"{prefix}{name}.")
            continue
        shown = "required" if field.is_required() else _shown(value)
        meaning = (field.description or "").replace("|", "\\|") + _choices(field.annotation)
        yield f"| `{prefix}{name}` | {shown} | {units.get(name, '')} | {meaning} |"


def _choices(annotation: Any) -> str:
    annotation = getattr(annotation, "__value__", annotation)  # of `type X = ...`
    if typing.get_origin(annotation) is not typing.Literal:
        return ""
    return " One of " + ", ".join(f"`{item or chr(34) * 2}`" for item in typing.get_args(annotation)) + "."


def _shown(value: Any) -> str:
    if value is None or value == () or value == {}:
        return "–"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    if isinstance(value, dict):
        return ", ".join(f"`{name}: {item}`" for name, item in value.items())
    return f"`{value}`"


def mask_planes() -> str:
    """Return a table of the standard mask planes: bits, and names in the original pipelines."""
    rows = ["| plane | bit | original name | meaning |", "|---|---|---|---|"]
    for bit, (name, meaning) in enumerate(STANDARD_PLANES.items()):
        old = legacy_name(name)
        rows.append(f"| `{name}` | {bit} | {f'`{old}`' if old != name else 'the same'} | {meaning} |")
    return "\n".join(rows)


def descriptions() -> list[Description]:
    """Return the descriptions of surveys that come with lamella, by name."""
    folder = Path(inspect.getfile(Description)).parent / "surveys"
    return [read_description(path) for path in sorted(folder.glob("*.toml"))]


def described_formats() -> str:
    """Return a table of the formats that are described: where noise, flags, flux and PSF come from."""
    rows = ["| format | files | noise | flags | flux | PSF |", "|---|---|---|---|---|---|"]
    for told in descriptions():
        cells = (_noise(told), _flags(told), _flux(told), _psf(told))
        rows.append(f"| `{told.name}` | {_text(told)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def sources_of_formats() -> str:
    """Return, for each format that is described, how files are recognised and where each fact was read."""
    parts = []
    for told in descriptions():
        match = [f"the name matches `{told.match.name.pattern}`"] if told.match.name is not None else []
        match += [f"{key} {_condition(value.told)}" for key, value in told.match.cards.items()]
        hdus = [f"`{getattr(hdu, 'pattern', hdu)}`" for hdu in told.match.hdus]
        match += [f"there is an HDU {', '.join(hdus)}"] if hdus else []
        parts += [f"### {told.name}", "", f"{_text(told)}. Recognised where {', and '.join(match)}.", ""]
        parts += [*(f"- *{section}*: {source}" for section, source in told.sources.items()), ""]
    return "\n".join(parts)


_MAPS = {
    "stddev": "standard deviation",
    "variance": "variance",
    "weight": "inverse variance",
    "confidence": "relative confidence, on the measured noise",
    "utype": "by UTYPE",
    "counts": "gain and read noise",
    "measured": "measured",
}


def _text(told: Description) -> str:
    return told.description.replace("<", "&lt;")


def _noise(told: Description) -> str:
    return ", else ".join(_MAPS[word] for noise in told.noise for word in noise.given(*_MAPS))


def _flags(told: Description) -> str:
    names: list[str] = []
    for mask in told.mask:
        planes = mask.flags or mask.bits or mask.codes or {}
        names += [f"`{name}`" for name in planes if name != "IGNORE"]
        names += [f"`{mask.nonzero}`"] if mask.nonzero else []
        names += [f"value {mask.bad_value:g}"] if mask.bad_value is not None else []
    return ", ".join(names) or "–"


def _flux(told: Description) -> str:
    for value, what in ((told.flux.zero_point, "zero point"), (told.flux.unit, "unit")):
        if value is not None:
            return f"{what} {_ways(value)}"
    return "measured, relative"


def _psf(told: Description) -> str:
    words = {"fwhm": "width", "fwhm_pixels": "width in pixels", "file": "PSFEx", "stamp": "image"}
    ways = []
    for psf in told.psf:
        for word in psf.given(*words, "measured"):
            value = getattr(psf, word)
            ways.append(
                f"{words[word]} {_ways(value)}" if isinstance(value, Value) else words.get(word, word)
            )
    return ", else ".join(ways)


def _ways(value: Value) -> str:
    texts = (way.literal or (way.expression and way.expression.text) for way in (value, *value.alternatives))
    return " or ".join(f"`{text}`" for text in texts if text).replace("|", "\\|")


def _condition(told: str | bool | float) -> str:
    return f"is {'there' if told else 'absent'}" if isinstance(told, bool) else f"is `{told}`"


def public_names() -> str:
    """Return a table of the names that can be imported from `lamella`."""
    rows = ["| name | defined in | what |", "|---|---|---|"]
    for name in sorted(set(lamella.__all__) - {"__version__"}, key=str.lower):
        value = getattr(lamella, name)
        summary = inspect.cleandoc(value.__doc__ or "").split("\n\n")[0].replace("\n", " ")
        rows.append(f"| {{py:obj}}`{name} <{value.__module__}.{name}>` | `{value.__module__}` | {summary} |")
    return "\n".join(rows)


def modules(package: str) -> str:
    """Return, as reStructuredText, the reference of all modules of a package that have public names."""
    folder = importlib.import_module(package)
    parts = []
    for found in sorted(pkgutil.iter_modules(folder.__path__), key=lambda found: found.name):
        name = f"{package}.{found.name}"
        if not found.name.startswith("_") and getattr(importlib.import_module(name), "__all__", ()):
            parts += [name, "-" * len(name), "", f".. automodule:: {name}"]
            parts += ["   :members:", "   :show-inheritance:", ""]
    return "\n".join(parts)


def text_directive(make: Callable[..., str], arguments: int) -> type:
    """Return the directive that puts a text in its place which a function makes of its arguments."""
    from docutils.parsers.rst import Directive
    from docutils.statemachine import StringList

    def run(self: Directive) -> list[Any]:
        lines = make(*self.arguments).splitlines()
        node = _container()
        self.state.nested_parse(
            StringList(lines, make.__name__), self.content_offset, node, match_titles=True
        )
        return node.children

    options = {"required_arguments": arguments, "final_argument_whitespace": True, "run": run}
    return type(make.__name__, (Directive,), options)


def setup(app: Any) -> dict[str, Any]:
    """Register one directive per function."""
    # Before napoleon, which takes what stands before a colon for a type.
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)
    app.add_directive("command-reference", text_directive(command_reference, 0))
    app.add_directive("option-table", text_directive(option_table, 1))
    app.add_directive("mask-planes", text_directive(mask_planes, 0))
    app.add_directive("described-formats", text_directive(described_formats, 0))
    app.add_directive("sources-of-formats", text_directive(sources_of_formats, 0))
    app.add_directive("public-names", text_directive(public_names, 0))
    app.add_directive("modules", text_directive(modules, 1))
    return {"version": lamella.__version__, "parallel_read_safe": True}


def _keep_colons(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    if what in ("property", "attribute", "data") and lines:
        lines[0] = lines[0].replace(": ", " – ", 1)


def _container() -> Any:
    from docutils import nodes

    return nodes.container()
