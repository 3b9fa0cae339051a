"""The options that all command-line tasks have."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from ...texts import parse_whole
from .config_actions import ConfigFileAction, ConfigValueAction, LogLevelAction
from .log_setup import LEVELS
from .package_folders import PackageFolders

__all__ = ("add_options", "package_folders")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all command-line tasks have."""
    parser.add_argument("--calib", metavar="PATH", help="accepted, and not used")
    parser.add_argument(
        "--output", type=_path, metavar="PATH", help="output; its path becomes the name of a collection"
    )
    parser.add_argument(
        "--rerun", metavar="[IN:]OUT", help="output collection rerun/OUT, which builds on rerun/IN"
    )
    parser.add_argument(
        "-c", "--config", nargs="*", action=ConfigValueAction, metavar="NAME=VALUE",
        default=argparse.SUPPRESS,
        help="set options, e.g. -c sigmaClip=3 scaleZeroPoint.retarget=package.module.Class",
    )  # fmt: skip
    parser.add_argument(
        "-C", "--configfile", "--config-file", nargs="*", action=ConfigFileAction, metavar="FILE",
        dest="configfile", default=argparse.SUPPRESS, help="read configuration files; they are not executed",
    )  # fmt: skip
    _add_package_dir(parser)
    parser.add_argument(
        "--show", nargs="+", default=[], metavar="WHAT",
        help="print config[=GLOB[:NOIGNORECASE]], history=GLOB, tasks or data, and stop; with run, go on",
    )  # fmt: skip
    parser.add_argument(
        "-L", "--loglevel", nargs="*", action=LogLevelAction, metavar="LEVEL|COMPONENT=LEVEL",
        help=f"log levels: {', '.join(LEVELS)}",
    )  # fmt: skip
    parser.add_argument("--longlog", action="store_true", help="log times, data and places in the code")
    parser.add_argument("-d", "--debug", action="store_true", help="import your module debug")
    parser.add_argument("--doraise", action="store_true", help="raise the first error instead of logging it")
    parser.add_argument("--noExit", action="store_true", help="end with status 0 even if data failed")
    parser.add_argument("--profile", type=_new_file, metavar="FILE", help="write a profile of this process")
    parser.add_argument(
        "-j", "--processes", type=_positive, default=1, metavar="N", help="number of processes"
    )
    parser.add_argument(
        "-t", "--timeout", type=_seconds, metavar="SEC", help="seconds that one target may take"
    )
    for option, name, text in (
        ("--clobber-output", "clobberOutput", "remove the output of earlier runs first"),
        ("--clobber-config", "clobberConfig", "replace the stored configuration and schemas"),
        ("--no-backup-config", "noBackupConfig", "keep no copy of what is replaced"),
        ("--clobber-versions", "clobberVersions", "replace the stored versions of the software"),
        ("--no-versions", "noVersions", "neither store nor compare versions of the software"),
    ):
        parser.add_argument(option, dest=name, action="store_true", help=text)


def package_folders(words: Sequence[str]) -> PackageFolders:
    """Return what ``--package-dir`` says, which holds for files before it as well.

    Raises
    ------
    ConfigError
        Raised when a value is not ``PACKAGE=FOLDER``.
    UnreadableFileError
        Raised when there is no such folder.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_package_dir(parser)
    return PackageFolders.parse(parser.parse_known_args(words)[0].packageDirs)


def _add_package_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--package-dir", nargs="*", default=[], dest="packageDirs", action="extend",
        metavar="PACKAGE=FOLDER",
        help="folders of packages, for configuration files that ask for getPackageDir(PACKAGE); "
        "for others, $PACKAGE_DIR says where",
    )  # fmt: skip


def _positive(text: str) -> int:
    number = parse_whole(text)
    if number is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def _path(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("the path is empty")
    return text


def _new_file(text: str) -> str:
    if not Path(_path(text)).absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: there is no such folder")
    return text
