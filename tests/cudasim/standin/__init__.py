"""A stand-in for CuPy: the whole CUDA backend runs on it, without a GPU.

Kernels run on the emulator, arrays are NumPy's, and everything that CuPy refuses is
refused.  ``with install() as world:`` puts it in place; *world* tells what happened:
``world.syncs`` (every wait of the host), ``world.launches`` (every kernel), and within
``world.forbid_syncs()`` a wait is an error.  See docs/kernels.md.
"""

from tests.cudasim.standin.package import install
from tests.cudasim.standin.world import (
    Launched,
    Settings,
    Sync,
    SyncError,
    World,
    world,
)

__all__ = ["Launched", "Settings", "Sync", "SyncError", "World", "install", "world"]
