"""What devices can do, from their maker's tables."""

from __future__ import annotations

from dataclasses import dataclass

ISSUED = 4  # instructions a clock and multiprocessor
# Of one kind, those of which only so many are: 64 lanes' (CUDA C++ Programming Guide,
# "Arithmetic Instructions"). Multiplications have a pipe of their own, comparisons of
# float32 do not (Nsight Compute, "Pipelines").
INTEGER = 2
INTEGER_PIPES = (
    "IADD3 VIADD LEA LOP3 PLOP3 SHF SEL ISETP IMNMX VIMNMX PRMT FSEL FSETP FMNMX F2FP",
    "IMAD",
)
PRODUCTS = {"fp32": 32, "tf32": 16 * 8 * 8, "fp16": 16 * 8 * 16}  # of one instruction
DEPTH = {"fp32": 16, "tf32": 16, "fp16": 32}  # of a slab
WORK = {"fp32": "FFMA", "tf32": "HMMA", "fp16": "HMMA"}  # the instruction
SECTOR = 32  # bytes


@dataclass(frozen=True)
class Device:
    """A GPU.

    Attributes:
        clock: Hz, at which the peaks are told.
        products: fused multiply-adds a clock and multiprocessor, by precision.
        reached: of those on tensor cores, the part that mma.sync gets.
        dram, l2: bytes a second.
    """

    name: str
    architecture: str
    processors: int
    clock: float
    products: dict[str, int]
    reached: float
    dram: float
    l2: float

    def peak(self, precision: str) -> float:
        """Products a second."""
        return self.products[precision] * self.processors * self.clock


DEVICES = (
    # NVIDIA A100 Tensor Core GPU Architecture (whitepaper), tables 1 and 4: 19.5, 156
    # and 312 TFLOPS. It tells 5120 bytes a clock of the L2, 7.2 TB/s; measured were 5.4
    # (github.com/RRZE-HPC/gpu-benches, gpu-l2-cache/a100_80.txt).
    Device(
        "A100 80GB SXM",
        "80",
        108,
        1.41e9,
        {"fp32": 64, "tf32": 512, "fp16": 1024},
        1.0,
        2039e9,
        5.4e12,
    ),
    # NVIDIA H100 Tensor Core GPU Architecture (whitepaper), table 2: 494.7 and 989.4
    # TFLOPS at this clock; its 66.9 of FP32 are told at 1.98 GHz. That mma.sync gets
    # 63 % of it is reported in arXiv 2402.13499. The L2's rate is not told: 5120 bytes
    # a clock, as an A100's; as an H200 the chip gave 9.8 TB/s, at a clock of up to
    # 1.98 GHz (gpu-benches as above, h200.txt).
    Device(
        "H100 80GB SXM",
        "90",
        132,
        1.83e9,
        {"fp32": 128, "tf32": 1024, "fp16": 2048},
        0.63,
        3352e9,
        5120 * 1.83e9,
    ),
)
