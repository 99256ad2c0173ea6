from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.data.datum import glance, parse_datum, pixels
from netspec.errors import DataError
from netspec.proto import Datum

int32 = st.integers(-(2**31), 2**31 - 1)


@given(int32, int32, int32, st.binary(max_size=300), st.booleans())
def test_a_glance_sees_all_but_the_pixels(channels, height, label, data, encoded):
    full = Datum(
        channels=channels,
        height=height,
        width=3,
        label=label,
        data=data,
        encoded=encoded,
    )
    seen = glance(memoryview(full.SerializeToString()))
    assert seen.data == data[:16]
    seen.data = data
    assert seen == full


@given(st.binary(max_size=60))
def test_a_glance_refuses_what_is_no_datum(wire):
    try:
        parse_datum(memoryview(wire))
    except DataError:
        with pytest.raises(DataError, match="is not a Datum"):
            glance(memoryview(wire))
    else:
        glance(memoryview(wire))


def test_floats_are_read_where_there_are_no_bytes():
    made = Datum(channels=1, height=2, width=2, float_data=[0.5, -1, 3e9, 0])
    found = pixels(parse_datum(memoryview(made.SerializeToString())))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.float32([[[0.5, -1], [3e9, 0]]]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channels": 3, "height": 2, "width": 2, "data": b"12345"}, "5 values"),
        ({"channels": 3, "height": 2, "width": 2}, "0 values"),
        ({"data": b"1234"}, "4 values for the shape 0x0x0"),
        ({"channels": -1, "height": -4, "width": 1, "data": b"1234"}, "-1x-4x1"),
        (
            {"channels": 2**30, "height": 2**30, "width": 2**30, "data": b"1"},
            "1 values",
        ),
    ],
)
def test_wrong_sizes(fields, message):
    with pytest.raises(DataError, match=message):
        pixels(Datum(**fields))
