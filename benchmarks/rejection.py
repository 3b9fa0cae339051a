"""What methods of rejecting artifacts find, and what they damage, on simulated epochs with known truth.

Usage: ``python -m benchmarks.rejection [--visits 3 5 10 30] [--artifacts 200] [--output bench]``

For each number of visits, patches are simulated until they hold the wanted number of artifacts of
each kind.  The columns of the tables:

satellites, cosmic rays, asteroids
    artifact pixels brighter than 5 sigma in the warp of their visit that are not in the coadd;
ghosts
    the same, for pixels brighter than 1 sigma, as no ghost is brighter than 3;
flux left
    flux of the artifacts in these pixels that is in the coadd, relative to a plain mean;
pure
    pixels left out that belong to an artifact, or to a rim of one PSF around it;
clean
    pixels of single warps that were left out although no artifact is there: none brighter than 0.5
    sigma within the width of a PSF, and less than 0.1 sigma of the light of all;
rest
    the same with pixels that have more of this light, at the soft rims of ghosts and in the
    faintest of them, which is neither an artifact that matters nor clean;
cores, variable, galaxies
    the same, for the inner pixels of constant stars, variable stars and galaxies;
PSF
    largest difference between the mean bright star and the PSF of the coadd, over the peak.

Flux and shape of stars are measured where no artifact is near: among many visits hardly anywhere, and
therefore also on a few patches without artifacts.  A median has no list of what it left out; what it
lets through is in "flux left".
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lamella.coadd.reject.reject_control import RejectControl
from lamella.data.inputs import WarpInput

from . import machine
from .simulated.epochs import Epochs, EpochsConfig, simulate_epochs
from .simulated.injection import KINDS, InjectionConfig
from .simulated.outcomes import Outcome, matched_inputs, outcome_of_rejection, outcome_of_statistic
from .simulated.scores import Evaluator, Score

type Method = Callable[[Epochs, tuple[WarpInput, ...]], Outcome]

AIMS = {"SATELLITE": 0.99, "COSMIC_RAY": 0.98, "ASTEROID": 0.95}


def _statistic(name: str, **options: Any) -> Method:
    return lambda epochs, inputs: outcome_of_statistic(epochs, statistic=name, **options)


def _rejection(name: str) -> Method:
    return lambda epochs, inputs: outcome_of_rejection(epochs, inputs, RejectControl(method=name))[0]


METHODS: dict[str, Method] = {
    "MEAN": _statistic("MEAN"),
    "MEDIAN": _statistic("MEDIAN"),
    "MEANCLIP": _statistic("MEANCLIP", sigma_clip=3.0, clip_iter=2),
    "NOISECLIP": _statistic("NOISECLIP", sigma_clip=3.0, clip_iter=2),
    "SafeClip": _rejection("safe_clip"),
    "CompareWarp": _rejection("compare_warp"),
}
MATCHED = ("SafeClip", "CompareWarp")
_SKY_OPTIONS = {
    "seeing": "range of the seeing in arcseconds; pixels are of 0.2",
    "psf_error": "relative error of the width of the PSF models, one sigma",
    "flux_error": "relative error of the zero points, one sigma",
    "position_error": "error of the positions in arcseconds, one sigma",
}
"""What a survey knows less well than the defaults say: options of the epochs."""
_QUIET_SEED = 1_000_000


def tell(line: str) -> None:
    """Say on standard error what is going on."""
    print(f"  {line}", file=sys.stderr, flush=True)


def patches(config: EpochsConfig, artifacts: int, seed: int) -> Iterator[Epochs]:
    """Simulate patches until there are enough artifacts of each kind."""
    counts = dict.fromkeys(KINDS, 0)
    while min(counts.values()) < artifacts:
        epochs = simulate_epochs(config, seed)
        seed += 1
        for kind in KINDS:
            counts[kind] += epochs.counts[kind]
        yield epochs


def quiet_patches(config: EpochsConfig, number: int, seed: int) -> Iterator[Epochs]:
    """Simulate patches without artifacts."""
    none = InjectionConfig(satellites=0, cosmic_rays=0, asteroids=0, ghosts=0)
    for index in range(number):
        yield simulate_epochs(config.replace(injection=none), _QUIET_SEED + seed + index)


def measure(
    config: EpochsConfig, artifacts: int, quiet: int, methods: list[str], seed: int
) -> tuple[dict[str, Score], dict[str, float]]:
    """Return the scores of methods, and their CPU seconds per megapixel of all warps."""
    scores = {name: Score() for name in methods}
    seconds = dict.fromkeys([*methods, "matching"], 0.0)
    pixels = 0
    for number, epochs in enumerate(patches(config, artifacts, seed)):
        evaluator = Evaluator(epochs)
        pixels += epochs.image.size
        start = time.process_time()
        inputs = matched_inputs(epochs) if set(methods) & set(MATCHED) else ()
        seconds["matching"] += time.process_time() - start
        for name in methods:
            start = time.process_time()
            outcome = METHODS[name](epochs, inputs)
            seconds[name] += time.process_time() - start
            scores[name] += evaluator.score(outcome)
        tell(f"{config.visits} visits, patch {number + 1}: {next(iter(scores.values())).counts}")
    for epochs in quiet_patches(config, quiet, seed):
        evaluator, inputs = Evaluator(epochs), matched_inputs(epochs)
        for name in methods:
            scores[name].add_stars(evaluator.score(METHODS[name](epochs, inputs)))
        tell(f"{config.visits} visits, without artifacts: {next(iter(scores.values())).stamps} bright stars")
    return scores, {name: 1e6 * value / pixels for name, value in seconds.items()}


def _percent(value: float, digits: int = 1) -> str:
    return "–" if value != value else f"{100 * value:.{digits}f}"


def table(results: dict[int, dict[str, Score]]) -> str:
    """Return the main measurements as a Markdown table, all in per cent."""
    lines = [
        "| visits | method | satellites | cosmic rays | asteroids | ghosts "
        "| flux left: sat. | CR | ast. | ghosts "
        "| pure | clean | rest | cores | variable | galaxies | PSF |",
        "|---" * 17 + "|",
    ]
    for visits, scores in results.items():
        for name, score in scores.items():
            found = [score.ratio(f"complete {kind}") if score.keeps_list else float("nan") for kind in KINDS]
            left = [score.ratio(f"left {kind}") for kind in KINDS]
            lost = [
                score.ratio(kind) if score.keeps_list else float("nan")
                for kind in ("clean", "rest", "core", "variable", "galaxy")
            ]
            cells = [
                *(_percent(v) for v in found),
                *(_percent(v) for v in left),
                _percent(score.ratio("pure")),
            ]
            cells += [*(_percent(v, 3) for v in lost), _percent(score.psf_residual, 2)]
            lines.append(f"| {visits} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def level_table(results: dict[int, dict[str, Score]]) -> str:
    """Return the completeness by the brightness of the pixel, in per cent."""
    kinds = {
        "SATELLITE": "satellites",
        "COSMIC_RAY": "cosmic rays",
        "ASTEROID": "asteroids",
        "GHOST": "ghosts",
    }
    first = next(iter(next(iter(results.values())).values()))
    levels = sorted({float(name.split()[2]) for name in first.pairs if name.count(" ") == 2})
    heads = [f"> {level:g}" for level in levels]
    lines = [f"| visits | method | kind | {' | '.join(heads)} |", "|---" * (3 + len(levels)) + "|"]
    for visits, scores in results.items():
        for name, score in scores.items():
            if not score.keeps_list or name == "MEAN":
                continue
            for kind, label in kinds.items():
                cells = [_percent(score.ratio(f"complete {kind} {level:g}")) for level in levels]
                lines.append(f"| {visits} | {name} | {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def bias_table(results: dict[int, dict[str, Score]]) -> str:
    """Return the change of the flux of stars that no artifact touches: mean and worst, in per cent."""
    classes = sorted({c for scores in results.values() for s in scores.values() for c in s.stars})
    lines = [f"| visits | method | stars | {' | '.join(classes)} |", "|---" * (3 + len(classes)) + "|"]
    for visits, scores in results.items():
        for name, score in scores.items():
            if name == "MEAN":
                continue
            number = sum(len(values) for values in score.stars.values())
            bias = score.summary()["star_bias"]
            cells = [
                f"{100 * bias[c]['mean']:+.3f} ({100 * bias[c]['worst']:.2f})" if c in bias else "–"
                for c in classes
            ]
            lines.append(f"| {visits} | {name} | {number} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cost_table(costs: dict[int, dict[str, float]]) -> str:
    """Return the CPU nanoseconds per pixel and warp."""
    names = list(next(iter(costs.values())))
    lines = [f"| visits | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    for visits, cost in costs.items():
        lines.append(f"| {visits} | {' | '.join(f'{1e3 * cost[name]:.0f}' for name in names)} |")
    return "\n".join(lines)


def misses(results: dict[int, dict[str, Score]]) -> list[str]:
    """Return which aims are missed by the methods that make masks, at five visits and more."""
    found = []
    for visits, scores in results.items():
        for name in MATCHED:
            score = scores.get(name)
            if score is None or visits < 5:
                continue
            for kind, aim in AIMS.items():
                value = score.ratio(f"complete {kind}")
                if value < aim:
                    found.append(f"{name}, {visits} visits: {kind} {100 * value:.1f} % < {100 * aim:.0f} %")
            if score.ratio("clean") > 0.005:
                found.append(
                    f"{name}, {visits} visits: {100 * score.ratio('clean'):.2f} % of clean pixels > 0.5 %"
                )
            for label, values in score.summary()["star_bias"].items():
                if label != "variable" and abs(values["mean"]) > 0.001:
                    found.append(f"{name}, {visits} visits: stars {label} {100 * values['mean']:+.2f} %")
    return found


def report(results: dict[int, dict[str, Score]], costs: dict[int, dict[str, float]]) -> str:
    """Return all tables as Markdown."""
    counts = "\n".join(
        f"- {visits} visits: "
        + ", ".join(f"{number} {kind}" for kind, number in next(iter(s.values())).counts.items())
        for visits, s in results.items()
    )
    missed = "\n".join(f"- {line}" for line in misses(results)) or "None."
    parts = [
        "# Rejection of artifacts",
        "How it is measured: `python -m benchmarks.rejection --help`.",
        counts,
        "## What is found and what is lost, per cent",
        table(results),
        "## Artifact pixels left out, by brightness in sigma of the warp, per cent",
        level_table(results),
        "## Flux of stars: mean change and (worst), per cent, by magnitude",
        bias_table(results),
        "## CPU nanoseconds per pixel and warp",
        cost_table(costs),
        "## Aims missed at five visits and more",
        missed,
    ]
    return "\n\n".join(parts) + "\n"


def write(folder: Path, results: dict[int, dict[str, Score]], costs: dict[int, dict[str, float]]) -> None:
    """Write ``rejection.md`` and ``rejection.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rejection.md").write_text(report(results, costs))
    values = {
        "machine": machine.describe(),
        "visits": {
            str(visits): {name: score.summary() for name, score in scores.items()}
            for visits, scores in results.items()
        },
        "cpu_ns_per_pixel": {
            str(visits): {k: 1e3 * v for k, v in cost.items()} for visits, cost in costs.items()
        },
    }
    (folder / "rejection.json").write_text(json.dumps(values, indent=1) + "\n")


