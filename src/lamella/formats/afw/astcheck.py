"""What AST relies on when it reads an object: checked before it does.

AST is a C library that trusts what its channel reads: a mapping without one of
its parts, or a polynomial with higher powers than it announces, crashes the
process.  So each object is checked here, and objects of classes that the WCS of
afw, or those that lamella writes for it, are not made of are refused.
"""

from __future__ import annotations

from collections.abc import Callable

from .asttext import AstNode, fail

__all__ = ("check_ast",)

_MAX_AXES = 12
_MAX_TERMS = 100_000
_MAX_POWER = 50
_MAX_FRAMES = 100
_MAX_CONVERSIONS = 100

_BASES = {
    "Axis": ("Object",),
    "SkyAxis": ("Object", "Axis"),
    "Frame": ("Object", "Mapping"),
    "SkyFrame": ("Object", "Mapping", "Frame"),
    "FrameSet": ("Object", "Mapping", "Frame"),
}
_MAPPING_BASES = ("Object", "Mapping")

type _Size = tuple[int, int]
"""Numbers of coordinates of the input and the output of a mapping."""


def check_ast(node: AstNode) -> None:
    """Check an object and all that it holds.

    Raises
    ------
    ValueError
        Raised when AST could not read it safely, or does not need to.
    """
    if node.name == "FrameSet":
        _check_bases(node)
        frames = node.whole("Nframe", least=1, most=_MAX_FRAMES)
        nodes = node.whole("Nnode", frames, least=frames, most=2 * _MAX_FRAMES)
        for key in ("Base", "Currnt"):
            node.whole(key, 1, least=1, most=frames)
        keys = {f"Frm{n}" for n in range(1, frames + 1)} | {f"Map{n}" for n in range(2, nodes + 1)}
        _check_parts(node, keys)
        axes: dict[int, int] = {}
        for number in range(1, frames + 1):
            at = node.whole(f"Nod{number}", number, least=1, most=nodes)
            if at in axes:
                fail(f"two frames at the node {at}")
            axes[at] = _check_frame(node.part(f"Frm{number}"))
        links = {n: node.whole(f"Lnk{n}", least=1, most=nodes) for n in range(2, nodes + 1)}
        for number in links:
            # Each node goes back to the first one, and the mapping to it fits the one before it.
            reached, steps = number, 0
            while reached != 1 and steps < len(links):
                reached, steps = links[reached], steps + 1
            _require(reached == 1, node)
            size = _part_size(node, f"Map{number}", f"Inv{number}")
            # A node without a frame takes the number of coordinates that its first mapping brings.
            before = links[number]
            fits = size[0] == axes.setdefault(before, size[0]) and size[1] == axes.setdefault(number, size[1])
            _require(fits, node)
    else:
        _check_mapping(node)


def _check_bases(node: AstNode) -> None:
    """Check that the classes that an object consists of are its own, in their order."""
    allowed = (*_BASES.get(node.name, _MAPPING_BASES), node.name)
    classes = list(node.sections)
    if classes != [name for name in allowed if name in classes]:
        fail(f"a {node.name} made of {', '.join(classes)}")


def _check_parts(node: AstNode, expected: set[str]) -> None:
    """Check that an object holds no other objects than the expected ones."""
    for section, values in node.sections.items():
        for key, value in values.items():
            if isinstance(value, AstNode) and (section != node.name or key not in expected):
                fail(f"a {value.name} as {key} of a {node.name}")


def _check_mapping(node: AstNode) -> _Size:
    """Check a mapping; return its size in the sense in which it was made, inverted now or not."""
    rule = _MAPPINGS.get(node.name)
    if rule is None:
        fail(f"a {node.name}, of which no WCS of afw is made")
    _check_bases(node)
    inputs = node.whole("Nin", section="Mapping", least=1, most=_MAX_AXES)
    outputs = node.whole("Nout", inputs, section="Mapping", least=1, most=_MAX_AXES)
    node.whole("Invert", 0, section="Mapping", most=1)
    _check_parts(node, {"MapA", "MapB"} if node.name in _COMPOUND else set())
    rule(node, inputs, outputs)
    return inputs, outputs


def _part_size(node: AstNode, key: str, flag: str) -> _Size:
    """Return the size of a part in the sense in which it is used, which is not that of its own flag."""
    size = _check_mapping(node.part(key))
    return (size[1], size[0]) if node.whole(flag, 0, most=1) else size


def _check_compound(node: AstNode, inputs: int, outputs: int) -> None:
    first, second = _part_size(node, "MapA", "InvA"), _part_size(node, "MapB", "InvB")
    if node.whole("Series", 1, most=1):
        fits = first[0] == inputs and first[1] == second[0] and second[1] == outputs
    else:
        fits = (first[0] + second[0], first[1] + second[1]) == (inputs, outputs)
    _require(fits, node)


def _check_tran(node: AstNode, inputs: int, outputs: int) -> None:
    sizes = {_part_size(node, "MapA", "InvA"), _part_size(node, "MapB", "InvB")}
    _require(sizes == {(inputs, outputs)}, node)


