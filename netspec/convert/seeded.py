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

# Which parameters are sums of means, sums of variances, what divides both; a scale.
_ROLES: dict[str, dict[int, str]] = {
    "BatchNorm": {0: "mean", 1: "variance", 2: "factor", 3: "scale"},
    "BN": {0: "scale", 2: "mean", 3: "variance"},
    "Scale": {0: "scale"},
    "Normalize": {0: "scale"},
    "PReLU": {0: "slope"},
}
_RANGES = {
    "mean": (-0.2, 0.2),
    "variance": (0.5, 2.0),
    "scale": (0.5, 1.5),
    "slope": (0.1, 0.4),
    "": (-0.1, 0.1),
}
_FACTOR = 999.98236  # what Caffe's own BatchNorm arrives at after many iterations


def seeded_params(graph: Graph, seed: int = 0) -> list[Array]:
    """One float32 array for each parameter of a graph, in its order."""
    owners = {p: node for node in reversed(graph.nodes) for p in node.params}
    return [_draw(p, owners[i], seed) for i, p in enumerate(graph.params)]


def _draw(param: Param, node: Node, seed: int) -> Array:
    digest = hashlib.sha256(f"{seed}/{param.key}".encode()).digest()
    random = np.random.Generator(np.random.Philox(int.from_bytes(digest[:8], "little")))
    role = _ROLES.get(node.type, {}).get(param.index, "")
    if role == "factor":
        return np.full(param.shape, _FACTOR, np.float32)
    if not role and len(param.shape) >= 2:
        spread = np.float32(np.sqrt(2 / count(param.shape, 1)))
        return random.standard_normal(param.shape, np.float32) * spread
    summed = node.type == "BatchNorm" and role in ("mean", "variance")
    values = random.uniform(*_RANGES[role], param.shape)
    return (values * (_FACTOR if summed else 1.0)).astype(np.float32)
