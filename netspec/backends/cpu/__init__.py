"""The default backend: compiled kernels and BLAS on all cores, float32."""

from __future__ import annotations

from netspec.backends.cpu.affine import CpuAffineOps
from netspec.backends.cpu.batch_norm import CpuBatchNormOps
from netspec.backends.cpu.boxes import CpuBoxOps
from netspec.backends.cpu.convolution import CpuConvolutionOps
from netspec.backends.cpu.elementwise import CpuElementwiseOps
from netspec.backends.cpu.inner_product import CpuInnerProductOps
from netspec.backends.cpu.interpolation import CpuInterpolationOps
from netspec.backends.cpu.lrn import CpuLrnOps
from netspec.backends.cpu.memory import CpuMemoryOps
from netspec.backends.cpu.pooling import CpuPoolingOps
from netspec.backends.cpu.prelu import CpuPReluOps
from netspec.backends.cpu.reduction import CpuReductionOps
from netspec.backends.cpu.regions import CpuRegionOps
from netspec.backends.cpu.relatives import CpuRelativesOps
from netspec.backends.cpu.repetition import Fallback
from netspec.backends.cpu.selection import CpuSelectionOps
from netspec.backends.cpu.softmax import CpuSoftmaxOps
from netspec.backends.cpu.stochastic_pooling import CpuStochasticPoolingOps
from netspec.backends.cpu.update import CpuUpdateOps


class CpuOps(
    CpuConvolutionOps,
    CpuInnerProductOps,
    CpuPoolingOps,
    CpuStochasticPoolingOps,
    CpuLrnOps,
    CpuBatchNormOps,
    CpuAffineOps,
    CpuElementwiseOps,
    CpuInterpolationOps,
    CpuRegionOps,
    CpuRelativesOps,
    CpuBoxOps,
    CpuPReluOps,
    CpuReductionOps,
    CpuSelectionOps,
    CpuSoftmaxOps,
    CpuUpdateOps,
    CpuMemoryOps,
    Fallback,
):
    """float32 compiled; other float types by the reference.

    Args:
        exact: convolve by plain sums of products only, never by an algorithm whose
            rounding errors are larger (about 1e-5 of a blob's largest value).
    """

    name = "cpu"

    def __init__(self, exact: bool = False) -> None:
        self.exact = exact
