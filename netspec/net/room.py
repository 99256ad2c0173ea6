"""What a net says when its device has no room for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from netspec.errors import DeviceError
from netspec.plan import Plan

_MIB = 1 << 20
_LARGEST = 5  # arrays of the plan that are named


@contextmanager
def telling_memory(net: Any) -> Iterator[None]:
    """Turn an array that could not be made into an error that says what the net takes.

    Args:
        net: a :class:`netspec.Net`, as far as it is built.

    Raises:
        DeviceError.
    """
    try:
        yield
    except MemoryError as error:
        raise no_room(net, error) from None


def no_room(net: Any, found: MemoryError) -> DeviceError:
    """What to say of an array that could not be made; *net* as above."""
    lines = [_line("parameters", 4 * net.graph.parameter_count)]
    plan: Plan | None = getattr(net, "plan", None)
    if plan is not None:
        lines += [_line("blobs and scratch", plan.bytes), *_largest(plan)]
    return DeviceError(
        f"device {net.device} has no room for the net: {str(found).rstrip('.')}.",
        "Take a smaller batch (with iter_size for the same gradient), or more devices; "
        "'netspec plan' tells what fits. The net takes\n" + "\n".join(lines),
    )


def _largest(plan: Plan) -> list[str]:
    """The largest arrays that the plan gives memory, which they may share."""
    slots = sorted(plan.slots.items(), key=lambda item: item[1].offset - item[1].end)
    return [
        _line(f"  {kind} of {name}", slot.end - slot.offset)
        for (kind, name), slot in slots[:_LARGEST]
    ]


def _line(what: str, size: int) -> str:
    return f"    {what:<40} {size / _MIB:10.1f} MiB"
