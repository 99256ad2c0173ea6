from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, check_gradients, check_layer, infer, make_layer


@pytest.mark.parametrize(
    ("param", "shapes", "axis"),
    [
        ("", [(2, 3, 5), (2, 1, 5), (2, 4, 5)], 1),
        ("axis: 0", [(2, 3, 5), (1, 3, 5)], 0),
        ("axis: -1", [(2, 3, 5), (2, 3, 1)], 2),
        ("concat_dim: 2", [(2, 3, 5), (2, 3, 2)], 2),
        ("", [(2, 3)], 1),
    ],
)
def test_concat(param, shapes, axis):
    trial = Trial(f'type: "Concat" concat_param {{ {param} }}', shapes)
    check_layer(trial)
    expected = np.concatenate(trial.start, axis)
    np.testing.assert_array_equal(trial.forward()[0], expected)
    assert trial.layer.couples_batch(trial.shapes) is (axis == 0)


@pytest.mark.parametrize(
    ("param", "tops", "cuts", "axis"),
    [
        ("", 3, [2, 4], 1),
        ("slice_point: 1 slice_point: 4", 3, [1, 4], 1),
        ("axis: -1 slice_point: 3", 2, [3], 2),
        ("axis: 0", 2, [2], 0),
        ("slice_dim: 2 slice_point: 1", 2, [1], 2),
        ("", 1, [], 1),
    ],
)
def test_slice(param, tops, cuts, axis):
    text = f'type: "Slice" slice_param {{ {param} }}'
    trial = Trial(text, [(4, 6, 5)], tops=tops)
    check_layer(trial)
    for found, expected in zip(trial.forward(), np.split(trial.start[0], cuts, axis)):
        np.testing.assert_array_equal(found, expected)
    assert trial.layer.couples_batch(trial.shapes) is (axis == 0)


def test_a_slice_without_a_gradient_counts_as_0():
    trial = Trial('type: "Slice"', [(2, 4, 3)], tops=2)
    trial.forward()
    trial.run.top_diff[0] = None
    trial.run.top_diff[1][...] = 5
    trial.layer.backward(trial.ops, trial.run)
    diff = trial.bottom_diff[0]
    np.testing.assert_array_equal(diff[:, :2], np.zeros((2, 2, 3)))
    np.testing.assert_array_equal(diff[:, 2:], np.full((2, 2, 3), 5))


@pytest.mark.parametrize("tops", [1, 2, 3])
def test_split(tops):
    trial = Trial('type: "Split"', [(2, 3, 5)], tops=tops)
    check_layer(trial)
    diffs = [trial.rng.standard_normal((2, 3, 5)) for _ in range(tops)]
    np.testing.assert_array_equal(trial.backward(diffs)[0], sum(diffs[1:], diffs[0]))


@pytest.mark.parametrize(("given", "total"), [((0, 1), 3.0), ((1,), 2.0), ((), 0.0)])
def test_split_adds_the_diffs_there_are(given, total):
    trial = Trial('type: "Split"', [(2, 3)], tops=2)
    trial.forward()
    trial.run.top_diff = [np.full((2, 3), t + 1.0) if t in given else None
                          for t in (0, 1)]  # fmt: skip
    trial.layer.backward(trial.ops, trial.run)
    np.testing.assert_array_equal(trial.bottom_diff[0], np.full((2, 3), total))


@pytest.mark.parametrize(
    ("param", "shape", "expected", "couples"),
    [
        ("", (2, 3, 4, 5), (2, 60), False),
        ("axis: 2", (2, 3, 4, 5), (2, 3, 20), False),
        ("axis: 1 end_axis: -2", (2, 3, 4, 5), (2, 12, 5), False),
        ("axis: 0 end_axis: 1", (2, 3, 4, 5), (6, 4, 5), True),
        ("axis: 0 end_axis: 0", (2, 3), (2, 3), False),
        ("axis: -1", (2, 3), (2, 3), False),
    ],
)
def test_flatten(param, shape, expected, couples):
    text = f'type: "Flatten" flatten_param {{ {param} }}'
    assert infer(text, (shape,)) == (expected,)
    assert make_layer(text).couples_batch((shape,)) is couples
    check_gradients(Trial(text, [shape]))


@pytest.mark.parametrize(
    ("param", "expected", "couples"),
    [
        ("shape { dim: 0 dim: -1 dim: 6 }", (4, 10, 6), False),
        ("shape { dim: 12 dim: 20 }", (12, 20), True),
        ("shape { dim: 4 dim: 60 }", (4, 60), True),  # the batch size is written
        ("shape { dim: -1 dim: 60 }", (4, 60), False),
        ("shape { dim: -1 dim: 30 }", (8, 30), True),
        ("shape { dim: 6 dim: -1 } axis: -3", (4, 6, 10), False),
        ("shape { dim: 3 dim: 2 } axis: 1 num_axes: 1", (4, 3, 2, 10), False),
        ("shape { dim: 1 } axis: -1 num_axes: 0", (4, 6, 10, 1), False),
        ("shape { dim: 1 } axis: 0 num_axes: 0", (1, 4, 6, 10), True),
        ("axis: 1 num_axes: 0", (4, 6, 10), False),
    ],
)
def test_reshape(param, expected, couples):
    text = f'type: "Reshape" reshape_param {{ {param} }}'
    assert infer(text, ((4, 6, 10),)) == (expected,)
    assert make_layer(text).couples_batch(((4, 6, 10),)) is couples
    check_gradients(Trial(text, [(4, 6, 10)]))


