"""Small classifiers with weights, pictures and databases of them, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from netspec.evaluate.model import Model
from netspec.net import Net
from netspec.net.save import save_weights
from netspec.spec import parse_net
from tests.data.making import encoded, image_file, write_lmdb

CLASSES, CROP = 7, (12, 10)
MEAN = (103.5, 117.25, 124.0)
DEPLOY = """
  layer { name: "data" type: "Input" top: "data"
    input_param { shape { dim: 4 dim: 3 dim: 12 dim: 10 } } }
"""
DATA = """
  layer { name: "data" type: "Data" top: "data" top: "label"
    include { phase: TRAIN }
    transform_param { crop_size: 12 mirror: true MEANS scale: 0.0125 }
    data_param { source: "SOURCE" batch_size: 3 backend: LMDB } }
  layer { name: "data" type: "Data" top: "data" top: "label"
    include { phase: TEST }
    transform_param { crop_size: 12 MEANS scale: 0.0125 }
    data_param { source: "SOURCE" batch_size: 2 backend: LMDB } }
""".replace("MEANS", " ".join(f"mean_value: {m}" for m in MEAN))
BODY = """
  layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
    convolution_param { num_output: 5 kernel_size: 3 pad: PAD } }
  layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
  layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
    pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
  layer { name: "fc1" type: "InnerProduct" bottom: "pool" top: "fc1"
    inner_product_param { num_output: 9 } }
  layer { name: "relu1" type: "ReLU" bottom: "fc1" top: "fc1" }
  layer { name: "drop" type: "Dropout" bottom: "fc1" top: "fc1" }
  layer { name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2"
    inner_product_param { num_output: 7 } }
"""
PROB = 'layer { name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }'
LOSS = """
  layer { name: "accuracy" type: "Accuracy" bottom: "fc2" bottom: "label"
    top: "accuracy" include { phase: TEST } }
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc2" bottom: "label"
    top: "loss" }
"""


def deploy(body: str = BODY, pad: int = 1, end: str = PROB) -> str:
    """A net that takes pictures of 12 x 10."""
    return f'name: "small" {DEPLOY} {body.replace("PAD", str(pad))} {end}'


def train_val(source: Path) -> str:
    """A net that reads a database, cropped to 12 x 12."""
    data = DATA.replace("SOURCE", str(source))
    return f'name: "small" {data} {BODY.replace("PAD", "1")} {LOSS}'


def weights(folder: Path, text: str, seed: int = 0, name: str = "") -> Path:
    """A caffemodel of random weights whose scores differ well from class to class."""
    net = Net(parse_net(text), device="numpy")
    rng = np.random.default_rng(seed)
    for param, blob in zip(net.graph.params, net.param_blobs):
        spread = 2 / np.sqrt(blob.data.size / min(blob.shape))
        blob.data[...] = rng.normal(0, spread, blob.shape)
        if not param.trainable:  # statistics: no variance is negative
            blob.data[...] = 0.5 + abs(blob.data)
    path = folder / f"{name or f'weights{seed}'}.caffemodel"
    save_weights(net, path)
    return path


def net_file(folder: Path, text: str, name: str = "net") -> Path:
    """A prototxt."""
    path = folder / f"{name}.prototxt"
    path.write_text(text)
    return path


def picture(height: int, width: int, seed: int = 0, channels: int = 3) -> np.ndarray:
    """Random blobs of colour, (C, H, W): rescaling keeps their differences."""
    rng = np.random.default_rng((seed, height, width))
    coarse = rng.integers(0, 256, (4, 5, 3), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noisy = np.asarray(image).astype(int) + rng.integers(-9, 10, (height, width, 3))
    pixels = noisy.clip(0, 255).astype(np.uint8).transpose(2, 0, 1)
    return np.ascontiguousarray(pixels[:channels])


SIZES = ((16, 21), (25, 13), (21, 16), (16, 21), (17, 17), (25, 13), (30, 14))


def pictures(sizes: Sequence[tuple[int, int]] = SIZES) -> list[np.ndarray]:
    """Pictures of several sizes, two of each of some."""
    return [picture(*size, seed=i) for i, size in enumerate(sizes)]


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of BGR pixels (C, H, W)."""
    image = pixels[::-1].transpose(1, 2, 0)
    flat = image[:, :, 0] if len(pixels) == 1 else image
    return image_file("PNG", Image.fromarray(np.ascontiguousarray(flat)))


def encoded_lmdb(path: Path, images: Sequence[np.ndarray]) -> Path:
    """A database of PNG files whose labels are their numbers, modulo the classes."""
    records = (
        (b"%08d" % i, encoded(png(x), i % CLASSES)) for i, x in enumerate(images)
    )
    return write_lmdb(path, records)


def model(folder: Path, seed: int = 0, **options) -> Model:
    """The deploy net with weights and a preprocessing of its own."""
    from netspec.data.preprocess import Preprocess
    from netspec.data.rescale import Resize

    given = Preprocess(
        "bgr", mean=MEAN, scale=(0.0125,), resize=Resize("short-side", (14,))
    )
    options.setdefault("preprocess", given)
    text = options.pop("text", deploy())
    path = weights(folder, text, seed)
    return Model(parse_net(text), path, **options)
