"""``lamella butler``: repositories of the LSST middleware."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import click

from ..errors import ConfigError, NoInputsError
from ..formats.read_control import ReadControl
from ..startup import quick_imports
from .help import Group
from .options import build_config, config_options
from .run_options import format_option
from .screen import echo

__all__ = ("command",)

_READ_OPTIONS = ("subtract_background", "background_mesh", "edge_width")
_ALL_TRACTS = 100
"""A sky map with more tracts than this is registered where there are exposures."""

_repository = click.argument("repository", metavar="REPO")


@click.group("butler", cls=Group)
def command() -> None:
    """Make, fill, export and clean a Butler repository of the LSST middleware."""


_prefix_option = click.option(
    "--dataset-prefix",
    "prefix",
    metavar="PREFIX",
    help="Beginning of the names of dataset types and runs, e.g. lamella_, where other software has "
    "calexp, skyMap, deepCoadd or may want them. It is kept: later commands find it.  [default: none]",
)


@command.command("create", examples=("lamella butler create repo",))
@_repository
@_prefix_option
@click.option(
    "--registry",
    metavar="URL",
    help="Database, e.g. postgresql+psycopg://user@host/name.  [default: an SQLite file in REPO]",
)
@click.option("--namespace", metavar="NAME", help="Schema of a PostgreSQL database, in lower case.")
@click.option(
    "--results-folder",
    is_flag=True,
    help="Let assembleCoadd.py put its coadds also where the manual says: "
    "REPO/deepCoadd-results/HSC-I/0/5,4/calexp-HSC-I-0-5,4.fits.",
)
def create(
    repository: str, registry: str | None, namespace: str | None, prefix: str | None, results_folder: bool
) -> None:
    """Make an empty repository REPO, all or nothing."""
    with _session(repository):
        _tasks("repository").create_repository(
            repository,
            registry=registry,
            namespace=namespace,
            prefix=prefix or "",
            results_folder=results_folder,
        )
    echo(f"Made the repository {repository}.")


@command.command("ingest", examples=("lamella butler ingest repo night1/*.fits",))
@_repository
@click.argument("exposures", nargs=-1, required=True, metavar="EXPOSURES...")
@format_option
@_prefix_option
@click.option(
    "--copy", is_flag=True, help="Copy into the repository.  [default: refer to the files where they are]"
)
@click.option(
    "--check",
    is_flag=True,
    help="Read the pixels of exposures that are referred to, too, to find those that no coadd can use. "
    "Copying does so anyway.",
)
@click.option(
    "--run",
    help="Run to put the exposures in, which commands then read only when they are told to.  "
    "[default: <instrument>/calexp, part of <instrument>/defaults, which all read]",
)
@config_options(ReadControl, _READ_OPTIONS)
def ingest(
    repository: str,
    exposures: tuple[str, ...],
    format_name: str | None,
    copy: bool,
    check: bool,
    run: str | None,
    prefix: str | None,
    **given: Any,
) -> None:
    """Add EXPOSURES of any format to REPO, with instruments, filters, detectors, visits and regions.

    Exposures that are there already are left as they are. Those that no coadd can use are not added,
    and the reasons are told.
    """
    control = build_config(ReadControl, _READ_OPTIONS, given=given)
    with quick_imports():
        from ..formats.recognise import open_exposures
        from ..report.record import Skipped
        from .progress import show_progress
        from .tell import tell_skipped
    with show_progress() as reporter:
        inputs = open_exposures(
            [_local_path(text) for text in exposures],
            format=format_name,
            control=control,
            on_measured=reporter.measured,
        )
    with _session(repository), _open_for_writing(repository, prefix) as butler:
        transfer = "copy" if copy else "direct"
        unusable: list[tuple[Any, Exception]] = []
        ingestion = _tasks("ingest")
        refs = ingestion.ingest_exposures(
            butler,
            inputs.sources,
            run=run,
            transfer=transfer,
            check=check,
            on_unusable=lambda source, error: unusable.append((source, error)),
        )
        derived = ingestion.derived_visits(butler, refs)
        lacking = ingestion.unextended_chains(butler, refs)
    tell_skipped((Skipped(problem.path, str(problem.error)) for problem in inputs.problems), "Skipped")
    never = [Skipped(str(source.info.id), str(error)) for source, error in unusable]
    tell_skipped(never, f"Not added, for no coadd can use them: {_count(len(never), 'exposure')}")
    lost = {source.info.id for source, _ in unusable}
    added = [source for source in inputs.sources if source.info.id not in lost]
    others = [Skipped(str(item.info.id), item.reason) for item in ingestion.of_other_units(added)]
    tell_skipped(
        others, f"Left out of coadds with the others of their band: {_count(len(others), 'exposure')}"
    )
    if not refs:
        raise NoInputsError("No exposure can be used.")
    visits = {(ref.dataId["instrument"], ref.dataId["visit"]) for ref in refs}
    runs = ", ".join(sorted({ref.run for ref in refs}))
    echo(f"The repository has {_count(len(refs), 'exposure')} of {_count(len(visits), 'visit')} in {runs}.")
    if derived:
        number, name = next(iter(derived.items()))
        echo(
            f"A visit has one filter in a repository: {_count(len(derived), 'visit')} in further bands got "
            f"numbers of their own, e.g. {number} for {name}."
        )
    _tell_config_folder(repository)
    for chain, members in lacking.items():
        typed = _tasks("chains").extend_command(repository, chain, members)
        echo(f"The collection {chain} is not lamella's and stays as it is. To read through it: {typed}")


@command.command("skymap", examples=("lamella butler skymap repo field.json",))
@_repository
@click.argument("skymap", type=click.Path(path_type=Path))
@click.option("--name", help="Name in the repository.  [default: that of the sky map]")
@click.option("--tract", "tracts", type=int, multiple=True, help="Add this tract only. Can be repeated.")
@click.option("--all-tracts", is_flag=True, help="Add all tracts, however many there are.")
@_prefix_option
def skymap(
    repository: str,
    skymap: Path,
    name: str | None,
    tracts: tuple[int, ...],
    all_tracts: bool,
    prefix: str | None,
) -> None:
    """Add a sky map, the JSON file SKYMAP, to REPO.

    Of a sky map with more than 100 tracts, those that overlap exposures in
    the repository are added; call it again after more are ingested.
    """
    with quick_imports():
        from ..sky.registry import load_skymap
    grid = load_skymap(skymap)
    with _session(repository):
        repositories = _tasks("repository")
        with _open_for_writing(repository, prefix) as butler:
            chosen: Sequence[int] | None = tracts or None
            if chosen is None and not all_tracts and len(grid) > _ALL_TRACTS:
                chosen = repositories.visited_tracts(butler, grid)
            name = repositories.register_skymap(butler, grid, name=name, tracts=chosen)
    number = len(grid) if chosen is None else len(chosen)
    echo(f"The repository has the sky map {name} with {_count(number, 'tract')} of this call.")
    _tell_config_folder(repository)


@command.command(
    "regions", examples=("lamella butler regions repo BrightObjectMask-0-5,4-HSC-I.reg --skymap field",)
)
@_repository
@click.argument("regions", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--skymap", "skymap_name", required=True, help="Name of the sky map in REPO.")
def regions(repository: str, regions: tuple[Path, ...], skymap_name: str) -> None:
    """Add masks of bright objects, the DS9 region files REGIONS, to REPO.

    What a file is for stands in its remarks '# tract: 0', '# patch: 5,4' and '# filter: HSC-I',
    or in its name, BrightObjectMask-0-5,4-HSC-I.reg.
    """
    with _session(repository), _open_for_writing(repository) as butler:
        refs = _tasks("bright_objects").ingest_bright_objects(butler, regions, skymap=skymap_name)
    echo(f"The repository has {_count(len(refs), 'mask')} of bright objects of this call.")


@command.command("backgrounds", examples=("lamella butler backgrounds repo backgrounds/",))
@_repository
@click.argument("backgrounds", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--copy", is_flag=True, help="Copy into the repository.  [default: refer to the files]")
@click.option(
    "--run",
    help="Run to put them in, which commands then read only when they are told to.  "
    "[default: <instrument>/calexpBackground, part of <instrument>/defaults, which all read]",
)
def backgrounds(repository: str, backgrounds: tuple[Path, ...], copy: bool, run: str | None) -> None:
    """Add what afw subtracted from exposures, the files or folders BACKGROUNDS, to REPO as calexpBackground.

    Names of files have the numbers of visit and detector, as calexpBackground-0903986-016.fits.
    makeCoaddTempExp.py -c bgSubtracted=False adds them to the exposures.
    """
    with _session(repository), _open_for_writing(repository) as butler:
        refs = _tasks("backgrounds").ingest_backgrounds(butler, backgrounds, run=run, copy=copy)
    echo(f"The repository has {_count(len(refs), 'background')} of this call.")


@command.command("export", examples=("lamella butler export repo coadds --input lamella/coadds",))
@_repository
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "-i", "--input", "collections", required=True, help="Collections to search, separated by commas."
)
@click.option("--coadd-name", default="deep", show_default=True, help="Beginning of the names of datasets.")
@click.option("--warps", is_flag=True, help="Copy warps as well.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("archive", "fits", "afw")),
    default="archive",
    show_default=True,
    help="Form of coadds and warps: 'archive' copies them as they are, 'fits' writes coadds as plain FITS "
    "files that need nothing of lamella to be read, 'afw' both for the C++ stack of LSST.",
)
@click.option("--plain", is_flag=True, help="The same as --format fits.")
@click.option("--results/--no-results", default=True, help="Put coadds under <name>Coadd-results, too.")
def export(
    repository: str, folder: Path, collections: str, coadd_name: str, warps: bool, form: str, **given: bool
) -> None:
    """Copy coadds of REPO into FOLDER in the layout of the original pipelines, deepCoadd/HSC-I/0/5,4.fits."""
    with _session(repository), _tasks("repository").open_repository(repository) as butler:
        files = _tasks("export").export_coadds(
            butler,
            folder,
            collections=collections.split(","),
            coadd_name=coadd_name,
            warps=warps,
            results=given["results"],
            form="plain" if given["plain"] or form == "fits" else form,
        )
    echo(f"Wrote {_count(len(files), 'file')} to {folder}.")


@command.command("clean", examples=("lamella butler clean repo --dry-run",))
@_repository
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="MINUTES",
    help="Leave younger files alone, which a running process may be writing; 0 when none is running.",
)
@click.option(
    "--forget-unlogged",
    is_flag=True,
    help="Forget also that tasks of a pipeline ended well whose log is missing, which a kill between "
    "both leaves. A rerun does them again.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def clean(repository: str, older_than: float, forget_unlogged: bool, dry_run: bool) -> None:
    """Remove files that killed processes left in REPO.

    What the repository knows is not touched, but for --forget-unlogged.
    """
    options = {"older_than": 60.0 * older_than, "dry_run": dry_run}
    with _session(repository):
        repositories = _tasks("repository")
        # Opened for writing, so that the database rolls back what a killed process had begun.
        with repositories.open_repository(repository, writeable=True) as butler:
            forgotten = repositories.forget_unlogged(butler, **options) if forget_unlogged else None
            files = repositories.clean_orphans(butler, **options)
    if forgotten is not None:
        tasks = [f"{ref.datasetType.name} {dict(ref.dataId.required)} in {ref.run}" for ref in forgotten]
        _list("Would forget" if dry_run else "Forgot", tasks, "task")
    _list("Would remove" if dry_run else "Removed", files, "file")


@command.command("config", examples=("export DAF_BUTLER_CONFIG_PATH=$(lamella butler config)",))
def config() -> None:
    """Print the folder for DAF_BUTLER_CONFIG_PATH.

    With it, plain butler and pipetask find lamella's storage classes also in
    a repository that was made without lamella.
    """
    echo(_tasks("repository").CONFIG_FOLDER)


def _tasks(module: str) -> ModuleType:
    """Import a module of the middleware's floor, which is optional."""
    try:
        with quick_imports():
            return importlib.import_module(f"..tasks.{module}", __package__)
    except ModuleNotFoundError as err:
        if err.name is None or err.name.split(".")[0] not in ("lsst", "sqlalchemy"):
            raise
        raise ConfigError(
            "This command needs the LSST middleware: pip install 'lamella[lsst]'.",
            option="butler",
            found=err.name,
        ) from err


