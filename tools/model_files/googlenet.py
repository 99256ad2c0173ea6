"""GoogLeNet as Caffe published it (Szegedy et al., arXiv 1409.4842, table 1)."""

from __future__ import annotations

from dataclasses import dataclass

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
)

MEAN = ("104", "117", "123")
LEARNING = (
    "param { lr_mult: 1 decay_mult: 1 }",
    "param { lr_mult: 2 decay_mult: 0 }",
)
WEIGHTS = 'weight_filler { type: "xavier" }'


@dataclass(frozen=True)
class Inception:
    """One row of table 1: the channels of the four branches."""

    name: str
    one: int  # 1x1
    reduce3: int  # 1x1 before the 3x3
    three: int  # 3x3
    reduce5: int  # 1x1 before the 5x5
    five: int  # 5x5
    pool: int  # 1x1 after the pooling


STAGES = (
    (
        Inception("inception_3a", 64, 96, 128, 16, 32, 32),
        Inception("inception_3b", 128, 128, 192, 32, 96, 64),
    ),
    (
        Inception("inception_4a", 192, 96, 208, 16, 48, 64),
        Inception("inception_4b", 160, 112, 224, 24, 64, 64),
        Inception("inception_4c", 128, 128, 256, 24, 64, 64),
        Inception("inception_4d", 112, 144, 288, 32, 64, 64),
        Inception("inception_4e", 256, 160, 320, 32, 128, 128),
    ),
    (
        Inception("inception_5a", 256, 160, 320, 32, 128, 128),
        Inception("inception_5b", 384, 192, 384, 48, 128, 128),
    ),
)
# The auxiliary classifiers of training and the modules that feed them.
AUXILIARY = {"inception_4a": "loss1", "inception_4d": "loss2"}


def files() -> dict[str, str]:
    """File names and texts."""
    return {
        "googlenet_train_val.prototxt": train_val(),
        "googlenet_deploy.prototxt": deploy(),
        "googlenet_solver.prototxt": SOLVER.format(origin=ORIGIN),
    }


def train_val() -> str:
    """The net for training, with its two auxiliary classifiers, and validation."""
    return join(
        _header("Training and validation"),
        'name: "googlenet"',
        heading("Images of 256 x 256 pixels, made by `netspec data create`"),
        *data_layers("data/ilsvrc12_256x256_{}_lmdb", 224, MEAN, (32, 50)),
        *_body(auxiliary=True),
        *_loss("loss3", "loss3/loss3", "1"),
    )


def deploy() -> str:
    """The net for classification: images in, class probabilities out."""
    return join(
        _header("Classification"),
        comment("Input: images in blue, green, red order, 0 to 255, less the mean"),
        comment(f"{', '.join(MEAN)}."),
        'name: "googlenet"',
        "",
        input_layer(10, 3, 224, 224),
        *for_deployment(_body(auxiliary=False)),
        layer("prob", "Softmax", "loss3/classifier", "prob"),
    )


def _header(purpose: str) -> str:
    return comment(
        f'{purpose} with GoogLeNet: Szegedy et al., "Going Deeper with',
        'Convolutions" (arXiv 1409.4842), with the names and constants of',
        "Caffe's bvlc_googlenet, whose weights it loads. The card is googlenet.md.",
        ORIGIN.removeprefix("# "),
    )


def _body(auxiliary: bool) -> list[str]:
    parts, bottom = _stem(), "pool2/3x3_s2"
    for number, modules in enumerate(STAGES, start=3):
        for module in modules:
            parts += _inception(module, bottom)
            bottom = f"{module.name}/output"
            if auxiliary and module.name in AUXILIARY:
                parts += _auxiliary(AUXILIARY[module.name], bottom)
        if number < 5:
            parts += [_pooling(f"pool{number}/3x3_s2", bottom)]
            bottom = f"pool{number}/3x3_s2"
    return parts + _classifier(bottom)


def _stem() -> list[str]:
    return [
        heading("The stem: 224 x 224 to 28 x 28"),
        *_convolution("conv1/", "7x7_s2", "data", 64, 7, stride=2, relu="7x7"),
        _pooling("pool1/3x3_s2", "conv1/7x7_s2"),
        _normalisation("pool1/norm1", "pool1/3x3_s2"),
        *_convolution("conv2/", "3x3_reduce", "pool1/norm1", 64, 1),
        *_convolution("conv2/", "3x3", "conv2/3x3_reduce", 192, 3),
        _normalisation("conv2/norm2", "conv2/3x3"),
        _pooling("pool2/3x3_s2", "conv2/norm2"),
    ]


