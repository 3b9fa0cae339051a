"""``lamella demo``: a simulated survey and its coadds."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from ..resources import Resources
from ..startup import quick_imports
from ..testing.config import SurveyConfig
from .help import Command
from .run_options import count_cores, workers_option
from .voice import open_voice, voice_options

__all__ = ("command",)


@click.command("demo", cls=Command, examples=("lamella demo -o demo",))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder of the survey and the coadds.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="INTEGER",
    default=1,
    show_default=True,
    help="Seed of the simulation.",
)
@workers_option
@voice_options
@click.pass_context
def command(ctx: click.Context, /, output: Path, seed: int, workers: int | None) -> None:
    """Simulate a small survey, coadd it, and leave coadds, pictures and a report page.

    The survey, with the truth about it, is in OUTPUT/survey, and the results
    are in OUTPUT/coadds. A second call makes only what is missing.
    """
    with open_voice(ctx, "simulating a small survey") as voice:
        with quick_imports():
            from ..run.coadd_run import CoaddRun
            from ..testing.survey import simulate_survey
            from .tell import run_coadds
        with voice.progress():  # which tells that kernels are compiled
            survey = simulate_survey(output / "survey", SurveyConfig(seed=seed))
        folder = output / "coadds"
        voice.say(f"Survey: {survey.table}\nTruth:  {output / 'survey' / 'truth'}")
        run = CoaddRun(
            output=folder,
            resources=Resources(threads=workers or count_cores()),
            command_line=shlex.join(["lamella", *sys.argv[1:]]),
        )
        complete = run_coadds(run, [survey.table], voice)
        for what, pattern in (("Coadds:  ", "coadd-*.fits"), ("Pictures:", "*.png")):
            voice.say(f"{what} {folder / pattern} ({len(list(folder.glob(pattern)))} files)")
        if not complete:
            ctx.exit(1)
