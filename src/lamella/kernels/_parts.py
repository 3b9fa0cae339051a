"""Kernels that other kernels call are translated, and compiled as parts of what Python calls.

Left alone, the compiler makes a library of each function that a kernel calls: it is optimised together with
all that it calls in turn, becomes machine code, is wrapped for Python and for C, and kept on disk.  The
kernel that calls it takes it in and does all but the wrapping again.  So the innermost loops are compiled
as often as the tower above them is high, and none of that is ever run.

Here such functions end as intermediate code, and so do those that numba brings along, such as
`numpy.empty`.  The optimiser sees them once and all together, in the kernel that Python calls.  Arithmetic
is strict, so that no bit depends on it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher, cpu_target
from numba.core.target_extension import CPU, jit_registry

__all__ = ("Part", "WholeCompiler")

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class PartLibrary(JITCodeLibrary):
    """Code that waits for the library that takes it in; machine code is made only if somebody calls it."""

    _is_part = True

    def get_pointer_to_function(self, name: str) -> Any:
        """Return where the machine code of a function begins, which is made now."""
        self._ensure_finalized()  # type: ignore[no-untyped-call]
        if self._is_part:
            # What links to it gets the code as it is.
            self._get_module_for_linking()  # type: ignore[no-untyped-call]
            self._is_part = False
            self._dynamic_globals.clear()
            self._optimize_final_module()
            self._finalize_final_module()
        return super().get_pointer_to_function(name)  # type: ignore[no-untyped-call]

    def _optimize_final_module(self) -> None:
        if not self._is_part:
            super()._optimize_final_module()  # type: ignore[no-untyped-call]

    def _finalize_final_module(self) -> None:
        if self._is_part:
            self._finalize_dynamic_globals()  # type: ignore[no-untyped-call]
            self._finalized = True
        else:
            super()._finalize_final_module()  # type: ignore[no-untyped-call]


class WholeCompiler(Compiler):
    """Compiles what Python calls."""

    _library: type[JITCodeLibrary] = JITCodeLibrary

    def compile_extra(self, func: Any) -> Any:
        """Compile a function into a library of its own."""
        self.state.library = self._library(self.state.targetctx.codegen(), func.__qualname__)
        self.state.library.enable_object_caching()
        with _compiled_as_parts():
            return super().compile_extra(func)  # type: ignore[no-untyped-call]


class PartCompiler(WholeCompiler):
    """Compiles what kernels call."""

    _library = PartLibrary

    def compile_extra(self, func: Any) -> Any:
        """Translate a function, for which any object stands instead of one that can be called."""
        self.state.flags.no_compile = True
        result = super().compile_extra(func)
        key = object()
        self.state.targetctx.insert_user_function(key, result.fndesc, [result.library])
        return result._replace(entry_point=key)


class Part(CPUDispatcher):
    """A function that kernels call, and Python does not."""

    def __init__(
        self,
        py_func: Callable[..., Any],
        locals: Mapping[str, Any] = _NOTHING,
        targetoptions: Mapping[str, Any] = _NOTHING,
        pipeline_class: type[Compiler] = PartCompiler,
    ) -> None:
        options = {"boundscheck": None, **targetoptions, "nopython": True}
        options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        super().__init__(py_func, dict(locals), options, pipeline_class)

    def add_overload(self, cres: Any) -> None:
        """Keep a translation, without a place among the functions that Python can call."""
        self.overloads[tuple(cres.signature.args)] = cres


@contextlib.contextmanager
def _compiled_as_parts() -> Iterator[None]:
    """Make parts of all that numba compiles by itself while the context lasts, with its lock held."""
    codegen = cpu_target.target_context.codegen()
    jit, library = jit_registry[CPU], codegen._library_class
    # The registry refuses to replace an entry.
    dict.__setitem__(jit_registry, CPU, _make_part)
    codegen._library_class = PartLibrary
    try:
        yield
    finally:
        codegen._library_class = library
        dict.__setitem__(jit_registry, CPU, jit)


def _make_part(**options: Any) -> Callable[[Callable[..., Any]], Part]:
    """Do what `numba.jit` does for functions that come with numba."""
    options.pop("cache", None)
    return lambda function: Part(function, targetoptions=options)
