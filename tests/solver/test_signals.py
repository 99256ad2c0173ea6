from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from netspec.errors import UsageError
from netspec.solver.signals import Signals, Wish


@pytest.mark.parametrize(
    ("sent", "wish"),
    [
        ([], Wish.NONE),
        (["SIGHUP"], Wish.SNAPSHOT),
        (["SIGTERM"], Wish.STOP),
        (["SIGINT"], Wish.STOP),
        (["SIGTERM", "SIGHUP"], Wish.STOP),
    ],
)
def test_wishes(sent, wish):
    with Signals() as signals:
        for name in sent:
            os.kill(os.getpid(), getattr(signal, name))
        assert signals.take() is wish
        assert signals.take() is Wish.NONE


def test_handlers_are_put_back():
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(n) for n in names]
    with Signals():
        os.kill(os.getpid(), signal.SIGINT)
        assert [signal.getsignal(n) for n in names] != before
    assert [signal.getsignal(n) for n in names] == before


def test_another_thread_is_refused():
    caught = []

    def enter():
        try:
            with Signals():
                pass
        except UsageError as error:
            caught.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert "only be caught by the main thread" in str(caught[0])


def test_a_second_interrupt_ends_the_process_at_once():
    script = (
        "import os, signal\n"
        "from netspec.solver.signals import Signals\n"
        "with Signals() as signals:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print(int(signals.take()), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('still here', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGINT
    assert done.stdout == "2\n"
