"""DummyData: tops that fillers fill anew at every pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from netspec.errors import SpecError
from netspec.layers.base import Run, Shapes, at_least, layer
from netspec.layers.fillers import check_filler, fill
from netspec.layers.source import Source, one_for_all, positive
from netspec.proto import FillerParameter

_OLD = ("num", "channels", "height", "width")


@layer("DummyData")
class DummyData(Source):
    """Caffe's DummyData; what is drawn depends on the key and the iteration."""

    tops = at_least(1)
    fills_itself = True

    def setup(self) -> None:
        """Read shapes and fillers."""
        param, tops = self.proto.dummy_data_param, len(self.proto.top)
        self.fillers = one_for_all(
            list(param.data_filler), tops, "dummy_data_param.data_filler",
            FillerParameter(),
        )  # fmt: skip
        self.shapes: Shapes = self._old_shapes(tops) or self._shapes(tops)
        for i, (filler, shape) in enumerate(zip(self.fillers, self.shapes)):
            given = min(i, len(param.data_filler) - 1)
            check_filler(filler, shape, f"dummy_data_param.data_filler.{given}")

    def _shapes(self, tops: int) -> Shapes:
        field = "dummy_data_param.shape"
        given = [tuple(s.dim) for s in self.proto.dummy_data_param.shape]
        for shape in given:
            for dim in shape:
                positive(dim, f"{field}.dim")
        return tuple(one_for_all(given, tops, field))

    def _old_shapes(self, tops: int) -> Shapes:
        param = self.proto.dummy_data_param
        given = {n: list(getattr(param, n)) for n in _OLD}
        if not any(given.values()):
            return ()
        if param.shape:
            raise SpecError(
                "its tops' extent is given by shape and by num, channels, height and "
                "width.",
                "Keep shape.",
                field="dummy_data_param.shape",
            )
        axes = [one_for_all(given[n], tops, f"dummy_data_param.{n}") for n in _OLD]
        for name, values in zip(_OLD, axes):
            positive(min(values), f"dummy_data_param.{name}")
        return tuple(zip(*axes))

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The shapes written in the file."""
        return self.shapes

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether parts of a batch, filled alone, differ from the whole's parts."""
        return any(f.type not in ("constant", "bilinear") for f in self.fillers)

    def forward(self, ops: Any, run: Run) -> None:
        """Fill every top."""
        for i, (filler, y) in enumerate(zip(self.fillers, run.top)):
            host = np.empty(y.shape, y.dtype)
            fill(filler, host, replace(run.key, purpose=f"{run.key.purpose}/{i}"))
            ops.upload(host, y)
