"""The canonical text: its form, and that reading it gives the message back."""

from __future__ import annotations

import math
import struct

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.proto import BlobProto, Datum, NetParameter, SolverParameter
from netspec.spec import parse_net, to_text
from netspec.spec.text import parse_text
from netspec.spec.write import float32_text

NET = """\
name: "n"
layer {
  name: "data"
  type: "Input"
  top: "data"
  input_param {
    shape { dim: 1 dim: 3 dim: 224 dim: 225 }
  }
}
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  param { lr_mult: 1 decay_mult: 0.0005 }
  param { lr_mult: 2 }
  include { phase: TRAIN }
  convolution_param {
    num_output: 64
    bias_term: false
    pad: 1
    kernel_size: 3
    weight_filler { type: "gaussian" std: 0.01 }
  }
}
"""


@pytest.mark.smoke
def test_the_form():
    assert to_text(parse_net(NET).message) == NET
    assert to_text(NetParameter()) == ""


def test_an_empty_message_inside():
    net = NetParameter()
    net.state.SetInParent()
    assert to_text(net) == "state {}\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1.0, "1"),
        (1e-8, "1e-08"),
        (0.0005, "0.0005"),
        (1 / 3, "0.33333334"),
        (16777216.0, "16777216"),
        (-2.5e20, "-2.5e+20"),
        (3.4028234663852886e38, "3.4028235e+38"),
        (1.401298464324817e-45, "1.4013e-45"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
        (-0.0, "-0"),
    ],
)
def test_floats_are_short(value, text):
    assert float32_text(struct.unpack("<f", struct.pack("<f", value))[0]) == text


def test_text_is_escaped():
    datum = Datum(data=b'\0"\\\n\xff~')
    assert to_text(datum) == 'data: "\\000\\"\\\\\\n\\377~"\n'
    assert to_text(NetParameter(name='é"\x7f')) == 'name: "é\\"\\177"\n'


SCALARS = {
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_FLOAT: st.floats(width=32, allow_nan=False),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_STRING: st.text(st.characters(codec="utf-8"), max_size=9),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=9),
}


def draw_value(draw, field, depth):
    if field.enum_type is not None:
        return draw(st.sampled_from([v.number for v in field.enum_type.values]))
    if field.message_type is not None:
        return draw_fields(draw, field.message_type, depth + 1)
    return draw(SCALARS[field.type])


def draw_fields(draw, descriptor, depth):
    known = [f for f in descriptor.fields if f.message_type is None or depth < 3]
    few = st.lists(st.sampled_from(known), max_size=5, unique_by=id)
    chosen = draw(few) if known else []
    if descriptor.name == "ClipParameter":  # the only message with required fields
        chosen = known
    made = {}
    for field in chosen:
        if field.has_presence:
            made[field.name] = draw_value(draw, field, depth)
        else:
            many = range(draw(st.integers(0, 3)))
            made[field.name] = [draw_value(draw, field, depth) for _ in many]
    return made


@st.composite
def messages(draw):
    kind = draw(st.sampled_from([NetParameter, SolverParameter, BlobProto, Datum]))
    return kind(**draw_fields(draw, kind.DESCRIPTOR, 0))


@settings(deadline=None, max_examples=300)
@given(messages())
def test_text_to_message_to_text_is_a_fixed_point(message):
    text = to_text(message)
    again = type(message)()
    parse_text(text, again, "again")
    assert again == message
    assert to_text(again) == text
    assert not any(line != line.rstrip() for line in text.split("\n"))
    assert text_format.Parse(text, type(message)()) == message


def test_every_shared_file_comes_back(shared_data):
    for path in sorted((shared_data / "prototxt" / "bvlc_all").glob("*.prototxt")):
        kind = SolverParameter if "solver" in path.name else NetParameter
        message, again = kind(), kind()
        parse_text(path.read_text(), message, path.name)
        parse_text(to_text(message), again, path.name)
        assert again == message, path.name
