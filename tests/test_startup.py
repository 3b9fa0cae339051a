"""What is not imported with a package, and is there when it is used."""

from __future__ import annotations

import pytest

from .processes import fresh_output

pytestmark = pytest.mark.slow

_START = "import sys; from lamella.startup import lighten_imports; lighten_imports(); "
_FROM_CACHE = (
    "heavy = ('scipy.linalg', 'numba.np.arraymath', 'numba.typed.typeddict', 'numba.cpython.setobj'); "
    "print([name for name in heavy if name in sys.modules], words[0])"
)
_KERNEL = (
    "import numpy as np; from lamella.kernels.byteorder import swap_words; "
    "words = np.array([1], np.uint32); swap_words(words, words); "
)


@pytest.fixture(scope="module")
def compiled_kernel():
    """Have the kernel on disk: to compile it takes all that these tests do not want to see."""
    fresh_output(_START + _KERNEL)


def test_images_are_imported_without_splines_which_are_there_when_they_are_used():
    code = _START + (
        "import lsst.images; loader = lsst.images.__spec__.loader; "
        "print('scipy.interpolate' in sys.modules); "
        # The module is what it is without this.
        "print(type(loader).__name__, lsst.images.__loader__ is loader); "
        "from lsst.images.fields import _spline; "
        "made = _spline.Akima1DInterpolator([0.0, 1.0, 2.0], [0.0, 1.0, 4.0]); "
        "import scipy.interpolate; "
        "print(type(made) is scipy.interpolate.Akima1DInterpolator, float(made(2.0)))"
    )
    assert fresh_output(code).splitlines() == ["False", "SourceFileLoader True", "True 4.0"]


@pytest.mark.usefixtures("compiled_kernel")
def test_kernels_run_without_what_the_compiler_imports():
    assert fresh_output(_START + _KERNEL + _FROM_CACHE) == f"[] {1 << 24}"


def test_a_function_is_compiled_after_kernels_were_found_on_disk():
    code = (
        _START
        + _KERNEL
        + (
            "from numba import njit; "
            "twice = njit(lambda words: (swap_words(words, words), np.dot(words * 1.0, words * 1.0))[1]); "
            "print(twice(words), words[0], 'scipy.linalg' in sys.modules)"
        )
    )
    assert fresh_output(code) == "1.0 1 True"


def test_names_are_found_while_a_module_is_replaced():
    code = (
        "import sys; from lamella import startup; "
        "sys.modules['scipy.interpolate'] = startup._StandIn('scipy.interpolate'); "
        "from scipy.interpolate import CubicSpline; import scipy.interpolate as real; "
        "print(CubicSpline is real.CubicSpline, type(real) is startup._StandIn)"
    )
    assert fresh_output(code) == "True False"


@pytest.mark.parametrize("first", ["scipy.interpolate", "lsst.images"])
def test_modules_that_are_there_are_left_alone(first):
    code = (
        f"import {first} as before; " + _START + "import lsst.images; "
        f"print(sys.modules['{first}'] is before, "
        "[name for name, module in sys.modules.items() if 'StandIn' in type(module).__name__])"
    )
    assert fresh_output(code) == "True []"


def test_asking_twice_is_asking_once():
    code = _START + _START + "print([type(one).__name__ for one in sys.meta_path].count('_Finder'))"
    assert fresh_output(code) == "1"


def test_the_middleware_is_imported_without_graphs_which_are_there_when_they_are_used():
    pytest.importorskip("lsst.pipe.base", reason="needs the extra [lsst]")
    code = _START + (
        "import lsst.pipe.base as base; print('networkx' in sys.modules); "
        "from lsst.pipe.base.pipeline_graph import _pipeline_graph as module; "
        "graph = base.PipelineGraph(); "
        "made = module.networkx.MultiDiGraph(); import networkx, networkx.algorithms.dag as dag; "
        "print(type(made) is networkx.MultiDiGraph, dag.is_directed_acyclic_graph(made), "
        "module.networkx.algorithms.dag is dag); "
        "from lsst.pipe.base.graph.graph import write_dot; print(callable(write_dot))"
    )
    assert fresh_output(code).splitlines() == ["False", "True True True", "True"]


def test_tables_of_the_terminal_are_there_when_they_are_used():
    code = _START + (
        "import lsst.images, structlog; print('rich' in sys.modules); "
        "from lsst.images import describe; from structlog import dev; "
        "made = describe.Text('shown'), dev.Traceback; import rich.text, rich.traceback; "
        "print(type(made[0]) is rich.text.Text, isinstance(made[0], describe.Text), "
        "made[1].extract == rich.traceback.Traceback.extract)"
    )
    assert fresh_output(code).splitlines() == ["False", "True True True"]


def test_a_class_can_be_derived_from_one_that_stands_in():
    code = (
        "import sys; from lamella import startup; "
        "sys.modules['rich.tree'] = startup._StandIn('rich.tree', ['Tree']); from rich.tree import Tree\n"
        "class Mine(Tree): pass\n"
        "import rich.tree; print(Mine.__bases__ == (rich.tree.Tree,), issubclass(Mine, Tree), type(Tree))"
    )
    assert fresh_output(code) == "True True <class 'lamella.startup._Member'>"


def test_the_collector_works_again_after_imports():
    code = _START + "import gc, lsst.images; print(gc.isenabled()); "
    assert fresh_output(code) == "True"


@pytest.mark.parametrize("part", ["networkx.algorithms.flow", "networkx.classes"])
def test_parts_that_nobody_stands_in_for_are_real(part):
    code = (
        "import sys; from lamella import startup; startup.lighten_imports(); "
        "names = ('networkx', 'networkx.algorithms'); "
        "sys.modules.update({name: startup._StandIn(name) for name in names}); "
        f"import {part} as part, networkx; "
        "print(part.__name__, part.__file__ is not None, type(networkx) is startup._StandIn)"
    )
    assert fresh_output(code) == f"{part} True False"


def test_a_process_ends_without_a_search_for_garbage_after_its_handlers():
    code = (
        "import atexit, gc; from lamella.startup import lighten_exit; "
        "atexit.register(lambda: print('last', gc.get_freeze_count() > 0)); lighten_exit(); lighten_exit(); "
        "atexit.register(lambda: print('first', gc.get_freeze_count() > 0))"
    )
    assert fresh_output(code).splitlines() == ["first False", "last True"]
