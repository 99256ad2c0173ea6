"""The very deep ConvNets of Simonyan and Zisserman (arXiv 1409.1556, table 1)."""

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
    noted,
)

PAPER = [
    'Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale',
    'Image Recognition" (arXiv 1409.1556)',
]
CHANNELS = (64, 128, 256, 512, 512)
FULLY_CONNECTED = (("fc6", 4096), ("fc7", 4096), ("fc8", 1000))
MEAN = ("103.939", "116.779", "123.68")
IMAGE_SIDE = 224
DATABASE = "data/ilsvrc12_{}_lmdb"
TRAIN_IMAGES = (
    noted("short_side: 256", "S: scaled, the shorter side to 256 pixels"),
    noted("color_shift_std: 0.1", "colours shifted as Krizhevsky et al. did"),
)
TEST_IMAGES = (noted("short_side: 256", "Q: scaled, the shorter side to 256 pixels"),)

# Krizhevsky's practice, which the paper says it follows: biases learn twice as fast
# as weights and do not decay.
LEARNING = (
    "param { lr_mult: 1 decay_mult: 1 }",
    "param { lr_mult: 2 decay_mult: 0 }",
)
# The paper's normal distribution trains network A but nothing deeper; there it names
# Glorot and Bengio's initialisation. models/vgg11.md has the measurements.
NORMAL = 'weight_filler { type: "gaussian" std: 0.01 }'
GLOROT = 'weight_filler { type: "xavier" variance_norm: AVERAGE }'
FIRST_WEIGHTS = {
    NORMAL: "normal, standard deviation 0.01, as the paper's network A",
    GLOROT: "Glorot and Bengio's, which need no pre-training",
}


