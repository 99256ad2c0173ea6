"""ResNet-50 of He et al. (arXiv 1512.03385, table 1), with the published names."""

from __future__ import annotations

from .prototxt import (
    ORIGIN,
    accuracy,
    block,
    comment,
    data_layers,
    for_deployment,
    heading,
    inline,
    input_layer,
    join,
    layer,
    noted,
)

MEAN = ("103.939", "116.779", "123.68")
DATABASE = "data/ilsvrc12_{}_lmdb"
COLOUR = noted("force_color: true", "a few files are grey")
TRAIN_IMAGES = (
    COLOUR,
    noted("short_side_min: 256", "scaled, the shorter side to a number"),
    noted("short_side_max: 480", "of pixels drawn from this range"),
    noted("color_shift_std: 0.1", "colours shifted as Krizhevsky et al. did"),
)
TEST_IMAGES = (
    COLOUR,
    noted("short_side: 256", "scaled, the shorter side to 256 pixels"),
)
# Number of the stage, bottleneck channels, units; the first unit of every stage but
# the second halves the size.
STAGES = ((2, 64, 3), (3, 128, 4), (4, 256, 6), (5, 512, 3))
EXPANSION = 4
FILLER = 'weight_filler { type: "msra" }'


def files() -> dict[str, str]:
    """File names and texts."""
    return {
        "resnet50_train_val.prototxt": train_val(),
        "resnet50_deploy.prototxt": deploy(),
        "resnet50_solver.prototxt": SOLVER.format(origin=ORIGIN),
    }


def train_val() -> str:
    """The net for training and validation."""
    return join(
        _header("Training and validation"),
        'name: "resnet50"',
        heading("Colour images of any size: see the card"),
        *data_layers(
            DATABASE, 224, MEAN, (256, 50), TRAIN_IMAGES, TEST_IMAGES, shuffle=True
        ),
        *_body(),
        heading("The objective, and what is measured on the validation set"),
        layer("loss", "SoftmaxWithLoss", ("fc1000", "label"), "loss"),
        accuracy("accuracy", "fc1000"),
        accuracy("accuracy_top5", "fc1000", top_k=5),
    )


def deploy() -> str:
    """The net for classification: images in, class probabilities out."""
    return join(
        _header("Classification"),
        comment("Input: images in blue, green, red order, 0 to 255, less their mean."),
        'name: "resnet50"',
        "",
        input_layer(1, 3, 224, 224),
        *for_deployment(_body()),
        layer("prob", "Softmax", "fc1000", "prob"),
    )


def _header(purpose: str) -> str:
    return comment(
        f'{purpose} with ResNet-50: He et al., "Deep Residual Learning for',
        'Image Recognition" (arXiv 1512.03385), table 1, with the names of the',
        "published ResNet-50-model.caffemodel, whose weights it loads. The card is",
        "resnet50.md.",
        ORIGIN.removeprefix("# "),
    )


def _body() -> list[str]:
    parts, bottom = _stem(), "pool1"
    for stage, channels, units in STAGES:
        for index in range(units):
            unit = f"{stage}{'abcdef'[index]}"
            parts += _unit(unit, bottom, channels, index == 0)
            bottom = f"res{unit}"
    return parts + _classifier(bottom)


def _stem() -> list[str]:
    window = inline("pooling_param", "pool: MAX", "kernel_size: 3", "stride: 2")
    return [
        heading("The stem: 224 x 224 to 56 x 56"),
        # The published conv1 has a bias, though the normalisation removes its effect.
        *_convolution("conv1", "conv1", "data", 64, 7, 2, bias=True),
        layer("conv1_relu", "ReLU", "conv1", "conv1"),
        layer("pool1", "Pooling", "conv1", "pool1", window),
    ]


