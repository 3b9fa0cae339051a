"""Options as YAML in which each has its meaning above it, in a form that ``--config`` reads."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ..config import Config, choices_of, is_config

__all__ = ("commented_option", "commented_options")

_WIDTH = 100


def commented_options(config: type[Config], values: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Yield the lines of a configuration with its meaning, unit and choices as comments.

    Parameters
    ----------
    config
        The configuration.
    values
        Its options as plain values, nested as they are.
    indent
        What the lines begin with.
    """
    units = config.units()
    for name, field in config.model_fields.items():
        told = " ".join(filter(None, (field.description, _choices(field.annotation), _unit(units.get(name)))))
        if is_config(field.annotation):
            yield from ("", *_comment(told, indent), f"{indent}{name}:")
            yield from commented_options(field.annotation, values[name], f"{indent}  ")
        else:
            yield from commented_option(name, values[name], told, indent)


def commented_option(name: str, value: Any, told: str, indent: str = "") -> Iterator[str]:
    """Yield the lines of an option below what it means."""
    yield from _comment(told, indent)
    text = yaml.safe_dump({name: value}, sort_keys=False, width=_WIDTH, allow_unicode=True)
    yield from (f"{indent}{line}" for line in text.splitlines())


def _comment(text: str, indent: str) -> Iterator[str]:
    for line in textwrap.wrap(" ".join(text.split()), _WIDTH - len(indent) - 2):
        yield f"{indent}# {line}"


def _choices(annotation: Any) -> str:
    choices = choices_of(annotation)
    return f"One of {', '.join(choice or repr('') for choice in choices)}." if choices else ""


def _unit(unit: str | None) -> str:
    return f"[{unit}]" if unit else ""
