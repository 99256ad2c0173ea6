"""The schema: Caffe's numbers and defaults, a meaning for each field, no clashes."""

from __future__ import annotations

import ast
import importlib.util
import pickle
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import netspec.proto as proto
from netspec.proto import netspec_pb2

ROOT = Path(__file__).resolve().parents[2]

# (message, field, number, default) of Caffe's schema, a few from every corner.
CAFFE_FIELDS = [
    ("NetParameter", "layer", 100, None),
    ("NetParameter", "layers", 2, None),
    ("NetParameter", "input_shape", 8, None),
    ("NetState", "phase", 1, 1),
    ("SolverParameter", "random_seed", 20, -1),
    ("SolverParameter", "layer_wise_reduce", 41, True),
    ("SolverParameter", "weights", 42, None),
    ("SolverParameter", "rms_decay", 38, 0.99),
    ("SolverParameter", "clip_gradients", 35, -1.0),
    ("SolverState", "current_step", 4, 0),
    ("LayerParameter", "loss_weight", 5, None),
    ("LayerParameter", "clip_param", 148, None),
    ("LayerParameter", "batch_norm_param", 139, None),
    ("V1LayerParameter", "blob_share_mode", 1002, None),
    ("V0LayerParameter", "hdf5_output_param", 1001, None),
    ("BlobProto", "double_diff", 9, None),
    ("BlobProto", "raw_data", 12, b""),
    ("Datum", "float_data", 6, None),
    ("FillerParameter", "sparse", 7, -1),
    ("ConvolutionParameter", "dilation", 18, None),
    ("ConvolutionParameter", "stride", 6, None),
    ("PoolingParameter", "round_mode", 13, 0),
    ("LossParameter", "normalization", 3, 1),
    ("LRNParameter", "beta", 3, 0.75),
    ("SliceParameter", "slice_dim", 1, 1),
    ("DataParameter", "backend", 8, 0),
    ("WindowDataParameter", "crop_mode", 11, "warp"),
    ("HingeLossParameter", "norm", 1, 1),
    ("PReLUParameter", "channel_shared", 2, False),
]
# The same of its forks' schemas.
FORK_FIELDS = [
    ("LayerParameter", "permute_param", 202, None),
    ("LayerParameter", "prior_box_param", 203, None),
    ("LayerParameter", "detection_output_param", 204, None),
    ("LayerParameter", "norm_param", 206, None),
    ("LayerParameter", "psroi_pooling_param", 10001, None),
    ("LayerParameter", "roi_pooling_param", 8266711, None),
    ("LayerParameter", "smooth_l1_loss_param", 8266712, None),
    ("LayerParameter", "bn_param", 152, None),
    ("BatchNormParameter", "scale_filler", 5, None),
    ("BNParameter", "momentum", 3, 0.9),
    ("NormalizeParameter", "eps", 4, 1e-10),
    ("PriorBoxParameter", "offset", 13, 0.5),
    ("DetectionOutputParameter", "code_type", 6, 1),
    ("NonMaximumSuppressionParameter", "nms_threshold", 1, 0.3),
    ("LayerParameter", "annotated_data_param", 200, None),
    ("LayerParameter", "multibox_loss_param", 201, None),
    ("LayerParameter", "reorg_param", 149, None),
    ("LayerParameter", "yolo_detection_output_param", 601, None),
    ("Yolov3DetectionOutputParameter", "mask", 8, None),
    ("LayerParameter", "detection_evaluate_param", 205, None),
    ("TransformationParameter", "resize_param", 8, None),
    ("TransformationParameter", "emit_constraint", 10, None),
    ("TransformationParameter", "expand_param", 14, None),
    ("ResizeParameter", "interp_mode", 7, None),
    ("ResizeParameter", "height_scale", 8, 0),
    ("DistortionParameter", "random_order_prob", 11, 0.0),
    ("MultiBoxLossParameter", "code_type", 14, 1),
    ("MultiBoxLossParameter", "encode_variance_in_target", 16, False),
    ("MultiBoxLossParameter", "mining_type", 20, 1),
    ("MultiBoxLossParameter", "sample_size", 22, 64),
    ("BatchSampler", "max_trials", 5, 100),
    ("SampleConstraint", "min_object_coverage", 5, None),
    ("AnnotatedDatum", "annotation_group", 3, None),
    ("NormalizedBBox", "difficult", 6, False),
]


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("message", "field", "number", "default"), CAFFE_FIELDS + FORK_FIELDS
)
def test_fields_have_caffes_numbers_and_defaults(message, field, number, default):
    found = getattr(proto, message).DESCRIPTOR.fields_by_name[field]
    assert found.number == number
    if default is not None:
        assert found.default_value == pytest.approx(default)


