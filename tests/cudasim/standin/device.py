"""GPUs: which is the current one, and their facts."""

from __future__ import annotations

from typing import Any

from tests.cudasim.standin import streams
from tests.cudasim.standin.world import world

# What an H100 answers; shared memory and memory are the settings'.
ATTRIBUTES = {
    "MaxThreadsPerBlock": 1024,
    "MaxBlockDimX": 1024,
    "MaxBlockDimY": 1024,
    "MaxBlockDimZ": 64,
    "MaxGridDimX": 2**31 - 1,
    "MaxGridDimY": 65535,
    "MaxGridDimZ": 65535,
    "MaxSharedMemoryPerBlock": 49152,
    "MaxRegistersPerBlock": 65536,
    "MaxThreadsPerMultiProcessor": 2048,
    "MaxBlocksPerMultiprocessor": 32,
    "MaxRegistersPerMultiprocessor": 65536,
    "MaxSharedMemoryPerMultiprocessor": 233472,
    "MultiProcessorCount": 132,
    "WarpSize": 32,
    "L2CacheSize": 52428800,
    "ConcurrentKernels": 1,
    "AsyncEngineCount": 3,
}
NAME = "NVIDIA Stand-in"


def check(number: int) -> None:
    """See that there is such a GPU."""
    if not 0 <= number < world().settings.devices:
        raise streams.runtime_error("cudaErrorInvalidDevice", "invalid device ordinal")


class Device:
    """A GPU; the current one where no number is given."""

    def __init__(self, device: Any = None) -> None:
        self.id = world().device if device is None else int(device)
        self._before: list[int] = []

    def __int__(self) -> int:
        return self.id

    def use(self) -> None:
        check(self.id)
        world().device = self.id

    def __enter__(self) -> Device:
        self._before.append(world().device)
        self.use()
        return self

    def __exit__(self, *_: object) -> None:
        world().device = self._before.pop()

    def synchronize(self) -> None:
        with self:
            streams.wait_for_device("Device.synchronize")

    @property
    def compute_capability(self) -> str:
        return world().settings.capability

    @property
    def attributes(self) -> dict[str, int]:
        shared = {"MaxSharedMemoryPerBlockOptin": world().settings.shared}
        return {**ATTRIBUTES, **shared}

    @property
    def mem_info(self) -> tuple[int, int]:
        from tests.cudasim.standin import memory

        with self:
            total = world().settings.memory
            return total - memory.get_default_memory_pool().total_bytes(), total

    @property
    def pci_bus_id(self) -> str:
        return f"0000:{self.id:02X}:00.0"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"


def get_device_id() -> int:
    return world().device
