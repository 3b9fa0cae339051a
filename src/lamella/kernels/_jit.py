"""The JIT policy: the one place that says how kernels are compiled.

Kernels release the GIL, so that threads work on tiles side by side; compiled
code is cached on disk; and floating-point arithmetic is strict: no
re-association and no contraction, because results must not depend on the
machine or on how the work was cut.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from numba import njit
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher

from ._cache import KernelCache

__all__ = ("jit", "jit_inline")

# Loops over many arrays use vector instructions after a check that no two overlap; by default
# the compiler gives up at a few pairs.
llvm.set_option("lamella", "-runtime-memory-check-threshold=128")


def jit[R](function: Callable[..., R], **options: Any) -> Callable[..., R]:
    """Make a kernel that Python calls."""
    kernel: Any = njit(nogil=True, error_model="numpy", fastmath=False, **options)(function)
    kernel._cache = KernelCache(function)
    kernel.compile = functools.partial(_compile_in_turn, kernel)
    compiled: Callable[..., R] = kernel
    return compiled


def jit_inline[R](function: Callable[..., R]) -> Callable[..., R]:
    """Make a small helper that kernels call in their inner loops."""
    return jit(function, inline="always")


def _compile_in_turn(kernel: Any, signature: Any) -> Any:
    """Compile a kernel for some types of arguments, or find it compiled."""
    with global_compiler_lock:
        try:
            return CPUDispatcher.compile(kernel, signature)
        finally:
            kernel._cache.close()