def test_v1_layer_types_have_caffes_numbers():
    kinds = proto.V1LayerParameter.LayerType
    numbers = [kinds.Value(n) for n in ("CONVOLUTION", "SOFTMAX_LOSS", "DECONVOLUTION")]
    assert numbers == [4, 21, 39]
    assert len(kinds.keys()) == 40


def test_own_fields_are_numbered_from_1000():
    v1_and_v0 = {"V1LayerParameter", "V0LayerParameter"}
    own = {
        f"{name}.{field.name}"
        for name, message in messages().items()
        for field in message.DESCRIPTOR.fields
        if field.number >= 1000 and name not in v1_and_v0
    }
    assert "SolverParameter.shards" in own
    solver = proto.SolverParameter()
    assert (solver.plateau_patience, solver.plateau_drops) == (5, 3)
    assert {name.split(".")[0] for name in own} == {
        "SolverParameter",
        "SolverState",
        "DataParameter",
        "ImageDataParameter",
        "LossParameter",
        "TransformationParameter",
        "LayerParameter",
        "NetParameter",
        "BatchNormParameter",
        "BNParameter",
        "DetectionEvaluateParameter",
    }


def messages() -> dict[str, type]:
    return {
        name: getattr(proto, name)
        for name in netspec_pb2.__all__
        if hasattr(getattr(proto, name), "DESCRIPTOR")
        and hasattr(getattr(proto, name).DESCRIPTOR, "fields")
    }


def test_every_field_and_value_says_what_it_means():
    text = (ROOT / "protos" / "netspec.proto").read_text()
    declared = re.compile(r"^ *(?:(?:optional|repeated|required) \S+ )?\w+ = \d+.*;")
    lines = text[text.index("package") :].splitlines()[1:]
    silent = [
        line.strip()
        for above, line in zip(["", *lines], lines, strict=False)
        if declared.match(line) and "//" not in line
        if not above.strip().startswith("//")
    ]
    assert silent == []


def test_messages_pickle():
    net = proto.NetParameter(name="n")
    net.layer.add(name="a").convolution_param.pad.extend([1, 2])
    assert pickle.loads(pickle.dumps(net)) == net
    assert type(net.layer[0]) is proto.LayerParameter


def load_generator() -> ModuleType:
    path = ROOT / "tools" / "generate_proto.py"
    spec = importlib.util.spec_from_file_location("generate_proto", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_code_is_up_to_date():
    pytest.importorskip("grpc_tools", reason="regeneration needs grpcio-tools")
    generator = load_generator()
    descriptor_set, _ = generator.run_protoc()
    assert generator.file_descriptor(descriptor_set)[0] == netspec_pb2.SCHEMA
    assert generator.generate()[generator.TARGET] == generator.TARGET.read_text()


def test_the_stub_names_what_the_module_holds():
    # The stub's form differs between versions of protoc, its names do not.
    tree = ast.parse(Path(netspec_pb2.__file__).with_suffix(".pyi").read_text())
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    values = {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign)}
    assert classes | values - {"DESCRIPTOR"} == set(netspec_pb2.__all__)


# Another library's schema under Caffe's file and package name, and under netspec's.
STRANGER = """
from google.protobuf import descriptor_pb2, descriptor_pool
for name, package in [("caffe.proto", "caffe"), ("netspec.proto", "netspec")]:
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package)
    file.message_type.add(name="NetParameter").field.add(
        name="other", number=1, type=3, label=1
    )
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
"""
OURS = """
from netspec.proto import NetParameter
assert NetParameter(name="ours").name == "ours"
"""


@pytest.mark.parametrize("order", [(STRANGER, OURS), (OURS, STRANGER)])
def test_another_caffe_proto_may_come_before_or_after(order):
    done = subprocess.run(
        [sys.executable, "-c", "".join(order)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
