"""Weights files: read, written, and transplanted into nets with a report."""

from netspec.weights.caffemodel import read_caffemodel, write_caffemodel
from netspec.weights.detect import read_several, read_weights
from netspec.weights.hdf5 import read_hdf5, write_hdf5
from netspec.weights.names import parse_renames
from netspec.weights.paper import plan_paper_transplant
from netspec.weights.report import Line, Report, Status
from netspec.weights.target import TargetBlob, TargetLayer, target_of
from netspec.weights.transplant import OnMismatch, plan_transplant, plan_transplants
from netspec.weights.weights import LayerWeights, Weights

__all__ = [
    "LayerWeights",
    "Line",
    "OnMismatch",
    "Report",
    "Status",
    "TargetBlob",
    "TargetLayer",
    "Weights",
    "parse_renames",
    "plan_paper_transplant",
    "plan_transplant",
    "plan_transplants",
    "read_caffemodel",
    "read_hdf5",
    "read_several",
    "read_weights",
    "target_of",
    "write_caffemodel",
    "write_hdf5",
]
