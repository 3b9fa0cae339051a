"""The command line of the manual's time."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from lsst.pex.config import Config, FieldValidationError
from lsst.utils.logging import getLogger

from ...errors import ConfigError, IncompleteIdError, LamellaError
from ...suggestions import nearest
from ...visible import visible
from .butler import CommandButler
from .command_options import add_options, package_folders
from .command_words import command_words
from .config_files import load_config_file
from .data_ids import DataIdContainer, IdAction
from .locations import find_location, resolve
from .log_setup import LogSettings, set_up_log
from .option_paths import short
from .processes import import_debug
from .show import show, stops
from .status import EXIT_NOT_STARTED

__all__ = ("ArgumentParser",)

_WIDTH = 100

_IDENTIFIERS = """
Data identifiers are KEY=VALUE …, where VALUE is items joined by ^ and an item may be a range first..last or
first..last:stride. Several keys stand for all combinations; options may be repeated.
"""
_EPILOG = """
@FILE behind the input stands for the options in a file; # begins a comment there.
The exit status is the number of targets that failed (255 for 253 or more), 253 when the run could not start,
254 when there was nothing to do, 2 for a wrong command line.
"""


@dataclasses.dataclass(frozen=True)
class _IdArgument:
    """An option that takes data identifiers."""

    datasetType: str
    ContainerClass: type[DataIdContainer]


class ArgumentParser(argparse.ArgumentParser):
    """Parser of ``SCRIPT INPUT [options]``.

    Parameters
    ----------
    name
        Name of the task: its configuration files are ``<name>.py``, and it is
        the name of its log.
    usage
        First line of the help.
    description
        What the command does, in a sentence or two.
    example
        A command line for the end of the help.
    **kwargs
        What `argparse.ArgumentParser` takes.
    """

    def __init__(
        self, name: str, usage: str | None = None, description: str = "", example: str = "", **kwargs: Any
    ) -> None:
        self._name = name
        self._ids: dict[str, _IdArgument] = {}
        super().__init__(
            usage=usage or "%(prog)s INPUT [options]",
            description=textwrap.fill(description, _WIDTH),
            epilog=_EPILOG + (f"\nExample:\n  {example}\n" if example else ""),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )
        add_options(self)

    def add_id_argument(
        self,
        name: str,
        datasetType: str,
        help: str,
        ContainerClass: type[DataIdContainer] = DataIdContainer,
    ) -> None:
        """Add an option that takes data identifiers.

        Parameters
        ----------
        name
            The option, ``--id``.
        datasetType
            Name of the dataset type that the identifiers are for.
        help
            Text for ``--help``.
        ContainerClass
            What holds the identifiers.

        Raises
        ------
        RuntimeError
            Raised when the parser has this option.
        """
        argument = name.lstrip("-")
        if argument in self._ids:
            raise RuntimeError(f"The parser has {name} already")
        if not self._ids:
            self.epilog = _IDENTIFIERS.rstrip() + (self.epilog or "")
        self._ids[argument] = _IdArgument(datasetType, ContainerClass)
        self.add_argument(
            name, nargs="*", action=IdAction, help=help, metavar="KEY=VALUE1[^VALUE2[^VALUE3...]"
        )

    def addReuseOption(self, choices: Sequence[str]) -> None:
        """Add ``--reuse-outputs-from``: steps of the task whose outputs are taken over where they exist.

        The parsed ``reuse`` is the list of all steps up to the given one.

        Parameters
        ----------
        choices
            The steps in their order.
        """

        def steps_up_to(text: str) -> list[str]:
            if text == "all":
                return list(choices)
            if text not in choices:
                raise argparse.ArgumentTypeError(f"{text!r} is none of: {', '.join((*choices, 'all'))}")
            return list(choices[: choices.index(text) + 1])

        self.add_argument(
            "--reuse-outputs-from",
            dest="reuse",
            default=[],
            type=steps_up_to,
            metavar="{" + ",".join((*choices, "all")) + "}",
            help="take over outputs that exist, of the steps up to this one",
        )

    def parse_args(  # type: ignore[override]
        self,
        config: Config,
        args: Sequence[str] | None = None,
        log: logging.Logger | None = None,
        override: Callable[[Config], Any] | None = None,
    ) -> argparse.Namespace:
        """Parse the arguments of a command.

        Parameters
        ----------
        config
            Configuration of the task, with the defaults of its class; changed in location.
        args
            Arguments; by default those of the process.
        log
            Parent of the task's log.
        override
            Function that changes the configuration after the camera's files and
            before the command line.

        Returns
        -------
        namespace : `argparse.Namespace`
            ``input``, ``output``, ``config``, ``butler``, ``log``, and the options; for
            each option of identifiers its container.

        Raises
        ------
        SystemExit
            Raised when the command line is wrong, and when ``--show`` was all that was wanted.
        IncompleteIdError
            Raised with ``--doraise`` or ``--debug`` when an identifier lacks a key;
            without them the command says so and ends.
        """
        args = self._words(sys.argv[1:] if args is None else args)
        set_up_log(LogSettings())
        namespace = argparse.Namespace(
            input=resolve("PIPE_INPUT_ROOT", args[0]),
            config=config,
            log=log or getLogger("lamella"),
            idNames=tuple(self._ids),
        )
        for name, argument in self._ids.items():
            setattr(namespace, name, argument.ContainerClass())
        try:
            namespace.packageFolders = package_folders(args)
            namespace.butler = CommandButler(find_location(namespace.input))
            self._apply_overrides(namespace, override)
            self._parse_options(args[1:], namespace)
            self._finish(namespace)
        except IncompleteIdError as err:
            if namespace.doraise or namespace.debug:
                raise
            self.exit(EXIT_NOT_STARTED, f"{self.prog}: error: {err}\n")
        except (LamellaError, FieldValidationError, LookupError) as err:
            self.error(_message(err))
        self._show(namespace)
        return namespace

    def _words(self, args: Sequence[str]) -> list[str]:
        """Return the words of a command line that begins with the input, or end with the help."""
        if not args or args[0].startswith(("-", "@")):
            self.print_help()
            if list(args) in (["-h"], ["--help"]):
                self.exit()
            self.exit(1, f"{self.prog}: error: Must specify input as first argument\n")
        try:
            return command_words(args, [f"--{name}" for name in self._ids])
        except (OSError, ValueError) as err:
            self.error(str(err))

    def _parse_options(self, words: list[str], namespace: argparse.Namespace) -> None:
        """Parse what follows the input, and end with the nearest option where there is none of a name."""
        _, unknown = self.parse_known_args(words, namespace)
        if unknown:
            options = (option for action in self._actions for option in action.option_strings)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{nearest(unknown[0], options)}")

    def _apply_overrides(
        self, namespace: argparse.Namespace, override: Callable[[Config], Any] | None
    ) -> None:
        """Read the configuration files of the instruments, and call the hook of the task."""
        for folder in namespace.butler.overridePaths:
            path = Path(folder) / f"{self._name}.py"
            if path.is_file():
                load_config_file(namespace.config, path, namespace.packageFolders)
        if override is not None:
            override(namespace.config)

    def _finish(self, namespace: argparse.Namespace) -> None:
        """Make of the options what the runner needs: log, butler, references, a frozen configuration."""
        namespace.logSettings = LogSettings(tuple(namespace.loglevel or ()), namespace.longlog)
        set_up_log(namespace.logSettings)
        namespace.calib = namespace.calib and resolve("PIPE_CALIB_ROOT", namespace.calib)
        if namespace.calib:
            namespace.log.warning("--calib is not used: calibrations are in the repository's own collections")
        namespace.butler.requireOwnTypes(getattr(namespace.config, "coaddName", "deep"))
        output = namespace.output and resolve("PIPE_OUTPUT_ROOT", namespace.output)
        location = find_location(namespace.input, rerun=namespace.rerun, output=output)
        namespace.output = location.chain
        if namespace.clobberOutput and not location.is_own:
            raise ConfigError(
                "--clobber-output needs an output that is not the input.", option="clobber-output"
            )
        namespace.butler.moveTo(location)
        namespace.log.info("Input: %s; output: collection %s", namespace.input, location.chain)
        for name, argument in self._ids.items():
            container = getattr(namespace, name)
            container.setDatasetType(argument.datasetType)
            try:
                container.castDataIds(namespace.butler)
            except (TypeError, LookupError) as err:
                self.error(f"--{name}: {_message(err)}")
            container.makeDataRefList(namespace)
        if namespace.debug:
            import_debug()
        namespace.config.validate()
        namespace.config.freeze()

    def _show(self, namespace: argparse.Namespace) -> None:
        try:
            text = show(namespace.show, namespace)
        except ConfigError as err:
            self.exit(1, f"{self.prog}: {visible(str(err))}\n")
        if text:
            print(visible(text))
        if stops(namespace.show):
            self.exit(0)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, and end with status 2."""
        self.exit(2, f"{self.prog}: error: {visible(' '.join(message.split()))}\n")


def _message(err: Exception) -> str:
    """Return what an error says, in one line."""
    if isinstance(err, FieldValidationError):
        return f"{err.fullname}: {short(err)}"
    return str(err.args[0] if isinstance(err, KeyError) and err.args else err)