def _unit(unit: str, bottom: str, channels: int, first: bool) -> list[str]:
    """A bottleneck: 1x1, 3x3, 1x1, added to its input or to a projection of it."""
    stride = 2 if first and not unit.startswith("2") else 1
    wide, top = channels * EXPANSION, f"res{unit}"
    parts, shortcut = [heading(f"res{unit}")], bottom
    if first:
        shortcut = f"{top}_branch1"
        parts += _branch(unit, "1", bottom, wide, 1, stride)
    parts += _branch(unit, "2a", bottom, channels, 1, stride)
    parts += [_relu(f"{top}_branch2a")]
    parts += _branch(unit, "2b", f"{top}_branch2a", channels, 3, 1)
    parts += [_relu(f"{top}_branch2b")]
    parts += _branch(unit, "2c", f"{top}_branch2b", wide, 1, 1)
    parts += [layer(top, "Eltwise", (shortcut, f"{top}_branch2c"), top)]
    return [*parts, _relu(top)]


def _branch(
    unit: str,
    branch: str,
    bottom: str,
    channels: int,
    kernel: int,
    stride: int,
) -> list[str]:
    name, statistics = f"res{unit}_branch{branch}", f"{unit}_branch{branch}"
    return _convolution(name, statistics, bottom, channels, kernel, stride)


def _convolution(
    name: str,
    statistics: str,
    bottom: str,
    channels: int,
    kernel: int,
    stride: int,
    bias: bool = False,
) -> list[str]:
    """A convolution, its normalisation, and the scale and shift after that."""
    separator = "_" if name == statistics else ""
    geometry = [f"num_output: {channels}", f"kernel_size: {kernel}"]
    if kernel > 1:
        geometry.append(f"pad: {kernel // 2}")
    if stride > 1:
        geometry.append(f"stride: {stride}")
    if not bias:
        geometry.append("bias_term: false")
    convolution = block("convolution_param", *geometry, FILLER)
    shift = inline("scale_param", "bias_term: true")
    return [
        layer(name, "Convolution", bottom, name, convolution),
        layer(f"bn{separator}{statistics}", "BatchNorm", name, name),
        layer(f"scale{separator}{statistics}", "Scale", name, name, shift),
    ]


def _relu(blob: str) -> str:
    return layer(f"{blob}_relu", "ReLU", blob, blob)


def _classifier(bottom: str) -> list[str]:
    window = inline("pooling_param", "pool: AVE", "kernel_size: 7", "stride: 1")
    product = block("inner_product_param", "num_output: 1000", FILLER)
    return [
        heading("The classifier"),
        layer("pool5", "Pooling", bottom, "pool5", window),
        layer("fc1000", "InnerProduct", "pool5", "fc1000", product),
    ]


SOLVER = """\
# Trains ResNet-50 as section 3.4 of the paper does; the card is resnet50.md.
{origin}
net: "models/resnet50_train_val.prototxt"

# The update: batches of 256 (the net's batch_size), momentum, L2 penalty.
base_lr: 0.1          # the rate training starts with
momentum: 0.9         # share of the last update that is carried on
weight_decay: 0.0001  # multiplier of the L2 penalty
shards: 8             # BatchNorm sees 32 images at a time, as on the paper's 8 GPUs

# The rate falls when the validation accuracy stops improving.
lr_policy: "plateau"
gamma: 0.1                   # each drop divides the rate by 10
plateau_metric: "accuracy"   # top-1, averaged over the validation set
plateau_patience: 5          # tests without a better value: 5 epochs
plateau_drops: 3             # drops; at the next stall training stops
max_iter: 600000             # the paper's limit

# Validation: 1,000 batches of 50 are the 50,000 images once.
test_iter: 1000
test_interval: 5000          # about an epoch of 1.28 million images
test_initialization: false   # chance level is known beforehand

# Log and snapshots.
display: 20                          # iterations between log lines
average_loss: 20                     # the loss shown is the mean of this many
snapshot: 5000                       # iterations between snapshots
snapshot_prefix: "snapshots/resnet50"
snapshot_keep: 3                     # the newest
snapshot_best: "accuracy"            # and the one that validated best
random_seed: 1                       # the same run every time
"""
