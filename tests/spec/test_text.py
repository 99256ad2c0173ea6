"""The text reader: protobuf's own messages, and errors that say where and what."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

from netspec.errors import SpecError, SpecWarning
from netspec.proto import Datum, FillerParameter, NetParameter, SolverParameter
from netspec.spec.text import parse_text


def parse(
    text: str, kind: type[Message] = NetParameter, lenient: bool = False
) -> Message:
    message = kind()
    parse_text(text, message, "my.prototxt", lenient)
    return message


def error(text: str, kind: type[Message] = NetParameter, lenient: bool = False) -> str:
    with pytest.raises(SpecError) as caught:
        parse(text, kind, lenient)
    return str(caught.value)


# Every form of the grammar, and what it means in its plainest form.
FORMS = {
    "comments": ('# one\nname: "a" # two\n#three', 'name: "a"'),
    "separators": ('name: "a", force_backward: t;', 'name: "a" force_backward: true'),
    "colon before a brace": ("state: { level: 3 }", "state { level: 3 }"),
    "angle brackets": ("state < level: 3 >", "state { level: 3 }"),
    "list of numbers": ("input_dim: [1, 2]", "input_dim: 1 input_dim: 2"),
    "list of one": ("input_dim: [7]", "input_dim: 7"),
    "empty list": ('input_dim: [] name: "a"', 'name: "a"'),
    "list goes on": ("input_dim: [1] input_dim: 2", "input_dim: 1 input_dim: 2"),
    "list of messages": (
        "input_shape: [{ dim: 2 }, < dim: [3, 4] >]",
        "input_shape { dim: 2 } input_shape { dim: 3 dim: 4 }",
    ),
    "strings join": ('name: "a" \'b\'\n "c"', 'name: "abc"'),
    "single quotes": ("name: 'say \"a\"'", r'name: "say \"a\""'),
    "escapes": (r'name: "\x41\102\t\\\?\u00e9\U0001F600"', 'name: "AB\\t\\\\?é😀"'),
    "bytes of a letter": (r'name: "\xc3\xa9"', 'name: "é"'),
    "hexadecimal and octal": ("input_dim: [0x1F, 017, 0]", "input_dim: [31, 15, 0]"),
    "space after minus": ("state { level: - 4 }", "state { level: -4 }"),
    "enum by number": ("state { phase: 0 }", "state { phase: TRAIN }"),
    "booleans": (
        "force_backward: 1 debug_info: False",
        "force_backward: true debug_info: false",
    ),
    "an empty message": ("state {}", "state { }"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_grammar(form):
    written, plain = FORMS[form]
    assert parse(written) == text_format.Parse(plain, NetParameter())


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("3", 3.0),
        ("-0.5", -0.5),
        (".25", 0.25),
        ("2.", 2.0),
        ("1e-3", 1e-3),
        ("1.5F", 1.5),
        ("2f", 2.0),
        ("-inf", -math.inf),
        ("Infinity", math.inf),
        ("1e50", math.inf),
    ],
)
def test_floats(written, value):
    message = parse(f"value: {written}", FillerParameter)
    assert message.value == pytest.approx(value)
    assert math.isnan(parse("std: -nan", FillerParameter).std)


def test_negative_zero_stays_negative():
    assert math.copysign(1, parse("value: -0", FillerParameter).value) == -1


def test_limits_of_whole_numbers():
    solver = parse(
        "max_iter: 2147483647 random_seed: -9223372036854775808 shards: 4294967295",
        SolverParameter,
    )
    assert (solver.max_iter, solver.random_seed) == (2**31 - 1, -(2**63))
    assert solver.shards == 2**32 - 1


def test_any_bytes_in_a_bytes_field():
    assert parse(r'data: "\000\xff\377z"', Datum).data == b"\0\xff\xffz"


LAYER = 'layer { name: "conv3" type: "Convolution"\n'
ERRORS = {
    # Fields that do not exist
    LAYER + "  typo: 3 }": "my.prototxt:2:3: layer 'conv3' (Convolution): a layer has "
    "no field 'typo'.\n  Did you mean 'type'?",
    LAYER + "  convolution_param { kernal_size: 3 } }": "my.prototxt:2:23: layer "
    "'conv3' (Convolution): convolution_param has no field 'kernal_size'.\n"
    "  Did you mean 'kernel_size'?",
    LAYER + "  pooling_param { num_output: 3 } }": "my.prototxt:2:19: layer 'conv3' "
    "(Convolution): pooling_param has no field 'num_output'.\n  Known are: engine, "
    "global_pooling, kernel_h, kernel_size, kernel_w, pad, pad_h, pad_w, pool, "
    "round_mode, stride, stride_h, stride_w.",
    LAYER + "  kernel_size: 3 }": "my.prototxt:2:3: layer 'conv3' (Convolution): a "
    "layer has no field 'kernel_size'.\n  It is a field of convolution_param, "
    "pooling_param.",
    LAYER + "  convolution_param { bottom: 'x' } }": "my.prototxt:2:23: layer 'conv3' "
    "(Convolution): convolution_param has no field 'bottom'.\n  It is a field of the "
    "layer itself.",
    LAYER + "  xyzzy: 3 }": "my.prototxt:2:3: layer 'conv3' (Convolution): a layer has "
    "no field 'xyzzy'.\n  protos/netspec.proto lists the fields there are.",
    'layer { video_data_param { } type: "VideoData" name: "n" }': "my.prototxt:1:9: "
    "layer 'n' (VideoData): a layer has no field 'video_data_param'.\n  It comes from "
    "the SSD fork (weiliu89/caffe); netspec does not know it. Remove it, or leave out "
    "all such fields by --lenient.",
    "layers { dense_image_data_param { } }": "my.prototxt:1:10: an old layer "
    "('layers') has no field 'dense_image_data_param'.\n  It comes from SegNet's fork "
    "(alexgkendall/caffe-segnet); netspec does not know it. Remove it, or leave out "
    "all such fields by --lenient.",
    "base_lr: 0.1": "my.prototxt:1:1: this looks like a solver: 'base_lr' is a field "
    "of solvers, not of nets.\n  Give the net's own file here, or pass this one as "
    "--solver.",
    "[a.b] { }": "my.prototxt:1:1: found '[' where a field name must stand.",
    # Values of the wrong kind
    LAYER + "  top: conv3 }": "my.prototxt:2:8: layer 'conv3' (Convolution): top takes "
    'a text in quotes, not conv3.\n  Put it in quotes: "conv3".',
    LAYER + "  convolution_param { num_output: -1 } }": "my.prototxt:2:35: layer "
    "'conv3' (Convolution): num_output takes a whole number from 0 to 4294967295, not "
    "-1.",
    LAYER + "  convolution_param { pad: 1.5 } }": "my.prototxt:2:28: layer 'conv3' "
    "(Convolution): pad takes a whole number from 0 to 4294967295, not 1.5.",
    LAYER + "  convolution_param { axis: 2147483648 } }": "my.prototxt:2:29: layer "
    "'conv3' (Convolution): axis takes a whole number from -2147483648 to 2147483647, "
    "not 2147483648.",
    LAYER + "  convolution_param { bias_term: yes } }": "my.prototxt:2:34: layer "
    "'conv3' (Convolution): bias_term takes true or false, not yes.",
    LAYER + "  loss_weight: 0x10 }": "my.prototxt:2:16: layer 'conv3' (Convolution): "
    "loss_weight takes a decimal number, inf or nan, not 0x10.",
    LAYER + "  loss_weight: 'a' }": "my.prototxt:2:16: layer 'conv3' (Convolution): "
    "loss_weight takes a decimal number, inf or nan, not 'a'.",
    "layer { pooling_param { pool: MAXIMUM } }": "my.prototxt:1:31: pool takes one of "
    "MAX, AVE, STOCHASTIC, not MAXIMUM.\n  Did you mean 'MAX'?",
    "layer { pooling_param { pool: 3 } }": "my.prototxt:1:31: pool takes one of MAX, "
    "AVE, STOCHASTIC, not 3.",
    "layers { type: CONVOLUTE }": "my.prototxt:1:16: type takes a name of LayerType, "
    "not CONVOLUTE.\n  Did you mean 'CONVOLUTION'?",
    "layer { type: CONVOLUTION }": "my.prototxt:1:15: type takes a text in quotes, not "
    "CONVOLUTION.\n  That is the old spelling: write 'layers' for 'layer', or today's "
    "type.",
    'layers { type: "Convolution" }': "my.prototxt:1:16: type takes a name of "
    "LayerType, not \"Convolution\".\n  A type in quotes belongs to 'layer': write "
    'layer { type: "Convolution" }.',
    # Grammar
    LAYER + '  name: "b" }': "my.prototxt:2:3: layer 'conv3' (Convolution): name is "
    "given a second time; the first is on line 1.\n  It holds one value: remove one of "
    "the two, or close the message with '}' before this line.",
    LAYER + "\nlayer { }": "my.prototxt:3:1: layer 'conv3' (Convolution): 'layer' "
    "stands inside a layer.\n  The '{' on line 1 is not closed before it: add the "
    "missing '}'.",
    LAYER + "  pooling_param {": "my.prototxt:2:17: layer 'conv3' (Convolution): the "
    "'{' that opens here is never closed.\n  Add the missing '}'.",
    "layer { } }": "my.prototxt:1:11: '}' closes nothing.\n  Remove it.",
    "layer < }": "my.prototxt:1:9: found '}' where a field name or '>' must stand.",
    'name "a"': "my.prototxt:1:6: found '\"a\"' where ':' after name must stand.",
    "name:": "my.prototxt:1:6: the file ends where a value for name must follow.",
    "layer: 3": "my.prototxt:1:8: found '3' where '{' after layer must stand.",
    "input_dim: [1, 2": "my.prototxt:1:17: the file ends where ',' or ']' must follow.",
    "input_dim: [1,]": "my.prototxt:1:15: found ']' where a value for input_dim must "
    "stand.",
    "name: 'a\n'": "my.prototxt:1:7: the text that starts here has no closing ' on its "
    "line.\n  Close it with '; a long text may be written as several quoted parts, one "
    "after another.",
    "input_dim: 3x3": "my.prototxt:1:12: '3x3' is not a number.\n  Write it like 3, "
    "-0.5 or 1e-4.",
    "name = 'a'": "my.prototxt:1:6: unexpected character '='.\n  Text goes in double "
    "quotes; a comment starts with #.",
    r'name: "C:\data"': "my.prototxt:1:7: \\d is no escape of the text format.\n"
    "  Write a backslash as \\\\.",
    'name: "\udcb0"': "my.prototxt:1:7: the byte 0xb0 is not UTF-8.\n  Save the file "
    "as UTF-8.",
    # Required fields
    'layer { }\nlayer { name: "c" clip_param { min: -1 } }': "my.prototxt:2:19: "
    "clip_param lacks max.\n  Add max: it has no default.",
}


@pytest.mark.smoke
@pytest.mark.parametrize("text", ERRORS)
def test_errors_say_where_and_what(text):
    assert error(text) == ERRORS[text]


def test_a_net_given_as_a_solver():
    assert error('name: "LeNet"', SolverParameter) == (
        "my.prototxt:1:1: this looks like a net: 'name' is a field of nets, not of "
        "solvers.\n  Give the solver's own file here; it names this one in its field "
        "'net'."
    )


def test_misspelt_solver_field():
    assert "Did you mean 'stepsize'?" in error("step_size: 3", SolverParameter)


def test_a_fork_is_named_for_its_solver_fields():
    assert "NVIDIA's fork" in error("larc_turbo: true", SolverParameter)


SKIPPED = [
    "foo: 3",
    "foo: -1.5e3",
    "foo: 'a' 'b'",
    "foo: NAME;",
    "foo { }",
    "foo: { x: [1, 2] }",
    "foo < a { b: '}' } >,",
    "foo: [1, {a: 2}]",
    "foo: []",
    "# foo {\nfoo: true",
]


@pytest.mark.parametrize("field", SKIPPED)
def test_a_lenient_reader_steps_over_unknown_fields(field):
    text = LAYER + f"  convolution_param {{ pad: 1 {field} stride: 2 }} }} name: 'n'"
    with pytest.warns(SpecWarning) as caught:
        found = parse(text, lenient=True)
    assert found == parse(text.replace(field, ""))
    assert "convolution_param has no field 'foo'.\n  It is left out." in str(
        caught[0].message
    )


def test_a_lenient_reader_says_where_and_what():
    text = 'layer { name: "d" type: "Data"\n  transform_param { noise_param { } } }'
    with pytest.warns(SpecWarning) as caught:
        parse(text, lenient=True)
    assert [str(each.message) for each in caught] == [
        "my.prototxt:2:21: layer 'd' (Data): transform_param has no field "
        "'noise_param'.\n  It is left out. It comes from the SSD fork "
        "(weiliu89/caffe)."
    ]


@pytest.mark.parametrize(
    "text",
    [
        "base_lr: 0.1",
        "layer { layer { } }",
        "foo",
        "foo:",
        "foo: }",
        "foo: ,",
        "foo { ] }",
        "foo { ",
        "layer { name: 'a' name: 'b' }",
    ],
)
def test_a_lenient_reader_refuses_what_is_no_unknown_field(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpecWarning)
        assert error(text, lenient=True)


def depth(descriptor, above=()):
    assert descriptor not in above, "the schema nests without end, so texts may too"
    inside = [f.message_type for f in descriptor.fields if f.message_type is not None]
    return 1 + max((depth(d, (*above, descriptor)) for d in inside), default=0)


def test_the_schema_bounds_the_nesting():
    assert depth(SolverParameter.DESCRIPTOR) < 10


def test_other_encodings_are_fine_in_comments():
    assert parse('# \udcb0\udcc8\nname: "a"').name == "a"


def kind_of(path: Path) -> type[Message]:
    return SolverParameter if "solver" in path.name else NetParameter


def test_equal_to_protobuf_on_all_shared_files(shared_data):
    files = sorted(shared_data.rglob("*.prototxt"))
    assert len(files) > 500
    unlike = []
    for path in files:
        text = path.read_text(encoding="utf-8")
        try:
            wanted = text_format.Parse(text, kind_of(path)())
        except text_format.ParseError:
            error(text, kind_of(path))
            continue
        if parse(text, kind_of(path)) != wanted:
            unlike.append(path.name)
    assert unlike == []


def test_a_large_net_reads_fast():
    import time

    text = "".join(
        f'layer {{ name: "c{i}" type: "Convolution" bottom: "c{i - 1}" top: "c{i}"\n'
        "  convolution_param { num_output: 64 kernel_size: 3 pad: 1 stride: 2\n"
        '    weight_filler { type: "xavier" } }\n}\n'
        for i in range(1500)
    )
    start = time.process_time()
    parse(text)
    # About 0.07 s where nothing else runs; a quadratic reader takes tens of seconds.
    assert time.process_time() - start < 2