def test_silence():
    trial = Trial('type: "Silence"', [(2, 3), (4,)], tops=0)
    assert trial.forward() == []
    for diff in trial.backward():
        assert not diff.any()


@pytest.mark.parametrize(
    ("text", "shapes", "tops", "message", "field"),
    [
        (
            'type: "Concat"', ((2, 6, 9), (2, 6, 10)), 1,
            "bottom 1 has shape 2x6x10, bottom 0 has 2x6x9; they may differ on axis 1 "
            "only.\n  Make their other axes equal, or join along another axis.",
            "bottom.1",
        ),
        (
            'type: "Concat"', ((2, 6, 9), (2, 6)), 1,
            "bottom 1 has shape 2x6, bottom 0 has 2x6x9; they may differ on axis 1 "
            "only.\n  Make their other axes equal, or join along another axis.",
            "bottom.1",
        ),
        (
            'type: "Concat" concat_param { axis: 1 concat_dim: 1 }', ((2, 6),), 1,
            "both axis 1 and concat_dim 1 are given.\n"
            "  Keep axis; concat_dim is its old name.",
            "concat_param.concat_dim",
        ),
        (
            'type: "Concat" concat_param { concat_dim: 3 }', ((2, 6),), 1,
            "concat_param.concat_dim 3 is out of range for a blob of 2 axes.\n"
            "  Choose from -2 to 1.",
            "concat_param.concat_dim",
        ),
        (
            'type: "Slice" slice_param { slice_point: 4 slice_point: 2 }', ((2, 6),), 3,
            "slice points 4, 2 do not cut an axis of 6 into 3 parts.\n"
            "  They must rise, from 1 to 5 at most.",
            "slice_param.slice_point",
        ),
        (
            'type: "Slice" slice_param { slice_point: 6 }', ((2, 6),), 2,
            "slice points 6 do not cut an axis of 6 into 2 parts.\n"
            "  They must rise, from 1 to 5 at most.",
            "slice_param.slice_point",
        ),
        (
            'type: "Slice" slice_param { slice_point: 2 }', ((2, 6),), 3,
            "has 1 slice points for 3 tops.\n  Give 2, or none for equal parts.",
            "slice_param.slice_point",
        ),
        (
            'type: "Slice"', ((2, 6),), 4,
            "an axis of 6 cannot be cut into 4 equal parts.\n"
            "  Give slice_point, or another number of tops.",
            "top",
        ),
        (
            'type: "Slice" slice_param { axis: 1 slice_dim: 1 }', ((2, 6),), 2,
            "both axis 1 and slice_dim 1 are given.\n"
            "  Keep axis; slice_dim is its old name.",
            "slice_param.slice_dim",
        ),
        (
            'type: "Flatten" flatten_param { axis: 2 end_axis: 1 }', ((2, 3, 4),), 1,
            "end_axis 1 is before axis 2.\n"
            "  The flattened axes run from axis to end_axis.",
            "flatten_param.end_axis",
        ),
        (
            'type: "Reshape" reshape_param { shape { dim: 5 dim: -1 } }', ((2, 6),), 1,
            "a bottom of 2x6 (12 elements) does not fit 5 x -1 in place of 2x6.\n"
            "  The number of elements must stay the same; one dim may be -1.",
            "reshape_param.shape.dim",
        ),
        (
            'type: "Reshape" reshape_param { shape { dim: 2 dim: 5 } axis: 1 }',
            ((2, 6),), 1,
            "a bottom of 2x6 (12 elements) does not fit 2 x 5 in place of 6.\n"
            "  The number of elements must stay the same; one dim may be -1.",
            "reshape_param.shape.dim",
        ),
        (
            'type: "Reshape" reshape_param { shape { dim: 2 } }', ((2, 6),), 1,
            "a bottom of 2x6 (12 elements) does not fit 2 in place of 2x6.\n"
            "  The number of elements must stay the same; one dim may be -1.",
            "reshape_param.shape.dim",
        ),
        (
            'type: "Reshape" reshape_param { shape { dim: -1 dim: -1 } }', ((2, 6),), 1,
            "2 dims are -1.\n  One of them can be what is left.",
            "reshape_param.shape.dim",
        ),
        (
            'type: "Reshape" reshape_param { shape { dim: -2 } }', ((2, 6),), 1,
            "dim -2 is no extent.\n"
            "  Give a number above 0, 0 to keep the bottom's, or -1 for the rest.",
            "reshape_param.shape.dim",
        ),
        (
            'type: "Reshape" reshape_param { shape { dim: 0 dim: 0 dim: 0 } }',
            ((2, 6),), 1,
            "a dim of 0 keeps axis 2, and the bottom (2x6) has 2 axes.\n"
            "  Give that axis a number.",
            "reshape_param.shape.dim",
        ),
        (
            'type: "Reshape" reshape_param { axis: 3 }', ((2, 6),), 1,
            "axis 3 is out of range for a blob of 2 axes.\n  Choose from -3 to 2.",
            "reshape_param.axis",
        ),
        (
            'type: "Reshape" reshape_param { axis: 1 num_axes: 2 }', ((2, 6),), 1,
            "num_axes 2 from axis 1 does not fit a blob of 2 axes.\n"
            "  Choose from 0 to 1, or -1 for all.",
            "reshape_param.num_axes",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(text, shapes, tops, message, field):
    with pytest.raises(SpecError) as caught:
        infer(text, shapes, tops)
    assert str(caught.value) == message
    assert caught.value.field == field


TYPES = ("Concat", "Slice", "Split", "Flatten", "Reshape", "Silence")


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases(*TYPES))
def test_golden(case, device):
    check_layer_case(case, device)
