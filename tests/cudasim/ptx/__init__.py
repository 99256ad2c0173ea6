"""The PTX that NVRTC made of a kernel, interpreted by NumPy.

A second opinion beside the emulator: it runs the compiler's own code, with the inline
PTX and the fast forms of functions that g++ never sees.  It checks bounds, alignment
and divergent barriers, and sees no races.  See docs/kernels.md.
"""

from tests.cudasim.ptx.machine import Kernel
from tests.cudasim.ptx.memory import PtxError
from tests.cudasim.ptx.parse import Program, parse

__all__ = ["Kernel", "Program", "PtxError", "parse"]
