"""The net, and what a caller sees of it."""

from netspec.net.blob import Blob
from netspec.net.net import Net

__all__ = ["Blob", "Net"]