def _open_for_writing(repository: str, prefix: str | None = None) -> Any:
    """Open a repository in which lamella's dataset types have a prefix, or are to have it."""
    return _tasks("repository").open_repository(repository, writeable=True, prefix=prefix)


def _tell_config_folder(repository: str) -> None:
    """Say how plain commands of the middleware read a repository that lamella did not make."""
    if _tasks("repository").lacks_storage_classes(repository):
        echo("For commands of the middleware: export DAF_BUTLER_CONFIG_PATH=$(lamella butler config)")


def _local_path(text: str) -> Path:
    """Return the absolute path of a file or folder that is given as a path or as an address."""
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Path(text).absolute()
    if scheme != "file":
        raise ConfigError(
            f"{text}: exposures are read from files of this machine; copy them here, or mount their store.",
            option="EXPOSURES",
            found=text,
        )
    return Path(url2pathname(urlsplit(text).path))


@contextlib.contextmanager
def _session(repository: str) -> Iterator[None]:
    """Tell errors of the middleware as errors of lamella."""
    with _tasks("failures").repository_errors(repository):
        yield


def _list(verb: str, things: Sequence[str], noun: str) -> None:
    """Print things, one on a line, and how many they are."""
    for thing in things:
        echo(thing)
    echo(f"{verb} {_count(len(things), noun)}.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