def _require(holds: bool, node: AstNode) -> None:
    if not holds:
        fail(f"a {node.name} whose parts do not fit")


def _check_square(node: AstNode, inputs: int, outputs: int) -> None:
    _require(inputs == outputs, node)
    for prefix in ("Sft", "Scl", "WcsAx"):
        _check_numbers(node, prefix, inputs)


def _check_wcs_map(node: AstNode, inputs: int, outputs: int) -> None:
    _require(inputs == outputs and inputs >= 2, node)
    for number in node.numbered("WcsAx"):
        node.whole(f"WcsAx{number}", least=1, most=inputs)
    _check_numbers(node, "WcsAx", 2)


def _check_sla(node: AstNode, inputs: int, outputs: int) -> None:
    """Check conversions between celestial systems, which AST looks up by their names."""
    _require((inputs, outputs) == (2, 2), node)
    count = node.whole("Nsla", most=_MAX_CONVERSIONS)
    names = node.numbered("Sla")
    _require(set(names) == set(range(1, count + 1)), node)


def _check_unit_norm(node: AstNode, inputs: int, outputs: int) -> None:
    _require(outputs == inputs + 1, node)
    _check_numbers(node, "Ctr", inputs)


def _check_matrix(node: AstNode, inputs: int, outputs: int) -> None:
    for prefix in ("M", "IM"):
        _check_numbers(node, prefix, inputs * outputs)


def _check_numbers(node: AstNode, prefix: str, most: int) -> None:
    if max(node.numbered(prefix), default=0) > most:
        fail(f"too many numbers {prefix} in a {node.name}")


def _check_poly(node: AstNode, inputs: int, outputs: int) -> None:
    _check_polynomials(node, "F", inputs, outputs)
    _check_polynomials(node, "I", outputs, inputs)
    node.whole("NiterInv", 0, most=1000)


def _check_polynomials(node: AstNode, sense: str, inputs: int, outputs: int) -> None:
    """Check the forward or the inverse polynomials: none, or one per output."""
    counts = [node.whole(f"NC{sense}{n}", 0, most=_MAX_TERMS) for n in range(1, outputs + 1)]
    powers = [node.whole(f"MP{sense}{n}", 0, most=_MAX_POWER) for n in range(1, inputs + 1)]
    for prefix, most in ((f"NC{sense}", outputs), (f"MP{sense}", inputs), (f"C{sense}", sum(counts))):
        _check_numbers(node, prefix, most)
    _check_numbers(node, f"P{sense}", sum(counts) * inputs)
    for number in node.numbered(f"P{sense}"):
        node.whole(f"P{sense}{number}", most=powers[(number - 1) % inputs])


def _check_perm(node: AstNode, inputs: int, outputs: int) -> None:
    constants = len(node.numbered("Con"))
    _check_numbers(node, "Con", constants)
    for prefix, count, other in (("Out", outputs, inputs), ("In", inputs, outputs)):
        _check_numbers(node, prefix, count)
        for number in node.numbered(prefix):
            node.whole(f"{prefix}{number}", least=-constants, most=other)


_COMPOUND = frozenset({"CmpMap", "TranMap"})
_MAPPINGS: dict[str, Callable[[AstNode, int, int], None]] = {
    "CmpMap": _check_compound,
    "MatrixMap": _check_matrix,
    "PermMap": _check_perm,
    "PolyMap": _check_poly,
    "ShiftMap": _check_square,
    "SlaMap": _check_sla,
    "SphMap": lambda node, inputs, outputs: _require((inputs, outputs) == (3, 2), node),
    "TranMap": _check_tran,
    "UnitMap": _check_square,
    "UnitNormMap": _check_unit_norm,
    "WcsMap": _check_wcs_map,
    "WinMap": _check_square,
    "ZoomMap": _check_square,
}


def _check_frame(node: AstNode) -> int:
    """Check a frame; return its number of axes."""
    if node.name not in ("Frame", "SkyFrame"):
        fail(f"a {node.name} as a frame")
    _check_bases(node)
    frame = AstNode("Frame", {"Frame": node.sections.get("Frame", {})})
    count = frame.whole("Naxes", least=1, most=_MAX_AXES)
    if node.name == "SkyFrame" and count != 2:
        fail(f"a SkyFrame of {count} axes")
    _check_numbers(frame, "Ax", count)
    order = [frame.whole(f"Prm{n}", n, least=1, most=count) for n in range(1, count + 1)]
    if len(set(order)) != count:
        fail(f"axes in the order {order}")
    for section, values in node.sections.items():
        for key, value in values.items():
            if isinstance(value, AstNode) and (section != "Frame" or not key.startswith("Ax")):
                fail(f"a {value.name} as {key} of a {node.name}")
    for axis in frame.numbered("Ax").values():
        if not isinstance(axis, AstNode) or axis.name not in ("Axis", "SkyAxis"):
            fail(f"an axis of a {node.name} that is none")
        _check_bases(axis)
        _check_parts(axis, set())
    return count
