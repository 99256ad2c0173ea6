"""Convolution on CUDA: one operation, several algorithms.

Every algorithm is a class with ``forward``, ``backward_data``, ``backward_weights`` and
``pools``: whether it can store the largest of 2 × 2 outputs alone.  Which of those that
suit a geometry computes it is chosen once; see :mod:`netspec.backends.cuda.choice`.
"""

from netspec.backends.cuda.convolution.operations import CudaConvolutionOps

__all__ = ["CudaConvolutionOps"]
