"""CPU and wall seconds of the phases of a program that is measured."""

from __future__ import annotations

import json
import time


class Stopwatch:
    """Laps since the start of the process for CPU, since it was made for wall."""

    def __init__(self) -> None:
        self.phases: dict[str, dict[str, float]] = {}
        self._wall, self._cpu = time.perf_counter(), 0.0

    def lap(self, name: str) -> None:
        """End a phase, and begin the next."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.phases[name] = {"wall_s": wall - self._wall, "cpu_s": cpu - self._cpu}
        self._wall, self._cpu = wall, cpu

    def report(self) -> None:
        """Print the phases as one line of JSON."""
        print(json.dumps(self.phases))
