"""Who of several processes ended first, though all are looked at afterwards."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import closing

import pytest

from netspec.sync.deaths import Death, Deaths

pytestmark = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="needs Linux 5.3 and Python of it"
)


def sleepers(number):
    return [subprocess.Popen(["sleep", "60"]) for _ in range(number)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_the_first_that_a_signal_ended(order):
    processes = sleepers(4)
    with closing(Deaths()) as deaths:
        deaths.watch(p.pid for p in processes[:2])
        deaths.watch(p.pid for p in processes)
        for i in order:
            number = signal.SIGKILL if i == order[-1] else signal.SIGSEGV
            processes[i].send_signal(number)
            processes[i].wait()  # as a launcher that knows its processes
        processes[3].kill()
        processes[3].wait()
        found = deaths.first()
    assert found.process == processes[order[0]].pid
    if found.status is not None:  # Linux 6.15
        assert found.signal == signal.SIGSEGV


def test_who_ended_well_is_not_meant():
    done = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    killed, lives = sleepers(2)
    with closing(Deaths()) as deaths:
        deaths.watch([done.pid, killed.pid, lives.pid])
        done.communicate(b"\n")
        killed.kill()
        killed.wait()
        found = deaths.first()
        lives.kill()
        lives.wait()
    assert found.process in (killed.pid, done.pid)
    if found.status is not None:
        assert found == Death(killed.pid, signal.SIGKILL)


def test_nobody_has_ended():
    (lives,) = sleepers(1)
    with closing(Deaths()) as deaths:
        deaths.watch([lives.pid, 1 << 22])  # and one that never was
        assert deaths.first() is None
        lives.kill()
        lives.wait()


def test_a_system_that_cannot_tell(monkeypatch):
    monkeypatch.delattr(select, "epoll")
    with closing(Deaths()) as deaths:
        deaths.watch([os.getpid()])
        assert deaths.first() is None
