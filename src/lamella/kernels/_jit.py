"""The JIT policy: the one place that says how kernels are compiled.

Kernels release the GIL, so that threads work on tiles side by side; compiled
code is cached on disk; and floating-point arithmetic is strict: no
re-association and no contraction, because results must not depend on the
machine or on how the work was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import llvmlite.binding as llvm
from numba.core.compiler import Compiler
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher

from ._cache import KernelCache
from ._parts import Part, WholeCompiler

__all__ = ("Kernel", "jit", "jit_inline")

# Loops over many arrays use vector instructions after a check that no two overlap; by default
# the compiler gives up at a few pairs.
llvm.set_option("lamella", "-runtime-memory-check-threshold=128")

_POLICY = {"nopython": True, "boundscheck": None, "nogil": True, "error_model": "numpy", "fastmath": False}


class Kernel(CPUDispatcher):
    """A function that is compiled when Python calls it, and a part of others when these call it.

    Parameters
    ----------
    py_func
        The function, in Python.
    locals, targetoptions, pipeline_class
        As numba's own dispatchers have them, which are taken apart and put together by these names.
    """

    def __init__(
        self,
        py_func: Callable[..., Any],
        locals: Mapping[str, Any] = MappingProxyType({}),
        targetoptions: Mapping[str, Any] = _POLICY,
        pipeline_class: type[Compiler] = WholeCompiler,
    ) -> None:
        options = {**targetoptions, "no_cfunc_wrapper": True}
        super().__init__(py_func, dict(locals), options, pipeline_class)
        self._part = Part(py_func, locals, targetoptions)
        self._cache = KernelCache(py_func)

    def compile(self, sig: Any) -> Any:
        """Compile the kernel for some types of arguments, or find it compiled."""
        with global_compiler_lock:
            try:
                return super().compile(sig)
            finally:
                self._cache.close()

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Return how a kernel calls this one with some types of arguments."""
        return self._part.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        """Return what stands for this function where a kernel calls it."""
        return self._part.get_overload(sig)


def jit[R](function: Callable[..., R], **options: Any) -> Callable[..., R]:
    """Make a kernel that Python calls, or other kernels do."""
    return cast("Callable[..., R]", Kernel(function, targetoptions={**_POLICY, **options}))


def jit_inline[R](function: Callable[..., R]) -> Callable[..., R]:
    """Make a small helper that kernels call in their inner loops."""
    return jit(function, inline="always")
