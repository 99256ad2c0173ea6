"""One step of an LSTM's cell."""

from __future__ import annotations

from typing import Any

from netspec.backends.cuda.launch import KernelFile, i64

Array = Any

KERNELS = KernelFile("recurrent")


class CudaRecurrentOps:
    """A thread for each cell."""

    def lstm_unit(
        self, before: Array, gates: Array, cont: Array, c: Array, h: Array
    ) -> None:
        """See :meth:`RecurrentOps.lstm_unit`."""
        arguments = before, gates, cont, c, h, i64(c.size), i64(c.shape[1])
        KERNELS.over("lstm_unit", c.size, arguments)

    def lstm_unit_backward(
        self,
        before: Array,
        gates: Array,
        cont: Array,
        c: Array,
        dc: Array,
        dh: Array,
        dbefore: Array,
        dgates: Array,
    ) -> None:
        """See :meth:`RecurrentOps.lstm_unit_backward`."""
        arrays = before, gates, cont, c, dc, dh, dbefore, dgates
        arguments = *arrays, i64(c.size), i64(c.shape[1])
        KERNELS.over("lstm_unit_backward", c.size, arguments)
