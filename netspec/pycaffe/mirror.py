"""What programs see of a net on a GPU: copies on the host, kept in step.

Caffe does the same.  Whoever asks for ``blob.data`` gets a NumPy array with the values
of now; what is written to it goes to the GPU before the next pass.  After a pass the
array is out of date until ``blob.data`` is asked for again, which brings the same array
up to date.  On a CPU programs see the net's own memory, and nothing is copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from netspec.net import Net as CoreNet

Array = Any
_Key = tuple[int, tuple[int, ...]]  # address and shape


@dataclass
class _Mirror:
    """A pair of arrays.

    Attributes:
        is_out: whether a program may have written to the host's since it was read.
        lasts: whether the net's memory stays when it is reshaped: a parameter's.
    """

    device: Array
    host: Array
    is_out: bool
    lasts: bool


class Mirrors:
    """The host's copies of the arrays of nets that share parameters."""

    def __init__(self, ops: Any) -> None:
        self._ops = ops
        self._held: dict[_Key, _Mirror] = {}

    def view(self, array: Array, lasts: bool = False) -> Array:
        """An array as a program sees it."""
        if isinstance(array, np.ndarray):
            return array
        key = _key(array)
        if key not in self._held:
            self.adopt(array, self._ops.download(array), lasts)
        mirror = self._held[key]
        if not mirror.is_out:
            mirror.host[...] = self._ops.download(array)
            mirror.is_out = True
        return mirror.host

    def adopt(self, array: Array, host: Array, lasts: bool = False) -> None:
        """Let *host*, which holds the same values, stand for *array*."""
        if isinstance(array, np.ndarray):
            return
        self._held[_key(array)] = _Mirror(array, host, True, lasts)

    def push(self) -> None:
        """Give the device what programs have written, as far as they can have."""
        for mirror in self._held.values():
            if mirror.is_out:
                self._ops.upload(mirror.host, mirror.device)

    def pull(self) -> None:
        """The device has computed: read anew what is asked for next."""
        for mirror in self._held.values():
            mirror.is_out = False

    def forget(self) -> None:
        """Blobs have other memory now."""
        self._held = {k: m for k, m in self._held.items() if m.lasts}

    @contextmanager
    def in_step(self) -> Iterator[None]:
        """Within, the device works on what programs have written before."""
        self.push()
        try:
            yield
        finally:
            self.pull()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Within, in the midst of a pass, a program looks at what is there, and
        writes."""
        self.pull()
        yield
        self.push()


def _key(array: Array) -> _Key:
    return array.__cuda_array_interface__["data"][0], tuple(array.shape)


_OF: WeakKeyDictionary[CoreNet, Mirrors] = WeakKeyDictionary()


def mirrors_of(core: CoreNet) -> Mirrors:
    """The mirrors of a net."""
    if core not in _OF:
        _OF[core] = Mirrors(core.ops)
    return _OF[core]


def join_mirrors(core: CoreNet, owner: CoreNet) -> None:
    """Give a net those of the net whose parameters it computes with."""
    mirrors_of(core).push()
    _OF[core] = mirrors_of(owner)
