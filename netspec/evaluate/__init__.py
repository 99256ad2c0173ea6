"""Measuring nets: test protocols, features of pictures, and the time of each layer.

from netspec.evaluate import Files, Model, PROTOCOLS, evaluate

model = Model("models/vgg16_deploy.prototxt", "vgg16.caffemodel", "caffe-vgg")
outcome = evaluate([model], Files(["cat.jpg"]), PROTOCOLS["dense"].at(scales=[384]))
outcome.posteriors  # (1, 1000)
"""

from netspec.evaluate.evaluator import evaluate
from netspec.evaluate.extract import Extractor
from netspec.evaluate.features import feature_file
from netspec.evaluate.finding import images_at, open_images
from netspec.evaluate.images import Files, Images, Stored
from netspec.evaluate.metrics import Metrics
from netspec.evaluate.model import Model
from netspec.evaluate.outcome import Conditions, Outcome
from netspec.evaluate.protocols import PROTOCOLS, Protocol

__all__ = [
    "PROTOCOLS",
    "Conditions",
    "Extractor",
    "Files",
    "Images",
    "Metrics",
    "Model",
    "Outcome",
    "Protocol",
    "Stored",
    "evaluate",
    "feature_file",
    "images_at",
    "open_images",
]
