"""The random words of a sample of AnnotatedData: what each is for."""

from __future__ import annotations

from enum import IntEnum


class Draw(IntEnum):
    """Where a purpose's word stands in a sample's row."""

    MIRROR = 0
    Y = 1
    X = 2
    INTERPOLATION = 3
    ORDER = 4
    IF_BRIGHTNESS = 5
    BRIGHTNESS = 6
    IF_CONTRAST = 7
    CONTRAST = 8
    IF_SATURATION = 9
    SATURATION = 10
    IF_HUE = 11
    HUE = 12
    IF_CHANNELS = 13
    CHANNELS = 14
    IF_CANVAS = 15
    CANVAS = 16
    CANVAS_Y = 17
    CANVAS_X = 18
    PART = 19


FIXED = 32  # words for the above and what may come; those of the samplers follow
EACH_TRIAL = 4  # words a part that a sampler draws: scale, form, x, y