def main(argv: list[str] | None = None) -> int:
    """Run the measurement."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rejection",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--visits", type=int, nargs="+", default=[3, 5, 10, 30], help="numbers of visits (default: 3 5 10 30)"
    )
    add("--artifacts", type=int, default=200, help="artifacts of each kind (default: %(default)s)")
    add("--quiet", type=int, default=4, help="patches without artifacts (default: %(default)s)")
    add("--side", type=int, default=512, help="side of a patch in pixels (default: %(default)s)")
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="methods (default: all)")
    add("--seed", type=int, default=1000, help="seed of the first patch (default: %(default)s)")
    for name, meaning in _SKY_OPTIONS.items():
        pair = {"nargs": 2, "metavar": ("LOW", "HIGH")} if name == "seeing" else {}
        add(
            f"--{name.replace('_', '-')}", type=float, help=f"{meaning} (default: that of the epochs)", **pair
        )
    add("--output", type=Path, default=Path("bench"), help="folder of the results (default: %(default)s)")
    args = parser.parse_args(argv)
    results, costs = {}, {}
    sky = {name: getattr(args, name) for name in _SKY_OPTIONS if getattr(args, name) is not None}
    for visits in args.visits:
        config = EpochsConfig(visits=visits, side=args.side, **sky)
        results[visits], costs[visits] = measure(config, args.artifacts, args.quiet, args.methods, args.seed)
        write(args.output, results, costs)
    print(report(results, costs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
