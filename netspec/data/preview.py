"""What a net will see: pictures beside the part of each that becomes its input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from netspec.data.feed import Feed
from netspec.data.pictures import PictureReader
from netspec.data.protocols import Floats, Pixels
from netspec.data.sheet import Tile, as_image
from netspec.data.transform import Means
from netspec.data.view import View
from netspec.errors import UsageError

_FRAME, _CORNER = "red", "lime"


class Look(NamedTuple):
    """One sample.

    Attributes:
        picture: as it is stored, (C, H, W).
        view: the part of it that is seen.
        seen: what the net takes, (C, n, m), with its mean and its scale undone.
        name: of the record.
    """

    picture: Pixels
    view: View
    seen: Floats
    label: int
    name: str


def looks(feed: Feed, first: int, count: int) -> list[Look]:
    """Samples *first* to *first + count - 1* of a feed of pictures.

    Raises:
        UsageError: the layer reads no pictures.
        DataError: a picture is bad.
    """
    reader = feed.reader
    if not isinstance(reader, PictureReader):
        raise UsageError(
            "reads no pictures that could be shown.",
            "Choose a Data or ImageData layer.",
            layer=feed.layer,
        )
    draws = reader.transform.draws(first, count)
    return [
        _look(reader, index, draw, first + i)
        for i, (index, draw) in enumerate(zip(feed.records(first, count), draws))
    ]


def _look(reader: PictureReader, index: int, draw: list[int], sample: int) -> Look:
    transform = reader.transform
    data = reader.read([index], sample, None)[0]
    # In full, where training may decode smaller.
    raster, label = reader.raster(index, draw, in_full=True)
    view = transform.view(raster.height, raster.width, draw)
    seen = restored(data[0], transform.means, transform.scale, view)
    return Look(raster.pixels, view, seen, label, reader.describe(index))


def restored(data: Floats, means: Means, scale: float, view: View) -> Floats:
    """A net's input (C, n, m) as a picture from 0 to 255 again."""
    picture = data / np.float32(scale) if scale else data
    plain = means.image is None
    return picture + (means.pixel.reshape(-1, 1, 1) if plain else means.part(view))


def tiles(found: Sequence[Look], side: int) -> list[Tile]:
    """Two tiles a sample: the picture with a frame about the part, and what is seen.

    The frame's green corner is the upper left one of what is seen: it tells turned and
    mirrored pictures.

    Args:
        side: pixels of a tile.
    """
    pairs = ((_framed(look, side), _shown(look, side)) for look in found)
    return [tile for pair in pairs for tile in pair]


def _framed(look: Look, side: int) -> Tile:
    from PIL import Image, ImageDraw

    image = as_image(look.picture)
    scale = side / max(image.size)
    width, height = (max(1, round(s * scale)) for s in image.size)
    kind = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    image = image.resize((width, height), kind)
    corners = [(x * scale, y * scale) for x, y in look.view.corners]
    draw = ImageDraw.Draw(image)
    draw.line([*corners, corners[0]], fill=_FRAME, width=2)
    x, y = corners[1 if look.view.mirror else 0]
    draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=_CORNER)
    return Tile(_array(image), f"label {look.label}")


def _shown(look: Look, side: int) -> Tile:
    pixels = look.seen.clip(0, 255).round().astype(np.uint8)
    return Tile(pixels, caption(look.view))


def caption(view: View) -> str:
    """What was drawn, in short."""
    parts = [f"S {view.side}"] if view.side else []
    parts += [f"{view.angle:+.0f} deg"] if view.angle else []
    parts += ["mirrored"] if view.mirror else []
    return ", ".join(parts) or f"{view.size.height}x{view.size.width}"


def _array(image: object) -> Pixels:
    pixels: Pixels = np.asarray(image)[:, :, ::-1].transpose(2, 0, 1)
    return pixels
