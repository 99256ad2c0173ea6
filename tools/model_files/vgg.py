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
COLOUR = noted("force_color: true", "a few files are grey")
SHIFT = noted("color_shift_std: 0.1", "colours shifted as Krizhevsky et al. did")

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
class Scale:
    """A way to rescale images, which a solver chooses in the net's file by its stage.

    *sides*: least and greatest S; *test*: Q in validation; *before*: ending of the
    name of what training goes on from.
    """

    stage: str
    title: str
    sides: tuple[int, int]
    test: int
    before: str = ""

    @property
    def training(self) -> tuple[str, ...]:
        least, most = self.sides
        if least == most:
            text = f"S: scaled, the shorter side to {least} pixels"
            return (noted(f"short_side: {least}", text),)
        return (
            noted(
                f"short_side_min: {least}", "S: scaled, the shorter side to a length"
            ),
            noted(
                f"short_side_max: {most}", "from here to there, drawn for each image"
            ),
        )

    @property
    def validation(self) -> str:
        text = f"Q: scaled, the shorter side to {self.test} pixels"
        return noted(f"short_side: {self.test}", text)


PLAIN = Scale("", "S = 256", (256, 256), 256)
SCALES = (
    Scale("s384", "S = 384", (384, 384), 384),
    Scale("jitter", "S drawn from [256; 512]", (256, 512), 384, "_s384"),
)


@dataclass(frozen=True)
class Network:
    """One column of table 1: the kernel size of each convolution of each block.

    *scales*: those that the paper trains it at after S = 256.
    """

    name: str
    letter: str
    blocks: tuple[tuple[int, ...], ...]
    filler: str = GLOROT
    normalised: bool = False
    scales: tuple[Scale, ...] = ()

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
    Network("vgg16_1x1", "C", ((3, 3),) * 2 + ((3, 3, 1),) * 3, scales=SCALES),
    Network("vgg16", "D", ((3, 3),) * 2 + ((3, 3, 3),) * 3, scales=SCALES),
    Network("vgg19", "E", ((3, 3),) * 2 + ((3, 3, 3, 3),) * 3, scales=SCALES),
)


def files(network: Network) -> dict[str, str]:
    """File names and texts of one network."""
    return {
        f"{network.name}_train_val.prototxt": train_val(network),
        f"{network.name}_deploy.prototxt": deploy(network),
        f"{network.name}_solver.prototxt": solver(network),
    } | {
        f"{network.name}_{scale.stage}_solver.prototxt": scaled_solver(network, scale)
        for scale in network.scales
    }


def train_val(network: Network) -> str:
    """The net for training and validation."""
    return join(
        _header(network, "Training and validation"),
        comment(f"First weights: {FIRST_WEIGHTS[network.filler]}; biases 0."),
        f'name: "{network.name}"',
        *_data(network),
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


def scaled_solver(network: Network, scale: Scale) -> str:
    """The solver that goes on from another scale, also of section 3.1."""
    return SCALED_SOLVER.format(
        name=network.name,
        letter=network.letter,
        origin=ORIGIN,
        stage=scale.stage,
        title=scale.title,
        before=network.name + scale.before,
    )


def _data(network: Network) -> list[str]:
    """The Data layers: one each for training and validation, for every scale."""
    others = " ".join(f'not_stage: "{scale.stage}"' for scale in network.scales)
    parts = []
    for scale in (PLAIN, *network.scales):
        rule = f'stage: "{scale.stage}"' if scale.stage else others
        where = f", in stage {scale.stage}" if scale.stage else ""
        parts.append(heading(f"Images of any size, {scale.title}{where}"))
        parts += data_layers(
            DATABASE,
            IMAGE_SIDE,
            MEAN,
            (256, 50),
            (COLOUR, *scale.training, SHIFT),
            (COLOUR, scale.validation),
            rule,
            shuffle=True,
        )
    return parts


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

SCALED_SOLVER = """\
# Trains network {letter} with {title}, as section 3.1 of the paper does,
# from the weights that another scale gave; the card is {name}.md.
{origin}
net: "models/{name}_train_val.prototxt"
train_state {{ stage: "{stage}" }}   # the net's layers for this scale,
test_state {{ stage: "{stage}" }}    # in validation too
weights: "snapshots/{before}_best.caffemodel"

# The update: batches of 256 (the net's batch_size), momentum, L2 penalty.
base_lr: 0.001        # a tenth of the rate that S = 256 starts with
momentum: 0.9         # share of the last update that is carried on
weight_decay: 0.0005  # multiplier of the L2 penalty

# The rate falls when the validation accuracy stops improving.
lr_policy: "plateau"
gamma: 0.1                   # each drop divides the rate by 10
plateau_metric: "accuracy"   # top-1, averaged over the validation set
plateau_patience: 5          # tests without a better value: 5 epochs
plateau_drops: 2             # drops, down to the last rate of S = 256
max_iter: 370000             # stop here at the latest

# Validation: 1,000 batches of 50 are the 50,000 images once; first of all, too.
test_iter: 1000
test_interval: 5000          # about an epoch of 1.28 million images

# Log and snapshots.
display: 20                         # iterations between log lines
average_loss: 20                    # the loss shown is the mean of this many
snapshot: 5000                      # iterations between snapshots
snapshot_prefix: "snapshots/{name}_{stage}"
snapshot_keep: 3                    # keep the newest: each has over 1 GB
snapshot_best: "accuracy"           # and the one that validated best
random_seed: 1                      # the same run every time
"""
