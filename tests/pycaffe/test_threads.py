"""Nets in several threads."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest

import netspec.pycaffe as caffe

from .small import DEPLOY, X, write


@pytest.fixture
def path(tmp_path):
    return write(tmp_path, DEPLOY)


def together(*works):
    """Run each in a thread of its own, at once; raises what any of them raised."""
    start = threading.Barrier(len(works))
    errors = []

    def run(work):
        try:
            start.wait(10)
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for error in errors:
        raise error


def test_nets_of_their_own_compute_what_they_compute_alone(path):
    nets = [caffe.Net(path, caffe.TEST) for _ in range(3)]
    inputs = [X * scale for scale in (1, -2, 3)]
    alone = [net.forward(data=x)["score"] for net, x in zip(nets, inputs)]

    def work(i):
        for _ in range(60):
            found = nets[i].forward(data=inputs[i])["score"]
            np.testing.assert_array_equal(found, alone[i])

    together(*(lambda i=i: work(i) for i in range(3)))


def test_threads_that_share_a_net_take_turns(path):
    net = caffe.Net(path, caffe.TEST)
    inputs = [X * scale for scale in (1, -2)]
    alone = [net.forward(data=x)["score"] for x in inputs]

    def work(i):
        for _ in range(60):
            found = net.forward(data=inputs[i])["score"]
            np.testing.assert_array_equal(found, alone[i])

    together(lambda: work(0), lambda: work(1))


def test_the_interpreter_runs_on_while_a_net_computes(tmp_path):
    """Kernels release the interpreter lock, so another thread gets through."""
    text = """
    layer { name: "data" type: "Input" top: "data"
      input_param { shape { dim: 16 dim: 32 dim: 96 dim: 96 } } }
    layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
      convolution_param { num_output: 48 kernel_size: 5 pad: 2
        weight_filler { type: "xavier" } } }
    """
    net = caffe.Net(write(tmp_path, text), caffe.TEST)
    net.forward()  # compiles
    before = time.perf_counter()
    net.forward()
    took = time.perf_counter() - before
    thread = threading.Thread(target=lambda: [net.forward() for _ in range(3)])
    counted, gaps, last = 0, [], time.perf_counter()
    interval = sys.getswitchinterval()
    thread.start()
    while thread.is_alive():
        counted += 1
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
        time.sleep(interval / 5)
    # Were the lock held, each pass would be one gap, and few turns would fit in all.
    assert counted > 3 * 3, (counted, took)
    assert np.median(gaps) < took / 2
