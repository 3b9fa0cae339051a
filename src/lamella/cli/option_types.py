"""Types of values on the command line, which also say how a shell completes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..suggestions import nearest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ("Choice", "ListType", "SettingType", "complete", "complete_or_file", "shown")


def shown(choice: object) -> str:
    """Return a choice as the command line writes it: with hyphens for underscores."""
    return str(choice).replace("_", "-")


def complete(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return the words that begin with what was typed, in any case and with hyphens or underscores."""
    from click.shell_completion import CompletionItem

    begin = shown(incomplete).lower()
    return [CompletionItem(word) for word in words if shown(word).lower().startswith(begin)]


def complete_or_file(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return the words that begin with what was typed, and let the shell add files."""
    from click.shell_completion import CompletionItem

    return [*complete(words, incomplete), CompletionItem(incomplete, type="file")]


class Choice(click.Choice[str]):
    """One of several texts; the command line writes hyphens for underscores."""

    def normalize_choice(self, choice: object, ctx: click.Context | None) -> str:
        """Return a choice in the form in which choices are compared."""
        return shown(super().normalize_choice(str(choice), ctx))

    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:
        """Return the refusal of a value, with the choices as the help shows them."""
        choices = [shown(choice) for choice in self.choices]
        told = ", ".join(map(repr, choices))
        return f"{value!r} is not one of {told}{nearest(str(value), choices) or '.'}"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the choices as the help shows them."""
        return complete(map(shown, self.choices), incomplete)


class ListType(click.ParamType):  # type: ignore[type-arg]
    """Several texts with commas between them; an empty text means an empty list."""

    name = "list"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Split a text; a list, from a file of options, stays one."""
        items = value.split(",") if isinstance(value, str) else value
        return tuple(str(item).strip() for item in items if str(item).strip())


class SettingType(click.ParamType):  # type: ignore[type-arg]
    """An assignment ``NAME=VALUE``.

    Parameters
    ----------
    names
        Gives the names that a shell is offered, with the values of those that have choices.
    """

    name = "name=value"

    def __init__(self, names: Callable[[], Mapping[str, Sequence[str]]]) -> None:
        self._names = names

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return names, and behind ``=`` the choices of the one that is given."""
        names = self._names()
        name, equals, _ = incomplete.partition("=")
        if not equals:
            return complete((f"{name}=" for name in names), incomplete)
        return complete((f"{name}={choice}" for choice in names.get(name, ())), incomplete)
