"""HDF5Output: writes two blobs to a file."""

from __future__ import annotations

from typing import Any

from netspec.data.hdf5_output import Hdf5Writer
from netspec.errors import SpecError
from netspec.layers.base import Layer, Run, Shapes, exactly, layer
from netspec.layers.loss import one_batch

DATASETS = ("data", "label")


@layer("HDF5Output")
class HDF5Output(Layer):
    """Caffe's HDF5Output: every pass appends its bottoms' rows to the datasets ``data``
    and ``label``.

    The file is made by the first pass, and is whole at any time; see
    :class:`~netspec.data.hdf5_output.Hdf5Writer`.
    """

    bottoms, tops = exactly(2), exactly(0)
    backward_reads_bottom = False

    def setup(self) -> None:
        """Read the name of the file."""
        self.path: str = self.proto.hdf5_output_param.file_name
        self._writer: Hdf5Writer | None = None
        if not self.path:
            raise SpecError(
                "no file_name is given.",
                "Give the path of the file to write.",
                field="hdf5_output_param.file_name",
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """No tops."""
        one_batch(*bottom)
        return ()

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whole batches are written, by one process."""
        return True

    def forward(self, ops: Any, run: Run) -> None:
        """Append the rows.

        Raises:
            DataError: the file cannot be written.
        """
        if self._writer is None:
            self._writer = Hdf5Writer(self.path)
        rows = (ops.download(bottom) for bottom in run.bottom)
        self._writer.append(**dict(zip(DATASETS, rows)))

    def backward(self, ops: Any, run: Run) -> None:
        """Zeros."""
        for dx in run.bottom_diff:
            if dx is not None:
                ops.fill(dx, 0.0)
