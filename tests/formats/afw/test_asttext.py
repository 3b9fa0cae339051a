import pytest
from starlink import Ast

from lamella.formats.afw.astcheck import check_ast
from lamella.formats.afw.asttext import parse_ast

SMALL = """Begin CmpMap
   Nin = 2
   # a comment
IsA Mapping
   MapA =
      Begin ShiftMap
         Nin = 2 # of coordinates
      IsA Mapping
         Sft1 = 1.5
         Sft2 = -2
      End ShiftMap
   MapB =
      Begin PolyMap
         Nin = 2
      IsA Mapping
         MPF1 = 2
         MPF2 = 1
         NCF1 = 2
         NCF2 = 1
         CF1 = 1
         CF2 = 0.001
         CF3 = 1
         PF1 = 1
         PF3 = 2
         PF4 = 1
         PF6 = 1
      End PolyMap
End CmpMap
"""


def checked(text):
    tree = parse_ast(text)
    check_ast(tree)
    return tree


def read(text):
    lines = text.splitlines()
    return Ast.Channel(
        type("Source", (), {"astsource": lambda self: lines.pop(0) if lines else None})()
    ).read()


def test_a_tree_has_parts_and_values():
    tree = checked(SMALL)
    assert tree.name == "CmpMap"
    assert tree.whole("Nin", section="Mapping", most=9) == 2
    assert tree.part("MapA").numbered("Sft") == {1: "1.5", 2: "-2"}
    assert len(tree.part("MapB").numbered("PF")) == 4


def test_what_is_written_anew_means_the_same_to_ast():
    again = checked(SMALL).write()
    assert "#" not in again
    x, y = read(again).tran([[3.0, 4.0], [5.0, 6.0]], True)
    assert x.tolist() == pytest.approx([4.5 + 0.001 * 4.5**2 * 3.0, 5.5 + 0.001 * 5.5**2 * 4.0], rel=1e-15)
    assert y.tolist() == [3.0, 4.0]
    assert checked(again).write() == again


@pytest.mark.parametrize("line", range(len(SMALL.splitlines())))
@pytest.mark.parametrize("change", ["dropped", "doubled", "mangled"])
def test_no_line_can_be_lost_without_an_answer(line, change):
    """Either the text is refused, or AST can read what is left and use it."""
    lines = SMALL.splitlines()
    if change == "dropped":
        del lines[line]
    elif change == "doubled":
        lines.insert(line, lines[line])
    else:
        lines[line] = lines[line].replace("1", "7").replace("2", "3").replace("Map", "Mop", 1)
    text = "\n".join(lines)
    try:
        tree = checked(text)
    except ValueError:
        with pytest.raises(ValueError, match="a text of AST with"):
            checked(text)
        return
    assert len(read(tree.write()).tran([[3.0], [5.0]], True)) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Begin PolyMap", "Begin MathMap", "End|end"),
        ("PolyMap", "MathMap", "MathMap, of which no WCS"),
        ("MPF1 = 2", "MPF1 = 1", "PF3 = 2"),
        ("NCF1 = 2", "NCF1 = 1", "too many numbers CF"),
        ("NCF1 = 2", "NCF1 = 99999999", "NCF1 = 99999999"),
        ("MapB =", "MapC =", "as MapC"),
        ("Nin = 2 # of", "Nin = 3 # of", "do not fit"),
        ("CF1 = 1", "CF1 = os.system('x')", "where it does not belong"),
        ("CF1 = 1", "CF1 = 1\x00", "where it does not belong"),
        ("IsA Mapping", "IsA Frame", "made of"),
        ("End CmpMap", "", "no end"),
        ("Sft2 = -2", "Sft1 = -2", "two values of Sft1"),
        ("Sft2 = -2", "Sft9 = -2", "too many numbers Sft"),
    ],
)
def test_what_ast_relies_on_is_checked(old, new, message):
    assert old in SMALL
    with pytest.raises(ValueError, match=message):
        checked(SMALL.replace(old, new))


def test_objects_in_each_other_without_end_are_refused():
    deep = "Begin CmpMap\nNin = 2\nIsA Mapping\nMapA =\n" * 10_000
    with pytest.raises(ValueError, match="more than 100 objects"):
        checked(deep)


def test_frames_of_a_frame_set_are_linked_by_mappings_that_fit():
    frames = Ast.FrameSet(Ast.Frame(2, "Domain=PIXELS"))
    frames.addframe(1, Ast.ShiftMap([1.0, 2.0]), Ast.Frame(2, "Domain=IWC"))
    frames.addframe(2, Ast.UnitMap(2), Ast.SkyFrame("System=ICRS"))
    sink = []
    Ast.Channel(None, type("Sink", (), {"astsink": lambda self, line: sink.append(line)})()).write(frames)
    text = "\n".join(line for line in sink if not line.startswith("#"))
    assert read(checked(text).write()).Nframe == 3
    for old, new in (
        ("Currnt = 3", "Currnt = 4"),
        ("Nframe = 3", "Nframe = 4"),
        ("Lnk3 = 2", "Lnk3 = 3"),
        ("Frm3 =", "Frm4 ="),
        ("Naxes = 2", "Naxes = 3"),
        ("Map2 =", "Map7 ="),
    ):
        assert old in text
        with pytest.raises(ValueError, match="a text of AST with"):
            checked(text.replace(old, new, 1))


def test_mappings_between_numbers_of_coordinates():
    text = "Begin SphMap\nNin = 3\nNout = 2\nIsA Mapping\nUntRd = 1\nEnd SphMap\n"
    longitude, latitude = read(checked(text).write()).tran([[0.0], [1.0], [0.0]], True)
    assert (longitude[0], latitude[0]) == pytest.approx((1.5707963267948966, 0.0))


SYSTEMS = """Begin SlaMap
Nin = 2
IsA Mapping
Nsla = 2
Sla1 = "FK45Z"
Sla1a = 1950
Sla2 = "FK5HZ"
Sla2a = 2000
End SlaMap
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [("Nsla = 2", "Nsla = 3"), ("Nsla = 2", "Nsla = 999999999"), ("Nin = 2", "Nin = 3"), ("", "")],
)
def test_conversions_between_celestial_systems(old, new):
    if old:
        with pytest.raises(ValueError, match="SlaMap"):
            checked(SYSTEMS.replace(old, new))
        return
    assert len(read(checked(SYSTEMS).write()).tran([[3.0], [0.5]], True)) == 2
