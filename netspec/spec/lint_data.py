"""Lints about data layers: what is done to an image, and where it is said."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.proto import TEST, LayerParameter, TransformationParameter
from netspec.spec.view import Finding, View

# Data layers, and the settings that hold batch_size.
SETTINGS = {
    "AnnotatedData": "data_param",
    "Data": "data_param",
    "ImageData": "image_data_param",
    "WindowData": "window_data_param",
    "HDF5Data": "hdf5_data_param",
    "MemoryData": "memory_data_param",
}
_TRANSFORMED = ("AnnotatedData", "Data", "ImageData", "WindowData")
_MOVED = ("scale", "mean_file", "crop_size", "mirror")
_SAME = ("scale", "mean_file", "mean_value")


def misplaced_transforms(view: View) -> Iterator[Finding]:
    """Transformations in data_param: today's layers read transform_param only."""
    for i, layer in view.of_type(*_TRANSFORMED):
        name = SETTINGS[layer.type]
        for field in _MOVED:
            if getattr(layer, name).HasField(field):
                text = f"{field} in {name} has no effect: put it into transform_param."
                yield view.finding(text, i, name, field)


def random_in_test(view: View) -> Iterator[Finding]:
    """Mirroring in TEST makes results differ from run to run."""
    if view.phase != TEST:
        return
    for i, layer in view.of_type(*_TRANSFORMED):
        if layer.transform_param.mirror:
            text = "mirror flips images at random in TEST as well."
            yield view.finding(text, i, "transform_param", "mirror")


def unlike_phases(train: View, test: View) -> Iterator[Finding]:
    """Another mean, scale or size in TEST than in TRAIN, for data of one name."""
    trained = dict(_by_top(train))
    for top, (i, layer) in _by_top(test):
        if top in trained:
            here, there = layer.transform_param, trained[top][1].transform_param
            for field in _SAME:
                values = _shown(here, field), _shown(there, field)
                if values[0] != values[1]:
                    text = f"{field} is {values[0]} in TEST and {values[1]} in TRAIN."
                    yield test.finding(text, i, "transform_param", field)
            if _rescales(there) and not _rescales(here):
                text = "TRAIN rescales its images by short_side, TEST takes them as is."
                yield test.finding(text, i, "transform_param", "short_side")


def _rescales(transform: TransformationParameter) -> bool:
    return bool(transform.short_side or transform.short_side_min)


def _by_top(view: View) -> Iterator[tuple[str, tuple[int, LayerParameter]]]:
    for i, layer in view.of_type(*_TRANSFORMED):
        if layer.top:
            yield layer.top[0], (i, layer)


def _shown(transform: TransformationParameter, field: str) -> str:
    """A setting as a lint prints it."""
    value = getattr(transform, field)
    if field == "scale":
        return f"{value:g}"
    if field == "mean_value":
        return "[" + ", ".join(f"{v:g}" for v in value) + "]"
    return repr(value)


def batch_size(view: View) -> int:
    """Images a batch of a view's first data layer; 0 where the file does not say."""
    for _, layer in view.of_type(*SETTINGS):
        return getattr(layer, SETTINGS[layer.type]).batch_size
    return 0
