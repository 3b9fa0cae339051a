"""One thread of linear algebra inside, as many as before outside."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import scipy.linalg  # noqa: F401 (loads the library)
from threadpoolctl import threadpool_info, threadpool_limits

from lamella.psf.blas import _take_control, one_blas_thread


def blas_threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_the_limit_holds_inside_only() -> None:
    _take_control()
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with one_blas_thread():
            assert blas_threads() == {1}
            with one_blas_thread():
                assert blas_threads() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == before


def test_the_last_thread_takes_it_away() -> None:
    inside, leave = threading.Event(), threading.Event()

    @one_blas_thread()
    def work() -> None:
        inside.set()
        leave.wait(300)

    _take_control()
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        thread = threading.Thread(target=work)
        thread.start()
        assert inside.wait(300)
        with one_blas_thread():
            pass
        assert blas_threads() == {1}
        leave.set()
        thread.join()
        assert blas_threads() == before


_FIRST_CALL = """
import sys
import numpy as np
from threadpoolctl import threadpool_info
from lamella.psf.blas import one_blas_thread

assert "scipy.linalg" not in sys.modules
with one_blas_thread():
    import scipy.linalg
    scipy.linalg.cho_factor(np.eye(3))
    print([one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"])
"""


def test_the_limit_holds_for_a_library_that_the_first_call_inside_would_load() -> None:
    """scipy.linalg brings a library of its own, which worked with all threads in the first visits."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_CALL], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.strip(" []\n").split(", ")) == {"1"}
