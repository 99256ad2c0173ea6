from __future__ import annotations

import multiprocessing
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


def test_blas_has_one_thread_inside_and_its_own_number_after(four):
    before, inside = blas_threads(), []
    share(lambda *args: inside.extend(blas_threads()), 1, blas=True)
    assert set(inside) == {1}
    assert blas_threads() == before


def test_an_error_in_any_worker_reaches_the_caller(four):
    def fail_elsewhere(counter, tasks, workspace):
        if threading.current_thread() is not threading.main_thread():
            raise KeyError("worker")

    with pytest.raises(KeyError, match="worker"):
        share(fail_elsewhere, 100)
    seen = np.zeros(9)
    share(mark, 9, seen)
    assert seen.all()


def test_workspaces_are_aligned_and_each_workers_own(four):
    held, together = [], threading.Barrier(4)

    def look(counter, tasks, workspace):
        together.wait(timeout=10)
        held.append((workspace.ctypes.data, workspace.size))

    share(look, 100, workspace=1001)
    assert len({address for address, _ in held}) == 4
    assert all(address % 64 == 0 and size >= 1001 for address, size in held)


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
