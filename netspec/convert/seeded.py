"""Weights where nobody has any: drawn so that signals keep their size through the net.

A structure can be converted and checked before it is trained.  What is drawn depends
on the seed and on the parameter's name alone, and nothing is at a neutral value: a
scale of 1 or a factor of 1 would hide that a converter forgot it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from netspec.graph import Graph, Node, Param
from netspec.shapes import count

Array = Any

_NORMALISERS = ("BatchNorm", "BN")
_FACTOR = 999.98236  # what Caffe's own BatchNorm arrives at after many iterations


def seeded_params(graph: Graph, seed: int = 0) -> list[Array]:
    """One float32 array for each parameter of a graph, in its order."""
    owners = {p: node for node in reversed(graph.nodes) for p in node.params}
    return [_draw(p, owners[i], seed) for i, p in enumerate(graph.params)]


def _draw(param: Param, node: Node, seed: int) -> Array:
    digest = hashlib.sha256(f"{seed}/{param.key}".encode()).digest()
    random = np.random.Generator(np.random.Philox(int.from_bytes(digest[:8], "little")))
    if node.type in _NORMALISERS and param.index in (0, 1, 2):
        return _statistic(random, node.type, param)
    if len(param.shape) >= 2:
        spread = np.float32(np.sqrt(2 / count(param.shape, 1)))
        return random.standard_normal(param.shape, np.float32) * spread
    if node.type in ("Scale", "PReLU", "Normalize") and param.index == 0:
        low, high = (0.1, 0.4) if node.type == "PReLU" else (0.5, 1.5)
        return random.uniform(low, high, param.shape).astype(np.float32)
    return random.uniform(-0.1, 0.1, param.shape).astype(np.float32)


def _statistic(random: np.random.Generator, kind: str, param: Param) -> Array:
    """Sums of means and of variances, and what divides both."""
    if kind == "BatchNorm" and param.index == 2:
        return np.full(param.shape, _FACTOR, np.float32)
    low, high = ((-0.2, 0.2), (0.5, 2.0), (-0.2, 0.2))[param.index]
    factor = _FACTOR if kind == "BatchNorm" else 1.0
    return (random.uniform(low, high, param.shape) * factor).astype(np.float32)
