"""The JIT policy: the one place that says how kernels are compiled.

Kernels release the GIL, so that threads work on tiles side by side; compiled
code is cached on disk; and floating-point arithmetic is strict: no
re-association and no contraction, because results must not depend on the
machine or on how the work was cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from numba import njit
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

__all__ = ("jit", "jit_inline")

# Loops over many arrays use vector instructions after a check that no two overlap; by default
# the compiler gives up at a few pairs.
llvm.set_option("lamella", "-runtime-memory-check-threshold=128")


def jit[R](function: Callable[..., R], **options: Any) -> Callable[..., R]:
    """Make a kernel that Python calls."""
    kernel: Any = njit(nogil=True, error_model="numpy", fastmath=False, **options)(function)
    kernel._cache = _Cache(function)  # type: ignore[no-untyped-call]
    compiled: Callable[..., R] = kernel
    return compiled


def jit_inline[R](function: Callable[..., R]) -> Callable[..., R]:
    """Make a small helper that kernels call in their inner loops."""
    return jit(function, inline="always")


class _Cache(FunctionCache):
    """Finds compiled kernels on disk, without what only the compiler needs.

    Before it looks there, numba imports all that it can compile, which takes a
    fifth of a second in each process.  When a kernel is not there the compiler
    imports it.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]
