"""``caffe.Net``."""

from __future__ import annotations

import threading
from os import PathLike, fspath
from typing import Any, Self

from netspec.data.feeds import Feeds
from netspec.errors import UsageError
from netspec.files import find
from netspec.graph import Feeding
from netspec.net import Net as CoreNet
from netspec.net.save import save_caffemodel, save_hdf5
from netspec.proto import TEST, TRAIN
from netspec.pycaffe.arguments import Request, read_arguments
from netspec.pycaffe.blob import Blob, NetBlob
from netspec.pycaffe.course import Call, Course
from netspec.pycaffe.faults import BadValueError
from netspec.pycaffe.mirror import join_mirrors, mirrors_of
from netspec.pycaffe.modes import python_allowed, settings
from netspec.pycaffe.net_passes import NetPasses
from netspec.pycaffe.store import Store
from netspec.pycaffe.structure import Named, Structure
from netspec.pycaffe.supply import Supply
from netspec.spec import filter_net, read_net
from netspec.weights import Report

Array = Any
Path = str | PathLike[str]


class Net(NetPasses):
    """A net in one phase: ``Net(file, phase)`` or ``Net(file, weights, phase)``.

    It computes on the device, and draws from the seed, that were set when it was made.
    One lock guards it: threads may share it, and take turns; nets of their own they run
    at once.

    Args:
        network_file: a prototxt.
        phase: ``caffe.TRAIN`` or ``caffe.TEST``.
        level, stages: the rest of the net's state, for include and exclude rules.
        weights: a weights file to load by layer name.
        allow_python: whether Python layers may run the code that the net names; None:
            as :func:`~netspec.pycaffe.allow_python` says.

    Raises:
        NetspecError: what is wrong with the files, or with the call.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        core, feeds = _build(read_arguments(args, named))
        self._begin(core, feeds, threading.RLock())

    @classmethod
    def _around(cls, core: CoreNet, feeds: Feeds, lock: Any) -> Self:
        """A net that a solver has made."""
        net = cls.__new__(cls)
        net._begin(core, feeds, lock)
        return net

    def _begin(self, core: CoreNet, feeds: Feeds, lock: Any) -> None:
        self._core, self._lock = core, lock
        self._structure = Structure(core)
        self._store = Store(core)
        memory = {n.name for n in core.graph.nodes if n.type == "MemoryData"}
        self._supply = Supply(feeds, memory, core.graph.shards)
        self._course = Course(core)
        self._passes = 0
        self._trained = False
        names = self._structure.blob_names
        self.blobs: Named[Blob] = Named.of(
            "blob", ((name, NetBlob(self._store, name)) for name in names)
        )

    # What surrounds the passes -------------------------------------------------------

    def reshape(self) -> None:
        """Infer all shapes anew, after ``net.blobs[input].reshape(...)``.

        A pass does that too.

        Raises:
            SpecError: a layer cannot take a shape.
        """
        with self._lock:
            self._store.settle()

    def before_forward(self, call: Call) -> None:
        """Have *call* called with the number of each layer that a pass comes to."""
        self._course.before_forward.append(call)

    def after_forward(self, call: Call) -> None:
        """The same when the layer is done."""
        self._course.after_forward.append(call)

    def before_backward(self, call: Call) -> None:
        """The same before each layer of a backward pass."""
        self._course.before_backward.append(call)

    def after_backward(self, call: Call) -> None:
        """The same after it."""
        self._course.after_backward.append(call)

    def clear_param_diffs(self) -> None:
        """Set every parameter's gradient to zero."""
        with self._lock, mirrors_of(self._core).in_step():
            self._core.clear_param_diffs()

    def set_input_arrays(self, data: Array, labels: Array) -> None:
        """Give the net's MemoryData layer, which must be its first, what it is to hold.

        Args:
            data: (n, C, H, W), where the batch divides n.
            labels: n values.

        Raises:
            UsageError: the first layer is no MemoryData, or the arrays do not fit it.
        """
        with self._lock:
            first = self._core.graph.nodes[0]
            if first.type != "MemoryData":
                raise UsageError(
                    f"the first layer, {first.name!r}, is {first.type}.",
                    "Only a net that begins with MemoryData takes arrays so.",
                )
            batch = self._supply.batch(first.name)
            if len(data) % batch:
                raise BadValueError(
                    f"{len(data)} pictures are given; the batch is {batch}.",
                    f"Give a multiple of {batch}.",
                )
            self._supply.set_arrays(first.name, data, labels)

    _set_input_arrays = set_input_arrays

    # Weights -------------------------------------------------------------------------

    def copy_from(self, weights: Path) -> Report:
        """Load a weights file by layer name; layers that it does not have stay.

        Returns:
            What became of each blob.

        Raises:
            DataError: the file is damaged, or a blob has another shape.
        """
        with self._lock, mirrors_of(self._core).in_step():
            return self._core.load(weights)

    def load_hdf5(self, weights: Path) -> Report:
        """The same as :meth:`copy_from`, which knows HDF5 too."""
        return self.copy_from(weights)

    def share_with(self, other: Net) -> None:
        """Compute with the parameters of *other* from now on, by layer name.

        Raises:
            UsageError: a shape differs, or a solver trains this net.
        """
        if self._trained:
            raise UsageError(
                "a solver trains this net, so it cannot give up its parameters.",
                "Let the other net share with this one, or copy the values.",
            )
        with self._lock:
            self._core.share_params(other._core)
            join_mirrors(self._core, other._core)

    def save(self, path: Path) -> None:
        """Write net and weights to a caffemodel, whatever its name.

        Raises:
            DataError: it cannot be written; what was there before is as it was.
        """
        with self._lock, mirrors_of(self._core).in_step():
            save_caffemodel(self._core, fspath(path))

    def save_hdf5(self, path: Path) -> None:
        """Write the weights to an HDF5 file; raises as :meth:`save`."""
        with self._lock, mirrors_of(self._core).in_step():
            save_hdf5(self._core, fspath(path))


def _build(request: Request) -> tuple[CoreNet, Feeds]:
    spec, chosen = read_net(find(request.network_file)), settings()
    seed = chosen.seed or 0
    phase = TRAIN if request.phase == "train" else TEST
    filtered = filter_net(spec, phase, request.level, request.stages)
    feeds = Feeds(filtered, seed)
    core = CoreNet(
        spec,
        request.weights,
        request.phase,
        request.level,
        request.stages,
        chosen.device,
        seed=seed,
        feeding=Feeding(sources=feeds.shapes),
        allow_python=python_allowed(request.allow_python),
    )
    return core, feeds
