"""Ranks and the order in which their gradients are added."""

from netspec.sync.base import Synchronizer, Zeros
from netspec.sync.choice import for_device
from netspec.sync.local import Local
from netspec.sync.messages import share_bytes
from netspec.sync.tree import Leaves, TreeSum

__all__ = [
    "Leaves",
    "Local",
    "Synchronizer",
    "TreeSum",
    "Zeros",
    "for_device",
    "share_bytes",
]
