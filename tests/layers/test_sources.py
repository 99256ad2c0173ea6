from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from netspec.random import Key
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, infer, make_layer


@pytest.mark.parametrize(
    ("text", "tops", "shapes"),
    [
        ('type: "Input" input_param { shape { dim: 2 dim: 3 } }', 2, ((2, 3), (2, 3))),
        (
            'type: "Input" input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } }', 2,
            ((2, 3), (2,)),
        ),
        ('type: "Input" input_param { shape { } }', 1, ((),)),
        (
            'type: "Data" data_param { batch_size: 6 } '
            "transform_param { crop_size: 9 }", 2,
            ((6, 3, 9, 9), (6,)),
        ),
        (
            'type: "Data" data_param { batch_size: 6 } '
            "transform_param { crop_size: 9 force_gray: true }", 1,
            ((6, 1, 9, 9),),
        ),
        (
            'type: "Data" data_param { batch_size: 6 } transform_param { crop_size: 9 '
            "mean_value: 1 mean_value: 2 mean_value: 3 mean_value: 4 }", 1,
            ((6, 4, 9, 9),),
        ),
        (
            'type: "ImageData" image_data_param { batch_size: 4 new_height: 8 '
            "new_width: 7 is_color: false }", 2,
            ((4, 1, 8, 7), (4,)),
        ),
        (
            'type: "ImageData" image_data_param { batch_size: 4 new_height: 8 '
            "new_width: 7 } transform_param { crop_size: 5 }", 2,
            ((4, 3, 5, 5), (4,)),
        ),
        (
            'type: "ImageData" transform_param { crop_size: 5 }', 2,
            ((1, 3, 5, 5), (1,)),
        ),
        (
            'type: "MemoryData" memory_data_param { batch_size: 2 channels: 3 '
            "height: 5 width: 7 } transform_param { crop_size: 4 }", 2,
            ((2, 3, 5, 7), (2,)),
        ),
        (
            'type: "DummyData" dummy_data_param { shape { dim: 2 dim: 3 } '
            "shape { dim: 2 } }", 2,
            ((2, 3), (2,)),
        ),
        (
            'type: "DummyData" dummy_data_param { num: 2 num: 5 channels: 3 height: 4 '
            "width: 6 }", 2,
            ((2, 3, 4, 6), (5, 3, 4, 6)),
        ),
        (  # rescaled before they are cropped, so that the crop fits
            'type: "ImageData" image_data_param { new_height: 8 new_width: 7 } '
            "transform_param { short_side: 12 crop_size: 9 }", 2,
            ((1, 3, 9, 9), (1,)),
        ),
    ],
)  # fmt: skip
def test_shapes_that_the_file_tells(text, tops, shapes):
    assert infer(text, (), tops) == shapes


@pytest.mark.parametrize(
    ("text", "tops", "message", "field"),
    [
        (
            'type: "Data" data_param { source: "train_lmdb" batch_size: 6 }', 2,
            "the records of 'train_lmdb' decide the size of its tops.\n"
            "  Make the source available, or set transform_param.crop_size.",
            "data_param.source",
        ),
        (
            'type: "Data" data_param { source: "train_lmdb" }', 2,
            "batch_size is 0.\n  Give a number above 0.",
            "data_param.batch_size",
        ),
        (
            'type: "HDF5Data" hdf5_data_param { source: "a.txt" batch_size: 2 }', 1,
            "the files listed in 'a.txt' decide the shapes of its tops.\n"
            "  Make them available.",
            "hdf5_data_param.source",
        ),
        (
            'type: "ImageData" image_data_param { new_height: 8 }', 2,
            "new_height is 8 and new_width is 0.\n  Give both, or neither.",
            "image_data_param.new_height",
        ),
        (
            'type: "ImageData" image_data_param { new_height: 8 new_width: 7 } '
            "transform_param { crop_size: 9 }", 2,
            "crop_size 9 does not fit records of 3x8x7.\n"
            "  Choose at most 7, or store larger images.",
            "transform_param.crop_size",
        ),
        (
            'type: "MemoryData" memory_data_param { batch_size: 2 channels: 3 '
            "height: 5 }", 2,
            "width is 0.\n  Give a number above 0.",
            "memory_data_param.width",
        ),
        (
            'type: "Input"', 1,
            "input_param.shape is given 0 times for 1 tops.\n"
            "  Give it once, or once for each top.",
            "input_param.shape",
        ),
        (
            'type: "Input" input_param { shape { dim: 2 dim: -1 } }', 1,
            "dim is -1.\n  Give a number above 0.",
            "input_param.shape.dim",
        ),
        (
            'type: "DummyData" dummy_data_param { shape { dim: 2 } shape { dim: 2 } }',
            3,
            "dummy_data_param.shape is given 2 times for 3 tops.\n"
            "  Give it once, or once for each top.",
            "dummy_data_param.shape",
        ),
        (
            'type: "DummyData" dummy_data_param { shape { dim: 2 } num: 3 }', 1,
            "its tops' extent is given by shape and by num, channels, height and width."
            "\n  Keep shape.",
            "dummy_data_param.shape",
        ),
        (
            'type: "DummyData" dummy_data_param { shape { dim: 2 } data_filler { } '
            'data_filler { type: "gauss" } }', 2,
            "unknown filler 'gauss'.\n  Did you mean 'gaussian'?",
            "dummy_data_param.data_filler.1.type",
        ),
        (
            'type: "DummyData" dummy_data_param { num: 2 channels: 3 height: 4 }', 1,
            "dummy_data_param.width is given 0 times for 1 tops.\n"
            "  Give it once, or once for each top.",
            "dummy_data_param.width",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(text, tops, message, field):
    with pytest.raises(SpecError) as caught:
        infer(text, (), tops)
    assert str(caught.value) == message
    assert caught.value.field == field


def test_dummy_data_fills_its_tops_by_key_and_iteration():
    filler = 'data_filler { type: "gaussian" }'
    param = f"shape {{ dim: 3 dim: 5 }} {filler} {filler}"
    text = f'type: "DummyData" dummy_data_param {{ {param} }}'
    runs = [Trial(text, [], tops=2, key=Key(1, "d", i)).forward() for i in (0, 0, 1)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0][0] != runs[2][0]).all()
    assert (runs[0][0] != runs[0][1]).all()
    assert make_layer(text, 0, 2).couples_batch(())


def test_dummy_data_without_a_filler_is_0():
    trial = Trial('type: "DummyData" dummy_data_param { shape { dim: 3 } }', [])
    np.testing.assert_array_equal(trial.forward()[0], [0, 0, 0])
    assert not trial.layer.couples_batch(())


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("DummyData"))
def test_golden(case, device):
    check_layer_case(case, device)
