"""The CUDA backend: kernels of our own, compiled at first use, launched by CuPy."""

from __future__ import annotations

from collections.abc import Mapping

from netspec.backends.cuda.activations import CudaActivationOps
from netspec.backends.cuda.affine import CudaAffineOps
from netspec.backends.cuda.arrangement import CudaArrangementOps
from netspec.backends.cuda.batch_norm import CudaBatchNormOps
from netspec.backends.cuda.boxes import CudaBoxOps
from netspec.backends.cuda.choice import Choices
from netspec.backends.cuda.convolution import CudaConvolutionOps
from netspec.backends.cuda.elementwise import CudaElementwiseOps
from netspec.backends.cuda.inner_product import CudaInnerProductOps
from netspec.backends.cuda.interpolation import CudaInterpolationOps
from netspec.backends.cuda.losses import CudaLossOps
from netspec.backends.cuda.lrn import CudaLrnOps
from netspec.backends.cuda.movement import CudaMovementOps
from netspec.backends.cuda.pooling import CudaPoolingOps
from netspec.backends.cuda.recurrent import CudaRecurrentOps
from netspec.backends.cuda.reduction import CudaReductionOps
from netspec.backends.cuda.regions import CudaRegionOps
from netspec.backends.cuda.relatives import CudaRelativesOps
from netspec.backends.cuda.selection import CudaSelectionOps
from netspec.backends.cuda.softmax import CudaSoftmaxOps
from netspec.backends.cuda.transfer import CudaTransferOps
from netspec.backends.cuda.update import CudaUpdateOps
from netspec.backends.numpy_ops import NumpyOps
from netspec.errors import DeviceError

PRECISIONS = ("fp32", "tf32", "fp16")


class CudaOps(
    CudaConvolutionOps,
    CudaInnerProductOps,
    CudaPoolingOps,
    CudaLrnOps,
    CudaBatchNormOps,
    CudaAffineOps,
    CudaElementwiseOps,
    CudaActivationOps,
    CudaSoftmaxOps,
    CudaLossOps,
    CudaReductionOps,
    CudaSelectionOps,
    CudaMovementOps,
    CudaTransferOps,
    CudaArrangementOps,
    CudaRecurrentOps,
    CudaInterpolationOps,
    CudaRegionOps,
    CudaRelativesOps,
    CudaBoxOps,
    CudaUpdateOps,
    NumpyOps,
):
    """Operations on CuPy arrays of float32, on the current device and stream.

    Args:
        precision: what convolutions and inner products feed to the multipliers:
            ``"fp32"``, or numbers rounded to ``"tf32"`` or ``"fp16"``. Sums and
            storage are float32 in any case.
        choices: which algorithms convolutions take; by default the geometry decides.
        exact: convolve by plain sums of products only, never by an algorithm whose
            rounding errors are larger (about 1e-5 of a blob's largest value).

    Raises:
        DeviceError: an unknown precision.
    """

    name = "cuda"

    def __init__(
        self,
        precision: str = "fp32",
        choices: Choices | None = None,
        exact: bool = False,
    ) -> None:
        if precision not in PRECISIONS:
            raise DeviceError(
                f"precision {precision!r} is unknown.",
                f"Choose one of {', '.join(PRECISIONS)}.",
            )
        self.precision = precision
        self.choices = choices or Choices()
        self.exact = exact

    @property
    def measures(self) -> bool:
        """See the reference."""
        return self.choices.measure

    def algorithms(self) -> dict[str, str]:
        """See the reference."""
        return self.choices.export()

    def fix_algorithms(self, chosen: Mapping[str, str]) -> None:
        """See the reference."""
        self.choices.fix(chosen)