def _inception(module: Inception, bottom: str) -> list[str]:
    prefix = f"{module.name}/"
    pool = f"{prefix}pool"
    window = ("pool: MAX", "kernel_size: 3", "stride: 1", "pad: 1")
    branches = tuple(prefix + name for name in ("1x1", "3x3", "5x5", "pool_proj"))
    return [
        heading(f"{module.name}: four branches, joined along the channels"),
        *_convolution(prefix, "1x1", bottom, module.one, 1),
        *_convolution(prefix, "3x3_reduce", bottom, module.reduce3, 1),
        *_convolution(prefix, "3x3", f"{prefix}3x3_reduce", module.three, 3),
        *_convolution(prefix, "5x5_reduce", bottom, module.reduce5, 1),
        *_convolution(prefix, "5x5", f"{prefix}5x5_reduce", module.five, 5),
        layer(pool, "Pooling", bottom, pool, inline("pooling_param", *window)),
        *_convolution(prefix, "pool_proj", pool, module.pool, 1),
        layer(f"{prefix}output", "Concat", branches, f"{prefix}output"),
    ]


def _convolution(
    prefix: str,
    name: str,
    bottom: str,
    channels: int,
    kernel: int,
    stride: int = 1,
    relu: str = "",
) -> list[str]:
    """A convolution that keeps the size (but for its stride), and its ReLU."""
    top = prefix + name
    geometry = [f"num_output: {channels}", f"kernel_size: {kernel}"]
    if kernel > 1:
        geometry.append(f"pad: {kernel // 2}")
    if stride > 1:
        geometry.append(f"stride: {stride}")
    convolution = block("convolution_param", *geometry, WEIGHTS, _bias("0.2"))
    return [
        layer(top, "Convolution", bottom, top, *LEARNING, convolution),
        layer(f"{prefix}relu_{relu or name}", "ReLU", top, top),
    ]


def _bias(value: str) -> str:
    return inline("bias_filler", 'type: "constant"', f"value: {value}")


def _pooling(name: str, bottom: str) -> str:
    window = inline("pooling_param", "pool: MAX", "kernel_size: 3", "stride: 2")
    return layer(name, "Pooling", bottom, name, window)


def _normalisation(name: str, bottom: str) -> str:
    constants = ("local_size: 5", "alpha: 0.0001", "beta: 0.75")
    return layer(name, "LRN", bottom, name, inline("lrn_param", *constants))


def _product(name: str, bottom: str, outputs: int, bias: str) -> str:
    fields = [f"num_output: {outputs}", WEIGHTS, _bias(bias)]
    product = block("inner_product_param", *fields)
    return layer(name, "InnerProduct", bottom, name, *LEARNING, product)


def _dropout(name: str, blob: str, ratio: str) -> str:
    field = inline("dropout_param", f"dropout_ratio: {ratio}")
    return layer(name, "Dropout", blob, blob, field)


def _auxiliary(name: str, bottom: str) -> list[str]:
    """A classifier on the way, whose gradient helps the early modules to learn."""
    window = inline("pooling_param", "pool: AVE", "kernel_size: 5", "stride: 3")
    pool, full = f"{name}/ave_pool", f"{name}/fc"
    return [
        heading(f"Auxiliary classifier {name}: training only, weight 0.3"),
        layer(pool, "Pooling", bottom, pool, window),
        *_convolution(f"{name}/", "conv", pool, 128, 1),
        _product(full, f"{name}/conv", 1024, "0.2"),
        layer(f"{name}/relu_fc", "ReLU", full, full),
        _dropout(f"{name}/drop_fc", full, "0.7"),
        _product(f"{name}/classifier", full, 1000, "0"),
        *_loss(name, f"{name}/loss", "0.3"),
    ]


def _classifier(bottom: str) -> list[str]:
    pool = "pool5/7x7_s1"
    window = inline("pooling_param", "pool: AVE", "kernel_size: 7", "stride: 1")
    return [
        heading("The classifier"),
        layer(pool, "Pooling", bottom, pool, window),
        _dropout("pool5/drop_7x7_s1", pool, "0.4"),
        _product("loss3/classifier", pool, 1000, "0"),
    ]


def _loss(name: str, layer_name: str, weight: str) -> list[str]:
    scores = f"{name}/classifier"
    top, share = f"{name}/{name}", f"loss_weight: {weight}"
    return [
        layer(layer_name, "SoftmaxWithLoss", (scores, "label"), top, share),
        accuracy(f"{name}/top-1", scores),
        accuracy(f"{name}/top-5", scores, top_k=5),
    ]


SOLVER = """\
# Trains GoogLeNet in 60 epochs, with the constants of Caffe's quick solver, which
# trained the published bvlc_googlenet weights; the card is googlenet.md.
{origin}
net: "models/googlenet_train_val.prototxt"

# The update: batches of 32 (the net's batch_size), momentum, L2 penalty.
base_lr: 0.01         # the rate training starts with
momentum: 0.9         # share of the last update that is carried on
weight_decay: 0.0002  # multiplier of the L2 penalty

# The rate falls to 0 with the square root of the iterations that are left.
lr_policy: "poly"
power: 0.5
max_iter: 2400000

# Validation: 1,000 batches of 50 are the 50,000 images once.
test_iter: 1000
test_interval: 4000
test_initialization: false  # chance level is known beforehand

# Log and snapshots.
display: 40                         # iterations between log lines
average_loss: 40                    # the loss shown is the mean of this many
snapshot: 40000                     # iterations between snapshots
snapshot_prefix: "snapshots/googlenet"
"""
