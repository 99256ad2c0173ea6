"""Events as the lines of text that Caffe prints, without time stamps.

Caffe's log parsers look for these words; a line says nothing that its event does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch

from netspec.solver.events import (
    DebugInfo,
    Event,
    Finished,
    Iteration,
    LastLoss,
    Output,
    RateDropped,
    Restored,
    SnapshotWritten,
    Started,
    StepSkipped,
    TestResult,
    TestStarted,
    Warned,
)


@singledispatch
def caffe_lines(event: Event) -> Iterator[str]:
    """Lines for one event; none for events that Caffe has no words for."""
    yield from ()


@caffe_lines.register
def _(event: Started) -> Iterator[str]:
    yield f"Solving {event.net}"
    yield f"Learning Rate Policy: {event.lr_policy}"


@caffe_lines.register
def _(event: Iteration) -> Iterator[str]:
    if event.display:
        yield f"Iteration {event.iteration}, loss = {event.smoothed:.6g}"
        yield from _outputs("Train", event.outputs)
        yield f"Iteration {event.iteration}, lr = {event.rate:.6g}"


@caffe_lines.register
def _(event: TestStarted) -> Iterator[str]:
    yield f"Iteration {event.iteration}, Testing net (#{event.net})"


@caffe_lines.register
def _(event: TestResult) -> Iterator[str]:
    if event.loss is not None:
        yield f"Test loss: {event.loss:.6g}"
    yield from _outputs("Test", event.outputs)


@caffe_lines.register
def _(event: SnapshotWritten) -> Iterator[str]:
    yield f"Snapshotting to binary proto file {event.weights}"
    yield f"Snapshotting solver state to binary proto file {event.state}"


@caffe_lines.register
def _(event: Restored) -> Iterator[str]:
    yield f"Restoring previous solver status from {event.state}"


@caffe_lines.register
def _(event: StepSkipped) -> Iterator[str]:
    yield (
        f"Iteration {event.iteration}, gradient overflow: step skipped "
        f"({event.skipped} so far), loss scale is now {event.scale:g}"
    )


@caffe_lines.register
def _(event: RateDropped) -> Iterator[str]:
    yield (
        f"Iteration {event.iteration}, no better than {event.best:.6g} of iteration "
        f"{event.best_iteration}: rate is now {event.rate:.6g} (drop {event.drops})"
    )


@caffe_lines.register
def _(event: DebugInfo) -> Iterator[str]:
    yield (
        f"    [{event.pass_}] Layer {event.layer}, {event.what} {event.name} "
        f"{event.kind}: {event.mean_abs:.6g}"
    )


@caffe_lines.register
def _(event: Warned) -> Iterator[str]:
    yield f"{event.problem} {event.remedy}".rstrip()


@caffe_lines.register
def _(event: LastLoss) -> Iterator[str]:
    yield f"Iteration {event.iteration}, loss = {event.smoothed:.6g}"


@caffe_lines.register
def _(event: Finished) -> Iterator[str]:
    yield "Optimization Done."


def _outputs(net: str, outputs: tuple[Output, ...]) -> Iterator[str]:
    values = ((o, v) for o in outputs for v in o.values)
    for number, (output, value) in enumerate(values):
        text = f"    {net} net output #{number}: {output.name} = {value:.6g}"
        yield text + weighted(output.loss_weight, value)


def weighted(weight: float, value: float) -> str:
    """Caffe's note behind an output that is a loss."""
    return f" (* {weight:.6g} = {weight * value:.6g} loss)" if weight else ""
