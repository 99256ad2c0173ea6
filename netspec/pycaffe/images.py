"""Images for nets: loading, resizing and cropping, as pycaffe does it.

Images are arrays (H, W, K) of float32 in 0 to 1; three channels are red, green, blue.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import IO, Any

import numpy as np

from netspec.data.decode import Channels, decode
from netspec.errors import DataError, Place
from netspec.pycaffe.faults import BadValueError
from netspec.shapes import describe

Array = Any
Size = Any  # (height, width): a sequence or an array

_LUMINANCE = np.array([0.2125, 0.7154, 0.0721], np.float32)  # skimage's, of R, G, B
_SPATIALLY = (1, 3)  # channels of the images that are resized pixel by pixel


def load_image(filename: str | PathLike[str] | IO[bytes], color: bool = True) -> Array:
    """An image file as (H, W, 3), or as (H, W, 1) where not *color*.

    Transparency is left out, and grey is repeated for colour. The camera's orientation
    mark does not count.

    Raises:
        DataError: there is no such file, or it is no image.
    """
    data, name = _read(filename)
    try:
        picture = decode(data, Channels.NATIVE)
    except DataError as error:
        raise error.at(Place(name)) from None
    image = picture[:, :, :3][:, :, ::-1].astype(np.float32) / np.float32(255)
    if color:
        return np.repeat(image, 3, 2) if image.shape[2] == 1 else image
    return image if image.shape[2] == 1 else (image @ _LUMINANCE)[:, :, None]


def _read(source: str | PathLike[str] | IO[bytes]) -> tuple[bytes, str]:
    if not isinstance(source, str | PathLike):
        return source.read(), str(getattr(source, "name", "<image>"))
    path = Path(fspath(source))
    try:
        return path.read_bytes(), str(path)
    except OSError as error:
        problem, place = f"cannot be read: {error.strerror}.", Place(str(path))
        raise DataError(problem, "Name an image file.", place=place) from None


def resize_image(im: Array, new_dims: Size, interp_order: int = 1) -> Array:
    """An image (H, W, K) at the size *new_dims* (height, width), as float32.

    Interpolates between the pixels around (order 0: takes the nearest, 1: bilinear,
    more: splines) and does not smooth, as Caffe's own resizing. With one or three
    channels pixel centres lie at half pixels, and beyond the edge is the image's least
    value; with other numbers the corner pixels keep their places. Both are pycaffe's.
    """
    from scipy.ndimage import zoom

    height, width = (int(extent) for extent in new_dims)
    im = np.asarray(im)
    if im.shape[:2] == (height, width):
        return im.astype(np.float32)
    factors = (height / im.shape[0], width / im.shape[1], 1)
    least = float(im.min())
    options: dict[str, Any] = {}
    if im.shape[-1] in _SPATIALLY:
        options = {"mode": "grid-constant", "cval": least, "grid_mode": True}
    wide = im.astype(np.float64)
    return zoom(wide, factors, order=interp_order, **options).astype(np.float32)


def oversample(images: Sequence[Array] | Array, crop_dims: Size) -> Array:
    """Ten crops of every image: corners, centre, and the mirror images of these.

    Args:
        images: N of one shape (H, W, K).
        crop_dims: (height, width) of the crops.

    Returns:
        (10 N, height, width, K): for each image upper left, upper right, lower left,
        lower right, centre; then the same mirrored.

    Raises:
        BadValueError: an image is smaller than the crops.
    """
    high, wide = (int(extent) for extent in crop_dims)
    height, width, channels = np.shape(images[0])
    if high > height or wide > width:
        raise BadValueError(
            f"crops of {describe((high, wide))} do not fit an image of "
            f"{describe((height, width))}.",
            "Make the images larger, or the crops smaller.",
        )
    down, right = height - high, width - wide
    corners = [(y, x) for y in (0, down) for x in (0, right)]
    places = [*corners, (down // 2, right // 2)]
    crops = np.empty((len(images), 10, high, wide, channels), np.float32)
    for image, out in zip(images, crops):
        for i, (y, x) in enumerate(places):
            out[i] = image[y : y + high, x : x + wide]
        out[5:] = out[:5, :, ::-1]
    return crops.reshape(-1, high, wide, channels)
