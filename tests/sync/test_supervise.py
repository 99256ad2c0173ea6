"""What a supervisor makes of other launchers' epitaphs, and of processes that die."""

from __future__ import annotations

import os
import re
import sys

import pytest

from netspec.sync.deaths import Death
from netspec.sync.supervise import Supervisor, _Report

MPICH = """
===================================================================================
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   PID 77 RUNNING AT vm
=   EXIT CODE: 9
=   CLEANING UP REMAINING PROCESSES
=   YOU CAN IGNORE THE BELOW CLEANUP MESSAGES
===================================================================================
YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)
This typically refers to a problem with your application.
Please see the FAQ page for debugging suggestions
"""
OPEN_MPI = (
    "mpirun noticed that process rank 3 with PID 79 on node vm exited on\nsignal 11 "
    "(Segmentation fault)."
)


@pytest.mark.parametrize(
    ("text", "died"),
    [
        ("", ""),
        (MPICH, "rank 2 (process 77) was ended by signal 9."),
        (MPICH.replace("Killed (signal 9)", "?"), "rank 2 (process 77) has died."),
        (MPICH.replace("77", "78"), "rank ? (process 78) was ended by signal 9."),
        (OPEN_MPI, "rank 3 (process 79) was ended by signal 11."),
    ],
)
def test_who_died(text, died):
    report = _Report()
    shown = [line for line in text.splitlines() if not report._is_for_us(line)]
    assert shown == []
    assert report.died({0: 75, 2: 77}) == died


@pytest.mark.parametrize(
    ("text", "first", "died"),
    [
        # The launcher has killed rank 2 because rank 0 was gone, or the other way.
        (MPICH, Death(75, 11), "rank 0 (process 75) was ended by signal 11."),
        (MPICH, Death(75), "rank 0 (process 75) was ended by signal 9."),
        (MPICH, Death(77, 9), "rank 2 (process 77) was ended by signal 9."),
        (OPEN_MPI, Death(77, 6), "rank 2 (process 77) was ended by signal 6."),
        ("", Death(77, 9), ""),  # of old age
    ],
)
def test_who_died_first_is_named_whomever_the_launcher_names(text, first, died):
    report = _Report()
    for line in text.splitlines():
        report._is_for_us(line)
    assert report.died({0: 75, 2: 77}, first) == died


# A launcher that names the lowest rank that a signal has ended, as MPICH's does.
LAUNCHER = """
import os, signal, subprocess, sys, time
from pathlib import Path
ranks = [subprocess.Popen(["sleep", "60"]) for _ in "123"]
for i, rank in enumerate(ranks):
    Path(os.environ["NETSPEC_RANKS"], str(i)).write_text(str(rank.pid))
time.sleep(0.5)
for i in 1, 0, 2:
    ranks[i].send_signal(11 if i == 1 else 9)
    ranks[i].wait()
print(f"=   PID {ranks[0].pid} RUNNING AT vm")
print("YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)")
sys.exit(9)
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux 5.3")
def test_the_first_of_those_that_a_launcher_ends_is_named(tmp_path, capfd):
    """Nobody looks while they die one right after the other."""
    command = script(tmp_path, LAUNCHER)
    assert Supervisor(command, several=True, restarts=0).run() == 5
    said = capfd.readouterr().err
    assert "netspec: rank 1 (process" in said
    assert re.search(r"was ended by signal (11|9)\.\n$", said)


def test_what_ranks_print_is_passed_on():
    report = _Report()
    lines = ["iteration 4/12  loss 0.8", "netspec: some error.", "  A remedy."]
    assert not [line for line in lines if report._is_for_us(line)]


def script(folder, text):
    path = folder / "run.py"
    path.write_text(text)
    return [sys.executable, str(path)]


COUNTING = """
import os, sys
with open("tries", "a") as file:
    file.write(os.environ.get("NETSPEC_RESTARTED", "0"))
"""


@pytest.mark.parametrize(
    ("end", "restarts", "code", "tries", "deaths"),
    [
        ("", 3, 0, "0", 0),
        ("sys.exit(3)", 3, 3, "0", 0),  # an error of the user's, again and again
        ("sys.exit(6)", 3, 6, "0", 0),
        ("sys.exit(5)", 2, 5, "011", 0),
        ("sys.exit(77)", 1, 77, "01", 0),
        ("os.kill(os.getpid(), 9)", 2, 5, "011", 3),
        ("if os.stat('tries').st_size < 3: os.kill(os.getpid(), 9)", 5, 0, "011", 2),
    ],
)
def test_restarts(tmp_path, monkeypatch, capfd, end, restarts, code, tries, deaths):
    monkeypatch.chdir(tmp_path)
    command = script(tmp_path, COUNTING + end)
    assert Supervisor(command, several=False, restarts=restarts).run() == code
    assert (tmp_path / "tries").read_text() == tries
    said = capfd.readouterr().err
    assert said.count("netspec: restart ") == len(tries) - 1
    assert said.count("was ended by signal 9.") == deaths


ENDING = """
import os, sys
from pathlib import Path
folder = Path(os.environ["NETSPEC_RANKS"])
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ('(folder / "ended").write_text("")', 5),  # killed before it was written
        ("announce_end(4); announce_end(5)", 4),  # what ended them, not what followed
    ],
)
def test_the_code_that_ranks_end_with(tmp_path, end, code):
    text = ENDING + "from netspec.sync.launchers import announce_end\n"
    command = script(tmp_path, f"{text}{end}\nsys.exit(5)")
    assert Supervisor(command, several=False, restarts=0).run() == code


def test_a_hangup_before_ranks_are_there_ends_nothing(tmp_path, monkeypatch):
    """Nobody could write a snapshot; the second one reaches rank 0."""
    monkeypatch.chdir(tmp_path)
    command = script(
        tmp_path,
        "import os, signal, sys, time\n"
        "from pathlib import Path\n"
        "got = []\n"
        "signal.signal(signal.SIGHUP, lambda *_: got.append(1))\n"
        "os.kill(os.getppid(), signal.SIGHUP)\n"
        "time.sleep(0.5)\n"
        "early = len(got)\n"
        "Path(os.environ['NETSPEC_RANKS'], '0').write_text(str(os.getpid()))\n"
        "os.kill(os.getppid(), signal.SIGHUP)\n"
        "time.sleep(0.5)\n"
        "Path('heard').write_text(f'{early} {len(got)}')\n",
    )
    assert Supervisor(command, several=True, restarts=0).run() == 0
    assert (tmp_path / "heard").read_text() == "0 1"
