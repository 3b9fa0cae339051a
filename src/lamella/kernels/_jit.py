"""The JIT policy: the one place that says how kernels are compiled.

Kernels release the GIL, so that threads work on tiles side by side; compiled
code is cached on disk; and floating-point arithmetic is strict: no
re-association and no contraction, because results must not depend on the
machine or on how the work was cut.
"""

from __future__ import annotations

import llvmlite.binding as llvm
from numba import njit

__all__ = ("jit", "jit_inline")

# Loops over many arrays use vector instructions after a check that no two overlap; by default
# the compiler gives up at a few pairs.
llvm.set_option("lamella", "-runtime-memory-check-threshold=128")

jit = njit(nogil=True, cache=True, error_model="numpy", fastmath=False)
"""Decorator of kernels that Python calls."""

jit_inline = njit(nogil=True, cache=True, error_model="numpy", fastmath=False, inline="always")
"""Decorator of small helpers that kernels call in their inner loops."""
