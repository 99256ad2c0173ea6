"""ONNX import: classic ConvNets as prototxt and caffemodel."""

from netspec.convert.from_onnx.importing import Imported, import_onnx, read_import

__all__ = ["Imported", "import_onnx", "read_import"]
