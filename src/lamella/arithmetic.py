"""Values of expressions of constants, parsed and never executed, in bounded time and memory."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, MutableSequence
from typing import Any

__all__ = ("OPERATORS", "constant", "refuse")

_MAX_BITS = 1024
"""Of whole numbers: more than any float has."""
_MAX_LENGTH = 100_000
"""Of texts and lists."""


def _power(base: Any, exponent: Any) -> Any:
    """Return a whole number if it is one of few digits; ``**`` itself takes minutes for 9**9**9."""
    whole = isinstance(base, int) and isinstance(exponent, int) and exponent >= 0
    if whole and (abs(base) <= 1 or base.bit_length() * exponent <= 2 * _MAX_BITS):
        return base**exponent
    return math.pow(base, exponent)


OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: _power,
}
"""What ``+ - * / **`` do with two numbers."""
_WHOLE = {ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod}
_SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


def refuse(node: ast.expr) -> Any:
    """Raise a `ValueError` that says that an expression is no constant."""
    raise ValueError(f"{ast.unparse(node)} is not a literal")


def constant(node: ast.expr, other: Callable[[ast.expr], Any] = refuse) -> Any:
    """Return the value of an expression of literals.

    Parameters
    ----------
    node
        Literals, arithmetic on numbers (``1.0 / 60``), sums of texts and of
        lists, and tuples, lists, sets and dictionaries of these.  ``float("nan")``
        and ``float("inf")`` count as literals.
    other
        Returns the value of any other expression in it, or raises.

    Raises
    ------
    ValueError
        Raised when the expression is anything else, an operation is impossible, or its result too large.
    """
    try:
        return _value(node, other)
    except RecursionError:
        raise ValueError("the expression is too deep") from None


def _value(node: ast.expr, other: Callable[[ast.expr], Any]) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None):
            return node.value
        case ast.Tuple(elts=items):
            return tuple(_value(item, other) for item in items)
        case ast.List(elts=items):
            return [_value(item, other) for item in items]
        case ast.Set(elts=items):
            return {_value(item, other) for item in items}
        case ast.Dict(keys=keys, values=items) if None not in keys:
            pairs = zip(keys, items, strict=True)
            return {_value(key, other): _value(item, other) for key, item in pairs if key is not None}
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value=str(text))], keywords=[]):
            return float(text)
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _SIGNS:
            return _operate(node, _SIGNS[type(sign)], _value(operand, other))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS | _WHOLE:
            function = (OPERATORS | _WHOLE)[type(op)]
            return _operate(node, function, _value(left, other), _value(right, other))
    return other(node)


def _operate(node: ast.expr, function: Callable[..., Any], *values: Any) -> Any:
    """Apply an operator to numbers, or ``+`` to texts, lists or tuples."""
    values = tuple(list(value) if isinstance(value, MutableSequence) else value for value in values)
    numbers = all(isinstance(value, int | float) for value in values)
    sums = function is operator.add and all(isinstance(value, str | list | tuple) for value in values)
    if not (numbers or sums):
        raise ValueError(f"{ast.unparse(node)} is not arithmetic on numbers")
    try:
        result = function(*values)
    except (ArithmeticError, TypeError, ValueError) as err:
        raise ValueError(f"{ast.unparse(node)} has no value: {err}") from None
    large = len(result) > _MAX_LENGTH if sums else isinstance(result, int) and result.bit_length() > _MAX_BITS
    if large:
        raise ValueError(f"{ast.unparse(node)} is too large")
    return result
