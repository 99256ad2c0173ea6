"""The host runs ahead of the GPU: it waits at displays, or for what is long done."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends import open_device
from netspec.solver import Solver
from tests.cudasim.standin import install, streams
from tests.cudasim.training import NETS, cuda, make_files

__all__ = ["cuda"]

# What looks at the GPU, and thereby waits for all that was queued before.
IMPLICIT = ("ndarray", "runtime", "Stream", "Device", "MemoryPool")


class Watch:
    """Notes how each iteration began, and what the host waited for within."""

    def __init__(self, world):
        self.world = world
        self.waits: list[list[str]] = []
        self.pending: list[int] = []
        self.ended: list[list[str]] = []

    def on_start(self):
        self.pending.append(sum(q.queued - q.done for q in streams._queues().values()))
        self.world.syncs.clear()

    def on_gradients_ready(self):
        self.ended.append([str(sync) for sync in self.world.syncs])


def implicit(syncs):
    return [s for s in syncs if s.rsplit(": ", 1)[1].startswith(IMPLICIT)]


@pytest.mark.parametrize("name", NETS)
def test_a_step_does_not_wait_for_itself(tmp_path, monkeypatch, compiler, name):
    monkeypatch.setenv("NETSPEC_CUDA_MEASURE", "0")
    with install(order="late") as world:
        solver = make_files(tmp_path, name, "display: 4 max_iter: 12")
        with Solver(solver, device="cuda", lean=True) as made:
            made.step(1)
            watch = Watch(world)
            made.callbacks.append(watch)
            made.step(8)
    # Iterations 1 to 8, of which 4 and 8 are displayed.
    assert not any(implicit(syncs) for syncs in watch.ended)
    # Where nothing was shown, the GPU has work to do when the next iteration begins.
    assert [bool(n) for n in watch.pending] == [
        *(False, True, True, True),
        *(False, True, True, True),
    ]


@pytest.mark.parametrize(
    ("settings", "waits"), [("", 0), ("clip_gradients: 0.1", 1), ("precision: FP16", 1)]
)
def test_what_needs_the_whole_gradient_waits_once(
    tmp_path, monkeypatch, compiler, settings, waits
):
    monkeypatch.setenv("NETSPEC_CUDA_MEASURE", "0")
    with install(order="late") as world:
        solver = make_files(tmp_path, "vgg", settings)
        with Solver(solver, device="cuda", lean=True) as made:
            made.step(2)
            for _ in range(3):
                world.syncs.clear()
                made._iterate()
                assert len(implicit(map(str, world.syncs))) == waits


def test_what_is_waited_for_is_an_iteration_old(tmp_path, monkeypatch, compiler):
    """Each wait leaves all of the newest iteration's work undone."""
    monkeypatch.setenv("NETSPEC_CUDA_MEASURE", "0")
    with install(order="late"):
        solver = make_files(tmp_path, "vgg", "")
        with Solver(solver, device="cuda", lean=True) as made:
            made.step(2)
            started: list[int] = []
            left: list[int] = []
            (queue,) = (q for q in streams._queues().values() if q.is_null)

            class Marks:
                def on_start(self):
                    started.append(queue.queued)

                def on_gradients_ready(self):
                    left.append(queue.done)

            made.callbacks.append(Marks())
            for _ in range(4):
                made._iterate()
    # When iteration n has been queued, nothing of it is done, nor of n - 1 but what
    # its batch's copy had to follow.
    assert all(done <= start for done, start in zip(left[1:], started[1:]))


def test_batches_arrive_whole_whatever_becomes_of_the_hosts(cuda):
    """Four batches are queued, each overwritten on the host at once."""
    ops = open_device("cuda")
    host, found = np.empty((3, 5), np.float32), []
    y = ops.zeros((3, 5), "float32")
    for i in range(4):
        host[...] = np.arange(15).reshape(3, 5) + 100 * i
        ops.feed(host, y)
        found.append(ops.begin_download(y))
        host[...] = np.nan
    for i, values in enumerate(found):
        expected = np.arange(15).reshape(3, 5) + 100 * i
        np.testing.assert_array_equal(values(), expected)


def test_a_download_that_was_begun_is_of_its_moment(cuda):
    ops = open_device("cuda:0")
    x = ops.zeros(4, "float32")
    ops.fill(x, 2.0)
    before = ops.begin_download(x)
    ops.fill(x, 3.0)
    assert before().tolist() == [2] * 4
    assert ops.download(x).tolist() == [3] * 4


def test_arrays_change_on_the_host_and_go_back(cuda):
    ops = open_device("cuda")
    x = ops.zeros((2, 3), "float32")
    with ops.on_host(x) as values:
        values[1, 2] = 5
    ops.upload(np.float64(7), x[0])
    assert ops.download(x).tolist() == [[7, 7, 7], [0, 0, 5]]
    scalar = ops.zeros((), "float32")
    ops.upload(np.float32(3), scalar)
    assert ops.begin_download(scalar)() == 3
    ops.upload(np.arange(6).reshape(3, 2).T, x)
    assert ops.download(x).tolist() == [[0, 2, 4], [1, 3, 5]]


def test_marks_tell_seconds_of_the_device(cuda):
    ops = open_device("cuda")
    start = ops.mark()
    ops.fill(ops.zeros(1000, "float32"), 1.0)
    assert 0 <= ops.seconds(start, ops.mark()) < 60
