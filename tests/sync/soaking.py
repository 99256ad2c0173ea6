"""Killing a training run at random, again and again, until it has come to its end."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from netspec.solver.files import best_states, newest_first
from netspec.solver.snapshot import read_snapshot

from .running import PATIENCE, command, digest, environment, is_alive, make_files, run

_LATE = 1.5  # seconds in which ranks end that were only being born at the kill
LENGTH = 100  # iterations of a run
SETTINGS = (
    'snapshot: 2 snapshot_keep: 3 test_interval: 10 snapshot_best: "loss" max_iter: '
)


@dataclass
class Tally:
    """What a soak has seen."""

    kills: int = 0
    ends: int = 0
    snapshots: int = 0  # kills after which there was one to go on from


def soak(
    folder: Path,
    kills: int,
    ranks: tuple[int, ...] = (1,),
    seed: int = 0,
    length: int = LENGTH,
    tell: Callable[[str], None] = lambda text: None,
) -> Tally:
    """Kill runs *kills* times; each start goes on from what the last one left.

    Args:
        ranks: numbers of ranks that the starts take in turn.
        length: iterations of a run.

    Raises:
        AssertionError: a snapshot that is the newest was not whole, a run that came to
            its end had other weights than an undisturbed one, or files were left over.
    """
    draw, tally = random.Random(seed), Tally()
    make_files(folder, SETTINGS + str(length))
    start = time.monotonic()
    undisturbed = run(folder)
    assert undisturbed.returncode == 0, undisturbed.stderr
    longest, expected = time.monotonic() - start, digest(folder, length)
    shutil.rmtree(folder / "snap")
    while tally.kills < kills or not tally.ends:
        size = ranks[(tally.kills + tally.ends) % len(ranks)]
        patience = draw.uniform(0.2, 1.2) * longest if tally.kills < kills else PATIENCE
        killed = _run_and_kill(folder, size, patience, draw)
        if killed:
            tally.kills += 1
            tally.snapshots += _check_newest(folder)
        else:
            found = digest(folder, length)
            assert found == expected, f"weights are {found}, not {expected}"
            left = list((folder / "snap").glob("*.tmp"))
            assert not left, f"files were left: {left}"
            shutil.rmtree(folder / "snap")
            tally.ends += 1
        tell(f"{tally.kills} kills, {tally.ends} runs came to their end")
    return tally


def _run_and_kill(
    folder: Path, ranks: int, patience: float, draw: random.Random
) -> bool:
    """Start or go on; False: the run came to its end before it was killed."""
    process = subprocess.Popen(
        command("--ranks", str(ranks), "--resume", "auto", "--quiet"),
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, errors = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        family = _family(process.pid)
        victims = [process.pid] if ranks == 1 else family
        with suppress(ProcessLookupError):
            os.kill(draw.choice(victims), signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
        _see_end(family)
        if ranks > 1:
            time.sleep(_LATE)
        return True
    assert process.returncode == 0, f"exit code {process.returncode}: {errors}"
    return False


def _family(process: int) -> list[int]:
    """A process and all that it has started, directly or not."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except FileNotFoundError:
        return [process]
    return [process, *(p for child in text.split() for p in _family(int(child)))]


def _see_end(family: list[int]) -> None:
    """All processes end by themselves when one of them is killed."""
    end = time.monotonic() + PATIENCE / 4
    while alive := [process for process in family if is_alive(process)]:
        assert time.monotonic() < end, f"left over: {alive}"
        time.sleep(0.05)


def _check_newest(folder: Path) -> bool:
    """The newest snapshot, if there is one, is whole, and so is the best one."""
    prefix = str(folder / "snap" / "t")
    for best in best_states(prefix):
        read_snapshot(best)
    newest = next(newest_first(prefix), None)
    if newest is None:
        return False
    read_snapshot(newest)
    return True