@dataclass(frozen=True)
class Network:
    """One column of table 1: the kernel size of each convolution of each block."""

    name: str
    letter: str
    blocks: tuple[tuple[int, ...], ...]
    filler: str = GLOROT
    normalised: bool = False

    @property
    def weight_layers(self) -> int:
        return sum(map(len, self.blocks)) + len(FULLY_CONNECTED)

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        total, inputs = 0, 3
        for kernels, channels in zip(self.blocks, CHANNELS, strict=True):
            for kernel in kernels:
                total += channels * (inputs * kernel * kernel + 1)
                inputs = channels
        inputs *= (IMAGE_SIDE // 2 ** len(self.blocks)) ** 2
        for _, outputs in FULLY_CONNECTED:
            total += outputs * (inputs + 1)
            inputs = outputs
        return total


NETWORKS = (
    Network("vgg11", "A", ((3,),) * 2 + ((3, 3),) * 3, NORMAL),
    Network("vgg11_lrn", "A-LRN", ((3,),) * 2 + ((3, 3),) * 3, NORMAL, True),
    Network("vgg13", "B", ((3, 3),) * 5),
    Network("vgg16_1x1", "C", ((3, 3),) * 2 + ((3, 3, 1),) * 3),
    Network("vgg16", "D", ((3, 3),) * 2 + ((3, 3, 3),) * 3),
    Network("vgg19", "E", ((3, 3),) * 2 + ((3, 3, 3, 3),) * 3),
)


def files(network: Network) -> dict[str, str]:
    """File names and texts of one network."""
    return {
        f"{network.name}_train_val.prototxt": train_val(network),
        f"{network.name}_deploy.prototxt": deploy(network),
        f"{network.name}_solver.prototxt": solver(network),
    }


def train_val(network: Network) -> str:
    """The net for training and validation."""
    return join(
        _header(network, "Training and validation"),
        comment(f"First weights: {FIRST_WEIGHTS[network.filler]}; biases 0."),
        f'name: "{network.name}"',
        heading("Colour images of any size: see the card"),
        *data_layers(DATABASE, IMAGE_SIDE, MEAN, (256, 50), TRAIN_IMAGES, TEST_IMAGES),
        *_layers(network),
        heading("The objective, and what is measured on the validation set"),
        layer("loss", "SoftmaxWithLoss", ("fc8", "label"), "loss"),
        accuracy("accuracy", "fc8"),
        accuracy("accuracy_top5", "fc8", top_k=5),
    )


def deploy(network: Network) -> str:
    """The net for classification: images in, class probabilities out."""
    return join(
        _header(network, "Classification"),
        comment("Input: images in blue, green, red order, 0 to 255, less the mean"),
        comment(f"{', '.join(MEAN)}."),
        f'name: "{network.name}"',
        "",
        input_layer(10, 3, IMAGE_SIDE, IMAGE_SIDE),
        *for_deployment(_layers(network)),
        layer("prob", "Softmax", "fc8", "prob"),
    )


def solver(network: Network) -> str:
    """The solver of section 3.1 of the paper."""
    return SOLVER.format(name=network.name, letter=network.letter, origin=ORIGIN)


def _header(network: Network, purpose: str) -> str:
    return comment(
        f"{purpose} with network {network.letter} of",
        *PAPER[:-1],
        f"{PAPER[-1]}, table 1: {network.weight_layers} weight layers,",
        f"{network.parameters:,} parameters. The card is {network.name}.md.",
        ORIGIN.removeprefix("# "),
    )


def _layers(network: Network) -> list[str]:
    parts, bottom, side = [], "data", IMAGE_SIDE
    blocks = zip(network.blocks, CHANNELS, strict=True)
    for number, (kernels, channels) in enumerate(blocks, start=1):
        parts.append(heading(f"Block {number}: {channels} channels, {side} x {side}"))
        for index, kernel in enumerate(kernels, start=1):
            name = f"conv{number}_{index}"
            parts.append(_convolution(network, name, bottom, channels, kernel))
            parts.append(layer(f"relu{number}_{index}", "ReLU", name, name))
            bottom = name
        if network.normalised and number == 1:
            parts.append(_normalisation(bottom))
            bottom = "norm1"
        parts.append(_pooling(f"pool{number}", bottom))
        bottom, side = f"pool{number}", side // 2
    return [*parts, *_classifier(network, bottom)]


def _convolution(
    network: Network, name: str, bottom: str, channels: int, kernel: int
) -> str:
    geometry = [f"num_output: {channels}", f"kernel_size: {kernel}"]
    if kernel > 1:
        geometry.append(f"pad: {kernel // 2}")
    convolution = block("convolution_param", *geometry, network.filler)
    return layer(name, "Convolution", bottom, name, *LEARNING, convolution)


def _normalisation(bottom: str) -> str:
    # Caffe divides alpha by local_size; the paper's formula does not: 5 * 1e-4.
    constants = ("local_size: 5", "alpha: 0.0005", "beta: 0.75", "k: 2")
    return layer("norm1", "LRN", bottom, "norm1", inline("lrn_param", *constants))


def _pooling(name: str, bottom: str) -> str:
    window = inline("pooling_param", "pool: MAX", "kernel_size: 2", "stride: 2")
    return layer(name, "Pooling", bottom, name, window)


def _classifier(network: Network, bottom: str) -> list[str]:
    parts = [heading("The classifier")]
    for name, outputs in FULLY_CONNECTED:
        fields = (f"num_output: {outputs}", network.filler)
        product = block("inner_product_param", *fields)
        parts.append(layer(name, "InnerProduct", bottom, name, *LEARNING, product))
        if name != "fc8":
            parts += _hidden(name)
        bottom = name
    return parts


def _hidden(name: str) -> list[str]:
    number = name.removeprefix("fc")
    ratio = inline("dropout_param", "dropout_ratio: 0.5")
    return [
        layer(f"relu{number}", "ReLU", name, name),
        layer(f"drop{number}", "Dropout", name, name, ratio),
    ]


SOLVER = """\
# Trains network {letter} as section 3.1 of the paper does; the card is {name}.md.
{origin}
net: "models/{name}_train_val.prototxt"

# The update: batches of 256 (the net's batch_size), momentum, L2 penalty.
base_lr: 0.01         # the rate training starts with
momentum: 0.9         # share of the last update that is carried on
weight_decay: 0.0005  # multiplier of the L2 penalty

# The rate falls when the validation accuracy stops improving.
lr_policy: "plateau"
gamma: 0.1                   # each drop divides the rate by 10
plateau_metric: "accuracy"   # top-1, averaged over the validation set
plateau_patience: 5          # tests without a better value: 5 epochs
plateau_drops: 3             # drops; at the next stall training stops
max_iter: 370000             # the paper's 74 epochs: stop here at the latest

# Validation: 1,000 batches of 50 are the 50,000 images once.
test_iter: 1000
test_interval: 5000          # about an epoch of 1.28 million images
test_initialization: false   # chance level is known beforehand

# Log and snapshots.
display: 20                         # iterations between log lines
average_loss: 20                    # the loss shown is the mean of this many
snapshot: 5000                      # iterations between snapshots
snapshot_prefix: "snapshots/{name}"
snapshot_keep: 3                    # keep the newest: each has over 1 GB
snapshot_best: "accuracy"           # and the one that validated best
random_seed: 1                      # the same run every time
"""
