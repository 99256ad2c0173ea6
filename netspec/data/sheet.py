"""A contact sheet: pictures side by side with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netspec.data.protocols import Pixels
from netspec.files import replacing

if TYPE_CHECKING:
    from PIL import Image

_TEXT = 14  # pixels below a picture for its caption
_GAP = 4
_PAPER, _INK = "white", "black"


class Tile(NamedTuple):
    """A picture (C, H, W), BGR where C is 3, and what stands below it."""

    picture: Pixels
    caption: str


def contact_sheet(tiles: Sequence[Tile], columns: int, side: int) -> Image.Image:
    """Lay out pictures in rows, each within *side* x *side* pixels.

    Small ones are enlarged by whole numbers, so that their pixels stay visible.
    """
    from PIL import Image, ImageDraw

    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    step_x, step_y = side + _GAP, side + _TEXT + _GAP
    sheet = Image.new("RGB", (columns * step_x + _GAP, rows * step_y + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        x, y = _GAP + column * step_x, _GAP + row * step_y
        sheet.paste(_fitted(tile.picture, side), (x, y))
        draw.text((x, y + side), tile.caption, fill=_INK)
    return sheet


def _fitted(picture: Pixels, side: int) -> Image.Image:
    from PIL import Image

    image = as_image(picture)
    longest = max(image.size)
    if longest > side:
        image.thumbnail((side, side))
        return image
    scale = side // longest
    width, height = image.size
    return image.resize((width * scale, height * scale), Image.Resampling.NEAREST)


def as_image(picture: Pixels) -> Image.Image:
    """A picture of any number of channels: the first three are blue, green, red."""
    from PIL import Image

    if picture.dtype != np.uint8:
        picture = _stretched(picture)
    if len(picture) < 3:
        return Image.fromarray(np.ascontiguousarray(picture[0])).convert("RGB")
    return Image.fromarray(np.ascontiguousarray(picture[2::-1].transpose(1, 2, 0)))


def _stretched(picture: Pixels) -> Pixels:
    """Values of any range as 0 to 255."""
    finite = np.nan_to_num(picture.astype(np.float64), posinf=0, neginf=0)
    low, high = float(finite.min()), float(finite.max())
    scaled = (finite - low) * (255 / (high - low) if high > low else 0)
    return scaled.astype(np.uint8)


def write_sheet(path: Path, sheet: Image.Image) -> None:
    """Write a sheet as PNG.

    Raises:
        DataError: it cannot be written.
    """
    with replacing(path) as temporary:
        sheet.save(temporary, "PNG")
