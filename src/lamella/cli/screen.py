"""The one way to the terminal: what is printed holds no character that the terminal would obey."""

from __future__ import annotations

import io

import click

from ..visible import visible

__all__ = ("echo", "show_error")


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text as `lamella.visible.visible` has it.

    Parameters
    ----------
    text
        The text.
    err
        Whether it goes to standard error.
    nl
        Whether a line feed follows.
    """
    click.echo(visible(str(text)), err=err, nl=nl)


def show_error(error: click.ClickException) -> None:
    """Print what is wrong with a command, with the values that it was given."""
    text = _Uncut()
    error.show(text)
    echo(text.getvalue(), err=True, nl=False)


class _Uncut(io.StringIO):
    """A text that click leaves colours in, and whatever looks like one."""

    def isatty(self) -> bool:
        return True
