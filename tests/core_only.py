"""Run code where nothing can be imported but what the requirements of the core bring."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from functools import cache
from importlib import metadata
from pathlib import PurePath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ("requirements", "run_core_only", "top_modules")

# In the child: one finder before all others, which also hides the metadata of other distributions, and
# notes who asked for what is not there.
_HOOK = """
import importlib.metadata, json, sys

class CoreOnly:
    def __init__(self, modules, distributions):
        self.modules, self.distributions = set(modules), set(distributions)
        self.parents = {name.rsplit(".", n)[0] for name in modules for n in range(1, name.count(".") + 1)}
        self.behind, self.refused, self.before = list(sys.meta_path), [], set(sys.modules)

    def allows(self, name):
        words = name.split(".")
        heads = {".".join(words[:n]) for n in range(1, len(words) + 1)}
        # How Python was built is in a module of its library that is named after the machine.
        library = words[0] in sys.stdlib_module_names or words[0].startswith("_sysconfigdata_")
        return library or name in self.parents or bool(heads & self.modules)

    def find_spec(self, name, path=None, target=None):
        if self.allows(name):
            specs = (finder.find_spec(name, path, target) for finder in self.behind)
            return next((spec for spec in specs if spec is not None), None)
        frame = sys._getframe(1)
        while frame.f_back and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        self.refused.append((frame.f_globals.get("__name__", "?"), name))
        return None

    def find_distributions(self, context=importlib.metadata.DistributionFinder.Context()):
        for distribution in importlib.metadata.MetadataPathFinder.find_distributions(context):
            if distribution.name.lower().replace("_", "-").replace(".", "-") in self.distributions:
                yield distribution

    def invalidate_caches(self):
        for finder in self.behind:
            if hasattr(finder, "invalidate_caches"):
                finder.invalidate_caches()

    def report(self):
        new = [sys.modules[name] for name in set(sys.modules) - self.before]
        # By their specifications: extensions give themselves further names.
        names = {module.__spec__.name for module in new if getattr(module, "__spec__", None)}
        loaded = [name for name in names if not self.allows(name)]
        asked = [pair for pair in self.refused if pair[0].split(".")[0] == "lamella"]
        print(json.dumps({"loaded": sorted(loaded), "asked": asked}))

core_only = CoreOnly(*json.loads(sys.argv.pop(1)))
sys.meta_path[:] = [core_only]
"""


@cache
def requirements(name: str = "lamella", extra: str = "") -> frozenset[str]:
    """Return the canonical names of a distribution and of all that it requires, and these in turn.

    Markers are evaluated for this machine. What is not installed is left out, with what it would bring.
    """
    closure: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(name), extra)]
    while waiting:
        wanted = waiting.pop()
        try:
            lines = metadata.requires(wanted[0]) or []
        except metadata.PackageNotFoundError:
            continue
        closure.add(wanted)
        for line in map(Requirement, lines):
            if line.marker is None or line.marker.evaluate({"extra": wanted[1]}):
                names = {(canonicalize_name(line.name), extra) for extra in {"", *line.extras}}
                waiting += names - closure
    return frozenset(name for name, _ in closure)


@cache
def top_modules(distributions: frozenset[str]) -> frozenset[str]:
    """Return the modules that distributions bring and no other distribution has a share in.

    A package that several share, such as ``lsst``, is replaced by its modules.
    """
    owners: dict[tuple[str, ...], set[str]] = defaultdict(set)
    paths: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for distribution in metadata.distributions():
        name = canonicalize_name(distribution.name)
        for file in distribution.files or ():
            path = _module_path(file)
            paths[name].add(path)
            for depth in range(1, len(path) + 1):
                owners[path[:depth]].add(name)
    tops = set()
    for name in distributions:
        for path in paths[name] - {()}:
            heads = (path[:depth] for depth in range(1, len(path) + 1))
            tops.add(next((".".join(head) for head in heads if owners[head] <= distributions), ""))
    return frozenset(tops - {""}) | ({"lamella"} & distributions)


def _module_path(file: PurePath) -> tuple[str, ...]:
    """Return the words of the name of the module that a file holds, or nothing."""
    if file.suffix not in (".py", ".so", ".pyd") or ".." in file.parts:
        return ()
    words = (*file.parts[:-1], file.name.split(".")[0])
    return words[:-1] if words[-1] == "__init__" else words


def run_core_only(code: str, *arguments: str, distribution: str = "lamella") -> dict[str, list[object]]:
    """Run code in a process that can import no more than a distribution requires.

    Return the modules ``loaded`` nevertheless, and pairs of a module of lamella and
    of what it ``asked`` for in vain.
    """
    names = requirements(distribution)
    hook = json.dumps([sorted(top_modules(names)), sorted(names)])
    child = subprocess.run(
        [sys.executable, "-c", f"{_HOOK}\n{code}\ncore_only.report()", hook, *arguments],
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    report: dict[str, list[object]] = json.loads(child.stdout.splitlines()[-1])
    return report
