"""The reference backend: every operation, in plain NumPy, in any float type."""

from __future__ import annotations

from netspec.backends.reference.activations import ActivationOps
from netspec.backends.reference.affine import AffineOps
from netspec.backends.reference.algorithms import AlgorithmOps
from netspec.backends.reference.arrangement import ArrangementOps
from netspec.backends.reference.batch_norm import BatchNormOps
from netspec.backends.reference.boxes import BoxOps
from netspec.backends.reference.columns import ColumnOps
from netspec.backends.reference.convolution import ConvolutionOps
from netspec.backends.reference.elementwise import ElementwiseOps
from netspec.backends.reference.inner_product import InnerProductOps
from netspec.backends.reference.interpolation import InterpolationOps
from netspec.backends.reference.losses import LossOps
from netspec.backends.reference.lrn import LrnOps
from netspec.backends.reference.movement import MovementOps
from netspec.backends.reference.pooling import PoolingOps
from netspec.backends.reference.recurrent import RecurrentOps
from netspec.backends.reference.reduction import ReductionOps
from netspec.backends.reference.regions import RegionOps
from netspec.backends.reference.relatives import RelativesOps
from netspec.backends.reference.repetition import RepetitionOps
from netspec.backends.reference.selection import SelectionOps
from netspec.backends.reference.softmax import SoftmaxOps
from netspec.backends.reference.stochastic_pooling import StochasticPoolingOps
from netspec.backends.reference.update import UpdateOps


class NumpyOps(
    ConvolutionOps,
    InnerProductOps,
    PoolingOps,
    StochasticPoolingOps,
    LrnOps,
    BatchNormOps,
    AffineOps,
    ElementwiseOps,
    ActivationOps,
    SoftmaxOps,
    LossOps,
    ReductionOps,
    SelectionOps,
    ColumnOps,
    MovementOps,
    ArrangementOps,
    RecurrentOps,
    InterpolationOps,
    RegionOps,
    RelativesOps,
    BoxOps,
    UpdateOps,
    AlgorithmOps,
    RepetitionOps,
):
    """All families of operations; other backends subclass it."""

    name = "numpy"
