from __future__ import annotations

import threading

import pytest

from netspec.sync.background import Background


def test_jobs_are_done_in_order_on_one_other_thread():
    done, background = [], Background("b")
    for i in range(50):
        background.do(lambda i=i: done.append((i, threading.current_thread().name)))
    background.finish()
    assert done == [(i, "b") for i in range(50)]


def test_an_error_comes_out_at_finish_and_stops_the_rest():
    done, background = [], Background("b")
    background.do(lambda: 1 / 0)
    background.do(lambda: done.append("after"))
    with pytest.raises(ZeroDivisionError):
        background.finish()
    assert done == []
    background.do(lambda: done.append("later"))
    background.finish()
    assert done == ["later"]


def test_nothing_to_finish():
    Background("b").finish()
