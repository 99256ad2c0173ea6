"""Prototxt text, set as a person would set it.

A message of one line stays on one line; a layer puts one field on a line, except
the layers that say no more than name, type, bottom and top.
"""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import indent

HEADING_WIDTH = 80
ORIGIN = "# Written by tools/make_models.py: change its tables, not this file."


def inline(field: str, *values: str) -> str:
    """A message on one line: ``include { phase: TRAIN }``."""
    return f"{field} {{ {' '.join(values)} }}"


def block(field: str, *values: str) -> str:
    """A message with one field, or one message, on a line."""
    return f"{field} {{\n{indent(chr(10).join(values), '  ')}\n}}"


def blobs(bottoms: str | tuple[str, ...], tops: str | tuple[str, ...]) -> list[str]:
    """The bottom and top fields of a layer."""
    listed = [("bottom", bottoms), ("top", tops)]
    return [
        f'{field}: "{name}"'
        for field, names in listed
        for name in ((names,) if isinstance(names, str) else names)
    ]


def layer(
    name: str,
    kind: str,
    bottoms: str | tuple[str, ...],
    tops: str | tuple[str, ...],
    *fields: str,
) -> str:
    """One layer; on one line where it has no fields of its own and fits."""
    head = [f'name: "{name}"', f'type: "{kind}"', *blobs(bottoms, tops)]
    short = inline("layer", *head)
    if not fields and len(short) <= HEADING_WIDTH:
        return short
    return block("layer", *head, *fields)


def heading(text: str) -> str:
    """A comment line that opens a part of the net."""
    return f"\n# {text}"


def comment(*lines: str) -> str:
    """Lines of comment, one for each argument."""
    return "\n".join(f"# {line}" for line in lines)


def join(*parts: str) -> str:
    """The text of a file: parts joined by line ends, one at the end."""
    return "\n".join(parts) + "\n"


def for_deployment(parts: Iterable[str]) -> list[str]:
    """The same layers without what only training reads: rates and fillers."""
    training = ("param {", "weight_filler {", "bias_filler {")
    return [
        "\n".join(
            line for line in part.split("\n") if not line.strip().startswith(training)
        )
        for part in parts
    ]


def data_layers(
    database: str,
    crop: int,
    mean: tuple[str, str, str],
    batches: tuple[int, int],
    train: Iterable[str] = (),
    test: Iterable[str] = (),
    stages: str = "",
    shuffle: bool = False,
) -> list[str]:
    """The two Data layers of a net trained on ImageNet.

    Args:
        database: path with ``{}`` where it says train or val.
        crop: side of the window cut from each image, in pixels.
        mean: blue, green and red mean of the training set, 0 to 255.
        batches: images an iteration, over all devices, in training and in testing.
        train, test: further lines of transform_param, before the crop.
        stages: further fields of the include rules.
        shuffle: whether each epoch has an order of its own.
    """
    means = [
        noted(f"mean_value: {value}", colour)
        for value, colour in zip(mean, ("blue", "green", "red"), strict=True)
    ]
    window = f"crop_size: {crop}"
    random = [*train, noted(window, "a random window")]
    random += [noted("mirror: true", "half of the time left to right")]
    middle = [*test, noted(window, "the middle")]
    return [
        _data(
            f"phase: TRAIN {stages}",
            database.format("train"),
            batches[0],
            random + means,
            *["shuffle: true  # a new order each epoch"] * shuffle,
        ),
        _data(
            f"phase: TEST {stages}", database.format("val"), batches[1], middle + means
        ),
    ]


def noted(field: str, text: str) -> str:
    """A line of transform_param and its comment, all comments in one column."""
    return f"{field:22}# {text}"


def _data(rule: str, source: str, batch: int, transform: list[str], *more: str) -> str:
    return block(
        "layer",
        'name: "data"',
        'type: "Data"',
        'top: "data"',
        'top: "label"',
        inline("include", rule.strip()),
        block("transform_param", *transform),
        block(
            "data_param",
            f'source: "{source}"',
            f"batch_size: {batch}",
            "backend: LMDB",
            *more,
        ),
    )


def input_layer(batch: int, channels: int, height: int, width: int) -> str:
    """The Input layer of a deploy net."""
    sides = (f"dim: {size}" for size in (batch, channels, height, width))
    shape = inline("shape", *sides)
    return block(
        "layer",
        'name: "data"',
        'type: "Input"',
        'top: "data"',
        inline("input_param", shape),
    )


def accuracy(name: str, scores: str, top_k: int = 1) -> str:
    """The share of test images whose label is among the top_k highest scores."""
    fields = [inline("include", "phase: TEST")]
    if top_k > 1:
        fields.append(inline("accuracy_param", f"top_k: {top_k}"))
    return layer(name, "Accuracy", (scores, "label"), name, *fields)
