"""Small nets for tests, written to files, since pycaffe reads nets from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

INPUT = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 7 dim: 9 } } }
"""
BODY = """
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 5 kernel_size: 3 stride: 2
    weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.25 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "left" type: "Sigmoid" bottom: "conv" top: "left" }
layer { name: "right" type: "TanH" bottom: "conv" top: "right" }
layer { name: "sum" type: "Eltwise" bottom: "left" bottom: "right" top: "sum"
  eltwise_param { coeff: 0.7 coeff: -1.3 } }
"""
HEAD = """
layer { name: "pool" type: "Pooling" bottom: "sum" top: "pool"
  pooling_param { pool: AVE global_pooling: true } }
layer { name: "score" type: "InnerProduct" bottom: "pool" top: "score"
  param { lr_mult: 1 } param { lr_mult: 2 }
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
"""
LABEL = """
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label"
  top: "loss" loss_weight: 0.5 }
"""
FORCED = "force_backward: true"
DEPLOY = INPUT + BODY + HEAD
TRAIN_NET = DEPLOY + LABEL
X = np.random.default_rng(11).normal(size=(2, 3, 7, 9)).astype(np.float32)
LABELS = np.array([3, 1], np.float32)


def write(folder: Path, text: str, name: str = "net.prototxt") -> str:
    """Write a file; returns its path as programs give it."""
    path = folder / name
    path.write_text(text)
    return str(path)
