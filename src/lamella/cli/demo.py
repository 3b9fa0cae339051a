"""``lamella demo``: a simulated survey, its coadds, and how they compare with the truth."""

from __future__ import annotations

from pathlib import Path

import click

from ..coadd.assemble import Resources
from ..testing.config import SurveyConfig
from ..testing.survey import simulate_survey
from .coadd import CoaddRun, count_cores
from .grid import GridOptions
from .settings import CoaddConfig

__all__ = ("command",)


@click.command("demo")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder of the survey and the coadds.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the simulation.")
@click.option(
    "--workers", type=click.IntRange(1), help="Patches or tiles worked on at a time.  [default: cores]"
)
def command(output: Path, seed: int, workers: int | None) -> None:
    """Simulate a small survey, coadd it, and leave coadds, pictures and a report page."""
    survey = simulate_survey(output / "survey", SurveyConfig(seed=seed))
    click.echo(f"Survey: {survey.table} (the truth is in {output / 'survey' / 'truth'})")
    run = CoaddRun(
        output=output / "coadds",
        config=CoaddConfig(),
        grid=GridOptions(),
        resources=Resources(threads=workers or count_cores()),
        command_line=f"lamella coadd {survey.table} --output {output / 'coadds'}",
    )
    records = run([survey.table])
    for record in records:
        for what, name in record.files.items():
            click.echo(f"{record.summary.band} {what}: {output / 'coadds' / name}")
