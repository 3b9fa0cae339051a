"""Arithmetic on the keywords of FITS headers, as a person writes it: parsed, and never executed."""

from __future__ import annotations

import ast
import dataclasses
import functools
import math
import re
from collections.abc import Callable, Iterator

from ..arithmetic import OPERATORS

__all__ = ("FUNCTIONS", "Expression", "parse_expression")

FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "log": math.log,
    "log10": math.log10,
    "max": max,
    "min": min,
    "sqrt": math.sqrt,
}
"""The functions that there are; ``log`` is the natural logarithm."""

_SIGNS: dict[type[ast.unaryop], float] = {ast.UAdd: 1.0, ast.USub: -1.0}
# Keywords may have a hyphen (PC-ZP, MJD-OBS), and those of ESO begin with a digit or have blanks.
_HYPHENATED = re.compile(r"(\"[^\"]*\"|'[^']*')|\b([A-Za-z_]\w*(?:-[A-Za-z]\w*)+)")
_BLANKS = re.compile(r"[A-Z][A-Z0-9_-]*( [A-Z0-9_][A-Z0-9_-]*)+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_MAX_LENGTH = 1000
"""Characters: a longer text is no arithmetic of a person."""
_MAX_DEPTH = 50


@dataclasses.dataclass(frozen=True)
class Expression:
    """A number, a keyword, or arithmetic on them."""

    text: str
    """As it was written."""
    tree: ast.expr = dataclasses.field(repr=False, compare=False, hash=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The keywords and tables that it needs, in the order of their first use."""
        return tuple(dict.fromkeys(_names(self.tree)))

    @property
    def is_keyword(self) -> bool:
        """Whether it is one keyword and nothing else."""
        return isinstance(self.tree, ast.Constant) and isinstance(self.tree.value, str)

    def evaluate(self, number: Callable[[str], float]) -> float:
        """Return the value.

        Parameters
        ----------
        number
            Returns the number of a keyword or table; its errors are not caught.

        Raises
        ------
        ValueError
            Raised when the value is not finite, or an operation is impossible (a division by zero, a
            logarithm of a negative number).  The message says what was calculated.
        """
        values = {name: number(name) for name in self.names}
        try:
            value = _value(self.tree, values)
        except (ArithmeticError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            given = ", ".join(f"{name} = {values[name]:g}" for name in values) or "no keyword"
            raise ValueError(f"{self.text!r} with {given}, which is no finite number")
        return value


@functools.lru_cache(maxsize=1024)
def parse_expression(text: str) -> Expression:
    """Parse arithmetic.

    Parameters
    ----------
    text
        Numbers, keywords, names of tables, ``+ - * / **``, parentheses, and `FUNCTIONS`.  A keyword with
        blanks stands alone or in quotes; a hyphen between letters belongs to a keyword (``MJD-OBS``), so
        that a minus needs blanks around it there.

    Raises
    ------
    ValueError
        Raised when the text is none.  The message says what is wrong with it.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"{len(text)} characters, too many for arithmetic on keywords")
    stripped = text.strip()
    if _BLANKS.fullmatch(stripped):
        return Expression(stripped, ast.Constant(stripped))
    if _NUMBER.fullmatch(stripped):  # leading zeros included, which identifiers have
        return Expression(stripped, ast.Constant(float(stripped)))
    quoted = _HYPHENATED.sub(lambda match: match[1] or repr(match[2]), stripped)
    try:
        tree = ast.parse(quoted, mode="eval").body
        return Expression(stripped, _checked(tree, 0))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as err:
        reason = str(err) if type(err) is ValueError else "no arithmetic on keywords"
        raise ValueError(f"{text!r}: {reason}") from None


def _checked(node: ast.expr, depth: int) -> ast.expr:
    """Return the tree with names as texts, or raise a `ValueError` that names what may not be in it."""
    if depth > _MAX_DEPTH:
        raise ValueError("too many parentheses")
    match node:
        case ast.Name(id=name):
            return ast.Constant(name)
        case ast.Constant(value=bool() | None):
            raise ValueError("no number and no keyword")
        case ast.Constant(value=int() | float() | str()):
            return node
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
            return ast.UnaryOp(op, _checked(operand, depth + 1))
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OPERATORS:
            return ast.BinOp(_checked(left, depth + 1), operator, _checked(right, depth + 1))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments, keywords=[]) if name in FUNCTIONS:
            wanted = "two or more" if name in ("max", "min") else "one"
            if (len(arguments) > 1) != (wanted != "one"):
                raise ValueError(f"{name} takes {wanted} argument{'' if wanted == 'one' else 's'}")
            return ast.Call(ast.Name(name), [_checked(argument, depth + 1) for argument in arguments], [])
        case ast.Call(func=ast.Name(id=name)):
            raise ValueError(f"no function {name!r}; there are {', '.join(FUNCTIONS)}")
    raise ValueError("no arithmetic on keywords; there are numbers, keywords, + - * / ** and parentheses")


def _names(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(name)):
            yield name
        case ast.UnaryOp(operand=operand):
            yield from _names(operand)
        case ast.BinOp(left=left, right=right):
            yield from _names(left)
            yield from _names(right)
        case ast.Call(args=arguments):
            for argument in arguments:
                yield from _names(argument)


def _value(node: ast.expr, values: dict[str, float]) -> float:
    match node:
        case ast.Constant(value=str(name)):
            return values[name]
        case ast.UnaryOp(op=op, operand=operand):
            return _SIGNS[type(op)] * _value(operand, values)
        case ast.BinOp(left=left, op=operator, right=right):
            return float(OPERATORS[type(operator)](_value(left, values), _value(right, values)))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return float(FUNCTIONS[name](*(_value(argument, values) for argument in arguments)))
    assert isinstance(node, ast.Constant)
    return float(node.value)  # type: ignore[arg-type]
