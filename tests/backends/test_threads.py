from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading

import numpy as np
import pytest
from numba import njit
from threadpoolctl import threadpool_info

from netspec.backends.cpu import threads
from netspec.backends.cpu.threads import claim, share
from netspec.errors import UsageError


@njit(nogil=True)
def mark(counter, tasks, workspace, seen):
    task = claim(counter)
    while task < tasks:
        seen[task] += task + 1
        workspace[:] = task
        task = claim(counter)


@pytest.fixture
def four():
    before = threads.count()
    threads.set_count(4)
    yield
    threads.set_count(before)


@pytest.mark.parametrize("tasks", [0, 1, 3, 1000])
def test_every_task_runs_once(tasks, four):
    seen = np.zeros(1000)
    share(mark, tasks, seen, workspace=7)
    np.testing.assert_array_equal(seen[:tasks], np.arange(tasks) + 1)
    assert not seen[tasks:].any()


def test_callers_in_several_threads_do_not_meet(four):
    def call(seen):
        for _ in range(50):
            share(mark, seen.size, seen)

    all_seen = [np.zeros(40 + i) for i in range(5)]
    callers = [threading.Thread(target=call, args=(seen,)) for seen in all_seen]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for seen in all_seen:
        np.testing.assert_array_equal(seen, 50 * (np.arange(seen.size) + 1))


def blas_threads():
    return [
        lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"
    ]


class Blas:
    """A kernel that only looks how many threads BLAS has."""

    def __init__(self):
        self.seen = []

    def __call__(self, *args):
        self.seen.extend(blas_threads())


def test_blas_has_one_thread_inside_and_its_own_number_after(four):
    before, inside = blas_threads(), Blas()
    share(inside, 1, blas=True)
    assert set(inside.seen) == {1}
    assert blas_threads() == before


@njit(nogil=True)
def meet(counter, tasks, workspace, places):
    """Every task waits until all have begun: each is some other thread's."""
    task = claim(counter)
    while task < tasks:
        workspace[:] = task
        places[task] = workspace.ctypes.data
        begun = 0
        while begun < tasks:
            begun = 0
            for place in places:
                begun += place != 0
        task = claim(counter)


def test_helpers_join_and_each_worker_has_its_own_aligned_workspace(four):
    for size in (1001, 77, 5000):
        places = np.zeros(4, np.int64)
        share(meet, 4, places, workspace=size)
        assert len(set(places)) == 4
        assert not (places % 64).any()
        gaps = np.diff(np.sort(places))
        assert (gaps >= 4 * size).all()


@njit(nogil=True)
def fail_elsewhere(counter, tasks, workspace, mine, places):
    task = claim(counter)
    while task < tasks:
        places[task] = workspace.ctypes.data
        while places.min() == 0:
            pass
        if workspace.ctypes.data != mine:
            raise ValueError("worker")
        task = claim(counter)


def test_an_error_in_any_worker_reaches_the_caller(four):
    mine = threads.buffer("workspace", 5).ctypes.data
    with pytest.raises(RuntimeError, match="A thread of fail_elsewhere failed"):
        share(fail_elsewhere, 4, mine, np.zeros(4, np.int64), workspace=5)
    seen = np.zeros(9)
    share(mark, 9, seen)
    assert seen.all()


@njit(nogil=True)
def fail(counter, tasks, workspace):
    if claim(counter) == 0:
        raise ValueError("first task")


def test_an_error_here_leaves_the_crew_fit_for_work(four):
    for _ in range(20):
        with pytest.raises((ValueError, RuntimeError)):
            share(fail, 4)
    seen = np.zeros(9)
    share(mark, 9, seen)
    assert seen.all()


@njit(nogil=True)
def cut(counter, tasks, workspace, x, y):
    """Makes views, whose owners numba counts."""
    task = claim(counter)
    while task < tasks:
        part = x[task : task + 1]
        y[task] = part[0] + part.size
        task = claim(counter)


def test_arrays_may_be_gone_as_soon_as_the_call_returns(four):
    for i in range(3000):
        y = np.zeros(8)
        share(cut, 8, np.full(8, float(i)), y)
        assert (y == i + 1).all()


def test_a_process_ends_while_helpers_watch():
    code = (
        "import numpy as np\n"
        "from netspec.backends.cpu import threads\n"
        "from netspec.backends.cpu.elementwise import CpuElementwiseOps\n"
        "threads.set_count(3)\n"
        "x = np.zeros(1 << 22, np.float32)\n"
        "CpuElementwiseOps().relu(x, x)\n"
    )
    for _ in range(3):
        subprocess.run([sys.executable, "-c", code], check=True)


def _in_child(queue):
    seen = np.zeros(20)
    share(mark, 20, seen)
    queue.put(seen.tolist())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_forked_child_starts_its_own_workers(four):
    share(mark, 20, np.zeros(20))
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    assert queue.get() == list(range(1, 21))
    child.join()


def test_fewer_than_one_thread_is_refused():
    with pytest.raises(UsageError) as caught:
        threads.set_count(0)
    assert str(caught.value) == "0 threads are asked for.\n  Ask for at least 1."


@pytest.mark.parametrize("asked", ["none", "0", "-2", "1.5"])
def test_a_bad_setting_is_refused(asked, monkeypatch):
    monkeypatch.setenv("NETSPEC_THREADS", asked)
    with pytest.raises(UsageError) as caught:
        threads.default_count()
    wanted = f"NETSPEC_THREADS is {asked!r}.\n  Set it to a number of at least 1."
    assert str(caught.value) == wanted


def test_the_setting_decides(monkeypatch):
    monkeypatch.setenv("NETSPEC_THREADS", "3")
    assert threads.default_count() == 3
    monkeypatch.delenv("NETSPEC_THREADS")
    assert threads.default_count() >= 1
