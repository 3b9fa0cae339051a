"""Kernels that other kernels call: compiled once, together with what calls them, with the same results."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from numba import njit
from numba.core import event
from numba.extending import overload

from lamella.kernels._cache import KernelCache
from lamella.kernels._jit import jit, jit_inline
from lamella.kernels._parts import PartLibrary

VALUES = np.linspace(-2.0, 3.0, 37, dtype=np.float32)


class Listener(event.Listener):
    """Keeps all dispatchers that were compiled."""

    def __init__(self) -> None:
        self.dispatchers: list = []

    def on_start(self, event) -> None:
        """Do nothing: there is no result yet."""

    def on_end(self, event) -> None:
        self.dispatchers.append(event.data["dispatcher"])

    def libraries(self) -> list:
        return [result.library for each in self.dispatchers for result in each.overloads.values()]


@pytest.fixture
def kernels(monkeypatch):
    """Kernels that are compiled anew."""
    monkeypatch.setattr(KernelCache, "load_overload", lambda self, sig, context: None)
    monkeypatch.setattr(KernelCache, "save_overload", lambda self, sig, data: None)

    @jit_inline
    def square(value):
        return value * value

    @jit
    def total(values):
        result = 0.0
        for value in values:
            result += square(np.float64(value))
        return result

    def double(value):
        raise NotImplementedError

    @overload(double)
    def double_of_any(value):
        return lambda value: value + value

    @jit
    def twice(values):
        return double(total(values))

    @jit
    def checked(values, least):
        if values.size < least:
            raise ValueError("too few values")
        return total(values)

    @jit
    def outer(values, least):
        return checked(values, least)

    return SimpleNamespace(total=total, twice=twice, outer=outer)


@pytest.fixture(scope="module")
def expected() -> float:
    result = 0.0
    for value in VALUES.astype(np.float64):
        result += value * value
    return result


def test_a_kernel_that_python_and_a_kernel_call_gives_the_same_bits(kernels, expected):
    assert kernels.total(VALUES) == expected
    assert kernels.twice(VALUES) == 2.0 * expected


def test_what_a_kernel_calls_is_no_machine_code_of_its_own(kernels):
    listener = Listener()
    with event.install_listener("numba:compile", listener):
        kernels.twice(VALUES)
    assert not kernels.total.overloads
    whole = [library for library in listener.libraries() if not isinstance(library, PartLibrary)]
    assert [result.library for result in kernels.twice.overloads.values()] == whole
    # `twice`, `total`, and the function that stands for `double`.
    assert len(listener.libraries()) == 3
    for library in listener.libraries():
        assert (library._compiled_object is None) == isinstance(library, PartLibrary)


def test_plain_functions_of_numba_and_kernels_call_each_other(kernels, expected):
    total = kernels.total

    @njit
    def half(value):
        return 0.5 * value

    @njit
    def one_more(values):
        return total(values) + 1.0

    @jit
    def half_total(values):
        return half(total(values))

    assert half_total(VALUES) == 0.5 * expected
    assert one_more(VALUES) == expected + 1.0
    assert half(3.0) == 1.5


def test_other_code_is_compiled_as_numba_does_afterwards(kernels):
    kernels.twice(VALUES)
    listener = Listener()
    with event.install_listener("numba:compile", listener):

        @njit
        def size(values):
            return np.full_like(values, 2.0).size + 1

        assert size(VALUES) == VALUES.size + 1
    (result,) = size.overloads.values()
    assert not isinstance(result.library, PartLibrary)


def test_a_part_becomes_machine_code_when_somebody_asks_for_it(kernels, expected):
    assert kernels.twice(VALUES) == 2.0 * expected
    (part,) = kernels.total._part.overloads.values()
    before = str(part.library._get_module_for_linking())
    address = part.library.get_pointer_to_function(part.fndesc.llvm_func_name)
    assert address != 0
    assert part.library.get_pointer_to_function(part.fndesc.llvm_func_name) == address
    assert str(part.library._get_module_for_linking()) == before


def test_errors_of_parts_arrive(kernels, expected):
    assert kernels.outer(VALUES, 37) == expected
    with pytest.raises(ValueError, match="too few values"):
        kernels.outer(VALUES, 38)
