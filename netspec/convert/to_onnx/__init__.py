"""ONNX export: one emitter a layer type, a streamed file, and a run of it."""

from netspec.convert.to_onnx.export import Exported, export
from netspec.convert.to_onnx.write import write_onnx

__all__ = ["Exported", "export", "write_onnx"]
