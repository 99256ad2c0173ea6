"""Cutting work on many small like things - planes, rows, channels - into tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netspec.backends.cpu.threads import share

PIECE = 1 << 14  # elements of one task: enough that claiming it costs nothing


def over(
    kernel: Callable[..., None],
    things: int,
    size: int,
    *args: Any,
    workspace: int = 0,
    effort: int = 1,
) -> None:
    """Run a kernel over *things* of *size* elements, several of them a task.

    Args:
        kernel: takes (counter, tasks, workspace, group, *args); task *t* is things
            ``t * group`` to ``(t + 1) * group - 1``, as far as there are any.
        workspace: float32 values of a worker's scratch.
        effort: operations for each element, roughly.
    """
    group = max(1, PIECE // max(1, size))
    work = things * size * effort
    share(kernel, -(-things // group), group, *args, workspace=workspace, work=work)
