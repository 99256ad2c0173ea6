"""Running a cut net on pictures of any size: one plan a size, memory bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netspec.backends import Device, open_device
from netspec.errors import DataError, Place
from netspec.evaluate.cut import Cut
from netspec.evaluate.fullyconv import FullyConvolutional, fully_convolutional
from netspec.evaluate.surgery import Kernel
from netspec.graph import Feeding, Graph, build_graph
from netspec.net import Blob, Net
from netspec.plan import make_plan
from netspec.shapes import Shape
from netspec.weights import Report, Status

MEMORY = 1 << 30  # bytes for the blobs of all plans together
_MB = 1 << 20
_MOST_ROWS = 128
_SHARE = 4  # a batch is made no larger than this part of the memory
_LACKING = (Status.MISSING, Status.REINITIALISED, Status.SKIPPED)

Floats = NDArray[np.float32]


class Form(NamedTuple):
    """How pictures of one kind are run.

    Attributes:
        height, width: of the pictures.
        dense: with convolutions for fully connected layers.
    """

    height: int
    width: int
    dense: bool = False


class Runner:
    """A cut net with its weights.

    Args:
        cut: the net.
        weights: path of a weights file.
        device: see :class:`netspec.Net`.
        memory: bytes for the blobs of all forms in use; parameters are not counted,
            and all forms share them.
        rename: as for :meth:`netspec.Net.load`.

    Attributes:
        report: what became of each blob of the weights.
        macs: multiply-accumulates done so far.

    Raises:
        DataError: weights that do not fit, or do not cover every layer.
    """

    def __init__(
        self,
        cut: Cut,
        weights: str | PathLike[str],
        *,
        device: Device = "cpu",
        memory: int = MEMORY,
        rename: Mapping[str, str] | None = None,
    ) -> None:
        self.cut, self._device, self._memory = cut, open_device(device), memory
        _, height, width = cut.shape
        self.form = Form(height, width)
        graph = self._graph(self.form, 1)
        self._lean = set(cut.blobs) <= set(graph.outputs)
        self._owner = self._build(self.form, 1, None)
        self.report: Report = self._owner.load(weights, rename=rename)
        _check_complete(self.report)
        self._nets: OrderedDict[tuple[Form, int], Net] = OrderedDict()
        self._rows: dict[Form, int] = {}
        self.macs = 0

    def shapes(self, form: Form, rows: int = 1) -> dict[str, Shape]:
        """Shapes of the blobs asked for, for so many pictures, by name.

        Raises:
            SpecError: the net does not take pictures of that size.
        """
        graph = self._graph(form, rows)
        return {name: graph.blobs[name] for name in self.cut.blobs}

    def rows(self, form: Form) -> int:
        """Pictures a batch, so that its blobs take a fair part of the memory.

        Raises:
            DataError: one picture alone takes more than all of it.
            SpecError: the net does not take pictures of that size.
        """
        if form not in self._rows:
            graph = self._graph(form, 1)
            one = make_plan(graph, self._lean, backward=False).bytes
            if one > self._memory:
                raise DataError(
                    f"is {form.height} x {form.width} pixels here, for which the net "
                    f"takes {one / _MB:.3g} MB.",
                    f"At most {self._memory / _MB:.3g} MB are allowed: see --memory.",
                )
            self._rows[form] = min(_MOST_ROWS, max(1, self._memory // _SHARE // one))
        return self._rows[form]

    def run(self, form: Form, pictures: Floats) -> dict[str, Floats]:
        """The blobs asked for, copied, of a batch (n, C, height, width)."""
        net = self._net(form, len(pictures))
        net.feed(self.cut.input, pictures)
        net.forward_pass()
        self.macs += _macs(net.graph)
        copied = net.ops.begin_download
        return {name: copied(net.blobs[name].data)() for name in self.cut.blobs}

    def _net(self, form: Form, rows: int) -> Net:
        """The net for a form and a number of rows; those not used lately make room."""
        key = (form, rows)
        if key not in self._nets:
            net = self._build(form, rows, self._owner)
            while self._nets and self._used() + net.plan.bytes > self._memory:
                self._nets.popitem(last=False)
            self._nets[key] = net
        self._nets.move_to_end(key)
        return self._nets[key]

    def _used(self) -> int:
        return sum(net.plan.bytes for net in self._nets.values())

    def _build(self, form: Form, rows: int, owner: Net | None) -> Net:
        spec = self._dense.net if form.dense else self.cut.net
        kernels = self._dense.kernels if form.dense else {}
        return _Tenant(
            spec, kernels, device=self._device, lean=self._lean, frozen=True,
            feeding=self._feeding(form, rows), share_with=owner,
        )  # fmt: skip

    def _graph(self, form: Form, rows: int) -> Graph:
        net = self._dense.net if form.dense else self.cut.net
        phase = net.message.state.phase
        return build_graph(net, phase, feeding=self._feeding(form, rows))

    def _feeding(self, form: Form, rows: int) -> Feeding:
        shape = (rows, self.cut.shape[0], form.height, form.width)
        return Feeding(inputs={self.cut.input: shape})

    @cached_property
    def _dense(self) -> FullyConvolutional:
        return fully_convolutional(self.cut.net, self._graph(self.form, 1))


class _Tenant(Net):
    """A net that computes with another's parameters, some of them as filters."""

    def __init__(
        self, spec: Any, kernels: Mapping[str, Kernel], **options: Any
    ) -> None:
        self._kernels = kernels
        super().__init__(spec, phase="test", **options)

    def _borrow(self, owner: Net) -> dict[int, Blob]:
        lent = super()._borrow(owner)
        for i, param in enumerate(self.graph.params):
            if i not in lent and param.layer in self._kernels:
                values = owner.params[param.layer][param.index].data
                lent[i] = Blob(self._kernels[param.layer].filters(values), None)
        return lent


def _macs(graph: Graph) -> int:
    return sum(n.layer.macs(n.bottom_shapes, n.top_shapes) for n in graph.nodes)


def _check_complete(report: Report) -> None:
    lacking: Sequence[str] = report.layers(*_LACKING)
    if lacking:
        raise DataError(
            f"it has no weights for {', '.join(map(repr, lacking[:4]))}"
            f"{f' and {len(lacking) - 4} more layers' if len(lacking) > 4 else ''}.",
            "Give the weights of this net, or rename with --map old=new.",
            place=Place(report.file),
        )
