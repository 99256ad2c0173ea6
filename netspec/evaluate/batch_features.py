"""Features of a net's own batches as databases, as Caffe's extract_features writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path

import numpy as np

from netspec.backends import Device
from netspec.data.feeds import Feeds
from netspec.data.writer import DatabaseWriter
from netspec.errors import UsageError
from netspec.graph import Feeding
from netspec.net import Net
from netspec.proto import TEST, Datum, NetParameter
from netspec.registry import suggest
from netspec.spec import Located, filter_net


def write_batch_features(
    spec: Located[NetParameter],
    weights: str | PathLike[str],
    targets: Mapping[str, Path],
    batches: int,
    level: int = 0,
    stages: Sequence[str] = (),
    device: Device = "cpu",
) -> int:
    """Run a net on its own data in TEST, and write blobs as LMDBs of Datum.

    A record holds what one image makes, as floats; its key is the image's number.

    Args:
        targets: the database of each blob, by the blob's name.
        batches: of the net's data layers; they begin again after the last record.

    Returns:
        Images seen.

    Raises:
        UsageError: the net reads no data, or has no such blob with a row an image.
        SpecError, DataError: the net, its data or its weights are not as they must be.
    """
    feeds = Feeds(filter_net(spec, TEST, level, stages), seed=0)
    if not feeds.by_layer:
        raise UsageError("the net has no data layer.", "Give one, or name pictures.")
    feeding = Feeding(sources=feeds.shapes)
    net = Net(
        spec, weights, "test", level, stages, device, frozen=True, feeding=feeding
    )
    batch = next(iter(feeds.by_layer.values())).batch_size
    for name in targets:
        _check(net, name, batch)
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(DatabaseWriter(path))
            for name, path in targets.items()
        }
        for number in range(batches):
            first = number * batch
            for name, rows in feeds.read(first, batch).items():
                net.feed(name, rows)
            net.begin_pass(number)
            net.forward_pass()
            for name, writer in writers.items():
                for row, values in enumerate(net.ops.download(net.blobs[name].data)):
                    datum = feature_datum(values).SerializeToString()
                    writer.put(f"{first + row:010d}", datum)
    return batches * batch


def _check(net: Net, name: str, batch: int) -> None:
    if name not in net.blobs:
        raise UsageError(f"no blob {name!r}.", suggest(name, net.blobs))
    if net.blobs[name].shape[:1] != (batch,):
        raise UsageError(
            f"blob {name!r} has no row an image.",
            "Name a blob whose first axis is the batch.",
        )


def feature_datum(values: np.ndarray) -> Datum:
    """One image's values as a Datum: of 3 axes as they are, of others as channels."""
    shape = values.shape if values.ndim == 3 else (values.size, 1, 1)
    datum = Datum(channels=shape[0], height=shape[1], width=shape[2])
    datum.float_data.extend(values.ravel().tolist())
    return datum
