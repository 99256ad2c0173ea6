"""Databases, image files and layers to test with."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import lmdb
import numpy as np
from google.protobuf import text_format
from PIL import Image

from netspec.proto import Datum, LayerParameter

Record = tuple[bytes, bytes]


def write_lmdb(path: Path, records: Iterable[Record]) -> Path:
    """An LMDB written by liblmdb."""
    environment = lmdb.open(str(path), map_size=1 << 26, lock=False)
    with environment.begin(write=True) as transaction:
        for key, value in records:
            transaction.put(key, value)
    environment.close()
    return path


def datum(pixels: np.ndarray, label: int) -> bytes:
    """A Datum of pixels (C, H, W): bytes or floats."""
    channels, height, width = pixels.shape
    made = Datum(channels=channels, height=height, width=width, label=label)
    if pixels.dtype == np.uint8:
        made.data = pixels.tobytes()
    else:
        made.float_data.extend(pixels.ravel().tolist())
    return made.SerializeToString()


def encoded(file: bytes, label: int) -> bytes:
    """A Datum that holds an image file."""
    return Datum(data=file, label=label, encoded=True).SerializeToString()


def pictures(count: int, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Random pictures, of shape (count, C, H, W)."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def pictures_lmdb(path: Path, images: Iterable[np.ndarray]) -> Path:
    """An LMDB of pictures whose labels are their numbers."""
    return write_lmdb(
        path, ((b"%08d_%d.png" % (i, i), datum(x, i)) for i, x in enumerate(images))
    )


def image_file(kind: str, image: Image.Image, **options: object) -> bytes:
    """An image file's bytes."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def smooth(height: int, width: int, mode: str = "RGB") -> Image.Image:
    """A picture with gradients, which JPEG keeps well."""
    y, x = np.mgrid[:height, :width]
    channels = [255 * y / height, 255 * x / width, 255 * (x + y) / (height + width)]
    image = Image.fromarray(np.stack(channels, 2).astype(np.uint8))
    return image.convert(mode)


def data_layer(
    source: Path, batch: int, transform: str = "", data: str = ""
) -> LayerParameter:
    """A Data layer on an LMDB."""
    return layer(
        f'type: "Data" top: "data" top: "label" data_param {{ source: "{source}" '
        f"backend: LMDB batch_size: {batch} {data} }} transform_param {{ {transform} }}"
    )


def layer(text: str) -> LayerParameter:
    """A layer from prototxt."""
    return text_format.Parse(f'name: "in" {text}', LayerParameter())
